"""What the product asks of a store of bytes: operations on keys. No vendor."""

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from app.errors import AppError, ErrorCode
from app.storage.presigned import PresignedPut
from app.storage.stream import ByteStream

MAX_KEY_LENGTH: Final = 512
PUT_SECONDS: Final = 600.0
"""After this a put gives up before its next part: whoever waited for it may have gone, and its lease ends."""
_SEGMENT: Final = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_KEY: Final = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})+")
_PREFIX: Final = re.compile(rf"(?:{_SEGMENT}/)*(?:{_SEGMENT})?")


class ObjectMissing(LookupError):
    """The store answers, and has no object under this key."""


class ObjectExists(Exception):
    """The key was used before; what it holds stays as it is."""


class ObjectDamaged(AppError):
    """The bytes that came of the object under this key are not those that were stored: on their way, or where they lie.

    `sha256`: of those that came.
    """

    def __init__(self, key: str, sha256: bytes) -> None:
        super().__init__(ErrorCode.NOT_FOUND, "The stored bytes are damaged.")
        self.key = key
        self.sha256 = sha256


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    size: int
    """In bytes."""
    modified_at: datetime


class Storage(Protocol):
    """A store of objects that are written once and never changed.

    Every method raises AppError(UNAVAILABLE) where the store cannot be reached or refuses, and ValueError
    for a key that is not one.
    """

    async def put(self, key: str, source: Path, *, size: int) -> None:
        """Stores the `size` bytes of the file `source`; others see all of them or no object.

        A key is used once: ObjectExists where the store can tell. ValueError when `source` has another size.
        An error, UNAVAILABLE too, may leave the object there, or let it appear a little later.
        """
        ...

    def presigned_put(self, key: str, *, size: int, lifetime: timedelta) -> PresignedPut | None:
        """An address at which a client itself puts `size` bytes, again and again until `lifetime` is over.

        None where clients do not reach the store.
        """
        ...

    async def open(self, key: str, start: int = 0, length: int | None = None) -> ByteStream:
        """The bytes from `start`, at most `length` (>= 1) of them; nothing past the end. ObjectMissing."""
        ...

    async def size(self, key: str) -> int | None:
        """In bytes; None when there is no such object."""
        ...

    async def delete(self, keys: Iterable[str]) -> None:
        """Removes the objects; a missing one is no error."""
        ...

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """The objects whose keys begin with `prefix`, in no promised order. Files that are not ours are left out."""
        ...

    async def sweep(self, prefix: str, older_than: timedelta, *, dry_run: bool = False) -> int:
        """Removes what puts that never ended have left behind for so long; how many. `dry_run` only counts.

        Of keys that begin with `prefix`, where it lies among what is not ours. 0 where the store does not tell.
        """
        ...

    async def check(self) -> None:
        """Writes, reads and removes a small object."""
        ...

    async def close(self) -> None: ...


def is_key(text: str) -> bool:
    """Whether `text` can name an object: two or more segments of letters, digits, `-`, `_` and inner dots."""
    return len(text) <= MAX_KEY_LENGTH and ".." not in text and _KEY.fullmatch(text) is not None


def checked_key(key: str) -> str:
    if not is_key(key):
        raise ValueError(f"not a storage key: {key!r}")
    return key


def checked_prefix(prefix: str) -> str:
    if len(prefix) > MAX_KEY_LENGTH or ".." in prefix or not _PREFIX.fullmatch(prefix):
        raise ValueError(f"not a prefix of storage keys: {prefix!r}")
    return prefix


def checked_range(start: int, length: int | None) -> None:
    if start < 0 or (length is not None and length < 1):
        raise ValueError(f"not a range of bytes: {start=}, {length=}")


def checked_size(source: Path, size: int) -> None:
    actual = source.stat().st_size
    if actual != size:
        raise ValueError(f"{source.name} has {actual} bytes, not {size}")
