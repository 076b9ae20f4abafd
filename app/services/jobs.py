"""Background work on images: queue, claim, finish, fail. The rows are the truth; what a job does is in worker/.

A worker that dies leaves jobs whose lease runs out. Which of them killed it nobody knows, so each becomes a suspect
and is tried alone; only what dies alone is charged with it. See docs/decisions/0002.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Select,
    Update,
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

CHANNEL: Final = "pictor_jobs"
"""PostgreSQL notifies it when a transaction with new work commits."""
MAX_ATTEMPTS: Final = 3
BACKOFF: Final = timedelta(seconds=5)
"""Doubles with each attempt that failed: 10 s after the first, 20 s after the second."""
MAX_ERROR_LENGTH: Final = 500
LOST: Final = "The worker stopped while it was on this image."
PROCESSING: Final = (JobKind.EMBED, JobKind.THUMBNAILS)
"""The kinds that `Image.processing` tells of."""

OPEN = text("image_job.state in ('QUEUED', 'RUNNING')")
SUSPECT = text("image_job.suspect and image_job.state = 'QUEUED'")
GIVEN_UP = text("image_job.state = 'FAILED'")
"""Written out, so that a prepared statement can use the partial indexes of image_job."""
LOST_AT_ONCE: Final = 500

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
class Job:
    """A claimed job: this run may finish it until another run claims it."""

    id: UUID
    team_id: UUID
    image_id: UUID
    kind: JobKind
    attempts: int
    run_id: UUID


@dataclass(frozen=True, slots=True)
class Backlog:
    """Jobs of one kind in one state; how many seconds ago the oldest of them that is due became so."""

    kind: JobKind
    state: JobState
    count: int
    oldest_seconds: float | None


class SupersededError(Exception):
    """Another run has the job now, or its image is gone: the result must not be written."""


async def enqueue(
    session: AsyncSession,
    team_id: UUID,
    image_id: UUID,
    kinds: Iterable[JobKind],
    run_after: datetime | None = None,
) -> None:
    """Queues work on an image, in the caller's transaction.

    A job that is done or failed is queued again; one that is queued or running stays as it is.
    """
    wanted = list(kinds)
    due = literal(run_after) if run_after is not None else func.now()
    new = insert(ImageJob).values(
        [
            {"team_id": team_id, "image_id": image_id, "kind": kind, "run_after": due}
            for kind in wanted
        ]
    )
    again = new.on_conflict_do_update(
        index_elements=["team_id", "image_id", "kind"],
        set_={**QUEUED, "attempts": 0, "error": None, "run_after": new.excluded.run_after},
        where=ImageJob.state.in_((JobState.DONE, JobState.FAILED)),
    )
    await session.execute(again)
    if any(kind in PROCESSING for kind in wanted):
        await follow(session, [image_id])
    await wake(session)


async def wake(session: AsyncSession) -> None:
    """Tells the workers of new work when the transaction commits."""
    await session.execute(select(func.pg_notify(CHANNEL, "")))


async def claim(
    session: AsyncSession,
    kinds: Iterable[JobKind],
    limit: int,
    lease: timedelta,
    *,
    suspects: bool = False,
) -> list[Job]:
    """Takes due jobs, the oldest first: suspects alone, or all but them.

    The attempt counts from the moment the caller commits. Claimers never wait for each other.
    """
    due = (
        select(ImageJob.id)
        .where(
            SUSPECT if suspects else OPEN,
            ImageJob.state == JobState.QUEUED,
            ImageJob.suspect == suspects,
            ImageJob.kind.in_(tuple(kinds)),
            ImageJob.run_after <= func.now(),
        )
        .order_by(ImageJob.run_after, ImageJob.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(await session.scalars(due))
    if not ids:
        return []
    run_id = uuid4()
    taken = (
        update(ImageJob)
        .where(ImageJob.id.in_(ids))
        .values(
            state=JobState.RUNNING,
            attempts=ImageJob.attempts + 1,
            finished_at=None,
            run_id=run_id,
            lease_until=func.now() + lease,
        )
        .returning(ImageJob)
        .execution_options(synchronize_session=False)
    )
    rows = list(await session.scalars(taken))
    await follow(session, [row.image_id for row in rows])
    claimed = {row.id: _job(row, run_id) for row in rows}
    return [claimed[one] for one in ids]


async def suspected(session: AsyncSession) -> list[JobKind]:
    """The kinds that have a suspect which is due, that of the oldest first."""
    found = await session.execute(
        select(ImageJob.kind, func.min(ImageJob.run_after))
        .where(SUSPECT, ImageJob.run_after <= func.now())
        .group_by(ImageJob.kind)
        .order_by(func.min(ImageJob.run_after))
    )
    return [kind for kind, _ in found]


async def take_back(session: AsyncSession) -> list[JobKind]:
    """Queues the jobs of workers that did not come back; the kind of each.

    One that had company costs nothing and becomes a suspect. One that was a suspect already has killed its
    worker alone, as far as anybody can tell: its attempt counts, and after the last one it has failed.
    """
    lost = (
        select(ImageJob.id)
        .where(OPEN, ImageJob.state == JobState.RUNNING, ImageJob.lease_until < func.now())
        .limit(LOST_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    ids = list(await session.scalars(lost))
    if not ids:
        return []
    spent = ImageJob.suspect & (ImageJob.attempts >= MAX_ATTEMPTS)
    back = (
        update(ImageJob)
        .where(ImageJob.id.in_(ids))
        .values(
            state=case((spent, JobState.FAILED), else_=JobState.QUEUED),
            attempts=case((ImageJob.suspect, ImageJob.attempts), else_=ImageJob.attempts - 1),
            error=case((ImageJob.suspect, LOST), else_=ImageJob.error),
            finished_at=case((spent, func.now()), else_=None),
            run_after=case((ImageJob.suspect, func.now() + _backoff()), else_=func.now()),
            run_id=None,
            lease_until=None,
            suspect=True,
        )
        .returning(ImageJob.image_id, ImageJob.kind)
        .execution_options(synchronize_session=False)
    )
    found = list(await session.execute(back))
    await follow(session, [image_id for image_id, _ in found])
    await wake(session)
    return [kind for _, kind in found]


def _backoff() -> ColumnElement[timedelta]:
    """How long a job waits after an attempt that failed."""
    return BACKOFF * func.power(2, ImageJob.attempts)


def _job(row: ImageJob, run_id: UUID) -> Job:
    return Job(row.id, row.team_id, row.image_id, row.kind, row.attempts, run_id)


async def finish(session: AsyncSession, jobs: Sequence[Job]) -> None:
    """Marks the jobs as done, in the transaction of their results, and locks their images.

    Call it before the results are written: SupersededError, unless this run still has every one of them.
    """
    done = update(ImageJob).values(
        state=JobState.DONE, lease_until=None, error=None, suspect=False, finished_at=func.now()
    )
    if await _of_run(session, done, jobs) != len(jobs):
        raise SupersededError(f"{len(jobs)} jobs")
    await follow(session, [job.image_id for job in jobs])


async def fail(session: AsyncSession, job: Job, error: str, *, for_good: bool = False) -> None:
    """Queues the job again for later, or marks it as failed after its last attempt (or `for_good`).

    Does nothing where another run has it. `error` is shown to the team. Whatever is wrong with its image, the
    worker lives: it is no suspect any more.
    """
    last = for_good or job.attempts >= MAX_ATTEMPTS
    failed = update(ImageJob).values(
        state=JobState.FAILED if last else JobState.QUEUED,
        run_id=None,
        lease_until=None,
        run_after=func.now() + _backoff(),
        suspect=False,
        error=error[:MAX_ERROR_LENGTH],
        finished_at=func.now() if last else None,
    )
    if await _of_run(session, failed, [job]):
        await follow(session, [job.image_id])


async def release(
    session: AsyncSession, jobs: Sequence[Job], after: timedelta = timedelta(0)
) -> None:
    """Hands jobs back that could not be worked on through no fault of theirs; their attempt does not count."""
    back = update(ImageJob).values(
        **QUEUED, attempts=ImageJob.attempts - 1, run_after=func.now() + after
    )
    if await _of_run(session, back, jobs):
        await follow(session, [job.image_id for job in jobs])
        await wake(session)


async def retry(session: AsyncSession, team_ids: Sequence[UUID], image_ids: Sequence[UUID]) -> None:
    """Queues anew what was given up of these images. One that killed its workers is still tried alone."""
    again = (
        update(ImageJob)
        .where(
            ImageJob.team_id.in_(team_ids),
            ImageJob.image_id.in_(image_ids),
            ImageJob.kind.in_(PROCESSING),
            ImageJob.state == JobState.FAILED,
        )
        .values(**QUEUED, attempts=0, error=None, run_after=func.now())
        .returning(ImageJob.image_id)
        .execution_options(synchronize_session=False)
    )
    await follow(session, await session.scalars(again))
    await wake(session)


async def renew(session: AsyncSession, jobs: Sequence[Job], lease: timedelta) -> None:
    """Keeps those jobs that this run still has."""
    await _of_run(session, update(ImageJob).values(lease_until=func.now() + lease), jobs)


async def _of_run(session: AsyncSession, change: Update, jobs: Sequence[Job]) -> int:
    """Runs the update on those jobs that this run still has; how many they were."""
    mine = change.where(
        ImageJob.id.in_([job.id for job in jobs]),
        ImageJob.run_id.in_({job.run_id for job in jobs}),
        ImageJob.state == JobState.RUNNING,
    ).returning(ImageJob.id)
    done = await session.scalars(mine.execution_options(synchronize_session=False))
    return len(done.all())


async def follow(session: AsyncSession, image_ids: Iterable[UUID]) -> None:
    """Locks the images and sets `processing` to what their jobs say now.

    Two statements: the second sees what another transaction did to the image's other job before it let
    the lock go. Jobs are always changed before their images are locked, so two runs cannot wait for each
    other.
    """
    ids = list(set(image_ids))
    if not ids:
        return
    await session.execute(
        select(Image.id).where(Image.id.in_(ids)).order_by(Image.id).with_for_update(key_share=True)
    )
    status = (
        select(Image.id.label("image_id"), STATUS.label("status"))
        .join(
            ImageJob,
            (ImageJob.team_id == Image.team_id)
            & (ImageJob.image_id == Image.id)
            & ImageJob.kind.in_(PROCESSING),
        )
        .where(Image.id.in_(ids))
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
