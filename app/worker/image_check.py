"""Whether the objects of stored images lie in storage as their rows have them, and what is done where they do not.

Objects that no row explains are no matter of this module: reconcile deals with them.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.db.database import Entrance
from app.db.listing import Listing
from app.domain import Damage, JobKind, JobState
from app.resources import Resources
from app.services import damage, jobs, repair
from app.services.repair import Kept, Work
from app.worker.progress import Progress
from app.worker.report import Report

log = logging.getLogger(__name__)

BATCH: Final = 1_000
AT_ONCE: Final = 8


@dataclass
class ImageCheck:
    """A part of a pass: what it finds goes into `report`."""

    resources: Resources
    db: Entrance
    report: Report
    progress: Progress

    async def run(self, listed: Listing) -> None:
        """Compares every stored image with what was listed, and with its jobs."""
        total, after = await self.db.run(repair.count_stored), None
        with self.progress("Comparing images", total) as advance:
            while batch := await self._next(after):
                after = batch[-1].id
                await self._compare(batch, listed)
                self.report.images += len(batch)
                advance(len(batch))

    async def _next(self, after: UUID | None) -> list[Kept]:
        return await self.db.run(lambda session: repair.stored_after(session, after, BATCH))

    async def _compare(self, batch: Sequence[Kept], listed: Listing) -> None:
        keys = [key for one in batch for key in (one.object_key, *_derivatives(one))]
        sizes = await asyncio.to_thread(listed.sizes, keys)
        await self._confirm(_doubtful(batch, sizes), sizes)
        work = await self.db.run(lambda session: repair.work_on(session, batch))
        wanted: dict[UUID, list[JobKind]] = {}
        for one in batch:
            found = _damage(one, sizes)
            await self._told(one, found)
            sound = found is None and one.damage is not Damage.WRONG_BYTES
            if sound and (kinds := self._kinds(one, work[one.id], sizes)):
                wanted[one.id] = kinds
        if wanted and not self.report.dry_run:
            await self.db.run(lambda session: repair.enqueue(session, wanted))

    async def _confirm(self, keys: Sequence[str], sizes: dict[str, int]) -> None:
        """Asks the store again for what the listing lacked or had otherwise: it may be younger than the listing."""
        places = asyncio.Semaphore(AT_ONCE)

        async def ask(key: str) -> None:
            async with places:
                size = await self.resources.storage.size(key)
            if size is None:
                sizes.pop(key, None)
            else:
                sizes[key] = size

        await asyncio.gather(*(ask(key) for key in keys))

    async def _told(self, image: Kept, found: Damage | None) -> None:
        """Counts the damage, and writes it down where the row says otherwise."""
        report = self.report
        if found is None and image.damage is Damage.WRONG_BYTES:
            # The size is right, and only `verify` reads more.
            report.wrong_bytes += 1
        elif found is None and image.damage is not None:
            report.healed += 1
            if not report.dry_run:
                await self.db.run(lambda session: damage.clear(session, image.object_key))
        elif found is not None and await self.db.run(
            lambda session: damage.is_anyones(session, image.object_key)
        ):
            report.missing += found is Damage.MISSING
            report.wrong_size += found is Damage.WRONG_SIZE
            if found is not image.damage and not report.dry_run:
                log.error("image %s: its bytes are damaged (%s)", image.id, found)
                await self.db.run(lambda session: damage.flag(session, image.object_key, found))

    def _kinds(self, image: Kept, work: Work, sizes: dict[str, int]) -> list[JobKind]:
        """The jobs that the image lacks, and those whose result is gone. What failed stays failed."""
        done = {kind for kind in jobs.PROCESSING if work.states.get(kind) is JobState.DONE}
        lacking = [kind for kind in jobs.PROCESSING if kind not in work.states]
        again = []
        if JobKind.EMBED in done and not work.has_vector:
            again.append(JobKind.EMBED)
        if JobKind.THUMBNAILS in done and (not image.thumbnails or _bad(image, sizes)):
            again.append(JobKind.THUMBNAILS)
            if work.states.get(JobKind.EMBED) is JobState.FAILED:
                # It reads a thumbnail, and may have failed for want of it.
                again.append(JobKind.EMBED)
        self.report.jobs_made += len(lacking)
        self.report.requeued += len(again)
        return [*lacking, *again]


def _derivatives(image: Kept) -> dict[str, int]:
    """Their sizes by their keys."""
    return {str(one["key"]): int(one["bytes"]) for one in image.thumbnails.values()}


def _bad(image: Kept, sizes: dict[str, int]) -> list[str]:
    """Derivatives that are missing, have another size, or were made of an object that the image has no more."""
    return [
        key
        for key, size in _derivatives(image).items()
        if sizes.get(key) != size or repair.original_of(key) != image.object_key
    ]


def _damage(image: Kept, sizes: dict[str, int]) -> Damage | None:
    size = sizes.get(image.object_key)
    if size is None:
        return Damage.MISSING
    return None if size == image.size_bytes else Damage.WRONG_SIZE


def _doubtful(batch: Sequence[Kept], sizes: dict[str, int]) -> list[str]:
    """The keys of which the listing does not say that all is well."""
    originals = [one.object_key for one in batch if _damage(one, sizes)]
    return originals + [key for one in batch for key in _bad(one, sizes)]
