"""One pass over rows and objects that brings them back in step. It may be killed anywhere, and be run again.

No object of a stored image is ever deleted, and no stored image. What is needed here is docs/repair.md in code; how
images are compared is in image_check.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from app.db import listing
from app.db.database import Entrance
from app.db.listing import Listing
from app.domain import JobKind
from app.errors import AppError
from app.resources import Resources
from app.services import job_runs, purges, repair, retention, store_mark
from app.services.intake import folders, intents, tickets
from app.storage import StoredObject
from app.worker import dataset_check, export, files, handlers
from app.worker.image_check import ImageCheck
from app.worker.progress import Progress, silent
from app.worker.report import Report

log = logging.getLogger(__name__)

LOCK: Final = "pictor.reconcile"
GRACE: Final = timedelta(hours=24)
"""How long an object without a row is only watched."""
PICTURES: Final = "t/"
PREFIXES: Final = (PICTURES, "incoming/", repair.CHECKS)
"""Where Pictor's objects lie. What else a bucket holds is not ours."""
BATCH: Final = 1_000
PURGED_AT_ONCE: Final = 16
PURGE_LEASE: Final = timedelta(minutes=5)
LEFT_BEHIND: Final = {
    f"{files.PREFIX}*": timedelta(hours=1),
    f"{listing.PREFIX}*": timedelta(hours=1),
    f"{folders.PREFIX}*": timedelta(seconds=folders.STALE_SECONDS),
    f"{export.PREFIX}*": timedelta(hours=24),
}
"""Temporary files, and after what time nobody can be writing them any more."""
BROKEN_OFF: Final = timedelta(hours=24)
"""The same for puts."""


async def run(
    resources: Resources,
    db: Entrance,
    *,
    dry_run: bool = False,
    grace: timedelta = GRACE,
    progress: Progress = silent,
) -> Report:
    """A whole pass. `dry_run` changes nothing at all, notes of orphans included."""
    one = _Pass(resources, db, Report(dry_run=dry_run), grace, progress)
    folder = resources.settings.tmp_dir
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    await one.end_what_is_over()
    with listing.opened(folder) as listed:
        await one.objects(listed)
        await ImageCheck(resources, db, one.report, progress).run(listed)
        checked = await dataset_check.run(resources, db, listed, progress)
        one.report.datasets, one.report.datasets_damaged = checked
    await one.sweep()
    return one.report


@dataclass
class _Pass:
    resources: Resources
    db: Entrance
    report: Report
    grace: timedelta
    progress: Progress

    async def end_what_is_over(self) -> None:
        """Uploads that nobody finishes, images that were in the trash for long, and what is to be purged by now."""
        settings, report = self.resources.settings, self.report
        if report.dry_run:
            report.expired_intents = await self.db.run(repair.overdue_intents)
            report.trash_emptied = await self.db.run(
                lambda session: retention.overdue(session, settings.trash_retention)
            )
        else:
            await self.db.run(repair.begin)
            while ended := await self.db.run(intents.expire):
                report.expired_intents += ended
            while await tickets.expire(self.db, self.resources.storage):
                pass
            report.trash_emptied = await empty_trash(self.resources, self.db)
        report.purges_revived = await self.db.run(
            lambda session: purges.revive(session, settings.purge_retention, dry_run=report.dry_run)
        )
        report.purged = await self._purged()

    async def _purged(self) -> int:
        """Purges are done here too, so that the pass leaves nothing to a worker that may not run."""
        if self.report.dry_run:
            return await self.db.run(purges.due_now)
        done = 0
        with self.progress("Purging", await self.db.run(purges.due_now)) as advance:
            while claimed := await self.db.run(
                lambda session: job_runs.claim(
                    session, [JobKind.PURGE], PURGED_AT_ONCE, PURGE_LEASE
                )
            ):
                await handlers.purge(self.resources, claimed)
                done += len(claimed)
                advance(len(claimed))
        return done

    async def objects(self, listed: Listing) -> None:
        """Lists the store, and deals with what no row explains."""
        began = await self.db.run(repair.now)
        with self.progress("Listing objects", None) as advance:
            async for batch in _batches(self.resources):
                await self._batch(batch, began, listed)
                self.report.objects += len(batch)
                advance(len(batch))
        if not self.report.dry_run:
            await self.db.run(lambda session: repair.forget_unsighted(session, began))

    async def _batch(self, batch: Sequence[StoredObject], began: datetime, listed: Listing) -> None:
        known = await self.db.run(
            lambda session: repair.explained(session, [one.key for one in batch])
        )
        own = [(one.key, one.size) for one in batch if one.key in known]
        await asyncio.to_thread(listed.add, own)
        if unknown := [one for one in batch if one.key not in known]:
            await self._unexplained(unknown, began)

    async def _unexplained(self, unknown: Sequence[StoredObject], began: datetime) -> None:
        """Orphans are noted and go in time. What is under another installation's teams is counted and left alone: a bucket
        that was named by mistake must not be emptied."""
        report = self.report
        others = await self.db.run(
            lambda session: repair.foreign(session, [one.key for one in unknown])
        )
        report.foreign += len(others)
        orphans = [one for one in unknown if one.key not in others]
        if not orphans:
            return
        seen = await self.db.run(
            lambda session: repair.sight(
                session, orphans, began=began, grace=self.grace, dry_run=report.dry_run
            )
        )
        gone = await self._delete(seen.ripe)
        report.orphans_seen += seen.new
        report.orphans_deleted += gone
        report.orphans_waiting += len(orphans) - seen.new - gone

    async def _delete(self, keys: Sequence[str]) -> int:
        """Deletes what still has no row at this moment. A row is always there before its object."""
        if not keys:
            return 0
        known = await self.db.run(lambda session: repair.explained(session, keys))
        lost = [key for key in keys if key not in known]
        if not self.report.dry_run:
            log.info("%d objects without a row are deleted, such as %s", len(lost), lost[:3])
            await self.resources.storage.delete(lost)
            await self.db.run(lambda session: repair.forget(session, lost))
        return len(lost)

    async def sweep(self) -> None:
        """Files that no living process can be writing."""
        report, folder = self.report, self.resources.settings.tmp_dir
        report.temporary_files = await self.resources.storage.sweep(
            PICTURES, BROKEN_OFF, dry_run=report.dry_run
        ) + await asyncio.to_thread(_swept, folder, dry_run=report.dry_run)


async def empty_trash(resources: Resources, db: Entrance) -> int:
    """Deletes what was in the trash for long, a team after the other; how many images.

    What cannot be deleted stops no other team's, nor the pass that this is a part of.
    """
    retention_time, done = resources.settings.trash_retention, 0
    for team_id in await db.run(lambda session: retention.teams(session, retention_time)):
        try:
            async for ended in _emptied(resources, db, team_id):
                done += ended
        except AppError:
            raise
        except Exception:
            log.exception("the trash of team %s could not be emptied", team_id)
    return done


async def _emptied(resources: Resources, db: Entrance, team_id: UUID) -> AsyncIterator[int]:
    """A batch after the other; how many images each had."""
    settings = resources.settings
    while ended := await db.run(
        lambda session: retention.empty_trash(
            session,
            settings.signing_key,
            team_id,
            settings.trash_retention,
            settings.purge_retention,
        )
    ):
        yield ended


async def _batches(resources: Resources) -> AsyncIterator[list[StoredObject]]:
    batch: list[StoredObject] = []
    for prefix in PREFIXES:
        async for one in resources.storage.list(prefix):
            if one.key.startswith(store_mark.MARKS):
                continue
            batch.append(one)
            if len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _swept(folder: Path, *, dry_run: bool) -> int:
    """Removes files and folders that were left behind; how many."""
    found = 0
    for path in _left_behind(folder):
        found += 1
        if not dry_run:
            remove: Callable[[Path], object] = shutil.rmtree if path.is_dir() else Path.unlink
            with suppress(FileNotFoundError):
                remove(path)
    return found


def _left_behind(folder: Path) -> Iterator[Path]:
    for pattern, age in LEFT_BEHIND.items():
        for path in folder.glob(pattern):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - age.total_seconds():
                    yield path
