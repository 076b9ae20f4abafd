"""Connections that lie in the pool: whoever takes one gets one that works, and enters it as nobody but themselves."""

import asyncio
import socket
import threading
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import database as module
from app.db import locks
from app.db.database import ACTING_ROLE, Entrance, sqlstate
from app.db.notifications import listen
from app.db.prepared import Prepared
from app.domain import NO_ID, Actor, Role
from app.errors import AppError, ErrorCode
from tests.database import Database, outside
from tests.fixtures.own_database import own_database

PID = text("select pg_backend_pid()")
WHO = text(
    "select current_user::text, current_setting('app.team_ids', true),"
    " current_setting('app.user_id', true), current_setting('app.operator', true)"
)
ACTOR = Actor(user_id=NO_ID, roles={NO_ID: Role.VIEWER})
END = text("select pg_terminate_backend(:pid, 5000)")


async def pid_of(db: Database) -> Any:
    async with db.transaction() as session:
        return await session.scalar(PID)


async def end(database_url: str, pid: int) -> None:
    """The server closes that connection; answers when its process is gone."""
    other = Database(database_url, pool_size=1)
    async with other.transaction() as session:
        assert await session.scalar(END, {"pid": pid})
    await other.close()


def end_unnoticed(database_url: str, pid: int) -> None:
    """The same, while the caller's event loop stands still and so cannot hear of it."""
    thread = threading.Thread(target=lambda: asyncio.run(end(database_url, pid)))
    thread.start()
    thread.join()


@pytest.fixture
async def one(database_url: str) -> Any:
    database = Database(database_url, pool_size=1)
    yield database
    await database.close()


async def test_a_connection_that_the_server_closed_is_made_anew(
    one: Database, database_url: str
) -> None:
    before = await pid_of(one)
    await end(database_url, before)
    assert await pid_of(one) != before


async def test_after_a_rest_a_connection_is_tried_out(
    one: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PING_AFTER_SECONDS", 0.0)
    before = await pid_of(one)
    end_unnoticed(database_url, before)
    assert await pid_of(one) != before


async def spied(db: Database) -> list[str]:
    """What the one connection is sent from now on, but for prepared statements, of which the driver does not tell."""
    async with db.transaction() as session:
        await session.scalar(PID)
        connection = await session.connection()
        raw: Any = (await connection.get_raw_connection()).driver_connection
    seen: list[str] = []
    raw.add_query_logger(lambda record: seen.append(record.query))
    return seen


async def who(entrance: Entrance) -> tuple[Any, ...]:
    async with entrance.transaction() as session:
        return tuple((await session.execute(WHO)).one())


async def failing(entrance: Entrance) -> None:
    async with entrance.transaction() as session:
        await session.execute(text("select 1 / 0"))


async def test_a_connection_in_use_is_not_tried_out_each_time(one: Database) -> None:
    seen = await spied(one)
    assert await pid_of(one)
    await asyncio.sleep(0)  # The driver tells of a query when the loop comes round.
    assert seen == ["BEGIN;", "COMMIT;"]


async def test_a_transaction_begins_and_is_entered_with_one_message(one: Database) -> None:
    seen = await spied(one)
    assert await who(one.acting(ACTOR)) == (ACTING_ROLE, f"{{{NO_ID.hex}}}", NO_ID.hex, "")
    await asyncio.sleep(0)
    begun, ended = seen
    assert begun.startswith("BEGIN;set local role")
    assert ended == "COMMIT;"


async def test_an_entrance_ends_with_its_transaction(one: Database) -> None:
    owner = await who(one.owner)
    assert owner[0] != ACTING_ROLE
    pid = await pid_of(one)
    for _ in range(2):
        assert (await who(one.acting(ACTOR)))[0] == ACTING_ROLE
        # What was once set is then empty.
        assert await who(one.owner) == (owner[0], "", "", "")
    with pytest.raises(DBAPIError):
        await failing(one.acting(ACTOR))
    # Nothing was asked: nothing has begun, and nothing of it is left.
    async with one.acting(ACTOR).transaction():
        pass
    assert await who(one.owner) == (owner[0], "", "", "")
    assert await pid_of(one) == pid


async def test_a_session_that_goes_on_after_its_commit_is_entered_again(one: Database) -> None:
    async with one.acting(ACTOR).transaction() as session:
        assert (await session.execute(WHO)).one()[0] == ACTING_ROLE
        await session.commit()
        assert (await session.execute(WHO)).one()[0] == ACTING_ROLE


async def test_who_is_gone_at_the_commit_leaves_a_connection_that_works(one: Database) -> None:
    await pid_of(one)

    async def commits() -> None:
        async with one.acting(ACTOR).transaction() as session:
            await session.execute(WHO)
            task.cancel()

    task = asyncio.create_task(commits())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert one.connections_in_use == 0
    assert not (await who(one.owner))[1]


async def test_a_snapshot_is_entered_too(one: Database) -> None:
    async with one.acting(ACTOR).snapshot() as session:
        level = await session.scalar(text("show transaction_isolation"))
        assert (await session.execute(WHO)).one()[0] == ACTING_ROLE
    assert level == "repeatable read"


async def test_where_a_role_is_refused_nothing_runs_as_another(one: Database) -> None:
    entering = one.worker.entering.replace(module.WORKER_ROLE, "pictor_nobody")
    with pytest.raises(DBAPIError) as refused:
        await who(Entrance(one.worker.sessions, entering))
    assert sqlstate(refused.value) == "22023"
    assert (await who(one.worker))[0] == module.WORKER_ROLE


@pytest.mark.parametrize("state", ["40P01", "40001", "23503"])
async def test_who_is_in_the_way_each_time_is_told_of_after_four_tries(
    db: Database, state: str
) -> None:
    tries = 0

    async def meet(session: AsyncSession) -> None:
        nonlocal tries
        tries += 1
        await session.execute(text(f"do $$ begin raise using errcode = '{state}'; end $$"))

    if state == "23503":
        # Nothing that waiting would help.
        with pytest.raises(DBAPIError):
            await db.run(meet)
    else:
        with pytest.raises(AppError) as caught:
            await db.run(meet)
        assert caught.value.code is ErrorCode.UNAVAILABLE
    assert tries == 4


async def test_without_a_server_that_writes_the_database_is_unavailable(database_url: str) -> None:
    """As in the middle of a failover: there is one, and it is not of the kind that the address asks for."""
    url = make_url(database_url).update_query_dict({"target_session_attrs": "standby"})
    failing = Database(url.render_as_string(hide_password=False), pool_size=2)
    listening = asyncio.create_task(listen(failing, "calls", lambda _: None))
    for ask in (failing.check(), failing.reach(), entered(locks.alone(failing, "tests.lock"))):
        with pytest.raises(AppError) as caught:
            await ask
        assert caught.value.code is ErrorCode.UNAVAILABLE
    assert not listening.done()
    listening.cancel()
    await asyncio.wait([listening])
    assert listening.cancelled()
    await failing.close()


async def entered(block: AbstractAsyncContextManager[object]) -> None:
    async with block:
        pass


READ_ONLY = "alter database {} set default_transaction_read_only = on"
WRITTEN = "select count(*) from team where name = 'Written'"
WRITE = text("insert into team (name, slug) values ('Written', 'written') returning 1")


@pytest.mark.parametrize("prepared", [False, True])
async def test_connections_to_a_server_that_only_reads_are_left(
    database_url: str, *, prepared: bool
) -> None:
    """As after a failover whose name led to the old primary for a while: by itself it would serve on for ever."""
    async with own_database(database_url) as url:
        db, name = Database(url, pool_size=2), make_url(url).database

        async def write(session: AsyncSession) -> None:
            if prepared:
                await Prepared(WRITE).rows(session, {})
            else:
                await session.execute(WRITE)

        await outside(database_url, READ_ONLY.format(name))
        for work in (db.owner.run(write), db.check()):
            with pytest.raises(AppError) as refusal:
                await work
            assert refusal.value.code is ErrorCode.UNAVAILABLE
        await outside(database_url, f"alter database {name} reset default_transaction_read_only")
        await db.check()
        await db.owner.run(write)
        async with db.transaction() as session:
            assert await session.scalar(text(WRITTEN)) == 1
        await db.close()


async def test_a_database_that_says_nothing_is_told_of_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{port}/none")
        with pytest.raises(AppError, match=r"no answer within 0\.2 s") as caught:
            await database.reach()
        await database.close()
    assert caught.value.code is ErrorCode.UNAVAILABLE


async def test_the_log_says_why_there_is_no_database(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A client is told that there is none; whether it is away, full or too slow is for whoever runs it."""
    away = Database("postgresql+asyncpg://nobody:canary@127.0.0.1:1/nowhere")
    full = Database(database_url, pool_size=1)
    full.engine.sync_engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    with pytest.raises(AppError):
        await pid_of(away)
    with pytest.raises(AppError):
        async with locks.alone(away, "x"):
            pass
    async with full.transaction() as session:
        await session.scalar(PID)
        with pytest.raises(AppError):
            await pid_of(full)
    first, second, third = caplog.messages
    assert first == second
    assert "Connect call failed" in first
    assert "PICTOR_DATABASE_POOL_SIZE" in third
    assert "canary" not in caplog.text
    await away.close()
    await full.close()
