"""Full text follows renamed tags of many images in the background. Any number of workers may; one at a time does."""

import asyncio
import logging
from typing import Final

from app.resources import Resources
from app.services import renames

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 10.0


async def keep(resources: Resources) -> None:
    """Until it is cancelled. It gives way to requests: one batch at a time, and a pause as long as each took."""
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            found = await resources.db.worker.run(renames.word_some)
        except Exception as error:
            log.warning("wording the images of renamed tags is put off: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        await asyncio.sleep(clock() - began if found else POLL_SECONDS)
