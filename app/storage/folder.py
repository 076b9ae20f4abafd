"""Objects as files below one folder."""

import io
import os
import shutil
import stat
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from app.errors import unavailable
from app.storage.presigned import PresignedPut
from app.storage.protocol import (
    PUT_SECONDS,
    ObjectExists,
    ObjectMissing,
    StoredObject,
    checked_key,
    checked_prefix,
    checked_range,
    checked_size,
    is_key,
)
from app.storage.stream import ByteStream, Threads

THREADS: Final = 8
DRAFT: Final = "put-"
RACES: Final = 20
"""How often a write may lose its fresh folder to a deletion that prunes empty ones."""


class FolderStorage:
    """A Storage below `root`. Drafts are written in `tmp`, which lies in the same file system."""

    def __init__(self, root: Path, tmp: Path) -> None:
        self.root = root.absolute()
        self._tmp = tmp.absolute()
        self._threads = Threads(THREADS, "folder-storage")
        for folder in (self.root, self._tmp):
            # Other users of the machine see no team's pictures. A folder that is there already stays as it is.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def put(self, key: str, source: Path, *, size: int) -> None:
        await self._threads.run(self._put, checked_key(key), source, size)

    def presigned_put(self, key: str, *, size: int, lifetime: timedelta) -> PresignedPut | None:
        return None

    async def open(self, key: str, start: int = 0, length: int | None = None) -> ByteStream:
        checked_range(start, length)
        return await self._threads.stream(self._open, checked_key(key), start, length)

    async def size(self, key: str) -> int | None:
        return await self._threads.run(self._size, checked_key(key))

    async def delete(self, keys: Iterable[str]) -> None:
        await self._threads.run(self._delete, [checked_key(key) for key in keys])

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        folders = self._walk(checked_prefix(prefix))
        while (found := await self._threads.run(next, folders, None)) is not None:
            for one in found:
                yield one

    async def sweep(self, prefix: str, older_than: timedelta, *, dry_run: bool = False) -> int:
        return await self._threads.run(self._sweep, older_than.total_seconds(), dry_run)

    async def check(self) -> None:
        await self._threads.run(self._check)

    async def close(self) -> None:
        self._threads.close()

    def _put(self, key: str, source: Path, size: int) -> None:
        checked_size(source, size)
        with source.open("rb") as reader:
            self._write(key, reader)

    def _write(self, key: str, reader: BinaryIO) -> None:
        draft = self._tmp / f"{DRAFT}{uuid4().hex}"
        begun = time.monotonic()
        with _disk():
            try:
                with draft.open("xb") as writer:
                    shutil.copyfileobj(reader, writer, 1024 * 1024)
                    writer.flush()
                    os.fsync(writer.fileno())
                if time.monotonic() - begun > PUT_SECONDS:
                    raise unavailable("Storage is unavailable (too slow).")
                self._publish(draft, key)
            finally:
                draft.unlink(missing_ok=True)

    def _publish(self, draft: Path, key: str) -> None:
        """Gives the draft its name in one step; a link, unlike a rename, never replaces a file."""
        target = self.root / key
        for _ in range(RACES):
            try:
                self._make_folder(target.parent)
                os.link(draft, target)
                _sync(target.parent)
                return
            except FileExistsError as error:
                raise ObjectExists(key) from error
            except FileNotFoundError:
                continue
        raise unavailable("Storage is unavailable (folder vanishes).")

    def _make_folder(self, folder: Path) -> None:
        """Makes the folder and those above it up to the root, each entered durably in its parent."""
        if folder == self.root or folder.is_dir():
            return
        self._make_folder(folder.parent)
        # mkdir(exist_ok=True) would fail where a deletion prunes the folder at that very moment.
        with suppress(FileExistsError):
            folder.mkdir()
        _sync(folder.parent)

    def _open(self, key: str, start: int, length: int | None) -> "_FilePart":
        with _disk():
            try:
                return _FilePart((self.root / key).open("rb"), start, length)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                self._must_be_there()
                raise ObjectMissing(key) from error

    def _size(self, key: str) -> int | None:
        with _disk():
            # Asked once: between two questions it may be deleted.
            with suppress(FileNotFoundError, NotADirectoryError):
                facts = (self.root / key).stat()
                if stat.S_ISREG(facts.st_mode):
                    return facts.st_size
            self._must_be_there()
            return None

    def _delete(self, keys: Iterable[str]) -> None:
        with _disk():
            for key in keys:
                path = self.root / key
                with suppress(FileNotFoundError, NotADirectoryError):
                    path.unlink()
                self._prune(path.parent)
            self._must_be_there()

    def _prune(self, folder: Path) -> None:
        while folder != self.root:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            folder = folder.parent

    def _walk(self, prefix: str) -> Iterator[tuple[StoredObject, ...]]:
        """The objects of one folder after the other."""
        with _disk():
            self._must_be_there()
            start = self.root / prefix.rpartition("/")[0]
            for folder, _, names in os.walk(start, onerror=_unless_gone):
                objects = (self._stat(Path(folder, name)) for name in names)
                yield tuple(one for one in objects if one and one.key.startswith(prefix))

    def _stat(self, path: Path) -> StoredObject | None:
        key = path.relative_to(self.root).as_posix()
        try:
            facts = path.stat()
        except FileNotFoundError:
            return None
        changed = datetime.fromtimestamp(facts.st_mtime, UTC)
        return StoredObject(key, facts.st_size, changed) if is_key(key) else None

    def _sweep(self, seconds: float, dry_run: bool) -> int:
        with _disk():
            found = 0
            for draft in self._tmp.glob(f"{DRAFT}*"):
                with suppress(FileNotFoundError):
                    if draft.stat().st_mtime < time.time() - seconds:
                        found += 1
                        if not dry_run:
                            draft.unlink()
            return found

    def _check(self) -> None:
        key = f"check/{uuid4().hex}"
        self._must_be_there()
        self._write(key, io.BytesIO(b"check"))
        self._open(key, 0, None).close()
        self._delete([key])

    def _must_be_there(self) -> None:
        """Objects are not missing because the disk is."""
        if not self.root.is_dir():
            raise unavailable("Storage is unavailable (no such folder).")


class _FilePart:
    """Part of an open file."""

    def __init__(self, file: BinaryIO, start: int, length: int | None) -> None:
        self._file = file
        self._left = length
        rest = max(os.fstat(file.fileno()).st_size - start, 0)
        self.length = rest if length is None else min(length, rest)
        file.seek(start)

    def read(self, size: int, /) -> bytes:
        with _disk():
            chunk = self._file.read(size if self._left is None else min(size, self._left))
        if self._left is not None:
            self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        self._file.close()


@contextmanager
def _disk() -> Iterator[None]:
    """What the disk refuses (full, read-only, broken) is UNAVAILABLE."""
    try:
        yield
    except OSError as error:
        raise unavailable(f"Storage is unavailable ({error.strerror}).") from error


def _unless_gone(error: OSError) -> None:
    """A folder may vanish under a listing; anything else is told."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
