"""Stored objects as files, for a decoder that reads paths, and files as stored objects."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from app.errors import AppError, unavailable
from app.storage import ObjectExists, ObjectMissing, Storage, verified

PREFIX: Final = "work-"
STALE_SECONDS: Final = 3_600.0
TRIES: Final = 4


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


async def keep(storage: Storage, key: str, data: bytes, folder: Path) -> bytes:
    """Stores what can be made anew, in the place of other bytes that lie there; its SHA-256."""
    sha256 = hashlib.sha256(data).digest()
    with tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX) as file:
        await asyncio.to_thread(file.write, data)
        file.flush()
        for _ in range(TRIES):
            try:
                await storage.put(key, Path(file.name), size=len(data))
                return sha256
            except ObjectExists:
                # An earlier run stored the same, or another release other bytes, or they are not what they were.
                if await _is_there(storage, key, sha256):
                    return sha256
                await storage.delete([key])
    raise unavailable("Another run stores other bytes of the same image.")


async def _is_there(storage: Storage, key: str, sha256: bytes) -> bool:
    try:
        async for _ in verified(await storage.open(key), key, sha256):
            pass
    except (ObjectMissing, AppError):
        # Damaged, or in a bad sector. Where the whole store is away, what follows finds that.
        return False
    return True
