"""Near-copies are looked for in the background, after an image has its vector. Any number of workers may."""

import asyncio
import logging
from typing import Final

from app.resources import Resources
from app.services import duplicates

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 10.0


async def keep(resources: Resources) -> None:
    """Until it is cancelled. It gives way to requests: one batch at a time, and a pause as long as each took."""
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            db = resources.db.worker
            found = await db.run(duplicates.check_some) or await db.run(duplicates.queue_some)
        except Exception as error:
            log.warning("looking for near-copies is put off: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        await asyncio.sleep(clock() - began if found else POLL_SECONDS)
