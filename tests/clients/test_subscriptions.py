"""graphql-ws and graphql-sse against two server processes and a worker process that share nothing but the database."""

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from PIL import Image as Picture

from tests.clients.conftest import Installation, Listener

TRANSPORTS = ("ws", "sse")
OF_IMAGES = (
    "subscription ($ids: [ID!]) { imageProcessing(imageIds: $ids) { id processing { status } } }"
)
OF_TEAMS = "subscription { imageProcessing { id processing { status } } }"
UPLOAD = "mutation ($file: Upload!) { uploadImage(input: {file: $file}) { image { id } } }"
TRASH = "mutation ($ids: [ID!]!) { trashImages(ids: $ids) { id } }"

Listen = Callable[..., Listener]


def upload(address: str, key: str) -> str:
    out = io.BytesIO()
    Picture.new("RGB", (64, 48), (200, 80, 40)).save(out, "PNG")
    answer = httpx.post(
        f"{address}/graphql",
        data={
            "operations": json.dumps({"query": UPLOAD, "variables": {"file": None}}),
            "map": '{"0": ["variables.file"]}',
        },
        files={"0": ("sun.png", out.getvalue(), "image/png")},
        headers={"X-API-Key": key, "X-Requested-With": "test"},
        timeout=60,
    )
    image_id: str = answer.json()["data"]["uploadImage"]["image"]["id"]
    return image_id


def ask(address: str, key: str, query: str, **variables: Any) -> dict[str, Any]:
    body = {"query": query, "variables": variables}
    answer = httpx.post(f"{address}/graphql", json=body, headers={"X-API-Key": key}, timeout=60)
    found: dict[str, Any] = answer.json()
    return found


def statuses(heard: list[dict[str, Any]]) -> list[str]:
    return [
        one["next"]["data"]["imageProcessing"]["processing"]["status"]
        for one in heard
        if "next" in one
    ]


@contextmanager
def no_vector_stored(url: str) -> Iterator[None]:
    """Who wants to store one waits, so that an image that is being processed stays so: a state that passes may never be told."""
    with asyncio.Runner() as runner:
        holding = runner.run(asyncpg.connect(url.replace("+asyncpg", "")))
        try:
            runner.run(holding.execute("begin; lock table image_vector in share mode"))
            yield
        finally:
            runner.run(holding.close())


async def test_worker_s_progress_is_seen_in_every_server(
    installation: Installation, listen: Listen
) -> None:
    def scene() -> dict[str, list[dict[str, Any]]]:
        with ExitStack() as stack:
            one, other = (stack.enter_context(installation.server()) for _ in range(2))
            image_id = upload(one, installation.key)
            listeners = {
                transport: listen(transport, other, installation.key, OF_IMAGES, ids=[image_id])
                for transport in TRANSPORTS
            }
            found = {transport: [one.line() or {}] for transport, one in listeners.items()}
            with no_vector_stored(installation.environment["PICTOR_DATABASE_URL"]):
                stack.enter_context(installation.process("worker"))
                for transport, listener in listeners.items():
                    while statuses(found[transport])[-1] != "PROCESSING":
                        line = listener.line()
                        assert line is not None, found
                        found[transport].append(line)
            for transport, listener in listeners.items():
                found[transport] += listener.until("complete")
            return found

    for heard in (await asyncio.to_thread(scene)).values():
        told = statuses(heard)
        assert (told[0], told[-1]) == ("PENDING", "READY")
        assert heard[-1] == {"complete": True}


async def test_clients_hear_of_the_end_as_their_makers_meant(
    installation: Installation, listen: Listen
) -> None:
    def scene() -> None:
        key = installation.key
        with ExitStack() as stack:
            one, other = (stack.enter_context(installation.server()) for _ in range(2))
            for transport in TRANSPORTS:
                image_id = upload(one, key)
                listener = listen(transport, other, key, OF_IMAGES, ids=[image_id])
                assert statuses([listener.line() or {}]) == ["PENDING"]
                ask(one, key, TRASH, ids=[image_id])
                assert listener.line() == {"complete": True}

                query = listen(transport, one, key, "{ viewer { apiKey { name } } }")
                first, last = query.until("complete")
                assert "errors" not in first["next"]
                assert last == {"complete": True}

                last = "error" if transport == "ws" else "complete"
                wrong = listen(transport, one, key, OF_IMAGES, ids=["nonsense"]).until(last)
                assert "NOT_FOUND" in json.dumps(wrong)
                unknown = listen(transport, one, "pic_wrong", OF_TEAMS).until(last)
                assert '"data"' not in json.dumps(unknown)

    await asyncio.to_thread(scene)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_revoked_key_ends_the_subscription(
    installation: Installation, listen: Listen, transport: str
) -> None:
    create = 'mutation { createApiKey(input: {teamId: "%s", name: "short"}) { key apiKey { id } } }'

    def scene() -> list[dict[str, Any]]:
        with installation.server() as address:
            key = installation.key
            teams = ask(address, key, "{ teams { nodes { id } } }")["data"]["teams"]["nodes"]
            made = ask(address, key, create % teams[0]["id"])["data"]["createApiKey"]
            image_id = upload(address, key)
            listener = listen(transport, address, made["key"], OF_IMAGES, ids=[image_id])
            assert statuses([listener.line() or {}]) == ["PENDING"]
            ask(
                address,
                key,
                "mutation ($id: ID!) { revokeApiKey(id: $id) { id } }",
                id=made["apiKey"]["id"],
            )
            return listener.until("error" if transport == "ws" else "complete")

    heard = await asyncio.to_thread(scene)
    assert "UNAUTHENTICATED" in json.dumps(heard)
