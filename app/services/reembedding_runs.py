"""Images that one more model reads, as workers deal with them: claimed, kept, failed, taken back. The switch is in reembedding.

As with jobs, nobody knows which image of a batch killed its process: each is read alone, and charged with no other's death.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image, VectorClaim
from app.embedding import Vectors
from app.services import embedding_models, job_runs, reembedding
from app.services.intake import processing

ONE_CLAIMS = text("select pg_advisory_xact_lock(hashtext('pictor.vector_claim'))")
"""Held while a batch is chosen: the next one chooses other images."""
LOST: Final = and_(VectorClaim.run_id.is_not(None), VectorClaim.lease_until < func.now())
"""Whoever was reading it did not come back."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Images that this run may give vectors until another run claims them. `alone`: one suspect."""

    model_id: int
    run_id: UUID
    images: Sequence[Image]
    alone: bool = False


async def claim(
    session: AsyncSession, model_id: int, after: UUID, limit: int, lease: timedelta
) -> Batch:
    """The next images in the order of ids that nobody else is reading; empty unless the model is BUILDING.

    Suspects are not among them. Whatever becomes of the run, no attempt counts but of images that `fail`.
    """
    await session.execute(ONE_CLAIMS)
    free = ~reembedding.is_claimed(
        model_id,
        or_(
            reembedding.REFUSED,
            VectorClaim.suspect,
            VectorClaim.run_id.is_not(None),
            VectorClaim.lease_until >= func.now(),
        ),
    )
    due = await session.scalars(
        select(Image)
        .where(reembedding.is_unread(model_id), free, Image.id > after)
        .order_by(Image.id)
        .limit(limit)
    )
    batch = Batch(model_id, uuid4(), due.all())
    if batch.images:
        new = insert(VectorClaim).values(
            [
                {
                    "model_id": model_id,
                    "image_id": image.id,
                    "run_id": batch.run_id,
                    "lease_until": func.now() + lease,
                }
                for image in batch.images
            ]
        )
        again = {"run_id": batch.run_id, "lease_until": new.excluded.lease_until}
        await session.execute(
            new.on_conflict_do_update(index_elements=["model_id", "image_id"], set_=again)
        )
    return batch


async def take_back(session: AsyncSession, model_id: int) -> int:
    """Makes suspects of images whose run did not come back; how many.

    One that had company costs nothing. One that was a suspect already has killed its process alone, as far as anybody
    can tell: its attempt counted, and after the last one the model has refused it. As jobs have it, see job_runs.
    """
    spent = and_(VectorClaim.suspect, VectorClaim.attempts >= job_runs.MAX_ATTEMPTS)
    pause = job_runs.BACKOFF * func.power(2, VectorClaim.attempts)
    lost = await session.scalars(
        update(VectorClaim)
        .where(VectorClaim.model_id == model_id, LOST)
        .values(
            run_id=None,
            suspect=True,
            lease_until=case(
                (spent, None), (VectorClaim.suspect, func.now() + pause), else_=func.now()
            ),
            error=case((VectorClaim.suspect, job_runs.LOST), else_=VectorClaim.error),
        )
        .returning(VectorClaim.image_id)
        .execution_options(synchronize_session=False)
    )
    return len(lost.all())


async def suspected(session: AsyncSession, model_id: int) -> bool:
    """Whether a suspect is due."""
    return bool(await session.scalar(select(_suspects(model_id).exists())))


async def claim_suspect(session: AsyncSession, model_id: int, lease: timedelta) -> Batch:
    """One that is due, or none. Its attempt counts from the moment the caller commits."""
    await session.execute(ONE_CLAIMS)
    due = await session.scalars(
        _suspects(model_id).order_by(VectorClaim.lease_until, Image.id).limit(1)
    )
    batch = Batch(model_id, uuid4(), due.all(), alone=True)
    await session.execute(
        update(VectorClaim)
        .where(
            VectorClaim.model_id == model_id,
            VectorClaim.image_id.in_([image.id for image in batch.images]),
        )
        .values(
            run_id=batch.run_id,
            lease_until=func.now() + lease,
            attempts=VectorClaim.attempts + 1,
        )
        .execution_options(synchronize_session=False)
    )
    return batch


def _suspects(model_id: int) -> Select[Image]:
    return (
        select(Image)
        .join(VectorClaim, VectorClaim.image_id == Image.id)
        .where(
            VectorClaim.model_id == model_id,
            VectorClaim.suspect,
            VectorClaim.run_id.is_(None),
            VectorClaim.lease_until <= func.now(),
            reembedding.is_unread(model_id),
        )
    )


async def keep(session: AsyncSession, batch: Batch, vector_of: Mapping[UUID, Vectors]) -> None:
    """Writes the vectors float32[dimension] of those images that this run still has."""
    _active, building = await embedding_models.alive(session)
    if building != batch.model_id:
        return
    mine = await session.scalars(
        delete(VectorClaim)
        .where(_of_run(batch), VectorClaim.image_id.in_(vector_of))
        .returning(VectorClaim.image_id)
    )
    await processing.write_vectors(
        session, batch.model_id, {image_id: vector_of[image_id] for image_id in mine}
    )


async def fail(session: AsyncSession, batch: Batch, image_id: UUID, error: str) -> None:
    """Lays the image down for later, or for good after its last attempt. It killed nobody, so it is no suspect any more."""
    attempts = VectorClaim.attempts + (0 if batch.alone else 1)
    last = attempts >= job_runs.MAX_ATTEMPTS
    pause = job_runs.BACKOFF * func.power(2, attempts)
    await session.execute(
        update(VectorClaim)
        .where(_of_run(batch), VectorClaim.image_id == image_id)
        .values(
            run_id=None,
            lease_until=case((last, None), else_=func.now() + pause),
            attempts=attempts,
            suspect=False,
            error=error[: job_runs.MAX_ERROR_LENGTH],
        )
    )


async def release(session: AsyncSession, batch: Batch) -> None:
    """Hands back what is left of the batch; the attempt does not count. A suspect stays one."""
    await session.execute(
        update(VectorClaim)
        .where(_of_run(batch))
        .values(
            run_id=None,
            lease_until=func.now(),
            attempts=VectorClaim.attempts - (1 if batch.alone else 0),
        )
    )


async def renew(session: AsyncSession, batch: Batch, lease: timedelta) -> None:
    await session.execute(
        update(VectorClaim).where(_of_run(batch)).values(lease_until=func.now() + lease)
    )


def _of_run(batch: Batch) -> ColumnElement[bool]:
    return and_(VectorClaim.model_id == batch.model_id, VectorClaim.run_id == batch.run_id)
