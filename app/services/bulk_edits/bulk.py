"""Bulk jobs as people deal with them: prepared, looked at, started, cancelled. How they run is in bulk_runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, delete, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import BulkJob, Collection
from app.domain import (
    MAX_TAGS_PER_CALL,
    Actor,
    BulkAction,
    BulkStatus,
    Role,
    micro_weight,
    tag_key,
)
from app.errors import bad_input, conflict, not_found, rate_limited
from app.services import access, jobs, paging, tags
from app.services.bulk_edits import bulk_lists, bulk_selections, bulk_tags
from app.services.bulk_edits.bulk_selections import Selection

PREPARED_FOR: Final = timedelta(hours=1)
"""For so long a prepared job can be started; then its list is removed."""
KEPT_FOR: Final = timedelta(days=30)
MOST_PREPARED: Final = 5
"""Of one user in one team: the next one takes the place of the oldest."""
MOST_OPEN: Final = 20
"""Of one team: jobs that wait or run. They run one after the other."""
RETRY_SECONDS: Final = 60
ROWS_OF_A_PART: Final = 2_000
"""A part's transaction puts on so many tags at most, but has no fewer than SMALLEST_PART images."""
LARGEST_PART: Final = 500
SMALLEST_PART: Final = 100
FORGOTTEN_AT_ONCE: Final = 100
OPEN = text("bulk_job.status in ('QUEUED', 'RUNNING')")
"""Written out, so that a prepared statement can use the partial index."""
ENDED: Final = (BulkStatus.DONE, BulkStatus.FAILED, BulkStatus.CANCELLED)
BY_AGE: Final = paging.by_age("bulkJob", BulkJob.id)


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done: `tags` for the tag actions, `weight` as it is drawn, `collection_id`."""

    action: BulkAction
    tags: tuple[str, ...] = ()
    weight: float | None = None
    collection_id: UUID | None = None


async def by_id(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[BulkJob | None]:
    return await access.by_id(session, access.visible_bulk_jobs(actor), BulkJob.id, ids)


def listed(actor: Actor, team_id: UUID | None = None) -> Select[BulkJob]:
    query = access.visible_bulk_jobs(actor)
    return query if team_id is None else query.where(BulkJob.team_id == team_id)


async def prepare(
    session: AsyncSession, actor: Actor, team_id: UUID, selection: Selection, change: Change
) -> BulkJob:
    """Finds the images and keeps the list (EDITOR); changes none of them.

    BAD_USER_INPUT for what cannot be done, and where more than MAX_IMAGES are found; NOT_FOUND for the collection.
    """
    access.require_member(actor, team_id, Role.EDITOR)
    meant = await _meant(session, actor, team_id, change)
    await _forget_oldest(session, actor, team_id)
    per_image = max(len(change.tags), 1)
    size = min(max(ROWS_OF_A_PART // per_image, SMALLEST_PART), LARGEST_PART)
    row = BulkJob(
        team_id=team_id, action=change.action, created_by=actor.user_id, part_size=size, **meant
    )
    session.add(row)
    # Its id is needed.
    await session.flush()
    found = await bulk_selections.images(session, actor, team_id, selection)
    row.relevance_basis = found.basis
    row.total = 0 if found.images is None else await bulk_lists.keep(session, row, found.images)
    await session.flush()
    return row


async def _meant(
    session: AsyncSession, actor: Actor, team_id: UUID, change: Change
) -> dict[str, Any]:
    """The change as columns, so far as it can be told before the start."""
    field = f"input.change.{_camel(change.action)}"
    match change.action:
        case BulkAction.ADD_TAGS:
            by_key, known = await tags.admissible(
                session, team_id, _some(change.tags, field), field=field
            )
            fresh = [name for key, name in by_key.items() if key not in known]
            ids = [known.get(key) for key in by_key]
            return {"tags": list(by_key.values()), "tag_ids": ids, "new_tags": fresh}
        case BulkAction.REMOVE_TAGS:
            given = _some(change.tags, field)
            names = await tags.checked(session, [team_id], given, field=field)
            known = await tags.ids_by_key(session, team_id, [tag_key(one) for one in names])
            names = list(dict.fromkeys(names))
            return {"tags": names, "tag_ids": [known.get(tag_key(one)) for one in names]}
        case BulkAction.SET_WEIGHT:
            return {"weight": micro_weight(change.weight or 0.0, field=field)}
        case BulkAction.ADD_TO_COLLECTION | BulkAction.REMOVE_FROM_COLLECTION:
            return {"collection_id": await _collection(session, actor, team_id, change, field)}
        case _:
            return {}


def _camel(action: BulkAction) -> str:
    head, *rest = action.lower().split("_")
    return head + "".join(one.title() for one in rest)


def _some(names: tuple[str, ...], field: str) -> tuple[str, ...]:
    if not 1 <= len(names) <= MAX_TAGS_PER_CALL:
        raise bad_input(field, f"Name 1 to {MAX_TAGS_PER_CALL} tags.", limit=MAX_TAGS_PER_CALL)
    return names


async def _collection(
    session: AsyncSession, actor: Actor, team_id: UUID, change: Change, field: str
) -> UUID:
    collections = access.visible_collections(actor).with_only_columns(Collection.id)
    found: UUID | None = await session.scalar(
        collections.where(Collection.team_id == team_id, Collection.id == change.collection_id)
    )
    if found is None:
        raise not_found("Collection", field=field, ids=[change.collection_id])
    return found


async def _forget_oldest(session: AsyncSession, actor: Actor, team_id: UUID) -> None:
    """Makes room for one more prepared job of the actor's."""
    prepared = (
        BulkJob.team_id == team_id,
        BulkJob.created_by == actor.user_id,
        BulkJob.status == BulkStatus.PREPARED,
    )
    too_old = (
        select(BulkJob.id).where(*prepared).order_by(BulkJob.id.desc()).offset(MOST_PREPARED - 1)
    )
    # Said twice: of a job that is being started, PostgreSQL waits for the end, and then looks at this condition alone again.
    await session.execute(delete(BulkJob).where(*prepared, BulkJob.id.in_(too_old)))


async def start(session: AsyncSession, actor: Actor, job_id: UUID, request_id: str) -> BulkJob:
    """Queues a prepared job (EDITOR): it is done as the actor, with their rights of each moment.

    One that was started, or has ended, stays as it is. As bulk_tags.check has it, and CONFLICT where it was
    prepared too long ago.
    """
    row = await _locked(session, actor, job_id)
    if row.status is not BulkStatus.PREPARED:
        return row
    waiting, now = await _waiting(session, row.team_id)
    if row.created_at < now - PREPARED_FOR:
        raise conflict("id", "This was prepared too long ago: prepare it anew.")
    if waiting >= MOST_OPEN:
        raise rate_limited(f"At most {MOST_OPEN} bulk jobs of a team wait.", RETRY_SECONDS)
    await bulk_tags.check(session, row)
    row.status = BulkStatus.QUEUED
    row.started_at = row.lease_until = now
    row.started_by, row.api_key_id = actor.user_id, actor.api_key_id
    row.request_id = request_id
    await session.flush()
    await jobs.wake(session)
    return row


async def _waiting(session: AsyncSession, team_id: UUID) -> tuple[int, datetime]:
    """How many jobs of the team are to be done; and the time by the database's clock, which workers go by."""
    query = select(func.count(), func.now()).where(BulkJob.team_id == team_id, OPEN)
    count, now = (await session.execute(query)).one()
    return count, now


async def cancel(session: AsyncSession, actor: Actor, job_id: UUID) -> BulkJob:
    """Ends a job (EDITOR); what is done of it stays done. One that has ended stays as it is."""
    row = await _locked(session, actor, job_id)
    if row.status not in ENDED:
        row.status, row.finished_at = BulkStatus.CANCELLED, datetime.now(UTC)
        row.run_id = row.lease_until = None
        await session.flush()
        await bulk_lists.drop(session, row)
    return row


async def _locked(session: AsyncSession, actor: Actor, job_id: UUID) -> BulkJob:
    """The job for a change (EDITOR), or NOT_FOUND. A part that is being done comes to its end first."""
    row: BulkJob | None = await session.scalar(
        access.visible_bulk_jobs(actor).where(BulkJob.id == job_id).with_for_update(key_share=True)
    )
    if row is None:
        raise not_found("Bulk job", ids=[job_id])
    access.require_member(actor, row.team_id, Role.EDITOR)
    return row


async def forget(session: AsyncSession) -> int:
    """Removes some jobs that nobody started in time, and some that ended long ago; how many."""
    now = func.now()
    old = (
        select(BulkJob.id)
        .where(
            or_(
                (BulkJob.status == BulkStatus.PREPARED) & (BulkJob.created_at < now - PREPARED_FOR),
                BulkJob.finished_at < now - KEPT_FOR,
            )
        )
        .limit(FORGOTTEN_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    gone = await session.scalars(delete(BulkJob).where(BulkJob.id.in_(old)).returning(BulkJob.id))
    return len(gone.all())
