"""Stored objects read from their beginning to their end, to know what they are."""

import hashlib
import logging
from dataclasses import dataclass

from app.errors import AppError
from app.storage import ObjectMissing, Storage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Read:
    """An object as it lies in storage."""

    size: int
    sha256: bytes


async def read(storage: Storage, key: str) -> Read | None:
    """None where it is missing."""
    digest, size = hashlib.sha256(), 0
    try:
        async with await storage.open(key) as stream:
            async for part in stream:
                digest.update(part)
                size += len(part)
    except ObjectMissing:
        return None
    return Read(size, digest.digest())


async def alone(storage: Storage, what: str, error: AppError) -> None:
    """Returns where a disk or a server refuses this one alone, as a bad sector does; raises where the whole store is away."""
    await storage.check()
    log.error("%s: its bytes cannot be read: %s", what, error.message)
