"""Bulk jobs as workers deal with them: claimed, done part by part, ended. The rows are the truth.

A part's change, its progress and its removal from the list are one transaction: whoever is killed, no image is done
twice and none is left out. Images are changed as the user who started the job, never with the worker's own rights.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Update, delete, exists, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db.models import BulkJob, BulkPart
from app.domain import Actor, AuditOutcome, BulkAction, BulkStatus, Role
from app.errors import forbidden
from app.services.auditing import audit
from app.services.auditing.audit import Event, Origin
from app.services.bulk_edits import bulk, bulk_actions, bulk_lists
from app.services.people import api_keys, sessions

MAX_ATTEMPTS: Final = 3
"""At one part. The attempt counts from its start, so that a part which kills its worker cannot go round for ever."""
BACKOFF: Final = timedelta(seconds=5)
"""Doubles with each attempt: 10 s after the first, 20 s after the second."""
LOST: Final = "The worker stopped while it was on this job."
NO_ACCESS: Final = "Whoever started it may not change the team's images any more."
ENDED: Final = "bulk.end"


@dataclass(frozen=True, slots=True)
class Run:
    """A claimed job: this run may go on with it until another run claims it. `user_id` started it.

    `is_spent`: every attempt at its next part ended without a word.
    """

    job_id: UUID
    team_id: UUID
    action: BulkAction
    user_id: UUID | None
    api_key_id: UUID | None
    run_id: UUID
    is_spent: bool


class SupersededError(Exception):
    """Another run has the job now, or somebody ended it: nothing must be written."""


async def claim(session: AsyncSession, lease: timedelta) -> Run | None:
    """The job that has waited longest, if one is due. Those of one team come one after the other, as they were started.

    The attempt counts from the moment the caller commits. Claimers never wait for each other.
    """
    earlier = aliased(BulkJob)
    before = exists().where(
        earlier.team_id == BulkJob.team_id,
        earlier.status.in_((BulkStatus.QUEUED, BulkStatus.RUNNING)),
        tuple_(earlier.started_at, earlier.id) < tuple_(BulkJob.started_at, BulkJob.id),
    )
    row = await session.scalar(
        select(BulkJob)
        .where(bulk.OPEN, BulkJob.lease_until <= func.now(), ~before)
        .order_by(BulkJob.lease_until, BulkJob.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if row is None:
        return None
    row.status, row.run_id, row.attempts = BulkStatus.RUNNING, uuid4(), row.attempts + 1
    await session.flush()
    await session.execute(
        update(BulkJob).where(BulkJob.id == row.id).values(lease_until=func.now() + lease)
    )
    return Run(
        row.id,
        row.team_id,
        row.action,
        row.started_by,
        row.api_key_id,
        row.run_id,
        is_spent=row.attempts > MAX_ATTEMPTS,
    )


async def actor_of(session: AsyncSession, run: Run) -> Actor:
    """Who started it, with the rights of this moment in the job's team alone. FORBIDDEN where they are not enough."""
    actor = None
    if run.user_id is not None and run.api_key_id is not None:
        actor = await api_keys.actor_of(session, run.api_key_id)
    elif run.user_id is not None:
        actor = await sessions.actor_of(session, run.user_id)
    role = actor.roles.get(run.team_id) if actor else None
    if actor is None or role is None or role.rank < Role.EDITOR.rank:
        raise forbidden(NO_ACCESS)
    return Actor(actor.user_id, {run.team_id: role}, api_key_id=actor.api_key_id)


async def advance(
    session: AsyncSession, actor: Actor, run: Run, lease: timedelta, key: bytes
) -> bool:
    """Does the next part, with its share of the progress; after the last one the job is DONE. Whether more is left.

    SupersededError where the job is not this run's any more; TargetGoneError as bulk_actions has it. `key` signs
    the record of the end.
    """
    job: BulkJob | None = await session.scalar(
        select(BulkJob)
        .where(
            BulkJob.id == run.job_id,
            BulkJob.run_id == run.run_id,
            BulkJob.status == BulkStatus.RUNNING,
        )
        .with_for_update(key_share=True)
    )
    if job is None:
        raise SupersededError(f"bulk job {run.job_id}")
    image_ids = await session.scalar(
        delete(BulkPart)
        .where(BulkPart.team_id == job.team_id, BulkPart.job_id == job.id, BulkPart.seq == job.part)
        .returning(BulkPart.image_ids)
    )
    if image_ids is not None:
        _count(job, await bulk_actions.apply(session, actor, job, image_ids))
    job.part += 1
    more = job.part < math.ceil(job.total / job.part_size)
    # Where more is left, the attempt at the next part begins here.
    job.attempts = 1 if more else 0
    ended = {} if more else {"status": BulkStatus.DONE, "finished_at": func.now(), "run_id": None}
    await session.flush()
    await session.execute(
        update(BulkJob)
        .where(BulkJob.id == job.id)
        .values(lease_until=func.now() + lease if more else None, **ended)
        .execution_options(synchronize_session=False)
    )
    if not more:
        await _record(session, key, job, AuditOutcome.ALLOWED)
    return more


def _count(job: BulkJob, outcome: bulk_actions.Outcome) -> None:
    job.done += outcome.done
    job.changed += outcome.changed
    job.gone += outcome.gone
    job.crowded += outcome.crowded


async def release(session: AsyncSession, run: Run, after: timedelta = timedelta(0)) -> None:
    """Hands the job back for the next turn; what could not be tried through no fault of its own costs no attempt."""
    await session.execute(
        _mine(run).values(
            attempts=func.greatest(BulkJob.attempts - 1, 0), lease_until=func.now() + after
        )
    )


async def retry(session: AsyncSession, run: Run, error: str, key: bytes) -> bool:
    """After an attempt that failed: the job is tried again, later and later, or has failed. Whether it is tried again."""
    again = _mine(run).where(BulkJob.attempts < MAX_ATTEMPTS)
    later = func.now() + BACKOFF * func.power(2, BulkJob.attempts)
    put_off = await session.scalars(again.values(lease_until=later).returning(BulkJob.id))
    if put_off.one_or_none() is not None:
        return True
    await fail(session, run, error, key)
    return False


async def fail(session: AsyncSession, run: Run, error: str, key: bytes) -> bool:
    """Ends the job for good. What is done of it stays done; `error` is shown to the team. False where it is another run's."""
    failed = _mine(run).values(
        status=BulkStatus.FAILED,
        error=error,
        finished_at=func.now(),
        run_id=None,
        lease_until=None,
    )
    job = (await session.scalars(failed.returning(BulkJob))).one_or_none()
    if job is None:
        return False
    await bulk_lists.drop(session, job)
    await _record(session, key, job, AuditOutcome.FAILED)
    return True


def _mine(run: Run) -> Update:
    return (
        update(BulkJob)
        .where(
            BulkJob.id == run.job_id,
            BulkJob.run_id == run.run_id,
            BulkJob.status == BulkStatus.RUNNING,
        )
        .execution_options(synchronize_session=False)
    )


async def _record(session: AsyncSession, key: bytes, job: BulkJob, outcome: AuditOutcome) -> None:
    """The transaction's last work: it locks the head of the team's chain."""
    event = Event(
        ENDED,
        outcome,
        Origin(job.request_id),
        team_id=job.team_id,
        user_id=job.started_by,
        api_key_id=job.api_key_id,
        subject_ids=(job.id,),
        detail={
            "action": job.action.value,
            "images": job.total,
            "done": job.done,
            "changed": job.changed,
            "skipped": job.gone + job.crowded,
            "tag_ids": [str(one) for one in job.tag_ids if one is not None],
        },
    )
    await audit.append(session, key, [event])
