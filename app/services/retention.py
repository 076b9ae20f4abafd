"""The end of what was thrown away: images that lay in the trash for long are deleted, as if somebody had done it."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image
from app.domain import AuditOutcome, ImageState
from app.services import images
from app.services.auditing import audit
from app.services.auditing.audit import Event, Origin

LOCK: Final = "pictor.retention"
AT_ONCE: Final = 100


async def overdue(session: AsyncSession, retention: timedelta) -> int:
    """How many images have been in the trash for longer than that."""
    return await session.scalar(select(func.count()).where(*_overdue(retention))) or 0


async def teams(session: AsyncSession, retention: timedelta) -> list[UUID]:
    """Those in whose trash such images are."""
    rows = select(Image.team_id).where(*_overdue(retention)).distinct().order_by(Image.team_id)
    return list(await session.scalars(rows))


async def empty_trash(
    session: AsyncSession, key: bytes, team_id: UUID, retention: timedelta, purge_after: timedelta
) -> int:
    """Deletes some of the team's images that have been in the trash for longer than `retention`; how many.

    0 where another worker is at it. The team's record gets an `image.delete` by nobody.
    """
    mine = await session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(LOCK))))
    if not mine:
        return 0
    rows = list(
        await session.scalars(
            select(Image)
            .where(Image.team_id == team_id, *_overdue(retention))
            .order_by(Image.id)
            .limit(AT_ONCE)
            .with_for_update(key_share=True, skip_locked=True)
        )
    )
    if not rows:
        return 0
    await images.end(session, rows, purge_after)
    event = Event(
        "image.delete",
        AuditOutcome.ALLOWED,
        Origin("pictor"),
        team_id=team_id,
        subject_ids=tuple(row.id for row in rows),
        detail={"reason": "trash_retention"},
    )
    await audit.append(session, key, [event])
    return len(rows)


def _overdue(retention: timedelta) -> tuple[ColumnElement[bool], ...]:
    return Image.state == ImageState.STORED, Image.trashed_at < func.now() - retention
