"""GraphQL over SSE: when it is chosen, what its bytes are, and how it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from app.resources import Resources
from app.web.negotiation import EVENT_STREAM, GRAPHQL_RESPONSE, choose
from app.web.problems import JSON
from tests.database import Database
from tests.web import echo
from tests.web.conftest import Clock, Member, app_on, served
from tests.web.test_sockets import revoke, until_closed

EVENTS = {"Accept": EVENT_STREAM}
URQL = "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
URQL_SUBSCRIPTION = "text/event-stream, multipart/mixed"


def told(text: str) -> list[Any]:
    """The events of a whole stream: data, errors' codes, and the end."""
    found: list[Any] = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines == ["event: complete", "data:"]:
            found.append("complete")
        elif lines:
            event, data = lines
            assert event == "event: next"
            body = json.loads(data.removeprefix("data: "))
            codes = [one["extensions"]["code"] for one in body.get("errors", [])]
            found.extend([body["data"]] if "data" in body else [])
            found.extend(codes)
    return found


async def post(
    client: httpx.AsyncClient, query: str, accept: str | None, member: Member | None = None
) -> httpx.Response:
    headers = {"Accept": accept} if accept else {}
    headers |= member.headers if member else {}
    return await client.post("/graphql", json={"query": query}, headers=headers)


@pytest.mark.parametrize(
    "accept", [EVENT_STREAM, URQL, URQL_SUBSCRIPTION, "*/*, text/event-stream;q=0.1"]
)
async def test_subscription_streams_where_events_are_named(
    client: httpx.AsyncClient, member: Member, accept: str
) -> None:
    response = await post(client, "subscription { ticks(count: 2) }", accept, member)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["vary"] == "Accept, Authorization, X-API-Key, Cookie, Origin"
    assert response.text.startswith(":\n\nevent: next\ndata: {")
    assert told(response.text) == [{"ticks": 0}, {"ticks": 1}, "complete"]


@pytest.mark.parametrize(
    "accept", [None, "*/*", JSON, GRAPHQL_RESPONSE, "text/event-stream;q=0, */*"]
)
async def test_subscription_is_refused_where_they_are_not(
    client: httpx.AsyncClient, member: Member, accept: str | None
) -> None:
    response = await post(client, "subscription { ticks }", accept, member)
    assert response.status_code == 406
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert EVENT_STREAM in error["message"]


@pytest.mark.parametrize(
    "accept",
    [
        URQL,
        f"{EVENT_STREAM}, {JSON}",
        f"{JSON};q=0.9, {EVENT_STREAM};q=0.9",
        f"*/*, {EVENT_STREAM}",
    ],
)
async def test_query_of_a_client_that_also_takes_events_gets_json(
    client: httpx.AsyncClient, accept: str
) -> None:
    response = await post(client, "{ hello }", accept)
    assert response.headers["content-type"].partition(";")[0] in (JSON, GRAPHQL_RESPONSE)
    assert response.json()["data"] == {"hello": "hello"}


@pytest.mark.parametrize(
    "accept", [EVENT_STREAM, URQL_SUBSCRIPTION, f"{JSON};q=0.5, {EVENT_STREAM}"]
)
async def test_query_of_a_client_that_takes_nothing_better_is_one_event(
    client: httpx.AsyncClient, member: Member, accept: str
) -> None:
    assert choose(accept) == EVENT_STREAM
    response = await post(client, "{ hello }", accept)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert told(response.text) == [{"hello": "hello"}, "complete"]
    assert told((await post(client, "mutation { bump }", accept)).text) == [{"bump": 1}, "complete"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{", ["GRAPHQL_PARSE_FAILED"]),
        ("subscription { nowhere }", ["GRAPHQL_VALIDATION_FAILED"]),
        ("subscription ($n: Int!) { ticks(count: $n) }", ["BAD_USER_INPUT"]),
        ("subscription { refused }", ["NOT_FOUND"]),
        ("subscription { breaking }", [{"breaking": 1}, "INTERNAL_SERVER_ERROR"]),
    ],
)
async def test_errors_are_told_in_the_stream(
    client: httpx.AsyncClient, member: Member, query: str, expected: list[Any]
) -> None:
    response = await post(client, query, EVENT_STREAM, member)
    assert response.status_code == 200
    assert told(response.text) == [*expected, "complete"]
    assert "secret" not in response.text


async def test_request_that_is_turned_away_has_its_status(client: httpx.AsyncClient) -> None:
    nothing = await client.post("/graphql", json={}, headers=EVENTS)
    assert (nothing.status_code, nothing.headers["content-type"]) == (
        400,
        "application/json; charset=utf-8",
    )
    large = await client.post("/graphql", json={"query": "x" * 30_000}, headers=EVENTS)
    assert large.status_code == 413
    head = await client.head("/graphql", params={"query": "subscription { ticks }"}, headers=EVENTS)
    assert (head.status_code, head.headers["allow"]) == (405, "GET, POST")


async def test_subscription_by_get(client: httpx.AsyncClient, member: Member) -> None:
    response = await client.get(
        "/graphql", params={"query": "subscription { ticks }"}, headers=EVENTS | member.headers
    )
    assert told(response.text) == [{"ticks": 0}, "complete"]


async def test_client_that_leaves_leaves_nothing(server: str, member: Member) -> None:
    async with (
        httpx.AsyncClient(base_url=server) as client,
        streaming(client, "forever", member) as lines,
    ):
        seen = [await anext(lines) for _ in range(5)]
        assert "event: next" in seen
        assert echo.OPEN["forever"] == 1
        while seen.count(":") < 3:  # the heartbeat goes on
            seen.append(await anext(lines))
    await until_closed("forever")


@asynccontextmanager
async def streaming(
    client: httpx.AsyncClient, field: str, member: Member
) -> AsyncIterator[AsyncIterator[str]]:
    """The lines of a subscription as they come."""
    body = {"query": f"subscription {{ {field} }}"}
    headers = EVENTS | member.headers
    async with client.stream("POST", "/graphql", json=body, headers=headers) as response:
        yield response.aiter_lines()


async def test_client_that_does_not_read_is_left(server: str, member: Member) -> None:
    host, port = server.removeprefix("http://").split(":")
    _reader, writer = await asyncio.open_connection(host, int(port), limit=1)
    body = json.dumps({"query": "subscription { flood }"})
    lines = ["POST /graphql HTTP/1.1", "Host: x", f"Authorization: Bearer {member.key}", f"Accept: {EVENT_STREAM}",
             "Content-Type: application/json", f"Content-Length: {len(body)}"]  # fmt: skip
    writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
    async with asyncio.timeout(10):
        while not echo.OPEN["flood"]:  # noqa: ASYNC110  it is the server that begins
            await asyncio.sleep(0.01)
    await until_closed("flood")
    writer.transport.abort()


async def test_server_that_stops_ends_the_stream_without_completing(
    resources: Resources, clock: Clock, member: Member
) -> None:
    async with (
        served(app_on(resources, clock)) as (address, stop),
        httpx.AsyncClient(base_url=address) as client,
        streaming(client, "forever", member) as lines,
    ):
        seen = [await anext(lines) for _ in range(4)]
        await stop()
        seen += [line async for line in lines]
    assert "event: next" in seen
    assert "event: complete" not in seen
    await until_closed("forever")


async def test_revoked_key_ends_the_stream(
    client: httpx.AsyncClient, db: Database, member: Member, clock: Clock
) -> None:
    asked = asyncio.create_task(post(client, "subscription { renewed }", EVENT_STREAM, member))
    await asyncio.sleep(0.1)
    await revoke(db, member)
    clock.now += 3
    assert told((await asked).text)[-2:] == ["UNAUTHENTICATED", "complete"]


async def test_so_many_streams_of_one_user(server: str, member: Member) -> None:
    async with httpx.AsyncClient(base_url=server) as client:
        async with AsyncExitStack() as stack:
            # Kept, because a stream that nobody holds is closed.
            streams = [
                await stack.enter_async_context(streaming(client, "forever", member))
                for _ in range(5)
            ]
            for lines in streams:
                await anext(lines)
            refused = await post(client, "subscription { ticks }", EVENT_STREAM, member)
        assert refused.status_code == 429
        facts = refused.json()["errors"][0]["extensions"]
        assert facts["code"] == "RATE_LIMITED"
        assert refused.headers["retry-after"] == str(facts["retryAfter"]) == "10"
    await until_closed("forever")
