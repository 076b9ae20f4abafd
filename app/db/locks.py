"""Locks of the whole installation. They end with the connection that holds them, however it ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.db.apart import connected, going_away
from app.db.database import Database

LOCK = "select pg_try_advisory_lock(hashtext($1))"


@asynccontextmanager
async def alone(database: Database, name: str) -> AsyncIterator[bool]:
    """Whether nobody else is in a block of this name; True keeps the others out until the end.

    Where the server loses the connection, another may enter, so what runs here must bear that. UNAVAILABLE where
    the database cannot be asked.
    """
    async with connected(database.direct) as connection:
        with going_away():
            mine = await connection.fetchval(LOCK, name)
        yield mine
