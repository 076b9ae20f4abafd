"""How many requests with files one process takes in at the same time: what bounds their memory, threads and disk."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from app.errors import rate_limited

WAIT_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 5


class Gate:
    """Whoever finds all places taken waits a little, and none of their bytes is read meanwhile.

    One user has half of the places at most, so that a slow one does not shut all others out.
    """

    def __init__(self, places: int, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._places = places
        self._share = -(-places // 2)
        self._wait_seconds = wait_seconds
        self._taken: Counter[UUID] = Counter()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def entered(self, user_id: UUID) -> AsyncIterator[None]:
        """RATE_LIMITED where no place gets free."""
        try:
            async with asyncio.timeout(self._wait_seconds), self._changed:
                await self._changed.wait_for(lambda: self._is_free(user_id))
                self._taken[user_id] += 1
        except TimeoutError:
            raise rate_limited("Too many uploads at once; try again.", RETRY_SECONDS) from None
        try:
            yield
        finally:
            await asyncio.shield(self._leave(user_id))

    def _is_free(self, user_id: UUID) -> bool:
        return self._taken.total() < self._places and self._taken[user_id] < self._share

    async def _leave(self, user_id: UUID) -> None:
        async with self._changed:
            self._taken[user_id] -= 1
            self._taken += Counter()  # Forgets whoever has no place any more.
            self._changed.notify_all()
