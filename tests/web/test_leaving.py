"""A client that goes away: its query ends in the database too, its connection is free again, and a mutation goes on."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, text

from app import main
from app.db.models import AuditEvent, Tag
from app.resources import Resources
from app.web.operation_log import LOGGER
from tests import make
from tests.database import Database
from tests.web.conftest import Member, served
from tests.web.test_sockets import ask, heard, opened, say

IMAGES = "{ images { nodes { id } } }"
TAG = 'mutation { createTag(teamId: "%s", name: "Late") { id } }'
WAITING = (
    "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike :what"
)


@pytest.fixture
async def server(resources: Resources) -> AsyncIterator[str]:
    patient = resources.settings.model_copy(update={"operation_timeout_seconds": 60})
    async with served(main.create_app(replace(resources, settings=patient))) as (address, _):
        yield address


@pytest.fixture
async def watcher(database_url: str) -> AsyncIterator[Database]:
    """Connections of its own, so that the server's are counted apart."""
    database = Database(database_url, pool_size=3)
    yield database
    await database.close()


@asynccontextmanager
async def locked(watcher: Database, table: str) -> AsyncIterator[None]:
    """Whoever wants the table waits until the end of the block."""
    async with watcher.owner.transaction() as session:
        await session.execute(text(f"lock table {table} in access exclusive mode"))
        yield


async def send(address: str, member: Member, query: str, method: str) -> asyncio.StreamWriter:
    """A request whose answer nobody has read yet."""
    host, port = urlsplit(address).netloc.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"query": query}).encode() if method == "POST" else b""
    path = "/graphql" if body else f"/graphql?query={query.replace(' ', '%20')}"
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {member.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    return writer


async def until(found: Callable[[], object], *, is_true: bool = True) -> None:
    for _ in range(500):
        if bool(found()) is is_true:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to this")


async def waiting(watcher: Database, what: str, count: int) -> None:
    """Until so many statements of this kind wait for a lock."""
    for _ in range(500):
        async with watcher.transaction() as session:
            if await session.scalar(text(WAITING), {"what": what}) == count:
                return
        await asyncio.sleep(0.02)
    raise AssertionError(f"never {count} that wait")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_query_ends_with_its_client(
    server: str,
    db: Database,
    watcher: Database,
    member: Member,
    method: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        async with locked(watcher, "image"):
            clients = [await send(server, member, IMAGES, method) for _ in range(3)]
            await waiting(watcher, "%from image%", 3)
            assert db.connections_in_use == 3
            for client in clients:
                client.close()
            # Nobody waits any more, although the table is still locked.
            await waiting(watcher, "%from image%", 0)
            await until(lambda: db.connections_in_use, is_true=False)
        await until(lambda: caplog.text.count('"outcome": "CANCELLED"') == 3)
    # Chains of the audit log that another test's key signed are not meant.
    loud = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert not [one for one in loud if one.name != "app.services.auditing.audit"]
    async with db.transaction() as session:
        assert await session.scalar(select(1)) == 1


async def test_a_mutation_goes_on_without_its_client(
    server: str, db: Database, watcher: Database, member: Member
) -> None:
    async with locked(watcher, "tag"):
        client = await send(server, member, TAG % member.team_id, "POST")
        await waiting(watcher, "%tag%", 1)
        client.close()
        await client.wait_closed()
        # Longer than it takes to notice a client that has gone.
        await asyncio.sleep(0.3)
        await waiting(watcher, "%tag%", 1)
    await until(lambda: db.connections_in_use, is_true=False)
    async with db.transaction() as session:
        its = await session.scalars(select(Tag.name).where(Tag.team_id == member.team_id))
        recorded = await session.scalars(
            select(AuditEvent.action).where(AuditEvent.team_id == member.team_id)
        )
        assert list(its) == ["Late"]
        assert list(recorded) == ["tag.create"]


@pytest.mark.parametrize("goes", ["complete", "close"])
async def test_a_mutation_goes_on_without_its_socket(
    server: str,
    db: Database,
    watcher: Database,
    member: Member,
    goes: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger=LOGGER)
    async with opened(server, member) as socket:
        async with locked(watcher, "tag"):
            await ask(socket, "m", TAG % member.team_id)
            await waiting(watcher, "%tag%", 1)
            if goes == "close":
                await socket.close()
            else:
                await say(socket, type="complete", id="m")
                await ask(socket, "q", "{ __typename }")
                assert await heard(socket, "q") == [{"__typename": "Query"}, "complete"]
            await asyncio.sleep(0.3)
            await waiting(watcher, "%tag%", 1)
        await until(lambda: '"type": "mutation"' in caplog.text)
        if goes == "complete":
            # It is told nothing more of what it no longer waits for.
            await ask(socket, "q", "{ __typename }")
            assert await heard(socket, "q") == [{"__typename": "Query"}, "complete"]
    (line,) = [json.loads(one.message) for one in caplog.records if '"mutation"' in one.message]
    assert line["outcome"] == "OK"
    async with db.transaction() as session:
        its = await session.scalars(select(Tag.name).where(Tag.team_id == member.team_id))
        assert list(its) == ["Late"]


async def test_a_query_ends_with_its_id(
    server: str, db: Database, watcher: Database, member: Member
) -> None:
    """And what it had read by then is recorded."""
    async with opened(server, member) as socket:
        async with locked(watcher, "image"):
            await ask(socket, "q", "{ tags { nodes { id } } images { nodes { id } } }")
            await waiting(watcher, "%from image%", 1)
            await say(socket, type="complete", id="q")
            await waiting(watcher, "%from image%", 0)
        await ask(socket, "next", "{ __typename }")
        assert await heard(socket, "next") == [{"__typename": "Query"}, "complete"]
        await until(lambda: db.connections_in_use, is_true=False)
    async with db.transaction() as session:
        recorded = await session.scalars(
            select(AuditEvent.action).where(AuditEvent.team_id == member.team_id)
        )
        assert "tag.list" in list(recorded)


async def test_a_client_that_stays_gets_its_late_answer(
    server: str, watcher: Database, member: Member, db: Database
) -> None:
    image_id = await make.image(db, member.team_id)
    host, port = urlsplit(server).netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    async with locked(watcher, "image"):
        body = json.dumps({"query": IMAGES})
        writer.write(
            f"POST /graphql HTTP/1.1\r\nHost: x\r\nX-API-Key: {member.key}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        await waiting(watcher, "%from image%", 1)
        await asyncio.sleep(0.2)
    answer = (await reader.read()).decode()
    assert str(image_id) in answer
    writer.close()
