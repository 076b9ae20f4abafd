"""Whether an address leads to sessions of PostgreSQL, or to a pooler that hands each transaction another one."""

import asyncio
from contextlib import suppress
from enum import Enum, auto
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # asyncpg ships no types
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.address import DIRECT_SETTING, SETTING
from app.db.apart import connected, going_away
from app.db.database import CONNECT_SECONDS, Database
from app.errors import SetupError

PID: Final = "select pg_backend_pid()"
PLACE: Final = "select current_database()::text, pg_postmaster_start_time()"
FORGOTTEN: Final = (
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
)
"""What a statement fails with that was prepared in another session than the one in which it runs."""


class PooledError(SetupError):
    """Locks, calls and indexes of large teams want sessions, and this leads to none."""

    def __init__(self, setting: str) -> None:
        super().__init__(
            f"{setting}: this is a pooler that gives each transaction another session."
            f" {DIRECT_SETTING} must lead past it, to PostgreSQL itself (docs/operations.md)."
        )


class UnpreparedError(SetupError):
    """A pooler of transactions that loses prepared statements: any statement may fail."""

    def __init__(self) -> None:
        super().__init__(
            f"{SETTING}: the pooler does not carry prepared statements."
            " PgBouncer does from 1.21 on, with max_prepared_statements."
        )


class OtherDatabaseError(SetupError):
    def __init__(self) -> None:
        super().__init__(f"{DIRECT_SETTING}: this is another database than that of {SETTING}.")


class Way(Enum):
    """How one connection's transactions run. UNPREPARED: in sessions that do not know what it has prepared."""

    ONE_SESSION = auto()
    POOLED = auto()
    UNPREPARED = auto()


async def require(db: Database) -> None:
    """PooledError, UnpreparedError or OtherDatabaseError where this database cannot serve; UNAVAILABLE where it is away."""
    found = await _way(db.engine)
    if db.direct is db.engine:
        if found is not Way.ONE_SESSION:
            raise PooledError(SETTING)
        return
    if found is Way.UNPREPARED:
        raise UnpreparedError
    if await _way(db.direct) is not Way.ONE_SESSION:
        raise PooledError(DIRECT_SETTING)
    if await _place(db.engine) != await _place(db.direct):
        raise OtherDatabaseError


async def _place(engine: AsyncEngine) -> Any:
    async with connected(engine) as connection:
        with going_away():
            return await connection.fetchrow(PLACE)


async def _way(engine: AsyncEngine) -> Way:
    async with connected(engine) as one:
        try:
            with going_away():
                # A pooler makes up what it tells of the session's process.
                first = await one.fetchval(PID)
                if first == one.get_server_pid():
                    return Way.ONE_SESSION
                async with connected(engine) as other:
                    is_lent = await one.fetchval(PID) != first or await _is_lent(one, other, first)
                    return Way.POOLED if is_lent else Way.ONE_SESSION
        except FORGOTTEN:
            return Way.UNPREPARED


async def _is_lent(one: Any, other: Any, first: int) -> bool:
    """Of two transactions at once, `other` comes by the session that `one` had, or `one` by another than it had first."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await other.execute("begin")
            is_lent = bool(await other.fetchval(PID) == first)
    except TimeoutError:
        # None is left for `other`, while `one` does nothing: that one has its own.
        return False
    with suppress(TimeoutError):
        # What it prepared before, it runs in another session now.
        is_lent |= await one.fetchval(PID, timeout=CONNECT_SECONDS) != first
    return is_lent
