"""Jobs as workers deal with them: claimed, finished, failed, taken back. What a job does is in worker/.

A worker that dies leaves jobs whose lease runs out. Which of them killed it nobody knows, so each becomes a suspect
and is tried alone; only what dies alone is charged with it. See docs/decisions/0002.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Update,
    case,
    func,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import ImageJob
from app.domain import JobKind, JobState
from app.services import jobs

MAX_ATTEMPTS: Final = 3
BACKOFF: Final = timedelta(seconds=5)
"""Doubles with each attempt that failed: 10 s after the first, 20 s after the second."""
MAX_ERROR_LENGTH: Final = 500
LOST: Final = "The worker stopped while it was on this image."
LOST_EXPORT: Final = "The worker stopped while it was on this export."
SUSPECT = text("image_job.suspect and image_job.state = 'QUEUED'")
"""Written out, as those in jobs are."""
LOST_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job: this run may finish it until another run claims it. `suspect`: it is tried alone."""

    id: UUID
    team_id: UUID
    image_id: UUID
    kind: JobKind
    attempts: int
    run_id: UUID
    suspect: bool = False


class SupersededError(Exception):
    """Another run has the job now, or its image is gone: the result must not be written."""


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
            SUSPECT if suspects else jobs.OPEN,
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
    await jobs.follow(session, [row.image_id for row in rows])
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
        .where(jobs.OPEN, ImageJob.state == JobState.RUNNING, ImageJob.lease_until < func.now())
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
            error=case(
                (~ImageJob.suspect, ImageJob.error),
                (ImageJob.kind == JobKind.EXPORT, LOST_EXPORT),
                else_=LOST,
            ),
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
    await jobs.follow(session, [image_id for image_id, _ in found])
    await jobs.wake(session)
    return [kind for _, kind in found]


def _backoff() -> ColumnElement[timedelta]:
    """How long a job waits after an attempt that failed."""
    return BACKOFF * func.power(2, ImageJob.attempts)


def _job(row: ImageJob, run_id: UUID) -> Job:
    return Job(row.id, row.team_id, row.image_id, row.kind, row.attempts, run_id, row.suspect)


async def finish(session: AsyncSession, claimed: Sequence[Job]) -> None:
    """Marks the jobs as done, in the transaction of their results, and locks their images.

    Call it before the results are written: SupersededError, unless this run still has every one of them.
    """
    done = update(ImageJob).values(
        state=JobState.DONE, lease_until=None, error=None, suspect=False, finished_at=func.now()
    )
    if await _of_run(session, done, claimed) != len(claimed):
        raise SupersededError(f"{len(claimed)} jobs")
    await jobs.follow(session, [job.image_id for job in claimed])


async def fail(session: AsyncSession, job: Job, error: str, *, for_good: bool = False) -> bool:
    """Queues the job again for later, or marks it as failed after its last attempt (or `for_good`).

    Does nothing where another run has it: then it answers False. `error` is shown to the team. Whatever is wrong with its image, the
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
    is_mine = bool(await _of_run(session, failed, [job]))
    if is_mine:
        await jobs.follow(session, [job.image_id])
    return is_mine


async def release(
    session: AsyncSession, claimed: Sequence[Job], after: timedelta = timedelta(0)
) -> None:
    """Hands jobs back that could not be worked on through no fault of theirs; their attempt does not count."""
    back = update(ImageJob).values(
        **jobs.QUEUED, attempts=ImageJob.attempts - 1, run_after=func.now() + after
    )
    if await _of_run(session, back, claimed):
        await jobs.follow(session, [job.image_id for job in claimed])
        await jobs.wake(session)


async def renew(session: AsyncSession, claimed: Sequence[Job], lease: timedelta) -> None:
    """Keeps those jobs that this run still has."""
    await _of_run(session, update(ImageJob).values(lease_until=func.now() + lease), claimed)


async def _of_run(session: AsyncSession, change: Update, claimed: Sequence[Job]) -> int:
    """Runs the update on those jobs that this run still has; how many they were."""
    mine = change.where(
        ImageJob.id.in_([job.id for job in claimed]),
        ImageJob.run_id.in_({job.run_id for job in claimed}),
        ImageJob.state == JobState.RUNNING,
    ).returning(ImageJob.id)
    done = await session.scalars(mine.execution_options(synchronize_session=False))
    return len(done.all())
