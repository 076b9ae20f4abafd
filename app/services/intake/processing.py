"""What background work reads and writes. Each result is one transaction: the job's end and what it made."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import (
    Dataset,
    DuplicateCheck,
    Image,
    ImageJob,
    ImageVector,
    Team,
    VectorClaim,
)
from app.domain import Damage, ImageState, JobKind
from app.embedding import Vectors
from app.errors import unavailable
from app.services import damage, embedding_models, job_runs
from app.services.intake import intents, tickets
from app.services.job_runs import Job

LATECOMERS: Final = tickets.LIFETIME + intents.LEASE + timedelta(minutes=1)
"""For so long after a team's end, an upload or a job that had begun before it may still write bytes."""
OTHER_MODEL: Final = (
    "Another embedding model took over while the images were read; they are read again."
)


async def claim_embedding(
    session: AsyncSession, model_id: int, limit: int, lease: timedelta, *, suspects: bool = False
) -> list[Job]:
    """EMBED jobs, but none for a worker whose model is no longer the active one."""
    model = await embedding_models.active(session)
    if model is None or model.id != model_id:
        return []
    return await job_runs.claim(session, [JobKind.EMBED], limit, lease, suspects=suspects)


async def images(session: AsyncSession, claimed: Sequence[Job]) -> dict[UUID, Image]:
    """The jobs' images by id, whatever their state; one that is gone is not there."""
    rows = await session.scalars(
        select(Image).where(Image.id.in_([job.image_id for job in claimed]))
    )
    return {row.id: row for row in rows}


async def keep_vectors(
    session: AsyncSession, claimed: Sequence[Job], vectors_of: Mapping[int, Vectors]
) -> None:
    """Ends the jobs with their vectors float32[n, dimension] of each model. SupersededError where one is another run's now.

    UNAVAILABLE where the active model is another by now: the jobs have to be done again. A model that is
    neither active nor being built any more gets nothing.
    """
    alive = await embedding_models.alive(session)
    active = alive[0]
    if active is None or active not in vectors_of:
        raise unavailable(OTHER_MODEL)
    await job_runs.finish(session, claimed)
    ids = [job.image_id for job in claimed]
    for model_id, vectors in vectors_of.items():
        if model_id in alive:
            if model_id != active:
                await _end_claims(session, model_id, ids)
            await write_vectors(session, model_id, dict(zip(ids, vectors, strict=True)))
    await queue_checks(session, active, ids)


async def _end_claims(session: AsyncSession, model_id: int, ids: Sequence[UUID]) -> None:
    """The model has read these images now, whoever was at it or gave them up. Before their vectors, as others have it."""
    claims = (VectorClaim.model_id == model_id, VectorClaim.image_id.in_(ids))
    # In one order: another run may end some of them at this moment.
    locked = select(VectorClaim.image_id).where(*claims).order_by(VectorClaim.image_id)
    await session.execute(locked.with_for_update())
    await session.execute(delete(VectorClaim).where(*claims))


async def write_vectors(
    session: AsyncSession, model_id: int, vector_of: Mapping[UUID, Vectors]
) -> None:
    """An image that was deleted meanwhile gets none. The tags beside the vector are a trigger's."""
    stored = await session.execute(
        select(Image.id, Image.team_id, Image.created_at).where(
            Image.id.in_(vector_of), Image.state == ImageState.STORED
        )
    )
    values = [
        {
            "team_id": team_id,
            "model_id": model_id,
            "image_id": image_id,
            "created_at": created_at,
            "embedding": vector_of[image_id],
        }
        for image_id, team_id, created_at in stored
    ]
    if not values:
        return
    new = insert(ImageVector).values(values)
    keep = {name: new.excluded[name] for name in ("created_at", "tag_ids", "embedding")}
    keys = ["team_id", "model_id", "image_id"]
    await session.execute(new.on_conflict_do_update(index_elements=keys, set_=keep))


async def queue_checks(session: AsyncSession, model_id: int, ids: Sequence[UUID]) -> None:
    """Near-copies of these images are looked for, once this transaction is committed."""
    read = select(ImageVector.team_id, ImageVector.image_id).where(
        ImageVector.model_id == model_id, ImageVector.image_id.in_(ids)
    )
    new = insert(DuplicateCheck).from_select(["team_id", "image_id"], read)
    await session.execute(new.on_conflict_do_nothing())


async def keep_thumbnails(
    session: AsyncSession, job: Job, thumbnails: Mapping[str, Mapping[str, Any]]
) -> None:
    """Ends the job with its derivatives, as Image.thumbnails has them. SupersededError as in `keep_vectors`."""
    await job_runs.finish(session, [job])
    await session.execute(
        update(Image)
        .where(Image.id == job.image_id, Image.state == ImageState.STORED)
        .values(thumbnails=dict(thumbnails))
    )


async def fail(
    session: AsyncSession, job: Job, why: str, *, found: tuple[str, Damage] | None = None
) -> None:
    """As `job_runs.fail`, and marks the image of the object that was `found` to be damaged.

    Together: who finds the bytes right again then finds the job failed, too. Where they were meanwhile, this run has it no more.
    """
    if await job_runs.fail(session, job, why) and found is not None:
        await damage.flag(session, *found)


async def forget(session: AsyncSession, job: Job) -> None:
    """Removes the row and jobs of a deleted image or dataset, its bytes being gone. SupersededError as in `keep_vectors`."""
    await job_runs.finish(session, [job])
    await session.execute(
        delete(ImageJob).where(ImageJob.team_id == job.team_id, ImageJob.image_id == job.image_id)
    )
    await session.execute(
        delete(Image).where(Image.id == job.image_id, Image.state == ImageState.DELETED)
    )
    await session.execute(
        delete(Dataset).where(Dataset.id == job.image_id, Dataset.deleted_at.is_not(None))
    )


async def forget_images(session: AsyncSession, team_id: UUID, limit: int) -> int:
    """Removes some rows of a deleted team, their bytes being gone; how many. Uploads on their way stay."""
    some = (
        select(Image.id)
        .join(Team, Team.id == Image.team_id)
        .where(
            Image.team_id == team_id,
            Image.state != ImageState.PENDING,
            Team.deleted_at.is_not(None),
        )
        .limit(limit)
    )
    gone = await session.scalars(delete(Image).where(Image.id.in_(some)).returning(Image.id))
    return len(gone.all())


async def forget_team(session: AsyncSession, job: Job) -> timedelta | None:
    """Removes a deleted team with all that is left of it. SupersededError as in `keep_vectors`.

    Within LATECOMERS of its end it stays: then, how long the job has to wait before it does all again.
    """
    rest = Team.deleted_at + LATECOMERS - func.now()
    left: timedelta | None = await session.scalar(
        select(rest).where(Team.id == job.team_id, Team.deleted_at.is_not(None))
    )
    if left is not None and left > timedelta(0):
        return left
    await job_runs.finish(session, [job])
    await session.execute(delete(Team).where(Team.id == job.team_id, Team.deleted_at.is_not(None)))
    return None
