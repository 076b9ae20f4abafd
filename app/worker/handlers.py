"""Thumbnails of an image, and the end of a deleted one. Each job stands alone: one that fails is no other's matter."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from app.db.models import Image
from app.domain import Damage, ImageState, ThumbnailSize
from app.errors import AppError
from app.resources import Resources
from app.services import job_runs
from app.services.exports import datasets
from app.services.intake import processing
from app.services.job_runs import Job, SupersededError
from app.storage import ObjectDamaged, ObjectMissing
from app.worker import files
from app.worker.outages import outage
from app.worker.pictures import reason

log = logging.getLogger(__name__)

POSTPONED: Final = timedelta(seconds=30)
"""For a job that found storage or the decoder away: that is not the image's fault and costs no attempt."""
DELETED_AT_ONCE: Final = 500

BOXES: Final = {size.value: size.box for size in ThumbnailSize}


async def thumbnails(resources: Resources, claimed: Sequence[Job]) -> None:
    await each(resources, claimed, _thumbnails)


async def purge(resources: Resources, claimed: Sequence[Job]) -> None:
    await each(resources, claimed, _purge)


async def purge_teams(resources: Resources, claimed: Sequence[Job]) -> None:
    await each(resources, claimed, _purge_team)


Alone = Callable[[Resources, Job, Image | None], Awaitable[None]]


async def each(resources: Resources, claimed: Sequence[Job], handle: Alone) -> None:
    """Does the jobs, a few at once, and writes down how each failed. UNAVAILABLE where an outage met all of them."""
    images = await resources.db.worker.run(lambda session: processing.images(session, claimed))
    places = asyncio.Semaphore(resources.settings.pictures_at_once)

    async def one(job: Job) -> AppError | None:
        async with places:
            began = time.perf_counter()
            try:
                await handle(resources, job, images.get(job.image_id))
                resources.metrics.job_done(job.kind, time.perf_counter() - began)
            except Exception as error:
                return await failed(resources, job, error)
        return None

    ends = await asyncio.gather(*(one(job) for job in claimed), return_exceptions=True)
    # Only what could not even be written down, such as a database that is away.
    for end in ends:
        if isinstance(end, BaseException) and not isinstance(end, AppError):
            raise end
    stop_where_all_wait(ends)


def stop_where_all_wait(ends: Sequence[object]) -> None:
    """Raises the outage that met every job of a batch: the next batch would fare no better just now."""
    if all(isinstance(end, AppError) for end in ends):
        for end in ends:
            if isinstance(end, AppError):
                raise end


async def failed(resources: Resources, job: Job, error: Exception) -> AppError | None:
    """Queues the job again, or gives it up. The team reads why, in words that tell nothing of the installation.

    Answers the outage that was to blame, if one was: storage, the decoder or this host's disk. That costs no attempt.
    """
    if isinstance(error, SupersededError):
        log.info("%s of %s is another run's now", job.kind, job.image_id)
        resources.metrics.job_ended(job.kind, "superseded")
        return None
    away = outage(error)
    if away is not None:
        # Of which image is nobody's matter, and while the store is away they are all that wait, again and again.
        log.warning("%s waits: %s", job.kind, away.message)
        resources.metrics.job_ended(job.kind, "postponed")
        await resources.db.worker.run(lambda session: job_runs.release(session, [job], POSTPONED))
        return away
    expected, why = isinstance(error, AppError | ObjectMissing), reason(error)
    log.warning(
        "%s of %s failed: %s", job.kind, job.image_id, why, exc_info=None if expected else error
    )
    await resources.db.worker.run(
        lambda session: processing.fail(session, job, why, found=_found(job, error))
    )
    outcome = "given_up" if job.attempts >= job_runs.MAX_ATTEMPTS else "retried"
    resources.metrics.job_ended(job.kind, outcome)
    return None


def _found(job: Job, error: Exception) -> tuple[str, Damage] | None:
    """The key of an object that is not what it was, and in what way. Wrong bytes lie so when they have come at each attempt."""
    match error:
        case ObjectMissing():
            return error.args[0], Damage.MISSING
        case ObjectDamaged() if job.attempts >= job_runs.MAX_ATTEMPTS:
            return error.key, Damage.WRONG_BYTES
        case _:
            return None


async def _thumbnails(resources: Resources, job: Job, image: Image | None) -> None:
    if image is None or image.state is not ImageState.STORED:
        await resources.db.worker.run(lambda session: job_runs.finish(session, [job]))
        return
    storage, folder = resources.storage, resources.settings.tmp_dir
    async with files.local_copy(storage, image.object_key, folder, sha256=image.sha256) as path:
        made = await resources.decoder.thumbnails(path, BOXES)
    kept: dict[str, dict[str, Any]] = {}
    for name, one in made.items():
        key = f"{image.object_key}.{name.lower()}.webp"
        sha256 = await files.keep(storage, key, one.data, folder)
        kept[name] = {
            "key": key,
            "width": one.width,
            "height": one.height,
            "bytes": len(one.data),
            "sha256": sha256.hex(),
        }
    await resources.db.worker.run(lambda session: processing.keep_thumbnails(session, job, kept))


async def _purge(resources: Resources, job: Job, image: Image | None) -> None:
    """Bytes first, then the row: while the row is there, the bytes are not forgotten."""
    if image is not None and image.state is not ImageState.DELETED:
        await resources.db.worker.run(lambda session: job_runs.finish(session, [job]))
        return
    if image is not None:
        await _delete_objects(resources, image)
    else:
        # Of a dataset, if it is one that was deleted.
        await _delete_all(resources, datasets.prefix(job.team_id, job.image_id))
    with suppress(SupersededError):
        await resources.db.worker.run(lambda session: processing.forget(session, job))


async def _delete_objects(resources: Resources, image: Image) -> None:
    """Everything of the image: original, derivatives, and what an earlier attempt to store it left."""
    own = f"t/{image.team_id}/{image.id}/"
    prefix = own if image.object_key.startswith(own) else image.object_key
    await _delete_all(resources, prefix)


async def _purge_team(resources: Resources, job: Job, _image: Image | None) -> None:
    """Bytes first, then rows; and the same again when nothing can come late any more."""
    for prefix in ("t", "incoming"):
        await _delete_all(resources, f"{prefix}/{job.team_id}/")
    while await resources.db.worker.run(
        lambda session: processing.forget_images(session, job.team_id, DELETED_AT_ONCE)
    ):
        pass
    rest = await resources.db.worker.run(lambda session: processing.forget_team(session, job))
    if rest is not None:
        await resources.db.worker.run(lambda session: job_runs.release(session, [job], rest))


async def _delete_all(resources: Resources, prefix: str) -> None:
    """As they are listed, which every store bears: a team may have millions, too many to hold."""
    keys: list[str] = []
    async for stored in resources.storage.list(prefix):
        keys.append(stored.key)
        if len(keys) == DELETED_AT_ONCE:
            await resources.storage.delete(keys)
            keys = []
    await resources.storage.delete(keys)
