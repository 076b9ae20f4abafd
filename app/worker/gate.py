"""Who works beside whom: many batches at once, or one suspect with nobody beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Batches pass together. Whoever wants to be alone waits for those that are inside, and others wait behind."""

    def __init__(self) -> None:
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._door = asyncio.Lock()
        self._trial = asyncio.Lock()

    @property
    def has_trial(self) -> bool:
        """Whether somebody is alone, wants to be, or has just entered `beside`."""
        return self._trial.locked()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        async with self._door:
            self._inside += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._trial, self._door:
            await self._empty.wait()
            yield

    @asynccontextmanager
    async def beside(self, seconds: float) -> AsyncIterator[None]:
        """Beside those who pass together. For so long at first, nobody else enters this way or is alone."""
        await self._trial.acquire()
        trying = True

        def tried() -> None:
            nonlocal trying
            if trying:
                trying = False
                self._trial.release()

        timer = asyncio.get_running_loop().call_later(seconds, tried)
        try:
            yield
        finally:
            timer.cancel()
            tried()
