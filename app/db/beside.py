"""A second connection for one request: what PostgreSQL works at for long can be done in two halves at once, on two processors."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import QueuePool

from app.db.database import ENTRANCE, Entrance

T = TypeVar("T")
S = TypeVar("S")
BUSY: Final = 4
"""Where more than this part of a pool is taken, processors have enough to do."""


def entrance(session: AsyncSession) -> Entrance | None:
    """That of this session, where another transaction through it costs nobody a wait, because most of the pool is idle. None otherwise,
    and where what the session sees is not what another would."""
    through = session.info.get(ENTRANCE)
    pool = session.bind.sync_engine.pool if isinstance(session.bind, AsyncEngine) else None
    if not isinstance(through, Entrance) or not isinstance(pool, QueuePool):
        return None
    if pool.checkedout() * BUSY > pool.size():
        return None
    return through


@asynccontextmanager
async def transaction(
    through: Entrance, settings: Mapping[str, str]
) -> AsyncIterator[AsyncSession]:
    """With these settings of PostgreSQL, our own words, set by the message that begins it."""
    extra = "".join(f" set local {name} = '{value}';" for name, value in settings.items())
    async with Entrance(through.sessions, through.entering + extra).transaction() as session:
        yield session


async def at_once(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, S]) -> tuple[T, S]:
    """The first in this task. Where one fails, or whoever waits is gone, the other has ended before that is told."""
    other = asyncio.create_task(second)
    try:
        mine = await first
    except BaseException:
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        raise
    return mine, await other
