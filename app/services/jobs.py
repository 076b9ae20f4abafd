"""Jobs as people's requests see them: queued, tried again, followed, waited for. The rows are the truth.

How workers deal with them is in job_runs, what they do in worker/.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import (
    Select,
    case,
    func,
    literal,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image, ImageJob
from app.domain import JobKind, JobState, ProcessingStatus
from app.services import arrays

CHANNEL: Final = "pictor_jobs"
"""PostgreSQL notifies it when a transaction with new work commits."""
PROCESSING: Final = (JobKind.EMBED, JobKind.THUMBNAILS)
"""The kinds that `Image.processing` tells of."""

OPEN = text("image_job.state in ('QUEUED', 'RUNNING')")
GIVEN_UP = text("image_job.state = 'FAILED'")
"""Written out, so that a prepared statement can use the partial indexes of image_job."""

QUEUED: Final = {
    "state": JobState.QUEUED,
    "run_id": None,
    "lease_until": None,
    "finished_at": None,
}
STATUS: Final = case(
    (func.bool_or(ImageJob.state == JobState.FAILED), ProcessingStatus.FAILED.value),
    (func.bool_or(ImageJob.state == JobState.RUNNING), ProcessingStatus.PROCESSING.value),
    (
        func.count().filter(ImageJob.state == JobState.DONE) == len(PROCESSING),
        ProcessingStatus.READY.value,
    ),
    else_=ProcessingStatus.PENDING.value,
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Jobs of one kind in one state; how many seconds ago the oldest of them that is due became so."""

    kind: JobKind
    state: JobState
    count: int
    oldest_seconds: float | None


async def enqueue(
    session: AsyncSession,
    team_id: UUID,
    image_id: UUID,
    kinds: Iterable[JobKind],
    after: timedelta = timedelta(0),
    *,
    anew: bool = False,
) -> None:
    """Queues work on an image, in the caller's transaction. It is due `after` now, by the database's clock.

    A job that is done or failed is queued again; one that is queued or running stays as it is, unless it is to be done `anew`,
    on other bytes: a run that is at it has it no more then.
    """
    wanted = list(kinds)
    new = insert(ImageJob).values(
        [
            {
                "team_id": team_id,
                "image_id": image_id,
                "kind": kind,
                "run_after": func.now() + after,
            }
            for kind in wanted
        ]
    )
    again = new.on_conflict_do_update(
        index_elements=["team_id", "image_id", "kind"],
        set_={**QUEUED, "attempts": 0, "error": None, "run_after": new.excluded.run_after},
        where=None if anew else ImageJob.state.in_((JobState.DONE, JobState.FAILED)),
    )
    await session.execute(again)
    if any(kind in PROCESSING for kind in wanted):
        await follow(session, [image_id])
    await wake(session)


async def wake(session: AsyncSession) -> None:
    """Tells the workers of new work when the transaction commits."""
    await session.execute(select(func.pg_notify(CHANNEL, "")))


async def retry(session: AsyncSession, team_ids: Sequence[UUID], image_ids: Sequence[UUID]) -> None:
    """Queues anew what was given up of these images."""
    await repeat(session, team_ids, image_ids, PROCESSING, (JobState.FAILED,))


async def repeat(
    session: AsyncSession,
    team_ids: Sequence[UUID],
    image_ids: Sequence[UUID],
    kinds: Sequence[JobKind],
    states: Sequence[JobState],
) -> bool:
    """Queues anew the jobs of these images that are in one of the states; whether there are any.

    A run that is at one of them has it no more. What killed its workers is still tried alone.
    """
    again = (
        update(ImageJob)
        .where(
            ImageJob.team_id.in_(team_ids),
            ImageJob.image_id.in_(image_ids),
            ImageJob.kind.in_(kinds),
            ImageJob.state.in_(states),
        )
        .values(**QUEUED, attempts=0, error=None, run_after=func.now())
        .returning(ImageJob.image_id)
        .execution_options(synchronize_session=False)
    )
    found = (await session.scalars(again)).all()
    if found:
        await follow(session, found)
        await wake(session)
    return bool(found)


async def follow(session: AsyncSession, image_ids: Iterable[UUID]) -> None:
    """Locks the images and sets `processing` to what their jobs say now.

    Two statements: the second sees what another transaction did to the image's other job before it let
    the lock go. Jobs are always changed before their images are locked, so two runs cannot wait for each
    other.
    """
    ids = list(set(image_ids))
    if not ids:
        return
    among = arrays.among(Image.id, ids)
    await session.execute(
        select(Image.id).where(among).order_by(Image.id).with_for_update(key_share=True)
    )
    status = (
        select(Image.id.label("image_id"), STATUS.label("status"))
        .join(
            ImageJob,
            (ImageJob.team_id == Image.team_id)
            & (ImageJob.image_id == Image.id)
            & ImageJob.kind.in_(PROCESSING),
        )
        .where(among)
        .group_by(Image.id)
        .subquery()
    )
    await session.execute(
        update(Image)
        .values(processing=status.c.status)
        .where(Image.id == status.c.image_id, Image.processing != status.c.status)
        .execution_options(synchronize_session=False)
    )


async def backlog(session: AsyncSession) -> list[Backlog]:
    """What is queued, runs or was given up, of all teams. Jobs that are done are not looked at."""
    due = func.min(ImageJob.run_after).filter(ImageJob.run_after <= func.now())
    age = func.extract("epoch", func.now() - due)
    unfinished = (
        select(ImageJob.state, ImageJob.kind, func.count(), age)
        .where(OPEN)
        .group_by(ImageJob.state, ImageJob.kind)
    )
    given_up = (
        select(literal(JobState.FAILED.value), ImageJob.kind, func.count(), null())
        .where(GIVEN_UP)
        .group_by(ImageJob.kind)
    )
    rows = await session.execute(unfinished.union_all(given_up))
    return [
        Backlog(
            JobKind(kind),
            JobState(state),
            count,
            float(seconds) if seconds is not None and state == JobState.QUEUED else None,
        )
        for state, kind, count, seconds in rows
    ]


def waiting(team_id: UUID) -> Select[int, datetime | None]:
    """How many jobs of a team's images wait, and since when the first of them has been due."""
    return select(
        func.count(),
        func.min(ImageJob.run_after).filter(ImageJob.run_after <= func.now()),
    ).where(
        OPEN,
        ImageJob.state == JobState.QUEUED,
        ImageJob.kind.in_(PROCESSING),
        ImageJob.team_id == team_id,
    )
