"""A second connection for one request: what PostgreSQL works at for long can be done in two halves at once, on two processors."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import QueuePool

from app.db.database import ENTRANCE, Entrance
from app.errors import AppError, ErrorCode

log = logging.getLogger(__name__)

T = TypeVar("T")
S = TypeVar("S")
BUSY: Final = 4
"""Where more than this part of a pool is taken, processors have enough to do."""
_ENDING: Final[set["asyncio.Task[None]"]] = set()
"""The loop itself holds a task weakly."""


def entrance(session: AsyncSession) -> Entrance | None:
    """That of this session, where another transaction through it costs nobody a wait, because most of the pool is idle. None otherwise,
    and where what the session sees is not what another would."""
    through, pool = session.info.get(ENTRANCE), _pool(session)
    if not isinstance(through, Entrance) or pool is None:
        return None
    if pool.checkedout() * BUSY > pool.size():
        return None
    return through


def _pool(session: AsyncSession) -> QueuePool | None:
    pool = session.bind.sync_engine.pool if isinstance(session.bind, AsyncEngine) else None
    return pool if isinstance(pool, QueuePool) else None


@asynccontextmanager
async def transaction(
    through: Entrance, settings: Mapping[str, str]
) -> AsyncIterator[AsyncSession]:
    """With these settings of PostgreSQL, our own words, set by the message that begins it."""
    extra = "".join(f" set local {name} = '{value}';" for name, value in settings.items())
    async with Entrance(through.sessions, through.entering + extra).transaction() as session:
        yield session


async def at_once(
    first: Coroutine[Any, Any, T],
    through: Entrance,
    settings: Mapping[str, str],
    second: Callable[[AsyncSession], Awaitable[S]],
) -> tuple[T, S | None]:
    """The first in this task, the second in a transaction of its own that only reads, and None where its connection could not be had
    or was lost.

    Nobody waits for that transaction's end, which takes a round trip. Where one of them fails, or whoever waits is gone, it has ended
    before that is told.
    """
    told: asyncio.Future[S | None] = asyncio.get_running_loop().create_future()
    other = asyncio.create_task(_apart(through, settings, second, told))
    _ENDING.add(other)
    other.add_done_callback(_ENDING.discard)
    try:
        return await first, await told
    except BaseException:
        other.cancel()
        await asyncio.wait([other])
        if not told.cancelled():
            told.exception()
        raise


async def _apart(
    through: Entrance,
    settings: Mapping[str, str],
    second: Callable[[AsyncSession], Awaitable[S]],
    told: "asyncio.Future[S | None]",
) -> None:
    try:
        async with transaction(through, settings) as session:
            pool = _pool(session)
            if pool is not None and pool.checkedout() >= pool.size():
                # Others took the rest since it was decided. To wait for them takes longer than to do it alone.
                told.set_result(None)
                return
            found = await second(session)
            if not told.done():
                told.set_result(found)
    except Exception as error:
        if told.done():
            log.debug("a transaction that only read did not end well: %r", error)
        elif isinstance(error, AppError) and error.code is ErrorCode.UNAVAILABLE:
            told.set_result(None)
        else:
            told.set_exception(error)
    finally:
        # Cancelled, before there was anything to tell.
        told.cancel()
