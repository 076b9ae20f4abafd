"""Purges: the jobs that remove what was deleted; which are due, and those that got lost made anew. They run in worker/."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, literal, select
from sqlalchemy import update as sql_update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.db.models import Dataset, Image, ImageJob, Team
from app.domain import ImageState, JobKind, JobState
from app.services import jobs

KINDS: Final = (JobKind.PURGE, JobKind.PURGE_TEAM)


async def due_now(session: AsyncSession) -> int:
    due = select(func.count()).where(
        jobs.OPEN, ImageJob.kind == JobKind.PURGE, ImageJob.run_after <= func.now()
    )
    return await session.scalar(due) or 0


async def revive(session: AsyncSession, retention: timedelta, *, dry_run: bool) -> int:
    """Queues purges that were given up, and makes those that deleted images and teams lack; how many."""
    given_up = (ImageJob.kind.in_(KINDS)) & (ImageJob.state == JobState.FAILED)
    found = 0
    for wanted in _wanted(retention):
        found += await session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
        if not dry_run:
            new = insert(ImageJob).from_select(["team_id", "image_id", "kind", "run_after"], wanted)
            # One that another pass has just made is not due before its time either.
            made = new.on_conflict_do_update(
                index_elements=["team_id", "image_id", "kind"],
                set_={
                    **jobs.QUEUED,
                    "attempts": 0,
                    "error": None,
                    "run_after": new.excluded.run_after,
                },
                where=ImageJob.state == JobState.DONE,
            )
            await session.execute(made)
    found += await session.scalar(select(func.count()).where(given_up)) or 0
    if not dry_run:
        revived = sql_update(ImageJob).where(given_up)
        again = {**jobs.QUEUED, "attempts": 0, "run_after": func.now()}
        await session.execute(revived.values(again).execution_options(synchronize_session=False))
        if found:
            await jobs.wake(session)
    return found


def _wanted(retention: timedelta) -> tuple[Any, ...]:
    """Deleted images, datasets and teams that no job, open or given up, will remove."""
    image = select(
        Image.team_id,
        Image.id,
        literal(JobKind.PURGE.value),
        func.coalesce(Image.deleted_at, func.now()) + retention,
    ).join(Team, Team.id == Image.team_id)
    dataset = select(
        Dataset.team_id,
        Dataset.id,
        literal(JobKind.PURGE.value),
        Dataset.deleted_at + retention,
    ).join(Team, Team.id == Dataset.team_id)
    team = select(Team.id, Team.id, literal(JobKind.PURGE_TEAM.value), Team.deleted_at + retention)
    return (
        image.where(
            Image.state == ImageState.DELETED,
            Team.deleted_at.is_(None),
            ~_has_job(Image.team_id, Image.id, JobKind.PURGE),
        ),
        dataset.where(
            Dataset.deleted_at.is_not(None),
            Team.deleted_at.is_(None),
            ~_has_job(Dataset.team_id, Dataset.id, JobKind.PURGE),
        ),
        team.where(Team.deleted_at.is_not(None), ~_has_job(Team.id, Team.id, JobKind.PURGE_TEAM)),
    )


def _has_job(
    team_id: InstrumentedAttribute[UUID], image_id: InstrumentedAttribute[UUID], kind: JobKind
) -> ColumnElement[bool]:
    return exists().where(
        ImageJob.team_id == team_id,
        ImageJob.image_id == image_id,
        ImageJob.kind == kind,
        ImageJob.state != JobState.DONE,
    )
