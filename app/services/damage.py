"""Images whose stored bytes are missing or wrong: flagged where it is found, cleared where they are right again.

A flag changes nothing else. No image is deleted for it, and a new upload of the same bytes heals it (uploads).
"""

from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image, Team
from app.domain import Actor, Damage, ImageState, JobKind, JobState
from app.services import access, jobs


async def flag(session: AsyncSession, object_key: str, damage: Damage) -> bool:
    """Marks the stored image of that object. False where there is none (any more), or it is marked so already."""
    return await _flag(session, damage, Image.object_key == object_key)


async def report(session: AsyncSession, actor: Actor, object_key: str, damage: Damage) -> bool:
    """`flag` by somebody who may see the image and was to be sent its bytes."""
    mine = access.in_teams(Image.team_id, actor.team_ids)
    return await _flag(session, damage, Image.object_key == object_key, mine)


async def _flag(session: AsyncSession, damage: Damage, *which: ColumnElement[bool]) -> bool:
    flagged = (
        update(Image)
        .where(*which, Image.state == ImageState.STORED, Image.damage.is_distinct_from(damage))
        .values(damage=damage, damaged_at=func.coalesce(Image.damaged_at, func.now()))
        .returning(Image.id)
        .execution_options(synchronize_session=False)
    )
    return bool((await session.scalars(flagged)).all())


async def is_anyones(session: AsyncSession, object_key: str) -> bool:
    """Whether a stored image has that object (still): one that was deleted, with its team too, or healed meanwhile misses nothing."""
    its = (
        select(Image.id)
        .join(Team, Team.id == Image.team_id)
        .where(
            Image.object_key == object_key,
            Image.state == ImageState.STORED,
            Team.deleted_at.is_(None),
        )
    )
    return await session.scalar(its) is not None


async def clear(session: AsyncSession, object_key: str) -> bool:
    """The bytes of that object are right: the image is unmarked, and what failed for lack of them is queued again."""
    cleared = (
        update(Image)
        .where(Image.object_key == object_key, Image.damage.is_not(None))
        .values(damage=None, damaged_at=None)
        .returning(Image.team_id, Image.id)
        .execution_options(synchronize_session=False)
    )
    rows = (await session.execute(cleared)).all()
    for team_id, image_id in rows:
        # A run that is at one may have met the bytes as they were, and be about to give up.
        states = (JobState.FAILED, JobState.RUNNING)
        await jobs.repeat(session, [team_id], [image_id], jobs.PROCESSING, states)
    return bool(rows)


async def renew(session: AsyncSession, team_id: UUID, image_id: UUID) -> bool:
    """A derivative is lost or wrong: they are made anew. False where that waits already, or was given up."""
    made = (JobState.DONE,)
    return await jobs.repeat(session, [team_id], [image_id], [JobKind.THUMBNAILS], made)
