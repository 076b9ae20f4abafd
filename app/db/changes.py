"""Which images changed, and which bulk jobs and exports got on, told by PostgreSQL (migrations 0009 and 0022) on one
connection to all who watch in this process.

Ids alone pass through here. What a watcher may see, and what the image looks like now, is asked of the database
by the watcher. Nothing is held open while nobody watches.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Final
from uuid import UUID

from app.db.database import Database
from app.db.notifications import listen
from app.errors import rate_limited, unavailable

CHANNEL: Final = "pictor_images"
GONE: Final = "GONE"
"""Of an image, and whatever becomes of a job or an export: it concerns those alone who follow this id."""
FIRST_SECONDS: Final = 10.0
MAX_WAITING: Final = 2_000
"""Images that wait for one watcher: about 200 KiB, as the ids are shared between all."""
MARGIN_SECONDS: Final = 60.0
"""A change is dated by the start of its transaction, which may have been long before its commit."""


class Watch:
    """What changed of what one reader follows: each image once, until it is taken.

    `missed_since`: the loop's time from which on changes may have been missed.
    """

    def __init__(self, watches: dict[UUID, set["Watch"]]) -> None:
        self.missed_since: float | None = None
        self._watches = watches
        self._keys: frozenset[UUID] = frozenset()
        self._waiting: dict[UUID, None] = {}
        self._called = asyncio.Event()

    def follow(self, keys: Iterable[UUID]) -> None:
        """From now on: the changes of the images, and of the images of the teams, with these ids."""
        wanted = frozenset(keys)
        for key in self._keys - wanted:
            self._watches[key].discard(self)
            if not self._watches[key]:
                del self._watches[key]
        for key in wanted - self._keys:
            self._watches.setdefault(key, set()).add(self)
        self._keys = wanted

    def add(self, image_ids: Iterable[UUID]) -> None:
        for one in image_ids:
            if len(self._waiting) <= MAX_WAITING:
                self._waiting[one] = None
        self._called.set()

    def take(self, limit: int) -> list[UUID]:
        """The images that have waited longest. RATE_LIMITED where more waited than may: the reader is too slow."""
        if len(self._waiting) > MAX_WAITING:
            raise rate_limited("More changed than you read: subscribe again.", retry_after=1)
        taken = list(islice(self._waiting, limit))
        for one in taken:
            del self._waiting[one]
        if not self._waiting and self.missed_since is None:
            self._called.clear()
        return taken

    def lost(self, since: float) -> None:
        self.missed_since = since if self.missed_since is None else self.missed_since
        self._called.set()

    def caught_up(self, since: float) -> None:
        """What was missed from then on is added now, unless more was lost meanwhile."""
        if self.missed_since == since:
            self.missed_since = None

    async def wait(self, seconds: float) -> None:
        """Until something changed, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._called.wait()


class Changes:
    """Listens while somebody watches, and hands each change to those whom it concerns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watches: dict[UUID, set[Watch]] = {}
        self._watching: set[Watch] = set()
        self._listener: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()
        self._alive = 0.0

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[Watch]:
        """A watch that follows nothing yet. What changes from now on is heard; UNAVAILABLE where it cannot be."""
        watch = Watch(self._watches)
        self._watching.add(watch)
        if self._listener is None:
            self._listener = asyncio.create_task(
                listen(self._database, CHANNEL, self._heard, self._is_alive)
            )
        try:
            try:
                async with asyncio.timeout(FIRST_SECONDS):
                    await self._listening.wait()
            except TimeoutError as error:
                raise unavailable("The database cannot be reached; try again.") from error
            yield watch
        finally:
            watch.follow(())
            self._watching.discard(watch)
            if not self._watching:
                self._rest()

    def _rest(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
        self._listener = None
        self._listening.clear()

    def _heard(self, payload: str | None) -> None:
        if payload is None:
            if self._listening.is_set():
                for watch in self._watching:
                    watch.lost(self._alive)
            self._listening.set()
            return
        team, image, state = payload.split(" ")
        image_id = UUID(image)
        concerned = set(self._watches.get(image_id, ()))
        if state != GONE:
            concerned |= self._watches.get(UUID(team), set())
        for watch in concerned:
            watch.add((image_id,))

    def _is_alive(self) -> None:
        self._alive = _now()


def seconds_since(time: float) -> float:
    """How long ago the loop's `time` was, with MARGIN_SECONDS."""
    return _now() - time + MARGIN_SECONDS


def _now() -> float:
    return asyncio.get_running_loop().time()
