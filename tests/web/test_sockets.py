"""graphql-transport-ws, message by message, spoken by a client that knows nothing of GraphQL."""

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from app.cli.logs import configure
from app.db.database import counted_statements
from app.db.models import ApiKey, AuditEvent
from app.domain import Role
from app.resources import Resources
from app.services.people import api_keys, sessions
from app.web.operation_log import LOGGER
from tests import make
from tests.database import Database
from tests.web import echo
from tests.web.conftest import Clock, Member, app_on, hasty, new_member, served

PROTOCOL = Subprotocol("graphql-transport-ws")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def process_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What a process of `pictor` would write to its log."""
    root, lines = logging.getLogger(), logging.getLogger(LOGGER)
    handlers, level = root.handlers[:], root.level
    configure("info")
    root.handlers[:] = handlers
    yield caplog
    root.setLevel(level)
    lines.handlers, lines.propagate = [], True


def address(server: str) -> str:
    return server.replace("http", "ws", 1) + "/graphql"


@asynccontextmanager
async def opened(
    server: str, member: Member | None = None, **payload: Any
) -> AsyncIterator[ClientConnection]:
    """A socket that was let in, by the member's key."""
    if member is not None:
        payload = {"Authorization": f"Bearer {member.key}"}
    async with connect(address(server), subprotocols=[PROTOCOL]) as socket:
        await say(socket, type="connection_init", payload=payload)
        assert await hear(socket) == {"type": "connection_ack"}
        yield socket


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def ask(socket: ClientConnection, id: str, query: str, **rest: Any) -> None:
    await say(socket, type="subscribe", id=id, payload={"query": query, **rest})


async def hear(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 60))
    return message


async def heard(socket: ClientConnection, id: str) -> list[Any]:
    """What comes of an operation: its data, and at the end "complete" or the codes of its errors."""
    found: list[Any] = []
    while True:
        message = await hear(socket)
        assert message["id"] == id
        if message["type"] == "next":
            found.append(message["payload"].get("data"))
        elif message["type"] == "complete":
            assert message == {"id": id, "type": "complete"}
            return [*found, "complete"]
        else:
            assert message["type"] == "error"
            return [*found, *(one["extensions"]["code"] for one in message["payload"])]


async def closed(socket: ClientConnection) -> tuple[int, str]:
    async with asyncio.timeout(60):
        await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


async def until_closed(name: str) -> None:
    """Until no subscription to this field is open in the server."""
    async with asyncio.timeout(60):
        while echo.OPEN[name]:  # noqa: ASYNC110  it is the server that closes, when it finds out
            await asyncio.sleep(0.01)


async def test_operations_of_all_kinds(server: str, member: Member) -> None:
    async with opened(server, member) as socket:
        assert socket.subprotocol == PROTOCOL
        await ask(socket, "q", "{ hello viewer }")
        user = str(member.actor.user_id)
        assert await heard(socket, "q") == [{"hello": "hello", "viewer": user}, "complete"]
        await ask(socket, "m", "mutation { bump }")
        assert await heard(socket, "m") == [{"bump": 1}, "complete"]
        query = "query No { hello } subscription Ticks($n: Int!) { ticks(count: $n) }"
        await ask(socket, "s", query, operationName="Ticks", variables={"n": 3}, extensions={})
        assert await heard(socket, "s") == [{"ticks": 0}, {"ticks": 1}, {"ticks": 2}, "complete"]
        await ask(socket, "s", "subscription { ticks }")
        assert await heard(socket, "s") == [{"ticks": 0}, "complete"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{", ["GRAPHQL_PARSE_FAILED"]),
        ("{ nowhere }", ["GRAPHQL_VALIDATION_FAILED"]),
        ("{ hello } query B { hello }", ["GRAPHQL_VALIDATION_FAILED"]),
        ("query A { hello } query B { hello }", ["BAD_USER_INPUT"]),
        ("query ($n: Int!) { first(first: $n) }", ["BAD_USER_INPUT"]),
        ("subscription ($n: Int!) { ticks(count: $n) }", ["BAD_USER_INPUT"]),
        ("subscription { ticks forever }", ["GRAPHQL_VALIDATION_FAILED"]),
        ("subscription { ticks @skip(if: true) }", ["GRAPHQL_VALIDATION_FAILED"]),
        ("subscription { refused }", ["NOT_FOUND"]),
        ("subscription { breaking }", [{"breaking": 1}, "INTERNAL_SERVER_ERROR"]),
        ("{ broken }", [{"broken": None}, "complete"]),
        ("{ " + "a: hello " * 1000 + "}", ["QUERY_TOO_COMPLEX"]),
        ("{ node { " + "inner { " * 15 + "name" + " }" * 17, ["QUERY_TOO_COMPLEX"]),
    ],
)
async def test_errors_end_the_operation_and_not_the_socket(
    server: str, member: Member, query: str, expected: list[Any]
) -> None:
    async with opened(server, member) as socket:
        await ask(socket, "1", query)
        assert await heard(socket, "1") == expected
        await ask(socket, "1", "{ hello }")
        assert await heard(socket, "1") == [{"hello": "hello"}, "complete"]


@hasty
async def test_what_takes_too_long_ends_and_not_the_socket(server: str, member: Member) -> None:
    async with opened(server, member) as socket:
        await ask(socket, "1", "{ slow }")
        assert await heard(socket, "1") == [None, "complete"]
        await ask(socket, "1", "{ hello }")
        assert await heard(socket, "1") == [{"hello": "hello"}, "complete"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", 4400),
        ("null", 4400),
        ("[]", 4400),
        ("{", 4400),
        ('"subscribe"', 4400),
        ("{}", 4400),
        ('{"type": 1}', 4400),
        ('{"type": "start"}', 4400),
        ('{"type": "connection_ack"}', 4400),
        ('{"type": "ping", "payload": 7}', 4400),
        ('{"type": "pong", "payload": "text"}', 4400),
        ('{"type": "complete"}', 4400),
        ('{"type": "complete", "id": ""}', 4400),
        ('{"type": "subscribe"}', 4400),
        ('{"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}}', 4400),
        ('{"type": "subscribe", "id": "%s", "payload": {"query": "{ hello }"}}' % ("x" * 257), 4400),
        ('{"type": "subscribe", "id": "1"}', 4400),
        ('{"type": "subscribe", "id": "1", "payload": null}', 4400),
        ('{"type": "subscribe", "id": "1", "payload": "{ hello }"}', 4400),
        ('{"type": "subscribe", "id": "1", "payload": [{"query": "{ hello }"}]}', 4400),
        ('{"type": "subscribe", "id": "1", "payload": {}}', 4400),
        ('{"type": "subscribe", "id": "1", "payload": {"query": 1}}', 4400),
        ('{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": []}}', 4400),
        ('{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "operationName": 5}}', 4400),
        ('{"type": "subscribe", "id": "\\ud800", "payload": {"query": "{ hello }"}}', 4400),
        ('{"type": "subscribe", "id": "1", "x": "\\u0000", "payload": {"query": "{ hello }"}}', 4400),
        ('{"type": "ping", "payload": {"a": "\\ud800"}}', 4400),
        ('{"type": "ping", "payload": {"a": "\\u0000"}}', 4400),
        ('{"type": "ping", "payload": {"a": NaN}}', 4400),
        ('{"type": "ping", "payload": %s}' % ('{"a":' * 80 + "1" + "}" * 80), 4400),
        ("[" * 9000, 4400),
        (b'{"type": "ping"}', 4400),
        (b"\x00\xff", 4400),
        ('{"type": "ping", "payload": {"a": "%s"}}' % ("x" * 20_000), 1009),
        ('{"type": "connection_init"}', 4429),
    ],
)  # fmt: skip
async def test_malformed_message_closes_the_socket(
    server: str, member: Member, frame: str | bytes, code: int
) -> None:
    async with opened(server, member) as socket:
        await socket.send(frame)
        assert (await closed(socket))[0] == code


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (r'{"query": "{ hello }", "variables": {"t": "cut off \ud83d"}}', "t"),
        (r'{"query": "{ hello }", "variables": {"t": ["\u0000"]}}', "t.0"),
        (r'{"query": "{ hello }", "variables": {"n": 1e999}}', "n"),
        (r'{"query": "{ hello } # \ud83d"}', "query"),
    ],
)
async def test_a_value_that_nothing_can_hold_ends_its_operation_alone(
    server: str, member: Member, payload: str, field: str
) -> None:
    """JavaScript cuts a text in the middle of an emoji: what else the page listens to goes on."""
    async with opened(server, member) as socket:
        await ask(socket, "1", "subscription { forever }")
        assert (await hear(socket))["id"] == "1"
        await socket.send('{"type": "subscribe", "id": "2", "payload": ' + payload + "}")
        message = await hear(socket)
        while message["id"] == "1":
            message = await hear(socket)
        assert (message["type"], message["id"]) == ("error", "2")
        (error,) = message["payload"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["field"] == field
        await say(socket, type="complete", id="1")
        await ask(socket, "2", "{ hello }")
        assert await heard(socket, "2") == [{"hello": "hello"}, "complete"]


async def test_broken_utf8_closes_the_socket_and_fills_no_log(
    server: str, member: Member, process_log: pytest.LogCaptureFixture
) -> None:
    async with opened(server, member) as socket:
        await socket.send(b"\xff\xfe", text=True)
        assert (await closed(socket))[0] == 1007
    assert {one.levelname for one in process_log.records} == {"INFO"}


async def test_pings_are_answered_with_what_they_bring(server: str, member: Member) -> None:
    async with connect(address(server), subprotocols=[PROTOCOL]) as socket:
        await say(socket, type="ping")
        assert await hear(socket) == {"type": "pong"}
        await say(socket, type="pong")
        await say(socket, type="ping", payload={"at": 1})
        assert await hear(socket) == {"type": "pong", "payload": {"at": 1}}


@pytest.mark.parametrize("offered", [None, ["graphql-ws"], ["soap", "graphql-ws"]])
async def test_other_protocols_are_not_spoken(server: str, offered: list[Subprotocol]) -> None:
    async with connect(address(server), subprotocols=offered) as socket:
        assert await closed(socket) == (4406, "Subprotocol not acceptable")


async def test_nothing_is_run_before_the_socket_is_let_in(server: str) -> None:
    async with connect(address(server), subprotocols=[PROTOCOL]) as socket:
        await ask(socket, "1", "{ hello }")
        assert await closed(socket) == (4401, "Unauthorized")


async def test_silent_client_is_not_waited_for(resources: Resources, clock: Clock) -> None:
    app = app_on(resources, clock, init_seconds=0.5)
    async with (
        served(app) as (server, _),
        connect(address(server), subprotocols=[PROTOCOL]) as socket,
    ):
        # A client that itself was held up finds the socket closed by now.
        with suppress(ConnectionClosed):
            await say(socket, type="ping")
        assert await closed(socket) == (4408, "Connection initialisation timeout")


async def test_an_id_is_used_once_at_a_time(server: str, member: Member) -> None:
    async with opened(server, member) as socket:
        await ask(socket, "ä", "subscription { forever }")
        await hear(socket)
        await ask(socket, "ä", "{ hello }")
        assert await closed(socket) == (4409, "Subscriber for ä already exists")
    await until_closed("forever")


async def test_complete_ends_a_subscription_and_frees_its_id(server: str, member: Member) -> None:
    async with opened(server, member) as socket:
        await say(socket, type="complete", id="never")
        await ask(socket, "1", "subscription { forever }")
        await hear(socket)
        await say(socket, type="complete", id="1")
        await ask(socket, "1", "{ hello }")
        assert await heard(socket, "1") == [{"hello": "hello"}, "complete"]
        await until_closed("forever")


async def test_so_many_operations_at_once(server: str, member: Member) -> None:
    async with opened(server, member) as socket:
        for number in range(150):
            await ask(socket, str(number), "subscription { forever }")
        kinds: dict[str, list[str]] = {"next": [], "error": []}
        for _ in range(150):
            message = await hear(socket)
            kinds[message["type"]].append(message["id"])
            if message["type"] == "error":
                (error,) = message["payload"]
                assert error["extensions"]["code"] == "RATE_LIMITED"
                assert error["extensions"]["limit"] == 100
                assert error["extensions"]["retryAfter"] > 0
        assert {name: len(found) for name, found in kinds.items()} == {"next": 100, "error": 50}
        assert echo.OPEN["forever"] == 100
        await say(socket, type="complete", id=kinds["next"][0])
        await ask(socket, "149", "{ hello }")
        assert await heard(socket, "149") == [{"hello": "hello"}, "complete"]
    await until_closed("forever")


async def test_so_many_sockets_of_one_user(server: str, member: Member) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(opened(server, member))
        async with connect(address(server), subprotocols=[PROTOCOL]) as socket:
            await say(socket, type="connection_init", payload={"apiKey": member.key})
            assert (await closed(socket))[0] == 1013
    async with asyncio.timeout(60):
        while True:
            # Until the server has noticed that the others went.
            with suppress(ConnectionClosed):
                async with opened(server, member):
                    return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "name", ["Authorization", "authorization", "X-API-Key", "apiKey", "apikey"]
)
async def test_key_comes_in_the_payload(server: str, member: Member, name: str) -> None:
    value = f"Bearer {member.key}" if name.lower() == "authorization" else member.key
    async with opened(server, None, **{name: value}) as socket:
        await ask(socket, "1", "{ viewer }")
        assert await heard(socket, "1") == [{"viewer": str(member.actor.user_id)}, "complete"]


async def test_key_comes_in_the_headers(server: str, member: Member) -> None:
    async with connect(
        address(server), subprotocols=[PROTOCOL], additional_headers=member.headers
    ) as socket:
        await say(socket, type="connection_init")
        assert await hear(socket) == {"type": "connection_ack"}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"Authorization": "Bearer pic_wrong"},
        {"Authorization": "Basic YTpi"},
        {"apiKey": "ä€"},
        {"apiKey": ""},
        {"headers": {"Authorization": "Bearer x"}},
    ],
)
async def test_nobody_known_is_turned_away(
    server: str, db: Database, payload: dict[str, Any] | None
) -> None:
    headers = {"X-Request-Id": f"r-{secrets.token_hex(8)}"}
    async with connect(
        address(server), subprotocols=[PROTOCOL], additional_headers=headers
    ) as socket:
        await say(socket, type="connection_init", payload=payload)
        assert (await closed(socket))[0] == 4403
    async with db.transaction() as session:
        query = select(AuditEvent).where(AuditEvent.request_id == headers["X-Request-Id"])
        (event,) = await session.scalars(query)
    assert (event.action, event.outcome, event.detail) == (
        "auth.denied", "DENIED", '{"path":"graphql"}',
    )  # fmt: skip


@pytest.mark.parametrize(
    "payload", [[], "text", 5, {"Authorization": 5}, {"apiKey": None}, {"apiKey": ["x"]}]
)
async def test_payload_that_is_none_is_invalid(server: str, payload: Any) -> None:
    async with connect(address(server), subprotocols=[PROTOCOL]) as socket:
        await say(socket, type="connection_init", payload=payload)
        assert (await closed(socket))[0] == 4400


async def test_two_keys_are_one_too_many(server: str, db: Database, member: Member) -> None:
    other = await new_member(db, Role.VIEWER)
    async with connect(
        address(server), subprotocols=[PROTOCOL], additional_headers=other.headers
    ) as socket:
        await say(socket, type="connection_init", payload={"apiKey": member.key})
        assert (await closed(socket))[0] == 4403


async def test_pages_of_other_sites_open_no_socket(server: str) -> None:
    for origin in ("https://evil.example", "null", server + ".evil.example"):
        with pytest.raises(InvalidStatus) as raised:
            await connect(
                address(server), subprotocols=[PROTOCOL], additional_headers={"Origin": origin}
            )
        assert raised.value.response.status_code == 403
        body = json.loads(raised.value.response.body or b"")
        assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_login_counts_with_the_exact_origin_alone(server: str, db: Database) -> None:
    user_id = await make.user(db)
    async with db.transaction() as session:
        token = (await sessions.start(session, user_id, timedelta(days=1))).token
    cookie = f"pictor_session={token}"
    for origin, code in ((server, None), (None, 4403)):
        headers = {"Cookie": cookie} | (
            {"Origin": origin} if origin else {"Sec-Fetch-Site": "same-origin"}
        )
        async with connect(
            address(server), subprotocols=[PROTOCOL], additional_headers=headers
        ) as socket:
            await say(socket, type="connection_init")
            if code is not None:
                assert (await closed(socket))[0] == code
                continue
            assert await hear(socket) == {"type": "connection_ack"}
            await ask(socket, "1", "{ viewer }")
            assert await heard(socket, "1") == [{"viewer": str(user_id)}, "complete"]


async def test_revoked_key_ends_what_it_began(
    server: str, db: Database, member: Member, clock: Clock
) -> None:
    async with opened(server, member) as socket:
        await ask(socket, "1", "subscription { renewed }")
        data = (await hear(socket))["payload"]["data"]
        assert data == {"renewed": str(member.actor.user_id)}
        await revoke(db, member)
        clock.now += 3
        assert (await heard(socket, "1"))[-1] == "UNAUTHENTICATED"
        assert await closed(socket) == (4401, "Unauthorized")


async def test_revoked_key_begins_nothing(
    server: str, db: Database, member: Member, clock: Clock
) -> None:
    async with opened(server, member) as socket:
        await revoke(db, member)
        clock.now += 3
        await ask(socket, "1", "{ hello }")
        assert await heard(socket, "1") == ["UNAUTHENTICATED"]
        assert await closed(socket) == (4401, "Unauthorized")


async def test_revoked_key_keeps_no_place(
    resources: Resources, db: Database, member: Member, clock: Clock
) -> None:
    """Whoever stole it would shut its holder out, with sockets on which nothing is asked."""
    async with db.transaction() as session:
        user = member.actor.user_id
        _, spare = await api_keys.add(
            session,
            team_id=member.team_id,
            user_id=user,
            name="B",
            role=Role.ADMIN,
            expires_at=None,
        )
    app = app_on(resources, clock, recheck_seconds=0.05)
    async with served(app) as (server, _), AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(opened(server, member)) for _ in range(5)]
        await revoke(db, member)
        clock.now += 3
        assert {await closed(one) for one in sockets} == {(4401, "Unauthorized")}
        async with opened(server, apiKey=spare) as socket:
            await ask(socket, "1", "{ viewer }")
            assert await heard(socket, "1") == [{"viewer": str(user)}, "complete"]


async def test_socket_on_which_nothing_runs_is_no_use_of_its_key(
    resources: Resources, db: Database, member: Member, clock: Clock
) -> None:
    its = update(ApiKey).where(ApiKey.user_id == member.actor.user_id)
    app = app_on(resources, clock, recheck_seconds=0.05)
    async with served(app) as (server, _), opened(server, member) as socket:
        async with db.transaction() as session:
            await session.execute(its.values(last_used_at=LONG_AGO))
        with counted_statements(db) as seen:
            clock.now += 3
            async with asyncio.timeout(60):
                while not any("FROM api_key" in one for one in seen):  # noqa: ASYNC110  as above
                    await asyncio.sleep(0.01)
        await say(socket, type="ping")
        assert await hear(socket) == {"type": "pong"}
    async with db.transaction() as session:
        used = select(ApiKey.last_used_at).where(ApiKey.user_id == member.actor.user_id)
        assert await session.scalar(used) == LONG_AGO


async def revoke(db: Database, member: Member) -> None:
    async with db.transaction() as session:
        key_id, _ = await api_keys.named(session, member.key) or (None, None)
        assert key_id is not None
        await api_keys.revoke(session, member.actor, key_id)


async def test_client_that_vanishes_leaves_nothing(server: str, member: Member) -> None:
    async with opened(server, member) as socket:
        for number in range(10):
            await ask(socket, str(number), "subscription { forever }")
            await hear(socket)
        assert echo.OPEN["forever"] == 10
        socket.transport.abort()
    await until_closed("forever")


async def test_client_that_does_not_read_is_left(server: str, member: Member) -> None:
    async with opened(server, member) as socket:
        socket.transport.pause_reading()
        await ask(socket, "1", "subscription { flood }")
        async with asyncio.timeout(60):
            while not echo.OPEN["flood"]:  # noqa: ASYNC110  it is the server that begins
                await asyncio.sleep(0.01)
        await until_closed("flood")
        socket.transport.abort()


async def test_server_that_stops_says_so(
    resources: Resources, clock: Clock, member: Member
) -> None:
    async with served(app_on(resources, clock)) as (server, stop), opened(server, member) as socket:
        await ask(socket, "1", "subscription { forever }")
        await hear(socket)
        await stop()
        assert (await closed(socket))[0] == 1012
    await until_closed("forever")
