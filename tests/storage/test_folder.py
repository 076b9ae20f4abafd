"""What the folder promises beyond the contract."""

import asyncio
import os
import resource
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from app.errors import AppError, ErrorCode
from app.storage import FolderStorage, ObjectExists


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "objects", tmp_path / "tmp")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"first")
    return path


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


async def test_a_key_is_used_once(storage: FolderStorage, source: Path, tmp_path: Path) -> None:
    await storage.put("t/a/b", source, size=5)
    (other := tmp_path / "other").write_bytes(b"other")
    with pytest.raises(ObjectExists):
        await storage.put("t/a/b", other, size=5)
    assert (tmp_path / "objects/t/a/b").read_bytes() == b"first"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_other_users_of_the_machine_see_nothing(storage: FolderStorage, tmp_path: Path) -> None:
    modes = {one: (tmp_path / one).stat().st_mode & 0o777 for one in ("objects", "tmp")}
    assert modes == {"objects": 0o700, "tmp": 0o700}


async def test_of_two_at_once_one_wins(storage: FolderStorage, source: Path) -> None:
    puts = (storage.put("t/a/b", source, size=5) for _ in range(8))
    answers = await asyncio.gather(*puts, return_exceptions=True)
    assert Counter(type(one) for one in answers) == {type(None): 1, ObjectExists: 7}


async def test_empty_folders_go_with_their_last_object(
    storage: FolderStorage, source: Path, tmp_path: Path
) -> None:
    await storage.put("t/a/b/1", source, size=5)
    await storage.put("t/a/c/1", source, size=5)
    await storage.delete(["t/a/b/1"])
    assert {path.name for path in (tmp_path / "objects/t/a").iterdir()} == {"c"}
    await storage.delete(["t/a/c/1"])
    assert list((tmp_path / "objects").iterdir()) == []


async def test_pruning_and_putting_at_once(storage: FolderStorage, source: Path) -> None:
    async def cycle(number: int) -> None:
        for turn in range(20):
            await storage.put(f"t/a/b/{number}-{turn}", source, size=5)
            await storage.delete([f"t/a/b/{number}-{turn}"])

    await asyncio.gather(*(cycle(number) for number in range(6)))
    assert [one async for one in storage.list("")] == []


async def test_what_is_deleted_while_it_is_asked_for_is_missing(storage: FolderStorage) -> None:
    """And the store is not away: a pass of reconcile would end with that."""
    path = storage.root / "t/a"
    path.parent.mkdir()
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            path.write_bytes(b"x")
            path.unlink()

    going = threading.Thread(target=come_and_go)
    going.start()
    try:
        for _ in range(20_000):
            storage._size("t/a")
    finally:
        ended.set()
        going.join()


async def test_strange_files_are_not_listed(storage: FolderStorage, tmp_path: Path) -> None:
    folder = tmp_path / "objects/t/a"
    folder.mkdir(parents=True)
    for name in (".hidden", "with space", "fine"):
        (folder / name).touch()
    assert [one.key async for one in storage.list("t/")] == ["t/a/fine"]


async def test_a_vanished_root_is_unavailable_and_nothing_is_missing(
    storage: FolderStorage, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "objects").rmdir()
    for call in (
        storage.size("t/a/b"),
        storage.open("t/a/b"),
        storage.put("t/a/b", source, size=5),
        storage.delete(["t/a/b"]),
        storage.check(),
    ):
        with pytest.raises(AppError) as caught:
            await call
        assert caught.value.code is ErrorCode.UNAVAILABLE
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_disk_that_takes_no_more_is_unavailable(
    storage: FolderStorage, source: Path, tmp_path: Path
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, limits[1]))
    try:
        with pytest.raises(AppError, match="too large") as caught:
            await storage.put("t/a/b", source, size=5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert files(tmp_path) == ["source"]


async def test_drafts_of_the_dead_are_swept(storage: FolderStorage, tmp_path: Path) -> None:
    old, young, other = (tmp_path / "tmp" / name for name in ("put-1", "put-2", "else"))
    for file in (old, young, other):
        file.touch()
    os.utime(old, (1, 1))
    os.utime(other, (1, 1))
    assert await storage.sweep("t/", timedelta(hours=1), dry_run=True) == 1
    assert old.exists()
    assert await storage.sweep("t/", timedelta(hours=1)) == 1
    assert sorted(tmp_path.joinpath("tmp").iterdir()) == [other, young]
