"""How much of the truth searches by graph find: now and then one is done again, vector by vector, beside the requests."""

import asyncio
import logging
from typing import Final

from app.db.database import Entrance
from app.domain import SearchStrategy
from app.metrics.instruments import Metrics
from app.services.searching.nearest import Found

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 30.0


class RecallSampler:
    """Takes one of every `share` searches by graph; 0 takes none. One at a time, and none is waited for."""

    def __init__(self, metrics: Metrics, share: int) -> None:
        self._metrics = metrics
        self._share = share
        self._seen = 0
        self._running: asyncio.Task[None] | None = None

    def saw(self, db: Entrance, found: Found) -> None:
        """Of a search that was answered through this entrance, which its repetition takes too."""
        if not self._share or found.strategy is not SearchStrategy.INDEX:
            return
        self._seen += 1
        is_busy = self._running is not None and not self._running.done()
        if self._seen >= self._share and not is_busy:
            self._seen = 0
            self._running = asyncio.create_task(self._compare(db, found))

    async def _compare(self, db: Entrance, found: Found) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), db.transaction() as session:
                truth = await found.exactly(session)
        except Exception as error:
            log.info("a search was not compared with the truth: %r", error)
            return
        if truth:
            shown = {one.image_id for one in found}
            hit = sum(one.image_id in shown for one in truth)
            self._metrics.recall(hit / len(truth))

    async def idle(self) -> None:
        """Until nothing is being compared."""
        if self._running is not None:
            await asyncio.wait([self._running])

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
