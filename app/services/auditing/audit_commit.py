"""Group commit: events of many requests in one transaction, and each request waits for it. No request, no schema."""

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Entrance
from app.errors import AppError, unavailable
from app.services.auditing import audit
from app.services.auditing.audit import Event

log = logging.getLogger(__name__)

MAX_WAITING: Final = 5_000
"""Events of requests that wait; more are refused, for an access that goes unrecorded is none that is allowed."""
MAX_BATCH: Final = 1_000
GATHER_SECONDS: Final = 0.004


@dataclass(frozen=True, slots=True)
class _Waiting:
    events: Sequence[Event]
    done: asyncio.Future[None]


class Recorder:
    """Records what was read or refused. The first event is written at once; what comes meanwhile goes together.

    The writer lives only while somebody waits: there is nothing to open or to close.
    """

    def __init__(self, db: Entrance, key: bytes) -> None:
        self._db = db
        self._key = key
        self._queue: deque[_Waiting] = deque()
        self._size = 0
        self._writer: asyncio.Task[None] | None = None

    async def record(self, events: Sequence[Event]) -> None:
        """Returns when the events are committed. UNAVAILABLE where they cannot be: then nothing may be answered."""
        if not events:
            return
        if self._size + len(events) > MAX_WAITING:
            raise unavailable("Too many requests wait to be recorded; try again.")
        waiting = _Waiting(events, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._size += len(events)
        if self._writer is None or self._writer.done():
            # A context of its own: the writer's statements are not those of the request that wakes it.
            self._writer = asyncio.create_task(self._write(), context=contextvars.Context())
        # A request that is cancelled leaves its events in the queue.
        await asyncio.shield(waiting.done)

    async def _write(self) -> None:
        pause = 0.0
        while self._queue:
            # Who finds nobody waiting is written at once; behind a commit, a few more come together.
            await asyncio.sleep(pause)
            pause = GATHER_SECONDS
            batch = self._next()
            try:
                await self._commit(batch)
            except Exception as error:
                await self._apart(batch, error)
            for one in batch:
                if not one.done.done():
                    one.done.set_result(None)

    def _next(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and (not batch or size + len(self._queue[0].events) <= MAX_BATCH):
            batch.append(self._queue.popleft())
            size += len(batch[-1].events)
        self._size -= size
        return batch

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        events = [event for one in batch for event in one.events]

        async def append(session: AsyncSession) -> None:
            await audit.append(session, self._key, await audit.addressed(session, events))

        await self._db.run(append)

    async def _apart(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Each request for itself, so that one event that cannot be written fails its own request alone."""
        lost = isinstance(error, AppError)
        if not lost:
            log.error("a batch of audit events could not be written", exc_info=error)
        for one in batch:
            try:
                if lost:
                    raise error
                await self._commit([one])
            except Exception as own:
                if not one.done.cancelled():
                    refusal = unavailable("The access could not be recorded; try again.")
                    refusal.__cause__ = own
                    one.done.set_exception(refusal)
