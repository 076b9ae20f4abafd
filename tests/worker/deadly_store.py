"""`pictor worker` whose process is killed while files are stored: before the put whose number is in PUT.

Exports write in small batches, and tell of each: an export of a few images has as many steps as a large one.
"""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.resources import open_resources
from app.services.exports import exporting
from app.settings import Settings
from app.storage import Storage
from app.worker import Worker, export, worker, working


class Deadly:
    """A storage whose process does not survive one of its puts; without PUT, it survives all of them."""

    def __init__(self, inner: Storage, fatal: int | None) -> None:
        self._inner = inner
        self._fatal = fatal
        self._puts = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def put(self, key: str, source: Path, *, size: int) -> None:
        self._puts += 1
        if self._puts == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        await self._inner.put(key, source, size=size)


async def main() -> None:
    # Each of these workers dies at once: nobody's lease is in doubt for as long as elsewhere, nor is a job due for long.
    worker.CALM_SECONDS = 0.2  # type: ignore[misc]
    worker.POLL_SECONDS = 0.1  # type: ignore[misc]
    exporting.AT_ONCE = 20  # type: ignore[misc]
    export.TOLD_EVERY = 1  # type: ignore[misc]
    fatal = os.environ.get("PUT")
    asked_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_stop.set)
    async with open_resources(Settings()) as resources:
        storage: Any = Deadly(resources.storage, int(fatal) if fatal else None)
        deadly = replace(resources, storage=storage)
        async with working(lambda: Worker(deadly), asked_to_stop):
            await asked_to_stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
