"""How many images a tag may be on for one operation to change all of them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import ImageTag, Tag
from app.domain import MAX_IMAGES_OF_CHANGED_TAG, Actor, Role
from app.errors import bad_input


async def refuse_large(
    session: AsyncSession, actor: Actor, tag_ids: Sequence[UUID], *, field: str, instead: str
) -> None:
    """BAD_USER_INPUT where the tags are on more images together than one operation has time for; nothing is locked.

    `instead`: what to do. Only tags that the actor may change are counted: of others no size is told.
    """
    teams = [one for one, role in actor.roles.items() if role.rank >= Role.EDITOR.rank]
    # The trash counts: its images have words, and vectors with tags beside them, as all others.
    some = (
        select(ImageTag.image_id)
        .join(Tag, (Tag.team_id == ImageTag.team_id) & (Tag.id == ImageTag.tag_id))
        .where(Tag.team_id.in_(teams), Tag.id.in_(tag_ids))
        .limit(MAX_IMAGES_OF_CHANGED_TAG + 1)
    )
    count = await session.scalar(select(func.count()).select_from(some.subquery()))
    if count is not None and count > MAX_IMAGES_OF_CHANGED_TAG:
        raise bad_input(
            field,
            f"More than {MAX_IMAGES_OF_CHANGED_TAG:,} images, those in the trash included, are too many for one"
            f" operation: {instead}",
            limit=MAX_IMAGES_OF_CHANGED_TAG,
        )
