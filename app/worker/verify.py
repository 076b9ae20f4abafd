"""Reads every stored byte again and compares it with what was uploaded. Wrong bytes are flagged, never deleted."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from app.db.database import Entrance
from app.domain import Damage, JobKind
from app.errors import AppError
from app.resources import Resources
from app.services import damage, repair
from app.services.repair import Kept
from app.storage import Read, Storage, read_whole
from app.worker import dataset_check
from app.worker.outages import alone
from app.worker.progress import Progress, silent

T = TypeVar("T")

BATCH: Final = 200
AT_ONCE: Final = 4
UNREADABLE: Final = Read(0, b"")


@dataclass
class Report:
    """What was found. The names are the keys of `--json`."""

    images: int = 0
    bytes_read: int = 0
    missing: int = 0
    wrong_size: int = 0
    wrong_bytes: int = 0
    healed: int = 0
    derivatives_missing: int = 0
    derivatives_wrong: int = 0
    datasets: int = 0
    datasets_damaged: int = 0
    unreadable: int = 0

    @property
    def damaged(self) -> int:
        return self.missing + self.wrong_size + self.wrong_bytes + self.datasets_damaged

    def counts(self) -> dict[str, int]:
        return asdict(self) | {"damaged": self.damaged}


async def run(
    resources: Resources,
    db: Entrance,
    *,
    team_id: UUID | None = None,
    share: float = 1.0,
    progress: Progress = silent,
) -> Report:
    """All stored images and datasets, those of one team, or a random `share` of them. Run again, it begins anew."""
    report, after = Report(), None
    total = await db.run(lambda session: repair.count_stored(session, team_id))
    with progress("Reading images", total) as advance:
        while batch := await _next(db, after, team_id):
            after = batch[-1].id
            await _verify(resources, db, _chosen(batch, share), report)
            advance(len(batch))
    await _datasets(resources, db, report, team_id, share, progress)
    return report


def _chosen(batch: Sequence[T], share: float) -> list[T]:
    return [one for one in batch if share >= 1 or random.random() < share]  # noqa: S311


async def _datasets(
    resources: Resources,
    db: Entrance,
    report: Report,
    team_id: UUID | None,
    share: float,
    progress: Progress,
) -> None:
    after = None
    with progress("Reading datasets", None) as advance:
        while batch := await dataset_check.next_after(db, after, team_id):
            after = batch[-1].id
            for one in _chosen(batch, share):
                try:
                    wrong, size = await dataset_check.read(resources.storage, one)
                except AppError as error:
                    await alone(resources.storage, f"dataset {one.id}", error)
                    report.unreadable += 1
                    continue
                report.datasets += 1
                report.bytes_read += size
                report.datasets_damaged += await dataset_check.tell(db, one, wrong)
            advance(len(batch))


async def _next(db: Entrance, after: UUID | None, team_id: UUID | None) -> list[Kept]:
    return await db.run(lambda session: repair.stored_after(session, after, BATCH, team_id))


async def _verify(
    resources: Resources, db: Entrance, images: Sequence[Kept], report: Report
) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(image: Kept) -> None:
        async with places:
            try:
                found, size = await _read(resources.storage, image)
                # Without the original, none can be made anew.
                read = {} if found else await _derivatives(resources.storage, image)
            except AppError as error:
                await alone(resources.storage, f"image {image.id}", error)
                report.unreadable += 1
                return
        report.images += 1
        report.bytes_read += size + sum(one.size for one in read.values() if one)
        await _tell(db, image, found, report)
        await _tell_derivatives(db, image, read, report)

    async with asyncio.TaskGroup() as tasks:
        for image in images:
            tasks.create_task(one(image))


async def _read(storage: Storage, image: Kept) -> tuple[Damage | None, int]:
    """What is wrong with the object, and how many bytes were read to know it."""
    read = await read_whole(storage, image.object_key)
    if read is None:
        return Damage.MISSING, 0
    if read.size != image.size_bytes:
        return Damage.WRONG_SIZE, read.size
    return (None if read.sha256 == image.sha256 else Damage.WRONG_BYTES), read.size


async def _derivatives(storage: Storage, image: Kept) -> dict[str, Read | None]:
    """One that cannot be read is UNREADABLE: it is made anew, as one of other bytes."""
    found: dict[str, Read | None] = {}
    for name, one in image.thumbnails.items():
        try:
            found[name] = await read_whole(storage, str(one["key"]))
        except AppError as error:
            await alone(storage, f"the thumbnail {name} of image {image.id}", error)
            found[name] = UNREADABLE
    return found


async def _tell_derivatives(
    db: Entrance, image: Kept, read: Mapping[str, Read | None], report: Report
) -> None:
    """What is lost or wrong is made anew. A hash that nobody knows, as of an older release, is written down."""
    is_missing = None in read.values()
    is_wrong = any(one and _differs(image.thumbnails[name], one) for name, one in read.items())
    if is_missing or is_wrong:
        if not await db.run(lambda session: damage.is_anyones(session, image.object_key)):
            return
        report.derivatives_missing += is_missing
        report.derivatives_wrong += is_wrong
        await db.run(lambda session: repair.enqueue(session, {image.id: [JobKind.THUMBNAILS]}))
    elif any("sha256" not in image.thumbnails[name] for name in read):
        hashes = {name: one.sha256.hex() for name, one in read.items() if one}
        await db.run(lambda session: repair.keep_hashes(session, image, hashes))


def _differs(made: Mapping[str, Any], read: Read) -> bool:
    known = made.get("sha256")
    return made["bytes"] != read.size or known not in (None, read.sha256.hex())


async def _tell(db: Entrance, image: Kept, found: Damage | None, report: Report) -> None:
    if found and not await db.run(lambda session: damage.is_anyones(session, image.object_key)):
        return
    report.missing += found is Damage.MISSING
    report.wrong_size += found is Damage.WRONG_SIZE
    report.wrong_bytes += found is Damage.WRONG_BYTES
    if found is not None:
        await db.run(lambda session: damage.flag(session, image.object_key, found))
    elif image.damage is not None:
        # Others are told meanwhile: the sum is read after the wait, or theirs would be lost.
        is_healed = await db.run(lambda session: damage.clear(session, image.object_key))
        report.healed += is_healed
