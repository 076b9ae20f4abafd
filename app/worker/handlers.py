"""Thumbnails of an image, and the end of a deleted one. Each job stands alone: one that fails is no other's matter."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from app.db.models import Image
from app.domain import Damage, ImageState, ThumbnailSize
from app.errors import AppError, ErrorCode
from app.resources import Resources
from app.services import damage, jobs, processing
from app.services.jobs import Job, SupersededError
from app.storage import ObjectMissing
from app.worker import files

log = logging.getLogger(__name__)

AT_ONCE: Final = 4
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
    """Does the jobs, a few at once, and writes down how each failed."""
    images = await resources.db.worker.run(lambda session: processing.images(session, claimed))
    places = asyncio.Semaphore(AT_ONCE)

    async def one(job: Job) -> None:
        async with places:
            try:
                await handle(resources, job, images.get(job.image_id))
            except Exception as error:
                await failed(resources, job, error)

    ends = await asyncio.gather(*(one(job) for job in claimed), return_exceptions=True)
    # Only what could not even be written down, such as a database that is away.
    for end in ends:
        if end is not None:
            raise end


async def failed(resources: Resources, job: Job, error: Exception) -> None:
    """Queues the job again, or gives it up. The team reads why, in words that tell nothing of the installation."""
    if isinstance(error, SupersededError):
        log.info("%s of %s is another run's now", job.kind, job.image_id)
        return
    if isinstance(error, AppError) and error.code is ErrorCode.UNAVAILABLE:
        log.warning("%s of %s waits: %s", job.kind, job.image_id, error.message)
        await resources.db.worker.run(lambda session: jobs.release(session, [job], POSTPONED))
        return
    if isinstance(error, AppError):
        reason = error.message
    elif isinstance(error, ObjectMissing):
        key, reason = error.args[0], "The stored bytes are missing."
        await resources.db.worker.run(lambda session: damage.flag(session, key, Damage.MISSING))
    else:
        reason = f"Something went wrong ({type(error).__name__}); the server's log has the rest."
    expected = isinstance(error, AppError | ObjectMissing)
    log.warning(
        "%s of %s failed: %s", job.kind, job.image_id, reason, exc_info=None if expected else error
    )
    await resources.db.worker.run(lambda session: jobs.fail(session, job, reason))


async def _thumbnails(resources: Resources, job: Job, image: Image | None) -> None:
    if image is None or image.state is not ImageState.STORED:
        await resources.db.worker.run(lambda session: jobs.finish(session, [job]))
        return
    storage, folder = resources.storage, resources.settings.tmp_dir
    async with files.local_copy(storage, image.object_key, folder, sha256=image.sha256) as path:
        made = await resources.decoder.thumbnails(path, BOXES)
    kept: dict[str, dict[str, Any]] = {}
    for name, one in made.items():
        key = f"{image.object_key}.{name.lower()}.webp"
        size = await files.keep(storage, key, one.data, folder)
        kept[name] = {"key": key, "width": one.width, "height": one.height, "bytes": size}
    await resources.db.worker.run(lambda session: processing.keep_thumbnails(session, job, kept))


async def _purge(resources: Resources, job: Job, image: Image | None) -> None:
    """Bytes first, then the row: while the row is there, the bytes are not forgotten."""
    if image is not None and image.state is not ImageState.DELETED:
        await resources.db.worker.run(lambda session: jobs.finish(session, [job]))
        return
    if image is not None:
        await _delete_objects(resources, image)
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
        await resources.db.worker.run(lambda session: jobs.release(session, [job], rest))


async def _delete_all(resources: Resources, prefix: str) -> None:
    keys = [stored.key async for stored in resources.storage.list(prefix)]
    for start in range(0, len(keys), DELETED_AT_ONCE):
        await resources.storage.delete(keys[start : start + DELETED_AT_ONCE])
