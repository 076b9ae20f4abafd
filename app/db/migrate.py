"""Runs the migrations of `migrations/` and says where between them the database stands."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.db.database import CONNECT_SECONDS, NOT_ALLOWED, NotOwnerError, sqlstate
from app.errors import unavailable

ROOT: Final = Path(__file__).resolve().parents[2]
TURN: Final = 7_034_817_325_991
"""PostgreSQL's advisory lock of whoever migrates: any number, but always this one."""
TURN_SECONDS: Final = 0.2
LOCK_SECONDS: Final = 1.5
"""A migration that waits for a table makes everybody behind it wait too: not longer than this at a time.

Longer than PostgreSQL's `deadlock_timeout` of a second, after which it ends an autovacuum that is in the way.
"""
PAUSE_SECONDS: Final = 4.0
"""Between two tries, in which whoever had to wait goes on."""
PATIENCE_SECONDS: Final = 60.0
"""For so long a table is tried for; and so long waits what holds nobody up, as an index that is built concurrently."""
CONCURRENTLY: Final = " concurrently "
LOCK_NOT_AVAILABLE: Final = "55P03"


class Standing(Enum):
    """Of the database among this version's migrations. AHEAD: a later version has migrated it."""

    BEHIND = auto()
    CURRENT = auto()
    AHEAD = auto()


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; with a connection, `env.py` uses that one."""
    settings = Config()
    settings.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    settings.attributes["connection"] = connection
    return settings


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Runs what has not run; processes that start together take turns. A database that is ahead stays as it is.

    UNAVAILABLE where a table stays locked for PATIENCE_SECONDS; what ran before that one is kept, and the next call goes on
    there. NotOwnerError where whoever has logged in may not change the tables.
    """
    async with _alone(engine) as connection:
        if await connection.run_sync(_standing) is Standing.AHEAD:
            return
        # Alembic begins one transaction for each migration only where there is none.
        await connection.commit()
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while (error := await _locked_out(connection, revision)) is not None:
            if time.monotonic() + PAUSE_SECONDS > ends_at:
                raise unavailable(
                    "A table is in use by a long query or a backup: migrate again."
                ) from error
            await asyncio.sleep(PAUSE_SECONDS)


async def _locked_out(connection: AsyncConnection, revision: str) -> DBAPIError | None:
    """Runs what has not run; the error of a table that is locked, where one is: what ran before that one is kept."""
    try:
        await connection.run_sync(lambda sync: command.upgrade(config(sync), revision))
    except DBAPIError as error:
        if sqlstate(error) == NOT_ALLOWED:
            raise NotOwnerError from error
        if sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
        await connection.rollback()
        return error
    return None


async def downgrade(engine: AsyncEngine, revision: str) -> None:
    async with _alone(engine) as connection:
        await connection.run_sync(lambda sync: command.downgrade(config(sync), revision))


async def standing(engine: AsyncEngine) -> Standing:
    async with engine.connect() as connection:
        return await connection.run_sync(_standing)


def _standing(connection: Connection) -> Standing:
    scripts = ScriptDirectory.from_config(config())
    found = MigrationContext.configure(connection).get_current_revision()
    if found == scripts.get_current_head():
        return Standing.CURRENT
    known = {script.revision for script in scripts.walk_revisions()}
    return Standing.BEHIND if found is None or found in known else Standing.AHEAD


@asynccontextmanager
async def _alone(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection of its own that has the turn. A statement may take long: an index on a large table does."""
    own = create_async_engine(
        engine.url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "server_settings": {"application_name": "pictor migrate"},
        },
    )
    try:
        async with own.connect() as connection:
            # Asked again and again: whoever waited inside a statement would be waited for by an index that is built concurrently.
            while not await connection.scalar(text(f"select pg_try_advisory_lock({TURN})")):
                await connection.commit()
                await asyncio.sleep(TURN_SECONDS)
            event.listen(own.sync_engine, "before_cursor_execute", _limit_waiting)
            yield connection
    finally:
        await own.dispose()


def _limit_waiting(_connection: object, cursor: Any, statement: str, *_: object) -> None:
    seconds = PATIENCE_SECONDS if CONCURRENTLY in statement else LOCK_SECONDS
    cursor.execute(f"set lock_timeout = '{round(seconds * 1000)}ms'")
