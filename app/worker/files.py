"""Stored objects as files, for a decoder that reads paths, and files as stored objects."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.storage import ObjectExists, Storage


@asynccontextmanager
async def local_copy(storage: Storage, key: str, folder: Path) -> AsyncIterator[Path]:
    """A temporary file with the object's bytes, removed at the end. ObjectMissing, or UNAVAILABLE."""
    stream = await storage.open(key)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="work-") as file:
        async with stream:
            async for part in stream:
                await asyncio.to_thread(file.write, part)
        file.flush()
        yield Path(file.name)


async def keep(storage: Storage, key: str, data: bytes, folder: Path) -> int:
    """Stores the bytes, unless an earlier run did; the size of what lies there now."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="work-") as file:
        await asyncio.to_thread(file.write, data)
        file.flush()
        try:
            await storage.put(key, Path(file.name), size=len(data))
        except ObjectExists:
            return await storage.size(key) or len(data)
    return len(data)
