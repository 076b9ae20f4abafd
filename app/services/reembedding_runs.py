"""Images that one more model reads, as workers deal with them: claimed, kept, failed. The switch is in reembedding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
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


@dataclass(frozen=True, slots=True)
class Batch:
    """Images that this run may give vectors until another run claims them."""

    model_id: int
    run_id: UUID
    images: Sequence[Image]


async def claim(
    session: AsyncSession, model_id: int, after: UUID, limit: int, lease: timedelta
) -> Batch:
    """The next images in the order of ids that nobody else is reading; empty unless the model is BUILDING.

    The attempt counts from the moment the caller commits.
    """
    run_id = uuid4()
    await session.execute(ONE_CLAIMS)
    await session.execute(
        update(VectorClaim)
        .where(
            VectorClaim.model_id == model_id,
            VectorClaim.attempts >= job_runs.MAX_ATTEMPTS,
            VectorClaim.lease_until < func.now(),
        )
        .values(lease_until=None, error=func.coalesce(VectorClaim.error, job_runs.LOST))
    )
    free = ~reembedding.is_claimed(
        model_id, or_(reembedding.REFUSED, VectorClaim.lease_until >= func.now())
    )
    due = await session.scalars(
        select(Image)
        .where(reembedding.is_unread(model_id), free, Image.id > after)
        .order_by(Image.id)
        .limit(limit)
    )
    images = due.all()
    if images:
        new = insert(VectorClaim).values(
            [
                {
                    "model_id": model_id,
                    "image_id": image.id,
                    "run_id": run_id,
                    "lease_until": func.now() + lease,
                    "attempts": 1,
                }
                for image in images
            ]
        )
        again = {
            "run_id": run_id,
            "lease_until": new.excluded.lease_until,
            "attempts": VectorClaim.attempts + 1,
        }
        await session.execute(
            new.on_conflict_do_update(index_elements=["model_id", "image_id"], set_=again)
        )
    return Batch(model_id, run_id, images)


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
    """Lays the image down for later, or for good after its last attempt."""
    last = VectorClaim.attempts >= job_runs.MAX_ATTEMPTS
    pause = job_runs.BACKOFF * func.power(2, VectorClaim.attempts)
    await session.execute(
        update(VectorClaim)
        .where(_of_run(batch), VectorClaim.image_id == image_id)
        .values(
            run_id=None,
            lease_until=case((last, None), else_=func.now() + pause),
            error=error[: job_runs.MAX_ERROR_LENGTH],
        )
    )


async def release(session: AsyncSession, batch: Batch) -> None:
    """Hands back what is left of the batch; the attempt does not count."""
    await session.execute(
        update(VectorClaim)
        .where(_of_run(batch))
        .values(run_id=None, lease_until=func.now(), attempts=VectorClaim.attempts - 1)
    )


async def renew(session: AsyncSession, batch: Batch, lease: timedelta) -> None:
    await session.execute(
        update(VectorClaim).where(_of_run(batch)).values(lease_until=func.now() + lease)
    )


def _of_run(batch: Batch) -> ColumnElement[bool]:
    return and_(VectorClaim.model_id == batch.model_id, VectorClaim.run_id == batch.run_id)
