"""Small work that gives way to requests: one batch at a time, and a pause as long as each took. Any number of workers may."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from app.resources import Resources
from app.services import duplicates, renames

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 10.0


async def find_duplicates(resources: Resources) -> None:
    """Looks for near-copies of images that have got their vectors, until it is cancelled."""
    db = resources.db.worker

    async def some() -> int:
        return await db.run(duplicates.check_some) or await db.run(duplicates.queue_some)

    await _keep(some, "looking for near-copies")


async def word_renamed(resources: Resources) -> None:
    """Lets full text follow tags of many images that got another name, until it is cancelled."""
    db = resources.db.worker
    await _keep(lambda: db.run(renames.word_some), "wording the images of renamed tags")


async def _keep(some: Callable[[], Awaitable[object]], what: str) -> None:
    """`some` answers whether there was anything to do."""
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            found = await some()
        except Exception as error:
            log.warning("%s is put off: %s", what, error)
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        await asyncio.sleep(clock() - began if found else POLL_SECONDS)
