"""The end of what was thrown away: images that lay in the trash for long are deleted, as if somebody had done it."""

from datetime import timedelta
from itertools import groupby
from typing import Final

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


async def empty_trash(
    session: AsyncSession, key: bytes, retention: timedelta, purge_after: timedelta
) -> int:
    """Deletes some of the images that have been in the trash for longer than `retention`; how many.

    0 where another worker is at it. Each team's record gets an `image.delete` by nobody.
    """
    mine = await session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(LOCK))))
    if not mine:
        return 0
    rows = list(
        await session.scalars(
            select(Image)
            .where(*_overdue(retention))
            .order_by(Image.team_id, Image.id)
            .limit(AT_ONCE)
            .with_for_update(key_share=True, skip_locked=True)
        )
    )
    if not rows:
        return 0
    await images.end(session, rows, purge_after)
    events = [
        Event(
            "image.delete",
            AuditOutcome.ALLOWED,
            Origin("pictor"),
            team_id=team_id,
            subject_ids=tuple(row.id for row in its),
            detail={"reason": "trash_retention"},
        )
        for team_id, its in groupby(rows, lambda row: row.team_id)
    ]
    await audit.append(session, key, events)
    return len(rows)


def _overdue(retention: timedelta) -> tuple[ColumnElement[bool], ...]:
    return Image.state == ImageState.STORED, Image.trashed_at < func.now() - retention
