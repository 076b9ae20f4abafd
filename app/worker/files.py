"""Stored objects as files, for a decoder that reads paths, and files as stored objects."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from app.storage import ObjectExists, ObjectMissing, Storage, verified

PREFIX: Final = "work-"
STALE_SECONDS: Final = 3_600.0


def prepare(folder: Path) -> None:
    """Makes the folder, and removes what a worker that was killed left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < time.time() - STALE_SECONDS:
                left.unlink()


@asynccontextmanager
async def local_copy(
    storage: Storage, key: str, folder: Path, *, sha256: bytes | None
) -> AsyncIterator[Path]:
    """A temporary file with the object's bytes, removed at the end. ObjectMissing, or UNAVAILABLE.

    ObjectDamaged where they have another hash, if it is known: a decoder may take wrong bytes for a picture.
    """
    with tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX) as file:
        async with await storage.open(key) as stream:
            async for part in verified(stream, key, sha256) if sha256 else stream:
                await asyncio.to_thread(file.write, part)
        file.flush()
        yield Path(file.name)


async def keep(storage: Storage, key: str, data: bytes, folder: Path) -> int:
    """Stores the bytes, in place of others that an earlier run or release stored there; how many they are."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX) as file:
        await asyncio.to_thread(file.write, data)
        file.flush()
        try:
            await storage.put(key, Path(file.name), size=len(data))
        except ObjectExists:
            # What is right stays: another run may just have told of it.
            if not await _holds(storage, key, data):
                await storage.delete([key])
                with suppress(ObjectExists):
                    await storage.put(key, Path(file.name), size=len(data))
    return len(data)


async def _holds(storage: Storage, key: str, data: bytes) -> bool:
    if await storage.size(key) != len(data):
        return False
    with suppress(ObjectMissing):
        async with await storage.open(key) as stream:
            return b"".join([part async for part in stream]) == data
    return False
