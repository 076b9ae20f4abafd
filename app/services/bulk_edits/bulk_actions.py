"""What a bulk job does to the images of one part. Each is locked, in the order of the ids, before anything is changed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Uuid,
    any_,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import BulkJob, Collection, CollectionImage, Image, ImageTag, Tag
from app.domain import (
    MAX_COLLECTIONS_OF_IMAGE,
    MAX_TAGS_OF_IMAGE,
    Actor,
    BulkAction,
    ImageState,
    TagSource,
)
from app.services.bulk_edits import bulk_tags

COLLECTION_GONE: Final = "The collection was deleted meanwhile."


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one part: images that were made so or were so already, and of these the ones that changed.

    `gone`: deleted meanwhile. `crowded`: they have no room for a tag or collection more.
    """

    done: int
    changed: int
    gone: int = 0
    crowded: int = 0


class TargetGoneError(Exception):
    """What the images were to get is not there any more; the text may be shown."""


async def apply(
    session: AsyncSession, actor: Actor, job: BulkJob, image_ids: Sequence[UUID]
) -> Outcome:
    """Does the job's change to these images, in one transaction with its progress. `actor` started it."""
    targets = await _targets(session, job)
    locked = (
        select(Image.id)
        .where(*_these(job, image_ids), Image.state == ImageState.STORED)
        .order_by(Image.id)
        .with_for_update(key_share=True)
    )
    found = list(await session.scalars(locked))
    if found and None in job.tag_ids:
        if not await _has_room_for_new(session, job, found):
            return Outcome(0, 0, len(image_ids) - len(found), crowded=len(found))
        # After the images, as whoever tags them does it: the two wait for each other in one order.
        await bulk_tags.look_up(session, actor, job)
        targets = await _targets(session, job)
    changed, crowded = await _ACTIONS[job.action](session, job, actor.user_id, found, targets)
    return Outcome(len(found) - crowded, changed, len(image_ids) - len(found), crowded)


async def _targets(session: AsyncSession, job: BulkJob) -> list[UUID]:
    """The tags or the collection, locked against deletion. TargetGoneError where one is gone that images were to get.

    One that they were to lose may be gone: they have lost it.
    """
    if job.action is BulkAction.ADD_TAGS:
        tags = select(Tag.id).where(Tag.team_id == job.team_id, Tag.id.in_(bulk_tags.known(job)))
        found = await session.scalars(
            tags.order_by(Tag.id).with_for_update(read=True, key_share=True)
        )
        there = list(found.all())
        if gone := bulk_tags.said_gone(job, there):
            raise TargetGoneError(gone)
        return there
    if job.action is BulkAction.ADD_TO_COLLECTION:
        collection = select(Collection.id).where(
            Collection.team_id == job.team_id, Collection.id == job.collection_id
        )
        found = await session.scalars(collection.with_for_update(read=True, key_share=True))
        if not (there := list(found.all())):
            raise TargetGoneError(COLLECTION_GONE)
        return there
    return bulk_tags.known(job)


async def _has_room_for_new(session: AsyncSession, job: BulkJob, ids: list[UUID]) -> bool:
    """False where tags would have to be made that not one of these images could get."""
    if job.action is not BulkAction.ADD_TAGS:
        return True
    there, fresh = await bulk_tags.those_there(session, job)
    if not fresh:
        return True
    wanted = ImageTag.tag_id == any_(_array(there))
    count = len(there) + fresh
    with_room, _ = await _room(session, ImageTag, wanted, job, ids, count, MAX_TAGS_OF_IMAGE)
    return bool(with_room)


async def _add_tags(
    session: AsyncSession, job: BulkJob, user_id: UUID, ids: list[UUID], tag_ids: list[UUID]
) -> tuple[int, int]:
    wanted = ImageTag.tag_id == any_(_array(tag_ids))
    lacking, crowded = await _room(
        session, ImageTag, wanted, job, ids, len(tag_ids), MAX_TAGS_OF_IMAGE
    )
    await _touch(session, job, lacking)
    rows = _each(job, lacking).join(Tag, (Tag.team_id == Image.team_id) & Tag.id.in_(tag_ids))
    values = rows.with_only_columns(
        Image.team_id,
        Image.id,
        Tag.id,
        Image.created_at,
        literal(user_id),
        literal(TagSource.BULK, ImageTag.source.type),
    )
    columns = ["team_id", "image_id", "tag_id", "created_at", "tagged_by", "source"]
    await session.execute(insert(ImageTag).from_select(columns, values).on_conflict_do_nothing())
    return len(lacking), crowded


async def _remove_tags(
    session: AsyncSession, job: BulkJob, _user: UUID, ids: list[UUID], tag_ids: list[UUID]
) -> tuple[int, int]:
    gone = await session.scalars(
        delete(ImageTag)
        .where(*_of(ImageTag, job, ids), ImageTag.tag_id == any_(_array(tag_ids)))
        .returning(ImageTag.image_id)
    )
    changed = set(gone)
    await _touch(session, job, changed)
    return len(changed), 0


async def _add_to_collection(
    session: AsyncSession, job: BulkJob, user_id: UUID, ids: list[UUID], found: list[UUID]
) -> tuple[int, int]:
    (collection_id,) = found
    wanted = CollectionImage.collection_id == collection_id
    lacking, crowded = await _room(
        session, CollectionImage, wanted, job, ids, 1, MAX_COLLECTIONS_OF_IMAGE
    )
    values = _each(job, lacking).with_only_columns(
        Image.team_id, literal(collection_id), Image.id, Image.created_at, literal(user_id)
    )
    columns = ["team_id", "collection_id", "image_id", "created_at", "added_by"]
    await session.execute(
        insert(CollectionImage).from_select(columns, values).on_conflict_do_nothing()
    )
    return len(lacking), crowded


async def _remove_from_collection(
    session: AsyncSession, job: BulkJob, _user: UUID, ids: list[UUID], _found: list[UUID]
) -> tuple[int, int]:
    gone = await session.scalars(
        delete(CollectionImage)
        .where(*_of(CollectionImage, job, ids), CollectionImage.collection_id == job.collection_id)
        .returning(CollectionImage.image_id)
    )
    return len(gone.all()), 0


async def _set_weight(
    session: AsyncSession, job: BulkJob, _user: UUID, ids: list[UUID], _found: list[UUID]
) -> tuple[int, int]:
    return await _set(session, job, ids, Image.weight != job.weight, weight=job.weight), 0


async def _trash(
    session: AsyncSession, job: BulkJob, _user: UUID, ids: list[UUID], _found: list[UUID]
) -> tuple[int, int]:
    return await _set(session, job, ids, Image.trashed_at.is_(None), trashed_at=func.now()), 0


async def _restore(
    session: AsyncSession, job: BulkJob, _user: UUID, ids: list[UUID], _found: list[UUID]
) -> tuple[int, int]:
    return await _set(session, job, ids, Image.trashed_at.is_not(None), trashed_at=None), 0


async def _room(
    session: AsyncSession,
    table: type[ImageTag] | type[CollectionImage],
    wanted: ColumnElement[bool],
    job: BulkJob,
    ids: list[UUID],
    count: int,
    most: int,
) -> tuple[list[UUID], int]:
    """The images that lack some of the `count` rows and have room for them, and how many lack some and have none."""
    held = await session.execute(
        select(table.image_id, func.count(), func.count().filter(wanted))
        .where(*_of(table, job, ids))
        .group_by(table.image_id)
    )
    holds = {image_id: (all_of_them, those) for image_id, all_of_them, those in held}
    lacking = [one for one in ids if holds.get(one, (0, 0))[1] < count]
    with_room = [
        one
        for one in lacking
        for all_of_them, those in [holds.get(one, (0, 0))]
        if all_of_them + count - those <= most
    ]
    return with_room, len(lacking) - len(with_room)


async def _touch(session: AsyncSession, job: BulkJob, ids: Sequence[UUID] | set[UUID]) -> None:
    if ids:
        await _set(session, job, list(ids))


async def _set(
    session: AsyncSession,
    job: BulkJob,
    ids: list[UUID],
    *which: ColumnElement[bool],
    **columns: Any,
) -> int:
    """Changes those of the images that are not so yet; how many."""
    changed = await session.scalars(
        update(Image)
        .where(*_these(job, ids), *which)
        .values(**columns, updated_at=func.now())
        .returning(Image.id)
        .execution_options(synchronize_session=False)
    )
    return len(changed.all())


def _each(job: BulkJob, ids: Sequence[UUID]) -> Select[Image]:
    return select(Image).where(*_these(job, ids)).order_by(Image.id)


def _these(job: BulkJob, ids: Sequence[UUID]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Images of the job's team. One parameter, however many they are."""
    return Image.team_id == job.team_id, Image.id == any_(_array(ids))


def _of(
    table: type[ImageTag] | type[CollectionImage], job: BulkJob, ids: Sequence[UUID]
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """What hangs on these images."""
    return table.team_id == job.team_id, table.image_id == any_(_array(ids))


def _array(ids: Sequence[UUID]) -> ColumnElement[Any]:
    return literal(list(ids), ARRAY(Uuid()))


Act: TypeAlias = Callable[
    [AsyncSession, BulkJob, UUID, list[UUID], list[UUID]], Awaitable[tuple[int, int]]
]
"""Answers how many images changed, and how many had no room."""

_ACTIONS: Final[dict[BulkAction, Act]] = {
    BulkAction.ADD_TAGS: _add_tags,
    BulkAction.REMOVE_TAGS: _remove_tags,
    BulkAction.SET_WEIGHT: _set_weight,
    BulkAction.ADD_TO_COLLECTION: _add_to_collection,
    BulkAction.REMOVE_FROM_COLLECTION: _remove_from_collection,
    BulkAction.TRASH: _trash,
    BulkAction.RESTORE: _restore,
}
