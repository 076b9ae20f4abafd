"""Streams whose end comes only when every byte before it was right, and objects that are read to know what they are."""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from app.storage.protocol import ObjectDamaged, ObjectMissing, Storage
from app.storage.stream import ByteStream


async def verified(stream: ByteStream, key: str, sha256: bytes) -> AsyncGenerator[bytes, None]:
    """The chunks of a whole object, each one step late: ObjectDamaged in the place of the last, unless all have this hash.

    So whoever was promised a length can tell that something is missing. A chunk is hashed in well under a millisecond.
    """
    seen, held = hashlib.sha256(), b""
    async with stream:
        async for chunk in stream:
            seen.update(chunk)
            if held:
                yield held
            held = chunk
    if seen.digest() != sha256:
        raise ObjectDamaged(key, seen.digest())
    if held:
        yield held


@dataclass(frozen=True, slots=True)
class Read:
    """An object as it came from storage."""

    size: int
    sha256: bytes


async def read_whole(storage: Storage, key: str) -> Read | None:
    """None where it is missing."""
    seen, size = hashlib.sha256(), 0
    try:
        async with await storage.open(key) as stream:
            async for part in stream:
                seen.update(part)
                size += len(part)
    except ObjectMissing:
        return None
    return Read(size, seen.digest())


async def lies_so(storage: Storage, damaged: ObjectDamaged) -> bool:
    """Whether the same wrong bytes come again: what was turned over on its way comes otherwise the next time."""
    again = await read_whole(storage, damaged.key)
    return again is not None and again.sha256 == damaged.sha256
