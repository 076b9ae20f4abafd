"""Whether a store is this installation's: it bears the mark, a small object that is named after the installation.

A store without it is marked where none was before and it plainly is the right one: it has the objects of most images that
are looked for, or there are no images yet and nobody else's objects. Any other is refused, for all that it lacks would count
as lost.
"""

import asyncio
import random
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Entrance
from app.db.models import Image, Team
from app.domain import ImageState
from app.errors import SetupError, unavailable
from app.services import installation, repair
from app.storage import ObjectExists, Storage
from app.storage.protocol import is_key

MARKS: Final = "t/installation/"
"""Marks lie among the pictures, so that whoever copies these has copied it too. No team has such an id."""
TEXT: Final = (
    "This store holds the pictures of the Pictor installation {id}, which knows it again by this object."
    " Keep it, and copy it with the pictures.\n"
)
SAMPLE: Final = 24
"""Images that are looked for where there is no mark."""
AT_ONCE: Final = 8
MOST_LOOKED_AT: Final = 100
"""Objects of a store without a mark, for a database without images."""
DRAFT: Final = "work-"
"""As the worker's own files begin: what a process that is killed leaves goes with those."""


class OtherStoreError(SetupError):
    """The store is not this installation's, as far as anybody can tell."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a store showed. `was_marked`: it, or another one, bore the mark before.

    Only of a store without the mark: `sampled` images were looked for and `found`, `others` are the marks of other
    installations, `foreign` is an object of a team that the database does not know, where it has no images.
    """

    id: UUID
    is_marked: bool
    was_marked: bool
    sampled: int = 0
    found: int = 0
    others: tuple[str, ...] = ()
    foreign: str | None = None

    @property
    def has_most(self) -> bool:
        """Of the images that were looked for; where there are none, it has nobody else's."""
        if self.sampled:
            return 2 * self.found >= self.sampled
        return not self.others and self.foreign is None

    @property
    def is_ours(self) -> bool:
        return self.is_marked or (self.has_most and not self.was_marked)

    def refusal(self, place: str) -> str:
        """For whoever runs the installation. `place`: where the store is."""
        if self.was_marked:
            why = f"its mark, the object {key_of(self.id)}, is not there"
        elif self.sampled:
            why = f"of {self.sampled} images of the database that were looked for, {self.found} lie there"
        else:
            what = f"the object {self.foreign}" if self.foreign else f"the mark {self.others[0]}"
            why = f"the database has no images, and there lies another installation's ({what})"
        other = f" It has the mark of the installation {self.others[0]}." if self.others else ""
        return (
            f"{place} is not the store of this installation: {why}.{other} Nothing was written or deleted. Look whether the"
            " volume is mounted, and at PICTOR_STORAGE_URL, --data-dir and PICTOR_DATABASE_URL. If it is the right store all"
            " the same, run `pictor adopt --store` (docs/operations.md, The right store)."
        )


def key_of(id: UUID) -> str:
    return f"{MARKS}{id}"


@dataclass
class Mark:
    """Proves the store, for a process that goes on with it. `db`: the worker's entrance, `folder`: for a temporary file."""

    db: Entrance
    storage: Storage
    place: str
    folder: Path
    _seen: str | None = None
    """The key of the mark, once this process has seen it: then the database is not asked any more."""

    async def prove(self) -> None:
        """Marks the store where it plainly is the right one. OtherStoreError; UNAVAILABLE."""
        if self._seen is not None and await self.storage.size(self._seen) is not None:
            return
        found = await look(self.db, self.storage)
        if not found.is_ours:
            raise OtherStoreError(found.refusal(self.place))
        if not found.is_marked:
            await put(self.storage, found.id, self.folder)
        if not found.was_marked:
            await self.db.run(installation.marked)
        self._seen = key_of(found.id)


async def put(storage: Storage, id: UUID, folder: Path) -> None:
    """Marks the store. Whoever does so at the same time writes the same. UNAVAILABLE where the disk of `folder` is full."""
    data = TEXT.format(id=id).encode()
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=DRAFT) as file:
            file.write(data)
            file.flush()
            with suppress(ObjectExists):
                await storage.put(key_of(id), Path(file.name), size=len(data))
    except OSError as error:
        raise unavailable(f"The store cannot be marked ({error.strerror}: {folder}).") from error


async def look(db: Entrance, storage: Storage) -> Look:
    """Changes nothing in the store. UNAVAILABLE where it cannot be asked."""
    row = await db.run(installation.known)
    was_marked = row.marked_at is not None
    if await storage.size(key_of(row.id)) is not None:
        return Look(row.id, is_marked=True, was_marked=was_marked)
    sample = await db.run(_sample)
    others = [one.key async for one in storage.list(MARKS)]
    return Look(
        row.id,
        is_marked=False,
        was_marked=was_marked,
        sampled=len(sample),
        found=await _found(storage, sample),
        others=tuple(one.removeprefix(MARKS) for one in others),
        foreign=None if sample else await _foreign(db, storage),
    )


async def _sample(session: AsyncSession) -> dict[str, int]:
    """The sizes of some stored images by their keys: the first, the last, and between them those that follow random moments."""
    first = await session.scalar(_stored(Image.id).order_by(Image.id))
    last = await session.scalar(_stored(Image.id).order_by(Image.id.desc()))
    if first is None or last is None:
        return {}
    between = (UUID(int=random.randint(first.int, last.int)) for _ in range(SAMPLE - 2))  # noqa: S311
    found: dict[str, int] = {}
    for one in (first, last, *between):
        query = _stored(Image.object_key, Image.size_bytes).where(Image.id >= one)
        for key, size in await session.execute(query.order_by(Image.id)):
            found[key] = size
    return found


def _stored(*columns: Any) -> Select[Any]:
    """Of one stored image; those of teams that have ended may be purged at this moment."""
    its = select(*columns).join(Team, Team.id == Image.team_id)
    return its.where(Image.state == ImageState.STORED, Team.deleted_at.is_(None)).limit(1)


async def _found(storage: Storage, sample: dict[str, int]) -> int:
    places = asyncio.Semaphore(AT_ONCE)

    async def lies_there(key: str, size: int) -> bool:
        async with places:
            return is_key(key) and await storage.size(key) == size

    return sum(await asyncio.gather(*(lies_there(*one) for one in sample.items())))


async def _foreign(db: Entrance, storage: Storage) -> str | None:
    """One of the store's first objects that lies under a team which the database does not know."""
    keys: list[str] = []
    async for one in storage.list("t/"):
        keys += [one.key] if not one.key.startswith(MARKS) else []
        if len(keys) == MOST_LOOKED_AT:
            break
    return min(await db.run(lambda session: repair.foreign(session, keys)), default=None)
