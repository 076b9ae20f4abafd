"""Streams whose end comes only when every byte before it was right."""

import hashlib
from collections.abc import AsyncGenerator

from app.storage.protocol import ObjectDamaged
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
        raise ObjectDamaged(key)
    if held:
        yield held
