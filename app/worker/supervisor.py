"""A worker that is always there: the server's own, and that of `pictor worker`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from app.worker.worker import Worker

log = logging.getLogger(__name__)

RESTART_SECONDS: Final = 1.0
STOP_SECONDS: Final = 10.0


class Supervisor:
    """Runs a worker until it is told to stop; one that dies is followed by a new one."""

    def __init__(self, make: Callable[[], Worker]) -> None:
        self._make = make
        self._worker: Worker | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        while not self._stopping.is_set():
            self._worker = self._make()
            try:
                await self._worker.run()
            except Exception:
                log.exception("the worker died; another one starts in %s s", RESTART_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), RESTART_SECONDS)

    async def stop(self) -> None:
        self._stopping.set()
        if self._worker is not None:
            await self._worker.stop()


@asynccontextmanager
async def working(make: Callable[[], Worker]) -> AsyncIterator[Supervisor]:
    """A supervised worker beside the block; at its end it has STOP_SECONDS for what it is doing."""
    supervisor = Supervisor(make)
    task = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        await supervisor.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(task, STOP_SECONDS)
