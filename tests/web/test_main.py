"""The whole application: the product's own schema behind the edge, and the worker beside it."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from PIL import Image as Picture

from app import main
from app.graphql.schema import build_schema
from app.resources import Resources
from app.worker import Worker, working
from tests.web.conftest import BASE, Member


def with_settings(resources: Resources, **changes: object) -> Resources:
    return replace(resources, settings=resources.settings.model_copy(update=changes))


@pytest.fixture
async def client(resources: Resources) -> AsyncIterator[httpx.AsyncClient]:
    app = main.create_app(with_settings(resources, operation_timeout_seconds=60))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client,
    ):
        yield client


async def ask(
    client: httpx.AsyncClient, query: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    return await client.post("/graphql", json={"query": query}, headers=headers)


async def test_paths_of_the_application(client: httpx.AsyncClient) -> None:
    home = await client.get("/")
    assert (home.status_code, home.headers["location"]) == (307, "/graphql")
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).status_code == 200
    assert (await client.get("/static/graphiql/main.css")).status_code == 200
    page = await client.get("/graphql", headers={"Accept": "text/html"})
    assert "pictor-config" in page.text
    assert (await client.get("/random")).status_code == 401
    for path in ("/nowhere", "/images", "/images/x/original", "/static/x"):
        response = await client.get(path)
        assert response.status_code == 404
        assert response.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    refused = await client.post("/healthz")
    assert refused.status_code == 405
    assert refused.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_slash_behind_the_endpoint_is_sent_nowhere_else(
    client: httpx.AsyncClient, member: Member
) -> None:
    """A server behind a proxy that ends TLS knows no address of its own that starts with https."""
    asked = await client.post("/graphql/", json={"query": "{ __typename }"}, headers=member.headers)
    assert (asked.status_code, asked.json()["data"]) == (200, {"__typename": "Query"})
    read = await client.get("/graphql/?query={__typename}")
    assert read.json()["data"] == {"__typename": "Query"}
    assert "pictor-config" in (await client.get("/graphql/", headers={"Accept": "text/html"})).text
    for path in ("/healthz/", "/random/?label=a", "/uploads/x/", "/images/x/original/?token=x"):
        response = await client.get(path)
        assert response.status_code == 404
        assert "location" not in response.headers
        assert response.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_schema_is_open_where_introspection_is(
    client: httpx.AsyncClient, resources: Resources
) -> None:
    response = await client.get("/schema.graphql")
    assert response.text == build_schema().as_str()
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert "data" in (await ask(client, "{ __schema { queryType { name } } }")).json()
    app = main.create_app(with_settings(resources, introspection=False, graphiql=False))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as other:
        assert (await other.get("/schema.graphql")).status_code == 404
        assert (await other.get("/graphql", headers={"Accept": "text/html"})).status_code == 406
        for query in ("{ __schema { queryType { name } } }", '{ __type(name: "Image") { name } }'):
            refused = (await ask(other, query)).json()
            assert refused["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert (await ask(other, "{ __typename }")).json()["data"] == {"__typename": "Query"}


async def test_stranger_may_ask_for_nothing_but_the_schema(client: httpx.AsyncClient) -> None:
    assert (await ask(client, "{ __typename }")).json()["data"] == {"__typename": "Query"}
    response = await ask(client, "{ viewer { user { id } } }")
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def photo() -> bytes:
    out = io.BytesIO()
    Picture.new("RGB", (64, 48), (200, 80, 40)).save(out, "JPEG")
    return out.getvalue()


async def test_picture_goes_in_and_comes_out(client: httpx.AsyncClient, member: Member) -> None:
    query = "mutation ($file: Upload!) { uploadImage(input: {file: $file}) { image { id url } } }"
    operations = {"query": query, "variables": {"file": None}}
    response = await client.post(
        "/graphql",
        data={"operations": json.dumps(operations), "map": '{"0": ["variables.file"]}'},
        files={"0": ("sun.jpg", photo(), "image/jpeg")},
        headers=member.headers | {"GraphQL-Require-Preflight": "1"},
    )
    image = response.json()["data"]["uploadImage"]["image"]
    assert image["url"].startswith(f"{BASE}/images/{image['id']}/original?token=")
    bytes_of_it = await client.get(image["url"])
    assert bytes_of_it.content == photo()
    assert bytes_of_it.headers["content-type"] == "image/jpeg"
    drawn = await client.get("/random", headers=member.headers)
    assert (drawn.headers["x-image-id"], drawn.content) == (image["id"], photo())


class Dying(Worker):
    """Dies at its first run; at the second it has nothing to do until it is stopped."""

    runs = 0

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self._told = asyncio.Event()

    async def run(self) -> None:
        Dying.runs += 1
        if Dying.runs == 1:
            raise RuntimeError("the worker fell over")
        await self._told.wait()

    async def stop(self) -> None:
        self._told.set()


async def test_worker_that_dies_is_followed_by_another(
    resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="app.worker.supervisor"):
        async with working(lambda: Dying(resources), asyncio.Event()):
            for _ in range(1_200):
                if Dying.runs == 2:
                    break
                await asyncio.sleep(0.05)
    assert Dying.runs == 2
    assert "the worker fell over" in caplog.text


async def test_worker_runs_as_long_as_the_application(resources: Resources) -> None:
    app = main.create_app(with_settings(resources, worker=True))
    before = asyncio.all_tasks()
    async with app.router.lifespan_context(app):
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks() - before) >= 1
    # A model that was being loaded comes to its end by itself.
    if left := asyncio.all_tasks() - before:
        await asyncio.wait(left, timeout=60)
    assert asyncio.all_tasks() == before
