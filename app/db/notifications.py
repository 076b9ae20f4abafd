"""Calls from PostgreSQL, on a connection of their own. They may be missed: whoever waits is told when that may have been."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.apart import REFUSED, connected
from app.db.database import CONNECT_SECONDS, Database
from app.errors import AppError

log = logging.getLogger(__name__)

RECONNECT_SECONDS = 2.0
PULSE_SECONDS: Final = 10.0
"""How often the connection is tried: a network that swallows everything looks like a database that is silent."""

Heard = Callable[[str | None], None]
"""Is handed each call's payload; None whenever calls may have been missed, the beginning included."""


@asynccontextmanager
async def notified(
    database: Database, channel: str, events: Sequence[asyncio.Event]
) -> AsyncIterator[None]:
    """Sets the events whenever the channel is notified, and whenever calls may have been missed."""
    listening = asyncio.create_task(listen(database, channel, lambda _: _set(events)))
    try:
        yield
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def listen(
    database: Database, channel: str, heard: Heard, alive: Callable[[], None] = lambda: None
) -> None:
    """Listens until it is cancelled, and connects again for as long as it takes.

    `alive` is called whenever it is certain that nothing was missed until then.
    """
    while True:
        try:
            await _until_lost(database.direct, channel, heard, alive)
        except (AppError, *REFUSED) as error:
            log.debug("no calls from the database: %s", error)
        except Exception:
            # Whoever waits for calls would wait for ever.
            log.exception("no calls from the database")
        await asyncio.sleep(RECONNECT_SECONDS)


async def _until_lost(
    engine: AsyncEngine, channel: str, heard: Heard, alive: Callable[[], None]
) -> None:
    lost = asyncio.Event()
    async with connected(engine) as connection:
        connection.add_termination_listener(lambda *_: lost.set())
        await connection.add_listener(channel, lambda *call: heard(call[-1]))
        heard(None)
        while not lost.is_set():
            alive()
            with suppress(TimeoutError):
                async with asyncio.timeout(PULSE_SECONDS):
                    await lost.wait()
                return
            await connection.execute("select 1", timeout=CONNECT_SECONDS)


def _set(events: Sequence[asyncio.Event]) -> None:
    for event in events:
        event.set()
