"""What a list without pages holds has a bound, so that a query over it has a cost."""

from uuid import UUID

import pytest

from app.db.models import Collection
from app.domain import MAX_COLLECTIONS_OF_IMAGE, MAX_TAGS_OF_IMAGE, Actor
from app.errors import AppError, ErrorCode
from app.services import collections, taggings, tags
from tests import make
from tests.database import Database

FIFTY = [f"tag {n}" for n in range(50)]
FIFTY_MORE = [f"tag {n}" for n in range(50, 100)]


async def tagged(db: Database, actor: Actor, ids: list[UUID], names: list[str]) -> None:
    async with db.acting(actor).transaction() as session:
        await taggings.add(session, actor, ids, names)


async def counts(db: Database, actor: Actor, ids: list[UUID]) -> list[int]:
    async with db.acting(actor).transaction() as session:
        return [len(one) for one in await taggings.by_image(session, actor, ids)]


async def test_an_image_has_a_hundred_tags_at_most(db: Database) -> None:
    actor = await make.actor(db)
    ids = [await make.image(db, actor.team_ids[0]) for _ in range(2)]
    await tagged(db, actor, ids, FIFTY)
    await tagged(db, actor, ids[:1], FIFTY_MORE)
    await tagged(db, actor, ids[:1], [*FIFTY[:25], *FIFTY_MORE[:25]])

    with pytest.raises(AppError) as refused:
        await tagged(db, actor, ids, ["one more"])

    assert refused.value.code is ErrorCode.BAD_USER_INPUT
    assert refused.value.extensions["limit"] == MAX_TAGS_OF_IMAGE
    assert await counts(db, actor, ids) == [100, 50]


async def test_a_full_image_takes_part_in_a_merge(db: Database) -> None:
    """For a moment the target is there beside the sources."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_id = await make.image(db, team_id)
    await tagged(db, actor, [image_id], FIFTY)
    await tagged(db, actor, [image_id], FIFTY_MORE)
    async with db.acting(actor).transaction() as session:
        target = await tags.create(session, actor, team_id, "target")
        source = await tags.by_name(session, actor, "tag 0")
        assert source is not None
        await tags.merge(session, actor, [source.id], target.id)

    assert await counts(db, actor, [image_id]) == [100]


async def test_an_image_is_in_a_hundred_collections_at_most(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_id = await make.image(db, team_id)
    async with db.transaction() as session:
        rows = [
            Collection(team_id=team_id, name=f"Collection {n}")
            for n in range(MAX_COLLECTIONS_OF_IMAGE + 1)
        ]
        session.add_all(rows)
        await session.flush()
    *most, last = [row.id for row in rows]
    async with db.acting(actor).transaction() as session:
        for one in most:
            await collections.add(session, actor, one, [image_id])
            await collections.add(session, actor, one, [image_id])

    with pytest.raises(AppError) as refused:
        async with db.acting(actor).transaction() as session:
            await collections.add(session, actor, last, [image_id])

    assert refused.value.extensions["limit"] == MAX_COLLECTIONS_OF_IMAGE
    async with db.acting(actor).transaction() as session:
        (found,) = await collections.by_image(session, actor, [image_id])
    assert len(found) == MAX_COLLECTIONS_OF_IMAGE
