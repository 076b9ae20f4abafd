"""Collections: named sets of images that people put together."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Collection, CollectionImage, Image
from app.domain import MAX_COLLECTIONS_OF_IMAGE, Actor, Role, line, paragraph
from app.errors import bad_input, not_found
from app.services import access, images, paging, room

BY_NAME = paging.Keyset(
    "collection",
    (
        paging.Key(Collection.name, lambda row: row.name, str),
        paging.Key(Collection.id, lambda row: row.id, UUID),
    ),
)


async def by_id(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID]
) -> list[Collection | None]:
    return await access.by_id(session, access.visible_collections(actor), Collection.id, ids)


async def by_image(
    session: AsyncSession, actor: Actor, image_ids: Sequence[UUID]
) -> list[list[Collection]]:
    """The collections of each image by name, in the order of the images: one statement."""
    query = (
        access.visible_collections(actor)
        .join(
            CollectionImage,
            (CollectionImage.team_id == Collection.team_id)
            & (CollectionImage.collection_id == Collection.id),
        )
        .where(CollectionImage.image_id.in_(image_ids))
        .add_columns(CollectionImage.image_id)
        .order_by(Collection.name, Collection.id)
    )
    found: dict[UUID, list[Collection]] = {one: [] for one in image_ids}
    for collection, image_id in await session.execute(query):
        found[image_id].append(collection)
    return [found[one] for one in image_ids]


def listed(actor: Actor, team_id: UUID | None = None) -> Select[Collection]:
    query = access.visible_collections(actor)
    return query if team_id is None else query.where(Collection.team_id == team_id)


async def create(
    session: AsyncSession, actor: Actor, *, team_id: UUID, name: str, description: str | None
) -> Collection:
    access.require_member(actor, team_id, Role.EDITOR)
    collection = Collection(
        team_id=team_id,
        name=line(name, field="input.name", required=True),
        description=paragraph(description or "", field="input.description"),
        created_by=actor.user_id,
    )
    session.add(collection)
    await session.flush()
    return collection


async def update(
    session: AsyncSession, actor: Actor, collection_id: UUID, changes: dict[str, Any]
) -> Collection:
    """Changes `name` and `description` as far as given."""
    collection = await locked(session, actor, collection_id)
    if "name" in changes:
        collection.name = line(changes["name"], field="input.name", required=True)
    if "description" in changes:
        collection.description = paragraph(changes["description"], field="input.description")
    await session.flush()
    return collection


async def delete_forever(session: AsyncSession, actor: Actor, collection_id: UUID) -> UUID:
    """The collection goes; its images stay."""
    collection = await locked(session, actor, collection_id)
    await session.delete(collection)
    await session.flush()
    return collection.id


async def add(
    session: AsyncSession, actor: Actor, collection_id: UUID, image_ids: Sequence[UUID]
) -> Collection:
    """Puts images of the collection's team into it; those that are in it stay."""
    collection = await locked(session, actor, collection_id)
    rows = await images.locked(session, actor, image_ids)
    if any(row.team_id != collection.team_id for row in rows):
        raise bad_input("imageIds", "An image goes into collections of its own team only.")
    await attach(session, actor, collection, rows)
    return collection


async def attach(
    session: AsyncSession, actor: Actor, collection: Collection, rows: Sequence[Image]
) -> None:
    """Puts images of the same team, whose rows are locked or new, into the collection.

    BAD_USER_INPUT beyond MAX_COLLECTIONS_OF_IMAGE.
    """
    values = [
        {
            "team_id": row.team_id,
            "collection_id": collection.id,
            "image_id": row.id,
            "created_at": row.created_at,
            "added_by": actor.user_id,
        }
        for row in rows
    ]
    if not values:
        return
    made = await session.execute(
        insert(CollectionImage)
        .values(values)
        .on_conflict_do_nothing()
        .returning(CollectionImage.image_id, room.rows_before(CollectionImage))
    )
    room.check(made.all(), MAX_COLLECTIONS_OF_IMAGE, field="imageIds", what="collections")


async def remove(
    session: AsyncSession, actor: Actor, collection_id: UUID, image_ids: Sequence[UUID]
) -> Collection:
    """Takes images out of the collection; one that is not in it is no error, an unknown one is."""
    collection = await locked(session, actor, collection_id)
    rows = await images.locked(session, actor, image_ids)
    await session.execute(
        delete(CollectionImage).where(
            CollectionImage.team_id == collection.team_id,
            CollectionImage.collection_id == collection.id,
            CollectionImage.image_id.in_([row.id for row in rows]),
        )
    )
    return collection


async def locked(
    session: AsyncSession, actor: Actor, collection_id: UUID, *, field: str | None = None
) -> Collection:
    """The collection for a change (EDITOR), or NOT_FOUND."""
    collection: Collection | None = await session.scalar(
        access.visible_collections(actor).where(Collection.id == collection_id).with_for_update()
    )
    if collection is None:
        raise not_found("Collection", field=field, ids=[collection_id])
    access.require_member(actor, collection.team_id, Role.EDITOR)
    return collection
