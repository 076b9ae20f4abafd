"""An export: one state of a team's images becomes files in storage. A run that dies leaves nothing that anybody sees."""

import asyncio
import errno
import logging
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final

from app.db.models import Dataset, Image
from app.domain import DatasetFile
from app.errors import AppError, ErrorCode
from app.resources import Resources
from app.services import job_runs
from app.services.exports import datasets, exporting
from app.services.exports.exporting import View
from app.services.job_runs import Job, SupersededError
from app.worker import handlers
from app.worker.dataset_files import Files, moment

log = logging.getLogger(__name__)

PREFIX: Final = "export-"
"""Of the folder in which the files are written before they are stored."""
TOLD_EVERY: Final = 10
"""Batches."""
FULL: Final = {errno.ENOSPC, errno.EDQUOT}


class TooManyImages(AppError):
    """The filter lets more images through than a dataset may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            ErrorCode.BAD_USER_INPUT, f"The filter lets more than {limit:,} images through."
        )


class NoRoomError(AppError):
    """The files of this export do not fit on the host's disk. It costs an attempt: the export itself is what fills it."""

    def __init__(self) -> None:
        super().__init__(
            ErrorCode.PAYLOAD_TOO_LARGE,
            "The server's disk has no room for the files of this export. Once whoever runs it has made room, export"
            " again; or export fewer images.",
        )


async def exports(resources: Resources, claimed: Sequence[Job]) -> None:
    await handlers.each(resources, claimed, _export)


async def _export(resources: Resources, job: Job, _image: Image | None) -> None:
    """Reads and writes in one snapshot, stores, and then shows all files at once."""
    db = resources.db.worker
    dataset = await db.run(lambda session: exporting.begin(session, job))
    if dataset is None:
        return
    try:
        await _make_in_folder(resources, job, dataset)
    except TooManyImages as error:
        why = error.message
        await db.run(lambda session: job_runs.fail(session, job, why, for_good=True))
    except (SupersededError, NoRoomError):
        # Surely not committed, which nobody knows after other errors: then the next run, or `pictor reconcile`, does it.
        with suppress(AppError):
            await resources.storage.delete(_keys(job).values())
        raise
    else:
        await _forget_other_runs(resources, job)


async def _make_in_folder(resources: Resources, job: Job, dataset: Dataset) -> None:
    """In a folder that is gone when this ends, however it does. NoRoomError where the disk is full."""
    folder = resources.settings.tmp_dir
    try:
        with tempfile.TemporaryDirectory(
            prefix=PREFIX, dir=folder, ignore_cleanup_errors=True
        ) as own:
            await _make(resources, job, dataset, Path(own))
    except (OSError, AppError) as error:
        # A folder storage says UNAVAILABLE when the disk takes no more; the cause tells.
        if not (_is_full(error) or _is_full(error.__cause__)):
            raise
        log.error("dataset %s has no room in %s: %s", job.image_id, folder, error)
        raise NoRoomError from error


def _is_full(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in FULL


def _must_have_room(resources: Resources, more: int = 0) -> None:
    """OSError unless an upload of the largest size still has room beside `more` bytes: exports leave uploads alone."""
    folder = resources.settings.tmp_dir
    free, kept_free = shutil.disk_usage(folder).free, resources.settings.max_request_bytes
    if free - more < kept_free:
        why = f"{free:,} bytes are free, {more:,} are wanted, and {kept_free:,} are left to uploads"
        raise OSError(errno.ENOSPC, why)


async def _make(resources: Resources, job: Job, dataset: Dataset, folder: Path) -> None:
    reader = exporting.reader_of(job.team_id)
    async with resources.db.acting(reader).snapshot() as session:
        view = await exporting.view(session, dataset)
        with await asyncio.to_thread(Files, folder, view.labels) as files:
            await _write(resources, job, view, files)
            said = _said(dataset, view)
            await asyncio.to_thread(_must_have_room, resources, files.to_come)
            made = await asyncio.to_thread(files.finish, said)
    keys, kept = _keys(job), {}
    for name, facts in made.items():
        await _still_mine(resources, job, files.count)
        await resources.storage.put(keys[name], folder / name, size=facts["bytes"])
        kept[name.value] = {"key": keys[name], **facts}
    await resources.db.worker.run(
        lambda session: exporting.keep(session, job, files=kept, count=files.count, at=view.at)
    )


async def _write(resources: Resources, job: Job, view: View, files: Files) -> None:
    limit, batches = resources.settings.max_dataset_images, 0
    async with aclosing(view.pictures()) as found:
        async for pictures in found:
            # In a thread: whoever is served by this process does not wait for it.
            await asyncio.to_thread(_must_have_room, resources, files.to_come)
            await asyncio.to_thread(files.add, pictures)
            if files.count > limit:
                raise TooManyImages(limit)
            batches += 1
            if batches % TOLD_EVERY == 0:
                await _still_mine(resources, job, files.count)


async def _still_mine(resources: Resources, job: Job, done: int) -> None:
    """SupersededError where the dataset was deleted, or another run is at it: then it is no use to go on."""
    await resources.db.worker.run(lambda session: exporting.advance(session, job, done))


def _said(dataset: Dataset, view: View) -> dict[str, Any]:
    return {
        "dataset": {
            "id": str(dataset.id),
            "name": dataset.name,
            "teamId": str(dataset.team_id),
            "createdAt": moment(dataset.created_at),
        },
        "snapshotAt": moment(view.at),
        "filter": dataset.spec["filter"],
    }


def _keys(job: Job) -> dict[DatasetFile, str]:
    """A key is used once: each run has its own."""
    folder = datasets.prefix(job.team_id, job.image_id)
    return {name: f"{folder}{job.run_id}/{name}" for name in DatasetFile}


async def _forget_other_runs(resources: Resources, job: Job) -> None:
    """What runs that died have stored. Where this fails, the next pass of `pictor reconcile` finds it."""
    own = set(_keys(job).values())
    folder = datasets.prefix(job.team_id, job.image_id)
    try:
        left = [one.key async for one in resources.storage.list(folder) if one.key not in own]
        if left:
            await resources.storage.delete(left)
    except AppError as error:
        log.warning("what earlier runs left of dataset %s stays: %s", job.image_id, error.message)
