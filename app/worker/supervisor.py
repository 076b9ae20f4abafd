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
                async with asyncio.timeout(RESTART_SECONDS):
                    await self._stopping.wait()

    async def stop(self) -> None:
        self._stopping.set()
        if self._worker is not None:
            await self._worker.stop()


@asynccontextmanager
async def working(make: Callable[[], Worker], stop: asyncio.Event) -> AsyncIterator[None]:
    """A supervised worker beside the block. From `stop`, at the latest from the block's end, it hands back what it has.

    It has STOP_SECONDS for what it is doing; where the block is left by an exception or cancelled, none.
    """
    supervisor = Supervisor(make)
    running = asyncio.create_task(supervisor.run())
    leaving = asyncio.create_task(_leave(supervisor, stop))
    try:
        yield
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await supervisor.stop()
                await running
    finally:
        for task in (running, leaving):
            task.cancel()
        await asyncio.wait([running, leaving])


async def _leave(supervisor: Supervisor, stop: asyncio.Event) -> None:
    await stop.wait()
    await supervisor.stop()
