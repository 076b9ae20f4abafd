"""Every image read by one more model: how far it is, the switch, and the way back. Who reads which is in reembedding_runs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, literal, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import EmbeddingModel, Image, ImageJob, ImageVector, VectorClaim
from app.domain import ImageState, JobKind, JobState, ModelState, ProcessingStatus
from app.errors import conflict
from app.services import embedding_models, job_runs, jobs

FEW: Final = 5
"""So many images may be refused whatever their share: in a small library half of them is soon reached."""
DOUBTFUL: Final = (
    "{name} ({revision}) refused {refused} of the {asked} images that it was to read, most often with: {error}"
    " That looks like a fault of the model or of a host, not of the images, so it does not take over."
    " Put it right and have them read again: `pictor reembed --cancel`, then `pictor reembed --model` once more."
    " Or switch without them: `pictor reembed --model NAME --anyway`."
)
REFUSED: Final = VectorClaim.lease_until.is_(None)
"""The model had its tries at this image."""
EMBEDS: Final = (
    ImageJob.kind == JobKind.EMBED,
    ImageJob.team_id == Image.team_id,
    ImageJob.image_id == Image.id,
)
"""The job by which a model reads the image."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a model is. `refused`: images it could not read; they hold nothing up."""

    id: int
    name: str
    revision: str
    dimension: int
    state: ModelState
    retired_at: datetime | None
    vectors: int
    refused: int


async def unread(session: AsyncSession, model_id: int) -> bool:
    """Whether images still have to be read before the model may take over, by whomever."""
    waiting = exists().where(is_unread(model_id), ~is_claimed(model_id, REFUSED))
    return bool(await session.scalar(select(waiting)))


async def trust(session: AsyncSession, model_id: int) -> None:
    """CONFLICT where a BUILDING model refused more than FEW images, and more than it read.

    Those that the active model could not read either do not count.
    """
    mine = await session.get_one(EmbeddingModel, model_id)
    active = await embedding_models.active(session)
    if mine.state is not ModelState.BUILDING or active is None:
        return
    refusals = (
        select(func.count(), func.mode().within_group(VectorClaim.error))
        .join(Image, Image.id == VectorClaim.image_id)
        .where(
            VectorClaim.model_id == model_id,
            REFUSED,
            Image.state == ImageState.STORED,
            _has_vector(active.id),
            ~_has_vector(model_id),
        )
    )
    refused, error = (await session.execute(refusals)).one()
    if refused <= FEW:
        return
    mine_read = select(func.count()).where(ImageVector.model_id == model_id)
    read = await session.scalar(mine_read) or 0
    if refused > read:
        said = {"refused": f"{refused:,}", "asked": f"{refused + read:,}", "error": error}
        raise conflict("model", DOUBTFUL.format(name=mine.name, revision=mine.revision, **said))


async def switch(session: AsyncSession, model_id: int, *, anyway: bool = False) -> bool:
    """Makes a BUILDING model ACTIVE, in one step, if every image had its turn; whether it is ACTIVE now.

    `processing` of the images follows: FAILED is what the new model could not read. CONFLICT as `trust` has it, but not
    `anyway`.
    """
    await session.execute(embedding_models.LOCK)
    mine = await session.get_one(EmbeddingModel, model_id)
    if mine.state is ModelState.BUILDING and not await unread(session, model_id):
        if not anyway:
            await trust(session, model_id)
        await embedding_models.activate(session, mine)
        await _settle(session, model_id)
    return mine.state is ModelState.ACTIVE


async def cancel(session: AsyncSession) -> str:
    """Ends what is being built; its vectors stay, so that it may go on later. The model's name; CONFLICT if none is."""
    await session.execute(embedding_models.LOCK)
    mine = await embedding_models.building(session)
    if mine is None:
        raise conflict("cancel", "No model is being built.")
    mine.state = ModelState.RETIRED
    await session.execute(delete(VectorClaim).where(VectorClaim.model_id == mine.id))
    return f"{mine.name} ({mine.revision})"


async def rollback(session: AsyncSession) -> str:
    """Makes the model before the active one ACTIVE again, at once; the name of it. CONFLICT where there is none.

    Images that came since its retirement are queued, and PENDING until it has read them. What the newer model alone
    could not read is no failure any more.
    """
    await session.execute(embedding_models.LOCK)
    before: EmbeddingModel | None = await session.scalar(
        select(EmbeddingModel)
        .where(EmbeddingModel.retired_at.is_not(None))
        .order_by(EmbeddingModel.retired_at.desc())
        .limit(1)
    )
    if before is None:
        raise conflict("rollback", "No earlier model's vectors are kept.")
    await embedding_models.activate(session, before)
    await session.execute(delete(VectorClaim).where(VectorClaim.model_id == before.id))
    await jobs.follow(session, await _settle_read(session, before.id))
    await embedding_models.queue_missing(session, before.id)
    await _follow_queued(session, before.id)
    return f"{before.name} ({before.revision})"


async def _follow_queued(session: AsyncSession, model_id: int) -> None:
    """Images whose EMBED jobs were queued for want of a vector are PENDING, unless their thumbnails have failed."""
    is_failed = exists().where(
        ImageJob.team_id == Image.team_id,
        ImageJob.image_id == Image.id,
        ImageJob.kind.in_(jobs.PROCESSING),
        jobs.GIVEN_UP,
    )
    await session.execute(
        update(Image)
        .where(
            Image.state == ImageState.STORED,
            ~_has_vector(model_id),
            Image.processing.in_((ProcessingStatus.READY, ProcessingStatus.FAILED)),
            ~is_failed,
        )
        .values(processing=ProcessingStatus.PENDING)
        .execution_options(synchronize_session=False)
    )


async def forget_retired(session: AsyncSession) -> list[int]:
    """From here on no retired model answers, nor can be gone back to; their ids. The vectors are `prune`'s."""
    await session.execute(embedding_models.LOCK)
    rows = await session.scalars(
        update(EmbeddingModel)
        .where(EmbeddingModel.state == ModelState.RETIRED)
        .values(retired_at=None)
        .returning(EmbeddingModel.id)
        .execution_options(synchronize_session=False)
    )
    return list(rows)


async def prune(session: AsyncSession, model_id: int, limit: int) -> int:
    """Deletes so many vectors of a model that is still RETIRED; how many there were."""
    await session.execute(embedding_models.LOCK_SHARED)
    keys = (ImageVector.team_id, ImageVector.model_id, ImageVector.image_id)
    some = (
        select(ImageVector.team_id, ImageVector.image_id)
        .join(EmbeddingModel, EmbeddingModel.id == ImageVector.model_id)
        .where(
            EmbeddingModel.id == model_id,
            EmbeddingModel.state == ModelState.RETIRED,
            EmbeddingModel.retired_at.is_(None),
        )
        .limit(limit)
        .subquery()
    )
    gone = await session.scalars(
        delete(ImageVector)
        .where(keys[0] == some.c.team_id, keys[1] == model_id, keys[2] == some.c.image_id)
        .returning(ImageVector.image_id)
    )
    return len(gone.all())


async def progress(session: AsyncSession) -> tuple[int, list[Progress]]:
    """How many images are stored, and every model with its vectors, the oldest first."""
    stored = select(func.count()).select_from(Image).where(Image.state == ImageState.STORED)
    total = await session.scalar(stored) or 0
    counts = await session.execute(
        select(ImageVector.model_id, func.count().label("vectors"))
        .join(Image, and_(Image.team_id == ImageVector.team_id, Image.id == ImageVector.image_id))
        .where(Image.state == ImageState.STORED)
        .group_by(ImageVector.model_id)
    )
    refusals = await session.execute(
        select(VectorClaim.model_id, func.count().label("images"))
        .join(Image, Image.id == VectorClaim.image_id)
        .where(REFUSED, Image.state == ImageState.STORED, ~_has_vector(VectorClaim.model_id))
        .group_by(VectorClaim.model_id)
    )
    vectors = {row.model_id: row.vectors for row in counts}
    refused = {row.model_id: row.images for row in refusals}
    rows = await session.scalars(select(EmbeddingModel).order_by(EmbeddingModel.id))
    return total, [
        Progress(
            id=row.id,
            name=row.name,
            revision=row.revision,
            dimension=row.dimension,
            state=row.state,
            retired_at=row.retired_at,
            vectors=vectors.get(row.id, 0),
            refused=refused.get(row.id, 0),
        )
        for row in rows
    ]


def _has_vector(model_id: Any) -> ColumnElement[bool]:
    return exists().where(
        ImageVector.team_id == Image.team_id,
        ImageVector.model_id == model_id,
        ImageVector.image_id == Image.id,
    )


def is_claimed(model_id: int, how: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(VectorClaim.model_id == model_id, VectorClaim.image_id == Image.id, how)


def is_unread(model_id: int) -> ColumnElement[bool]:
    """Stored images that BUILDING model `model_id` has no vector of.

    One that no model has read yet, and whose job is open, is left to that job: it reads with both.
    """
    is_building = exists().where(
        EmbeddingModel.id == model_id, EmbeddingModel.state == ModelState.BUILDING
    )
    active = (
        select(EmbeddingModel.id).where(EmbeddingModel.state == ModelState.ACTIVE).scalar_subquery()
    )
    is_open = exists().where(
        ImageJob.team_id == Image.team_id,
        ImageJob.image_id == Image.id,
        ImageJob.kind == JobKind.EMBED,
        jobs.OPEN,
    )
    return and_(
        Image.state == ImageState.STORED,
        is_building,
        not_(_has_vector(model_id)),
        or_(not_(is_open), _has_vector(active)),
    )


async def _settle(session: AsyncSession, model_id: int) -> None:
    """Ended EMBED jobs say what the new model made of their images."""
    not_read = (
        update(ImageJob)
        .where(
            *EMBEDS,
            ImageJob.state == JobState.DONE,
            VectorClaim.model_id == model_id,
            VectorClaim.image_id == Image.id,
            REFUSED,
            ~_has_vector(model_id),
        )
        .values(
            state=JobState.FAILED, error=func.coalesce(VectorClaim.error, literal(job_runs.LOST))
        )
        .returning(ImageJob.image_id)
    )
    changed = await _settle_read(session, model_id)
    changed += await session.scalars(not_read.execution_options(synchronize_session=False))
    await jobs.follow(session, changed)
    await session.execute(delete(VectorClaim).where(VectorClaim.model_id == model_id))


async def _settle_read(session: AsyncSession, model_id: int) -> list[UUID]:
    """Ends FAILED EMBED jobs whose images have a vector of the model; the images, which have to follow."""
    now_read = (
        update(ImageJob)
        .where(*EMBEDS, ImageJob.state == JobState.FAILED, _has_vector(model_id))
        .values(state=JobState.DONE, error=None)
        .returning(ImageJob.image_id)
    )
    return list(await session.scalars(now_read.execution_options(synchronize_session=False)))
