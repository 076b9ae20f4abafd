"""Wake-up calls from PostgreSQL, on a connection of their own. They may be missed: whoever waits also looks by itself."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # asyncpg ships no types
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.database import CONNECT_SECONDS, Database

log = logging.getLogger(__name__)

RECONNECT_SECONDS = 2.0


@asynccontextmanager
async def notified(
    database: Database, channel: str, events: Sequence[asyncio.Event]
) -> AsyncIterator[None]:
    """Sets the events whenever the channel is notified, and whenever calls may have been missed."""
    listening = asyncio.create_task(_listen(database.engine, channel, events))
    try:
        yield
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def _listen(engine: AsyncEngine, channel: str, events: Sequence[asyncio.Event]) -> None:
    while True:
        try:
            await _until_lost(engine, channel, events)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.debug("no wake-up calls from the database: %s", error)
        await asyncio.sleep(RECONNECT_SECONDS)


async def _until_lost(engine: AsyncEngine, channel: str, events: Sequence[asyncio.Event]) -> None:
    lost = asyncio.Event()
    connection = await asyncpg.connect(**arguments(engine), timeout=CONNECT_SECONDS)
    try:
        connection.add_termination_listener(lambda *_: lost.set())
        await connection.add_listener(channel, lambda *_: _set(events))
        _set(events)
        await lost.wait()
    finally:
        # At once: there is nothing to wait for, and the server may be gone.
        connection.terminate()


def arguments(engine: AsyncEngine) -> dict[str, Any]:
    """How SQLAlchemy would connect, in asyncpg's own words."""
    _, arguments = engine.dialect.create_connect_args(engine.url)
    return {
        name: value
        for name, value in arguments.items()
        if not name.startswith("prepared_statement")
    }


def _set(events: Sequence[asyncio.Event]) -> None:
    for event in events:
        event.set()
