"""`pictor worker` on a host where a picture wider than 200 pixels kills the process, as a fault of a native library would."""

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.embedding import Vectors
from app.resources import open_resources
from app.settings import Settings
from app.worker import Worker, worker, working
from tests.worker.wrapped import Wrapped


class Deadly(Wrapped):
    """An embedder that does not survive what it cannot take."""

    async def pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> Vectors:
        if any(picture.shape[1] > 200 for picture in pictures):
            os.kill(os.getpid(), signal.SIGKILL)
        return await self.inner.pictures(pictures)


async def main() -> None:
    # Each of these workers dies at once: nobody's lease is in doubt for as long as elsewhere, nor is a job due for long.
    worker.CALM_SECONDS = 0.2  # type: ignore[misc]
    worker.POLL_SECONDS = 0.1  # type: ignore[misc]
    asked_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_stop.set)
    async with open_resources(Settings()) as resources:
        deadly = replace(resources, embedder=Deadly(resources.embedder))
        async with working(lambda: Worker(deadly), asked_to_stop):
            await asked_to_stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
