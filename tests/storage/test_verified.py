"""Streams that end only where every byte was right."""

import hashlib
from pathlib import Path

import pytest

from app.storage import FolderStorage, ObjectDamaged, lies_so, verified
from app.storage.stream import CHUNK

DATA = bytes(range(256)) * (CHUNK // 256) * 2 + b"the rest"


@pytest.fixture
async def storage(tmp_path: Path) -> FolderStorage:
    (source := tmp_path / "source").write_bytes(DATA)
    made = FolderStorage(tmp_path / "objects", tmp_path / "tmp")
    await made.put("t/a/b", source, size=len(DATA))
    return made


async def test_right_bytes_come_whole(storage: FolderStorage) -> None:
    stream = await storage.open("t/a/b")
    parts = [part async for part in verified(stream, "t/a/b", hashlib.sha256(DATA).digest())]
    assert b"".join(parts) == DATA


@pytest.mark.parametrize("at", [0, len(DATA) // 2, len(DATA) - 1])
async def test_one_wrong_bit_keeps_the_end_back(storage: FolderStorage, at: int) -> None:
    path = storage.root / "t/a/b"
    wrong = bytearray(DATA)
    wrong[at] ^= 1
    path.write_bytes(wrong)

    parts = verified(await storage.open("t/a/b"), "t/a/b", hashlib.sha256(DATA).digest())
    came = [len(await anext(parts)), len(await anext(parts))]
    with pytest.raises(ObjectDamaged) as caught:
        await anext(parts)
    assert caught.value.key == "t/a/b"
    assert await lies_so(storage, caught.value)
    path.write_bytes(DATA)
    assert not await lies_so(storage, caught.value)
    path.unlink()
    assert not await lies_so(storage, caught.value)

    assert sum(came) < len(DATA)
