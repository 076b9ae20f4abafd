"""Whole objects that several ask for at once, read once for all of them."""

import asyncio

from app.storage.protocol import Storage
from app.storage.verified import Read, read_whole


class Reads:
    """Those that are going on. What one found is told to who waits for it, and to nobody after that."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._going_on: dict[str, asyncio.Task[Read | None]] = {}

    async def whole(self, key: str) -> Read | None:
        """As `read_whole`. Shielded: where the client of the first goes, the others still wait."""
        task = self._going_on.get(key)
        if task is None:
            task = self._going_on[key] = asyncio.create_task(read_whole(self._storage, key))
            task.add_done_callback(lambda it: self._ended(key, it))
        return await asyncio.shield(task)

    def _ended(self, key: str, task: "asyncio.Task[Read | None]") -> None:
        del self._going_on[key]
        if not task.cancelled():
            # Nobody may wait for it any more, and a failure nobody asks for is logged.
            task.exception()
