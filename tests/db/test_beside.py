"""A second connection of one request: taken only where nobody waits for it, as the same actor, and given back whatever happens."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import beside
from app.db.database import Entrance
from tests import make
from tests.database import Database, given_back

PID = text("select pg_backend_pid()")
WHO = text(
    "select current_user::text || ' ' || current_setting('app.team_ids') || ' ' || current_setting('app.user_id')"
    " || ' ' || current_setting('app.operator')"
)


def through(session: AsyncSession) -> Entrance:
    found = beside.entrance(session)
    assert found is not None
    return found


async def test_it_is_the_same_actor_with_its_own_settings(db: Database) -> None:
    actor = await make.actor(db)
    async with db.acting(actor).transaction() as session:
        mine = await session.scalar(WHO)
        async with beside.transaction(through(session), {"enable_sort": "off"}) as other:
            assert await other.scalar(WHO) == mine
            assert await other.scalar(text("show enable_sort")) == "off"
            assert await other.scalar(PID) != await session.scalar(PID)
        assert await session.scalar(text("show enable_sort")) == "on"
    # What it set ends with its transaction.
    for _ in range(3):
        async with db.login.transaction() as session:
            assert await session.scalar(text("show enable_sort")) == "on"
            assert await session.scalar(text("select current_user::text")) == "pictor_login"


async def test_none_is_taken_that_others_may_want(db: Database) -> None:
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            session = await stack.enter_async_context(db.login.transaction())
            await session.execute(text("select"))
            found.append(beside.entrance(session) is not None)
    # A quarter of five is one.
    assert found == [True, False]


async def test_none_is_taken_from_a_snapshot(db: Database) -> None:
    async with db.login.snapshot() as session:
        assert beside.entrance(session) is None


@pytest.mark.parametrize("fails", ["the first", "the second"])
async def test_where_one_fails_the_other_has_ended(db: Database, fails: str) -> None:
    """The second is cancelled; the first is waited for."""
    wrong = text("select 1 / 0")
    mine, its = (
        (wrong, text("select pg_sleep(20)"))
        if fails == "the first"
        else (text("select pg_sleep(0.2)"), wrong)
    )

    async def asked() -> None:
        async with db.login.transaction() as session:
            await session.execute(text("select"))

            async def second(other: AsyncSession) -> None:
                await other.execute(its)

            await beside.at_once(ran(session, mine), through(session), {}, second)

    async with asyncio.timeout(15):
        with pytest.raises(DBAPIError, match="division by zero"):
            await asked()
    assert db.connections_in_use == 0


async def test_the_second_is_told_of_before_its_transaction_has_ended(db: Database) -> None:
    async with db.login.transaction() as session:
        await session.execute(text("select"))

        async def second(other: AsyncSession) -> int:
            return int(await other.scalar(text("select 7")) or 0)

        waits = ran(session, text("select pg_sleep(0.1)"))
        _, found = await beside.at_once(waits, through(session), {}, second)
        assert found == 7
    await given_back(db)


async def test_a_connection_that_is_lost_is_nobody_elses_failure(db: Database) -> None:
    async with db.owner.transaction() as session:
        await session.execute(text("select"))

        async def second(other: AsyncSession) -> None:
            await other.execute(text("select pg_terminate_backend(pg_backend_pid())"))

        mine = session.scalar(text("select 5"))
        assert await beside.at_once(mine, through(session), {"jit": "off"}, second) == (5, None)
    await given_back(db)


async def test_where_the_request_is_gone_both_have_ended(db: Database) -> None:
    begun = asyncio.Event()

    async def asked() -> None:
        async with db.login.transaction() as session:
            await session.execute(text("select"))

            async def second(other: AsyncSession) -> None:
                begun.set()
                await other.execute(text("select pg_sleep(20)"))

            waits = ran(session, text("select pg_sleep(20)"))
            await beside.at_once(waits, through(session), {}, second)

    task = asyncio.create_task(asked())
    await begun.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    async with asyncio.timeout(15):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert db.connections_in_use == 0


async def ran(session: AsyncSession, asked: TextClause) -> None:
    await session.execute(asked)
