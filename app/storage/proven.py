"""A store that says nothing is missing, and takes no bytes, unless it has been seen to be the right one."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Final

from app.errors import SetupError, unavailable
from app.storage.presigned import PresignedPut
from app.storage.protocol import ObjectMissing, Storage, StoredObject
from app.storage.stream import ByteStream

log = logging.getLogger(__name__)

GOOD_SECONDS: Final = 5.0
"""So long the store counts as proven for what is written to it or deleted."""
TOLD_SECONDS: Final = 60.0

Prove = Callable[[], Awaitable[None]]
"""SetupError where the store is another's; UNAVAILABLE where it cannot be asked."""


class ProvenStorage:
    """As the store inside it; see `Storage`.

    A volume that is not mounted is an empty folder, and lacks every object. So what is not there is believed only of a
    store that is proven after that; a write or a deletion wants a proof that is no older than GOOD_SECONDS. What is there
    needs none: keys are used once. UNAVAILABLE while the store is another's, as while it is away.
    """

    def __init__(self, inner: Storage, prove: Prove) -> None:
        self._inner = inner
        self._prove = prove
        self._running: asyncio.Task[None] | None = None
        self._proven_at = float("-inf")
        self._told_at = float("-inf")

    async def prove(self, *, within: float = 0) -> None:
        """Returns where the store was found to be the right one, at most `within` seconds ago. As `Prove`.

        Whoever asks at the same time waits for one answer: a silent store costs its silence once.
        """
        since = time.monotonic() - within
        while self._proven_at < since:
            if self._running is None or self._running.done():
                self._running = asyncio.create_task(self._ask())
                self._running.add_done_callback(_heard)
            await asyncio.shield(self._running)

    async def put(self, key: str, source: Path, *, size: int) -> None:
        await self._sure(GOOD_SECONDS)
        await self._inner.put(key, source, size=size)

    def presigned_put(self, key: str, *, size: int, lifetime: timedelta) -> PresignedPut | None:
        return self._inner.presigned_put(key, size=size, lifetime=lifetime)

    async def open(self, key: str, start: int = 0, length: int | None = None) -> ByteStream:
        try:
            return await self._inner.open(key, start, length)
        except ObjectMissing:
            await self._sure()
            raise

    async def size(self, key: str) -> int | None:
        found = await self._inner.size(key)
        if found is None:
            await self._sure()
        return found

    async def delete(self, keys: Iterable[str]) -> None:
        await self._sure(GOOD_SECONDS)
        await self._inner.delete(keys)

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        async for stored in self._inner.list(prefix):
            yield stored
        await self._sure()

    async def sweep(self, prefix: str, older_than: timedelta, *, dry_run: bool = False) -> int:
        await self._sure(GOOD_SECONDS)
        return await self._inner.sweep(prefix, older_than, dry_run=dry_run)

    async def check(self) -> None:
        await self._sure()
        await self._inner.check()

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        await self._inner.close()

    async def _ask(self) -> None:
        began = time.monotonic()
        try:
            await self._prove()
        except BaseException:
            # What was seen before it does not count any more, for writes neither.
            self._proven_at = float("-inf")
            raise
        self._proven_at = began

    async def _sure(self, within: float = 0) -> None:
        """The log says what is wrong, whose reader can put it right, and the client only that something is."""
        try:
            await self.prove(within=within)
        except SetupError as error:
            if time.monotonic() - self._told_at > TOLD_SECONDS:
                self._told_at = time.monotonic()
                log.error("storage is refused: %s", error)
            raise unavailable("Storage is unavailable (not this installation's).") from error


def _heard(task: asyncio.Task[None]) -> None:
    """Whoever asked may be gone, and a failure that nobody takes is logged."""
    if not task.cancelled():
        task.exception()
