"""Half of a look on another connection, where that one is lost or none can be had."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import beside
from app.domain import DateTimeRange
from app.services.searching import two
from app.services.searching.facts import SETTINGS
from app.services.searching.two import Half, Rows
from app.services.searching.vector_plan import Plan
from tests.database import Database, given_back

TEAMS = (uuid4(), uuid4())
WHOLE = Half(
    Plan(scanned=TEAMS, by_graph=(), rarest={}, images={}, work=dict.fromkeys(TEAMS, 10_000.0)),
    DateTimeRange(),
)
ANSWERS = text(
    "select cast(:team as uuid), cast(:team as uuid), 1.0, 0 where current_setting('enable_sort') = 'off'"
    " union all select null, null, null, case when set_config('enable_sort', 'on', true) = 'on' then 1 end"
)
"""As a look does: it wants sorting to be off, and ends with that."""


async def found(db: Database, other_fails: str = "", least: int = 10_000) -> tuple[list[UUID], int]:
    """The teams of the rows, and on how many connections they were asked for."""
    asked_on: list[AsyncSession] = []

    async with db.owner.transaction() as session:
        await session.execute(text("set local enable_sort = off"))

        async def ask(its: AsyncSession, half: Half) -> Rows:
            asked_on.append(its)
            if other_fails and its is not session:
                await its.execute(text(other_fails))
            (team,) = half.plan.scanned
            return [tuple(row) for row in await its.execute(ANSWERS, {"team": team})]

        rows: list[Any] | None = await two.rows(
            session, WHOLE, least=least, settings=SETTINGS, is_cut=lambda _: False, ask=ask
        )
    await given_back(db)
    return [row[1] for row in rows or () if row[1] is not None], len(set(map(id, asked_on)))


async def test_both_halves_are_found_on_two_connections(db: Database) -> None:
    teams, connections = await found(db)
    assert (set(teams), connections) == (set(TEAMS), 2)


async def test_what_a_lost_connection_was_to_do_is_done_after_all(db: Database) -> None:
    teams, _ = await found(db, "select pg_terminate_backend(pg_backend_pid())")
    assert set(teams) == set(TEAMS)
    assert len(teams) == 2


async def test_what_is_wrong_with_the_question_is_told(db: Database) -> None:
    with pytest.raises(DBAPIError, match="division by zero"):
        await found(db, "select 1 / 0")


async def test_too_little_to_do_is_not_halved(db: Database) -> None:
    assert await found(db, least=10_001) == ([], 0)


async def test_nobody_waits_for_a_connection_that_others_took_meanwhile(database_url: str) -> None:
    """The pool had room when that was decided, and has none when the second begins."""
    db = Database(database_url, pool_size=8)
    async with AsyncExitStack() as others, db.owner.transaction() as session:
        await session.execute(text("select 1"))
        through = beside.entrance(session)
        assert through is not None
        for _ in range(7):
            other = await others.enter_async_context(db.owner.transaction())
            await other.execute(text("select 1"))

        async def first() -> str:
            return "done"

        async def second(its: AsyncSession) -> str:
            await its.execute(text("select 1"))
            return "done too"

        async with asyncio.timeout(5):
            assert await beside.at_once(first(), through, {}, second) == ("done", None)
    await db.close()
