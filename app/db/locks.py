"""Locks of the whole installation. They end with the connection that holds them, however it ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]  # asyncpg ships no types

from app.db.database import CONNECT_SECONDS, Database
from app.db.notifications import arguments
from app.errors import unavailable


@asynccontextmanager
async def alone(database: Database, name: str) -> AsyncIterator[bool]:
    """Whether nobody else is in a block of this name; True keeps the others out until the end.

    The connection is not the pool's: a long block takes none from those who serve requests. Where the
    server loses it, another may enter, so what runs here must bear that.
    """
    try:
        connection = await asyncpg.connect(**arguments(database.engine), timeout=CONNECT_SECONDS)
    except (OSError, asyncpg.PostgresError) as error:
        raise unavailable("The database cannot be reached; try again.") from error
    try:
        yield await connection.fetchval("select pg_try_advisory_lock(hashtext($1))", name)
    finally:
        connection.terminate()
