"""A renamed tag of many images: its name is new at once, and full text follows in parts, whatever happens meanwhile."""

import asyncio
from contextlib import suppress
from uuid import UUID

import pytest
from sqlalchemy import Executable, delete, func, select, text, update

from app.db.models import Image, ImageTag, Tag, TagRename, Team
from app.domain import Actor, ImageFilter
from app.services import filters, renames, tags
from tests import make, truth
from tests.database import Database

AT_ONCE = 2_000
"""Up to so many images are worded by the renaming itself (migration 0026)."""
TAGGED = text(
    "insert into image_tag (team_id, image_id, tag_id, created_at)"
    " select team_id, id, :tag, created_at from image where team_id = :team order by id limit :count"
)


async def tagged(db: Database, actor: Actor, count: int, name: str = "lake") -> UUID:
    """A tag on so many of the team's images."""
    (team_id,) = actor.team_ids
    async with db.transaction() as session:
        tag = Tag(team_id=team_id, name=name, key=name)
        session.add(tag)
        await session.flush()
        await session.execute(TAGGED, {"team": team_id, "tag": tag.id, "count": count})
        return tag.id


@pytest.fixture
async def actor(db: Database) -> Actor:
    """An ADMIN of a team with one image more than are worded at once."""
    actor = await make.actor(db)
    await make.images(db, actor.team_ids[0], AT_ONCE + 1)
    return actor


async def rename(db: Database, actor: Actor, tag_id: UUID, name: str) -> None:
    await db.acting(actor).run(lambda session: tags.rename(session, actor, tag_id, name))


async def found(db: Database, actor: Actor, words: str) -> int:
    """How many of the team's images full text finds."""
    async with db.acting(actor).transaction() as session:
        match = await filters.resolve(session, actor, ImageFilter(text=words))
        query = select(func.count()).select_from(match.images().subquery())
        return int(await session.scalar(query) or 0)


async def execute(db: Database, statement: Executable) -> None:
    async with db.transaction() as session:
        await session.execute(statement)


async def waiting(db: Database, actor: Actor) -> int:
    async with db.transaction() as session:
        query = select(func.count()).where(TagRename.team_id == actor.team_ids[0])
        return int(await session.scalar(query) or 0)


async def follow(db: Database, steps: int = 1_000) -> int:
    """So many transactions of the worker at most; how many had anything to do."""
    for step in range(steps):
        if not await db.worker.run(renames.word_some):
            return step
    return steps


async def test_full_text_follows_a_large_tag_in_parts(db: Database, actor: Actor) -> None:
    (team_id,) = actor.team_ids
    tag_id = await tagged(db, actor, AT_ONCE + 1)
    async with db.transaction() as session:
        changed = select(func.max(Image.updated_at)).where(Image.team_id == team_id)
        before = await session.scalar(changed)

    await rename(db, actor, tag_id, "Ponds")

    async with db.acting(actor).transaction() as session:
        assert await tags.by_name(session, actor, "lake") is None
        assert (await tags.by_id(session, actor, [tag_id]))[0].name == "Ponds"
    assert (await found(db, actor, "lake"), await found(db, actor, "pond")) == (AT_ONCE + 1, 0)
    await follow(db, 1)
    assert await found(db, actor, "pond") == renames.AT_ONCE
    assert await follow(db) == AT_ONCE // renames.AT_ONCE
    assert (await found(db, actor, "lake"), await found(db, actor, "pond")) == (0, AT_ONCE + 1)
    assert await waiting(db, actor) == 0
    async with db.transaction() as session:
        assert await session.scalar(changed) == before
    assert await truth.faults(db, team_id) == {}


async def test_up_to_the_bound_full_text_is_right_at_once(db: Database, actor: Actor) -> None:
    tag_id = await tagged(db, actor, AT_ONCE)
    await rename(db, actor, tag_id, "ponds")
    assert (await found(db, actor, "lake"), await found(db, actor, "pond")) == (0, AT_ONCE)
    assert await waiting(db, actor) == 0


async def test_a_tag_that_is_renamed_again_or_back_begins_anew(db: Database, actor: Actor) -> None:
    (team_id,) = actor.team_ids
    tag_id = await tagged(db, actor, AT_ONCE + 1)

    await rename(db, actor, tag_id, "ponds")
    await follow(db, 2)
    await rename(db, actor, tag_id, "rivers")
    await follow(db, 1)
    assert await found(db, actor, "river") == renames.AT_ONCE
    assert await found(db, actor, "pond") == renames.AT_ONCE
    await rename(db, actor, tag_id, "lake")
    assert await waiting(db, actor) == 1
    await follow(db)

    assert [await found(db, actor, name) for name in ("pond", "river")] == [0, 0]
    assert await found(db, actor, "lake") == AT_ONCE + 1
    assert await truth.faults(db, team_id) == {}


async def test_what_happens_meanwhile_comes_out_right(db: Database, actor: Actor) -> None:
    """Images that get the tag, lose it, change their title, go, and are in the trash."""
    (team_id,) = actor.team_ids
    tag_id = await tagged(db, actor, AT_ONCE + 1)
    async with db.transaction() as session:
        ids = list(await session.scalars(select(Image.id).where(Image.team_id == team_id)))
    await execute(db, update(Image).where(Image.id == ids[0]).values(trashed_at=func.now()))
    await rename(db, actor, tag_id, "ponds")
    await follow(db, 2)

    await make.image(db, team_id, tags=("ponds",))
    for image_id in (ids[1], ids[-2]):
        await execute(db, delete(ImageTag).where(ImageTag.image_id == image_id))
    for image_id in (ids[2], ids[-3]):
        await execute(db, update(Image).where(Image.id == image_id).values(title="Heron"))
    for image_id in (ids[3], ids[-4]):
        await execute(db, delete(Image).where(Image.id == image_id))
    assert await found(db, actor, "heron pond") == 2
    await follow(db)

    # All but the one in the trash, two without the tag, and two that are gone.
    assert await found(db, actor, "pond") == AT_ONCE + 2 - 5
    assert await found(db, actor, "lake") == 0
    assert await truth.faults(db, team_id) == {}


async def test_a_worker_that_dies_leaves_the_rest_to_the_next(db: Database, actor: Actor) -> None:
    tag_id = await tagged(db, actor, AT_ONCE + 1)
    await rename(db, actor, tag_id, "ponds")
    await follow(db, 1)

    with suppress(ZeroDivisionError):
        async with db.worker.transaction() as session:
            assert await renames.word_some(session)
            raise ZeroDivisionError

    assert await found(db, actor, "pond") == renames.AT_ONCE
    await follow(db)
    assert await found(db, actor, "pond") == AT_ONCE + 1


async def test_a_tag_or_team_that_goes_takes_its_renaming_along(db: Database, actor: Actor) -> None:
    (team_id,) = actor.team_ids
    tag_id, other = await tagged(db, actor, AT_ONCE + 1), await tagged(db, actor, AT_ONCE + 1, "b")
    await rename(db, actor, tag_id, "ponds")
    await follow(db, 1)

    await db.acting(actor).run(lambda session: tags.delete_forever(session, actor, tag_id))
    assert await waiting(db, actor) == 0
    assert (await found(db, actor, "lake"), await found(db, actor, "pond")) == (0, 0)
    assert await truth.faults(db, team_id) == {}

    await rename(db, actor, other, "boats")
    await follow(db, 1)
    await execute(db, delete(Team).where(Team.id == team_id))
    assert await waiting(db, actor) == 0
    assert await follow(db) == 0


async def test_two_workers_and_a_renaming_do_not_wait_for_each_other(
    db: Database, actor: Actor
) -> None:
    (team_id,) = actor.team_ids
    tag_id = await tagged(db, actor, AT_ONCE + 1)
    await rename(db, actor, tag_id, "ponds")

    async with db.acting(actor).transaction() as renaming:
        # It holds the tag and its row of renamed tags until the end.
        await tags.rename(renaming, actor, tag_id, "rivers")
        async with asyncio.timeout(30), db.worker.transaction() as first:
            assert await renames.word_some(first)
            async with db.worker.transaction() as second:
                assert not await renames.word_some(second)

    # What was worded beside the renaming is worded again.
    await follow(db)
    assert await found(db, actor, "river") == AT_ONCE + 1
    assert await truth.faults(db, team_id) == {}


async def test_nobody_else_sees_what_is_renamed(db: Database, actor: Actor) -> None:
    tag_id = await tagged(db, actor, AT_ONCE + 1)
    await rename(db, actor, tag_id, "ponds")
    stranger = await make.actor(db)
    for who, seen in ((actor, 1), (stranger, 0)):
        async with db.acting(who).transaction() as session:
            assert len((await session.scalars(select(TagRename.tag_id))).all()) == seen
    await follow(db)
