"""Taggings: which image carries which tag, and who put it there. The words themselves are in tags."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image, ImageTag, Tag
from app.domain import (
    MAX_TAGS_OF_IMAGE,
    Actor,
    TagSource,
    tag_key,
)
from app.services import access, images, room, tags


@dataclass(frozen=True)
class Tagging:
    """A tag on an image, with who put it there (None once that user was deleted), when and how."""

    tag: Tag
    tagged_by: UUID | None
    tagged_at: datetime
    source: TagSource


async def by_image(
    session: AsyncSession, actor: Actor, image_ids: Sequence[UUID]
) -> list[list[Tagging]]:
    """The tags of each image by name, in the order of the images: one statement."""
    query = (
        access.visible_tags(actor)
        .join(ImageTag, (ImageTag.team_id == Tag.team_id) & (ImageTag.tag_id == Tag.id))
        .where(ImageTag.image_id.in_(image_ids))
        .add_columns(ImageTag.image_id, ImageTag.tagged_by, ImageTag.tagged_at, ImageTag.source)
        .order_by(Tag.key, Tag.id)
    )
    found: dict[UUID, list[Tagging]] = {one: [] for one in image_ids}
    for tag, image_id, *how in await session.execute(query):
        found[image_id].append(Tagging(tag, *how))
    return [found[one] for one in image_ids]


async def add(
    session: AsyncSession, actor: Actor, image_ids: Sequence[UUID], names: Sequence[str]
) -> list[Image]:
    """Puts the tags on the images; what an image carries already stays as it was."""
    rows = await images.locked(session, actor, image_ids)
    for team_id, members in _by_team(rows).items():
        tag_ids = await tags.ensure(session, actor, team_id, names)
        await attach(session, actor, members, tag_ids)
    return rows


async def remove(
    session: AsyncSession, actor: Actor, image_ids: Sequence[UUID], names: Sequence[str]
) -> list[Image]:
    """Takes the tags off the images; a name that the team does not know is no error."""
    rows = await images.locked(session, actor, image_ids)
    teams = _by_team(rows)
    keys = [tag_key(name) for name in await tags.checked(session, teams, names)]
    for team_id, members in teams.items():
        tag_ids = select(Tag.id).where(Tag.team_id == team_id, Tag.key.in_(keys))
        gone = await session.execute(
            delete(ImageTag)
            .where(
                ImageTag.team_id == team_id,
                ImageTag.image_id.in_([row.id for row in members]),
                ImageTag.tag_id.in_(tag_ids),
            )
            .returning(ImageTag.image_id)
        )
        _touch(members, set(gone.scalars()))
    await session.flush()
    return rows


async def set_all(
    session: AsyncSession, actor: Actor, image_id: UUID, names: Sequence[str]
) -> Image:
    """Makes these the image's tags; those that stay keep who put them there and when."""
    (image,) = await images.locked(session, actor, [image_id])
    tag_ids = await tags.ensure(session, actor, image.team_id, names)
    gone = await session.execute(
        delete(ImageTag)
        .where(
            ImageTag.team_id == image.team_id,
            ImageTag.image_id == image.id,
            ImageTag.tag_id.not_in(tag_ids),
        )
        .returning(ImageTag.image_id)
    )
    _touch([image], set(gone.scalars()))
    await attach(session, actor, [image], tag_ids)
    return image


async def attach(
    session: AsyncSession,
    actor: Actor,
    rows: Sequence[Image],
    tag_ids: Sequence[UUID],
    source: TagSource | None = None,
) -> None:
    """Puts the tags on images whose rows are locked or new; BAD_USER_INPUT beyond MAX_TAGS_OF_IMAGE.

    `source`: None is the actor's own hand, or that of their program.
    """
    source = source or (TagSource.MANUAL if actor.api_key_id is None else TagSource.API)
    values = [
        {
            "team_id": row.team_id,
            "image_id": row.id,
            "tag_id": tag_id,
            "created_at": row.created_at,
            "tagged_by": actor.user_id,
            "source": source,
        }
        for row in rows
        for tag_id in tag_ids
    ]
    if values:
        made = await session.execute(
            insert(ImageTag)
            .values(values)
            .on_conflict_do_nothing()
            .returning(ImageTag.image_id, room.rows_before(ImageTag))
        )
        _touch(rows, room.check(made.all(), MAX_TAGS_OF_IMAGE, field="tags", what="tags"))
    await session.flush()


def _touch(rows: Iterable[Image], changed: set[UUID]) -> None:
    for row in rows:
        if row.id in changed:
            row.updated_at = datetime.now(UTC)


def _by_team(rows: Iterable[Image]) -> dict[UUID, list[Image]]:
    teams: dict[UUID, list[Image]] = {}
    for row in rows:
        teams.setdefault(row.team_id, []).append(row)
    return teams
