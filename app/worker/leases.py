"""A lease is renewed for as long as its work lasts, whatever becomes of one renewal."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from app.db.database import Entrance, Work

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
"""After a crash, work is taken up again within this time; whoever lives renews it in time."""
RENEWAL_PAUSE_SECONDS: Final = 1.0
"""Between two tries to renew a lease while the database is away."""


@asynccontextmanager
async def kept(db: Entrance, renew: Work[None]) -> AsyncIterator[None]:
    """`renew` makes it LEASE long again, three times in that time."""
    keeper = asyncio.create_task(_keep(db, renew))
    try:
        yield
    finally:
        keeper.cancel()


async def _keep(db: Entrance, renew: Work[None]) -> None:
    pause = LEASE.total_seconds() / 3
    while True:
        await asyncio.sleep(pause)
        try:
            await db.run(renew)
            pause = LEASE.total_seconds() / 3
        except Exception as error:
            # Where the database is away for long, the fence decides in the end.
            log.warning("a lease could not be renewed: %r", error)
            pause = RENEWAL_PAUSE_SECONDS
