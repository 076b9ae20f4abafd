"""Full text follows a tag that got another name: in the same transaction on few images, here on many (migration 0026).

And what an earlier release read otherwise is worded anew (migration 0030).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Row, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import ImageTag, TagRename, UnwordedImage

LOCK: Final = "pictor.renames"
AT_ONCE: Final = 300
"""Images whose rows are locked and worded in one transaction."""


async def word_some(session: AsyncSession) -> bool:
    """Makes the words of some images of one renamed tag anew, or of some old ones; whether there was anything to do.

    They are made from what the tag is called by now. What is done and how far are one transaction: a worker that dies
    leaves the next one where it began.
    """
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(LOCK)))):
        return False
    one = await session.scalar(select(TagRename).order_by(TagRename.run_id).limit(1))
    if one is None:
        return await _word_old(session)
    some = await _next(session, one)
    if some:
        await _word(session, [row.image_id for row in some])
    await _advance(session, one, some)
    return True


async def _word(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Whoever writes an image reads its tags under the same lock: before it as here, or after it."""
    await session.execute(select(func.refresh_words(func.lock_stored(ids))))


async def _word_old(session: AsyncSession) -> bool:
    some = select(UnwordedImage.image_id).limit(AT_ONCE)
    mine = delete(UnwordedImage).where(UnwordedImage.image_id.in_(some))
    ids = (await session.scalars(mine.returning(UnwordedImage.image_id))).all()
    if ids:
        await _word(session, ids)
    return bool(ids)


async def _next(session: AsyncSession, one: TagRename) -> Sequence[Row[datetime, UUID]]:
    """The newest first, as in a page of the tag. What gets the tag meanwhile is worded with it."""
    place = (ImageTag.created_at, ImageTag.image_id)
    query = select(*place).where(ImageTag.team_id == one.team_id, ImageTag.tag_id == one.tag_id)
    if one.last_image_id is not None:
        query = query.where(tuple_(*place) < tuple_(one.last_created_at, one.last_image_id))
    rows = await session.execute(query.order_by(*(key.desc() for key in place)).limit(AT_ONCE))
    return rows.all()


async def _advance(
    session: AsyncSession, one: TagRename, some: Sequence[Row[datetime, UUID]]
) -> None:
    """Does not wait: who holds the row renames the tag again, which begins anew, or deletes it and waits for our images."""
    mine = (
        select(TagRename.run_id)
        .where(
            TagRename.team_id == one.team_id,
            TagRename.tag_id == one.tag_id,
            TagRename.run_id == one.run_id,
        )
        .with_for_update(skip_locked=True)
    )
    if await session.scalar(mine) is None:
        return
    its = (TagRename.team_id == one.team_id, TagRename.tag_id == one.tag_id)
    if len(some) < AT_ONCE:
        await session.execute(delete(TagRename).where(*its))
        return
    place = {"last_created_at": some[-1].created_at, "last_image_id": some[-1].image_id}
    await session.execute(update(TagRename).where(*its).values(place))
