"""A dataset as one tar archive that is made while it is sent: its files, then the originals, one at a time.

While all originals are there, the same dataset is the same archive, byte for byte: no times, no owners, one order.
"""

import json
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from app.db.models import Dataset
from app.domain import Damage, DatasetFile
from app.services.exports import datasets
from app.storage import ByteStream, ObjectDamaged, ObjectMissing, Storage, lies_so, verified

MISSING: Final = "MISSING"
"""The last entry, where there is one: the paths of originals that are not there any more, or are damaged, one a line."""
AT_ONCE: Final = 20
"""So many originals are sent before it is asked anew who may read them: a client may take its time."""
PIECE: Final = 256 * 1024
END: Final = bytes(2 * tarfile.BLOCKSIZE)

Line: TypeAlias = Mapping[str, Any]
"""Of images.jsonl."""
Originals: TypeAlias = Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, str]]]
"""The keys of those of these images that are still there; raises where their reader may not have them any more."""
Tell: TypeAlias = Callable[[str, Damage], Awaitable[None]]
"""Is told under which key an original is not what it was, and in what way."""


async def archive(
    storage: Storage, dataset: Dataset, originals: Originals, tell: Tell
) -> AsyncIterator[bytes]:
    """Breaks off where a file of the dataset, or the bytes of an original, are not what they were, and where
    `originals` raises. An original that is known to be damaged, or has another length, is left out like one that is gone."""
    files = {file.name: file for file in datasets.files(dataset)}
    for file in files.values():
        stream = await storage.open(file.key)
        async for part in _entry(file.name.value, file.size, file.sha256, file.key, stream):
            yield part
    missing: list[str] = []
    images = files[DatasetFile.IMAGES]
    async for lines in _batches(storage, images.key, images.size):
        found = await originals([UUID(line["id"]) for line in lines])
        for line in lines:
            key = found.get(UUID(line["id"]))
            opened = await _opened(storage, key, line["sizeBytes"], tell) if key else None
            if key is None or opened is None:
                missing.append(line["path"])
                continue
            try:
                async for part in _entry(
                    line["path"], line["sizeBytes"], line["sha256"], key, opened
                ):
                    yield part
            except ObjectDamaged as error:
                if await lies_so(storage, error):
                    await tell(key, Damage.WRONG_BYTES)
                raise
    if missing:
        text = "".join(f"{path}\n" for path in missing).encode()
        yield _header(MISSING, len(text)) + text + _padding(len(text))
    yield END


async def _entry(
    name: str, size: int, sha256: str, key: str, stream: ByteStream
) -> AsyncIterator[bytes]:
    yield _header(name, size)
    async for part in verified(stream, key, bytes.fromhex(sha256)):
        yield part
    yield _padding(size)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


async def _batches(storage: Storage, key: str, size: int) -> AsyncIterator[list[Line]]:
    """The lines of images.jsonl, a piece at a time: no store keeps a connection open that is read from now and then."""
    rest = b""
    for start in range(0, size, PIECE):
        async with await storage.open(key, start, PIECE) as stream:
            piece = b"".join([part async for part in stream])
        *whole, rest = (rest + piece).split(b"\n")
        lines = [json.loads(one) for one in whole]
        for first in range(0, len(lines), AT_ONCE):
            yield lines[first : first + AT_ONCE]


async def _opened(storage: Storage, key: str, size: int, tell: Tell) -> ByteStream | None:
    """None where it is not there, or not as long as it was."""
    try:
        stream = await storage.open(key)
    except ObjectMissing:
        await tell(key, Damage.MISSING)
        return None
    if stream.length not in (None, size):
        await stream.aclose()
        await tell(key, Damage.WRONG_SIZE)
        return None
    return stream
