"""How many requests with files one process takes in at the same time: what bounds their memory, threads and disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from app.errors import rate_limited

WAIT_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 5


class Gate:
    """Whoever finds all places taken waits a little, and none of their bytes is read meanwhile."""

    def __init__(self, places: int, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._places = asyncio.Semaphore(places)
        self._wait_seconds = wait_seconds

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """RATE_LIMITED where no place gets free."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise rate_limited("Too many uploads at once; try again.", RETRY_SECONDS) from None
        try:
            yield
        finally:
            self._places.release()
