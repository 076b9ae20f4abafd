"""The page of GraphiQL: who gets it, what stands in it, and under which policy it and its files run."""

import html.parser
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from app.resources import Resources
from app.web.assets import Assets
from app.web.auth import Authenticator
from app.web.budget import Budget
from app.web.execution import Execution
from app.web.gate import Gate
from app.web.graphiql import STATIC, Page, examples
from app.web.graphql import Endpoint
from app.web.lasting import Lasting
from app.web.middleware import stack
from tests.web import echo

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
KEY = 'pic_</script><script>alert("x")</script>'


def app_with(resources: Resources, page: Page | None) -> Starlette:
    authenticator = Authenticator(resources.db, resources.settings)
    endpoint = Endpoint(
        resources,
        Execution(resources, echo.build(), Budget(resources.settings)),
        authenticator=authenticator,
        gate=Gate(1),
        lasting=Lasting(1),
        page=page,
    )
    return Starlette(
        routes=[Route("/graphql", endpoint), Mount("/static", Assets(directory=STATIC))],
        middleware=stack(resources.settings),
    )


def browser(
    app: Starlette, *, peer: str = "127.0.0.1", base: str = "http://localhost:8000"
) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(peer, 4711))
    return httpx.AsyncClient(transport=transport, base_url=base, headers=BROWSER)


@pytest.fixture
async def client(resources: Resources) -> AsyncIterator[httpx.AsyncClient]:
    page = Page(endpoint="/graphql", demo_key=KEY)
    async with browser(app_with(resources, page)) as client:
        yield client


class Scripts(html.parser.HTMLParser):
    """Collects a page's script elements: attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str | None], str]] = []
        self._open: dict[str, str | None] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self._open = dict(attrs)
            self.found.append((self._open, ""))

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.found[-1] = (self.found[-1][0], self.found[-1][1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._open = None


def config_of(page: str) -> dict[str, Any]:
    parser = Scripts()
    parser.feed(page)
    (text,) = [text for attrs, text in parser.found if attrs.get("id") == "pictor-config"]
    assert all(
        attrs.get("src") or attrs.get("type") == "application/json" for attrs, _ in parser.found
    )
    config: dict[str, Any] = json.loads(text)
    return config


async def test_browser_gets_the_page_with_its_settings(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["vary"] == "Accept, Authorization, X-API-Key, Cookie, Origin"
    config = config_of(response.text)
    assert config["endpoint"] == "/graphql"
    assert config["apiKey"] == KEY
    assert len(config["queries"]) >= 6
    assert all(one["query"] and one["name"] for one in config["queries"])
    assert any(one["variables"] for one in config["queries"])


async def test_policy_lets_only_our_own_scripts_run(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql")
    policy = dict(
        one.strip().split(" ", 1) for one in response.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    for what in ("script-src", "worker-src", "connect-src", "font-src"):
        assert policy[what] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"


async def test_files_of_the_page_are_there_under_the_same_policy(client: httpx.AsyncClient) -> None:
    page = await client.get("/graphql")
    paths = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(paths) >= 3
    for path in paths:
        response = await client.get(path)
        assert response.status_code == 200
        assert response.headers["x-content-type-options"] == "nosniff"
        assert (
            response.headers["content-security-policy"] == page.headers["content-security-policy"]
        )
        assert response.headers["cache-control"] == "public, max-age=0, must-revalidate"
        etag = {"If-None-Match": response.headers["etag"]}
        assert (await client.get(path, headers=etag)).status_code == 304
    hashed = next(STATIC.glob("graphiql/chunk-*.js"))
    response = await client.get(f"/static/graphiql/{hashed.name}")
    assert response.headers["cache-control"].endswith("immutable")


def test_bundle_is_small_and_has_no_file_of_an_older_build() -> None:
    files = sorted((STATIC / "graphiql").iterdir())
    texts = [path.read_text("utf-8") for path in files if path.suffix in (".js", ".css", ".html")]
    unnamed = {path.name for path in files if not any(path.name in text for text in texts)}

    assert unnamed == {"index.html", "LICENSES.txt"}
    assert sum(path.stat().st_size for path in files) < 8_000_000


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/graphiql/",
        "/static/../graphql.py",
        "/static/%2e%2e/graphql.py",
        "/static/nothing.js",
    ],
)
async def test_nothing_but_the_files_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("peer", "base"),
    [("192.0.2.1", "http://localhost:8000"), ("127.0.0.1", "http://attacker.example")],
)
async def test_demo_key_stays_on_this_machine(resources: Resources, peer: str, base: str) -> None:
    page = Page(endpoint="/graphql", demo_key=KEY)
    async with browser(app_with(resources, page), peer=peer, base=base) as client:
        assert "apiKey" not in config_of((await client.get("/graphql")).text)


async def test_demo_key_goes_to_no_page(resources: Resources) -> None:
    """Where PICTOR_CORS_ORIGINS names its origin, or all, it may read what it fetches."""
    settings = resources.settings.model_copy(update={"cors_origins": ("*",)})
    page = Page(endpoint="/graphql", demo_key=KEY)
    app = app_with(replace(resources, settings=settings), page)
    async with browser(app, peer="127.0.0.1", base="http://127.0.0.1:8000") as client:
        its = await client.get("/graphql", headers={"Origin": "https://attacker.example"})
        own = await client.get("/graphql")

    assert its.headers["access-control-allow-origin"] == "*"
    assert "apiKey" not in config_of(its.text)
    assert config_of(own.text)["apiKey"] == KEY


async def test_without_a_demo_there_is_no_key(resources: Resources) -> None:
    async with browser(app_with(resources, Page(endpoint="/graphql"))) as client:
        assert "apiKey" not in config_of((await client.get("/graphql")).text)


async def test_page_is_only_for_who_asks_for_a_page(client: httpx.AsyncClient) -> None:
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5"):
        response = await client.get("/graphql", headers={"Accept": accept})
        assert response.status_code == 400
        assert response.json()["errors"][0]["message"] == "The request has no query."
    asked = await client.get("/graphql", params={"query": "{ hello }"})
    assert asked.json()["data"] == {"hello": "hello"}
    posted = await client.post("/graphql", json={"query": "{ hello }"})
    assert posted.json()["data"] == {"hello": "hello"}


async def test_page_may_be_switched_off(resources: Resources) -> None:
    async with browser(app_with(resources, None)) as client:
        assert (await client.get("/graphql")).status_code == 400
        only_html = {"Accept": "text/html"}
        assert (await client.get("/graphql", headers=only_html)).status_code == 406


def test_examples_are_named_by_their_first_line(tmp_path: Path) -> None:
    (tmp_path / "2.graphql").write_text("# Second\n{ b }", "utf-8")
    (tmp_path / "1.graphql").write_text("# First\n{ a }", "utf-8")
    (tmp_path / "1.json").write_text('{"x": 1}', "utf-8")
    assert examples(tmp_path) == [
        {"name": "First", "query": "# First\n{ a }", "variables": '{"x": 1}'},
        {"name": "Second", "query": "# Second\n{ b }", "variables": ""},
    ]
