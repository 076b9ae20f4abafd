"""Lines, counters, words and the tags beside vectors are right whoever writes, and however many at once."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update

from app.db import migrate
from app.db.models import (
    DrawHead,
    DrawLine,
    EmbeddingModel,
    Image,
    ImageTag,
    ImageVector,
    Tag,
    Team,
)
from app.domain import MICRO, NO_ID, ImageState, tag_key
from tests import churn, make, truth
from tests.database import Database


async def head(db: Database, team_id: UUID, tag_id: UUID = NO_ID) -> tuple[int, int, int]:
    """(live images, segments, live weight as drawn) of a list, over its lanes."""
    query = select(func.sum(DrawHead.images), func.sum(DrawHead.n), func.sum(DrawHead.live))
    async with db.transaction() as session:
        row = (
            await session.execute(
                query.where(DrawHead.team_id == team_id, DrawHead.tag_id == tag_id)
            )
        ).one()
    return int(row[0] or 0), int(row[1] or 0), int(row[2] or 0) // MICRO


async def tag_of(db: Database, team_id: UUID, name: str) -> UUID:
    async with db.transaction() as session:
        return (
            await session.scalars(
                select(Tag.id).where(Tag.team_id == team_id, Tag.key == tag_key(name))
            )
        ).one()


async def change(db: Database, image_id: UUID, **columns: Any) -> None:
    async with db.transaction() as session:
        await session.execute(update(Image).where(Image.id == image_id).values(**columns))


async def test_a_list_follows_its_images(db: Database) -> None:
    team_id = await make.team(db)
    heavy = await make.image(db, team_id, tags=("sea",), weight=5)
    await make.image(db, team_id, tags=("sea", "sun"), weight=0)
    pending = await make.image(db, team_id, tags=("sea",), weight=2, state=ImageState.PENDING)
    sea = await tag_of(db, team_id, "sea")
    seen = [await head(db, team_id, sea)]
    steps: list[dict[str, Any]] = [
        {"state": ImageState.STORED},
        {"weight": 7 * MICRO},
        {"weight": 1 * MICRO},
        {"trashed_at": datetime.now(UTC)},
        {"trashed_at": None},
        {"weight": 0},
        {"state": ImageState.DELETED},
    ]
    for step in steps:
        await change(db, pending, **step)
        seen.append(await head(db, team_id, sea))
        assert await truth.faults(db, team_id) == {}, step
    assert seen == [
        (2, 1, 5),
        (3, 2, 7),
        (3, 2, 12),
        (3, 2, 6),
        (2, 1, 5),
        (3, 2, 6),
        (3, 1, 5),
        (2, 1, 5),
    ]

    async with db.transaction() as session:
        await session.execute(delete(Image).where(Image.id == heavy))

    assert await head(db, team_id, sea) == (1, 0, 0)
    assert await head(db, team_id) == (1, 0, 0)
    assert await truth.faults(db, team_id) == {}


async def test_tags_may_move_merge_and_go(db: Database) -> None:
    team_id = await make.team(db)
    for _ in range(20):
        await make.image(db, team_id, tags=("sea", "sun"))
    for _ in range(5):
        await make.image(db, team_id, tags=("sun",))
    sea, sun = await tag_of(db, team_id, "sea"), await tag_of(db, team_id, "sun")
    async with db.transaction() as session:
        sky = Tag(team_id=team_id, name="sky", key="sky")
        session.add(sky)
    async with db.transaction() as session:
        await session.execute(update(ImageTag).where(ImageTag.tag_id == sea).values(tag_id=sky.id))
    assert await head(db, team_id, sky.id) == (20, 20, 20)
    assert await head(db, team_id, sea) == (0, 0, 0)
    assert await truth.faults(db, team_id) == {}

    async with db.transaction() as session:
        await session.execute(delete(Tag).where(Tag.id.in_([sun, sea])))
    assert await truth.faults(db, team_id) == {}
    async with db.transaction() as session:
        heads = await session.scalars(select(DrawHead.tag_id).where(DrawHead.team_id == team_id))
        assert set(heads) == {NO_ID, sky.id}


async def test_a_team_goes_without_a_trace(db: Database) -> None:
    team_id = await make.team(db)
    for _ in range(10):
        await make.image(db, team_id, tags=("sea", "sun"))
    async with db.transaction() as session:
        await session.execute(delete(Team).where(Team.id == team_id))
    async with db.transaction() as session:
        for table in (Image, ImageTag, DrawHead, DrawLine):
            rows = select(func.count()).select_from(table).where(table.team_id == team_id)
            assert await session.scalar(rows) == 0


async def test_holes_never_outgrow_a_lane(db: Database) -> None:
    team_id = await make.team(db)
    ids = [await make.image(db, team_id, weight=100) for _ in range(40)]
    for image_id in ids[:39]:
        await change(db, image_id, weight=MICRO)
        await change(db, image_id, weight=3 * MICRO)
    assert await truth.faults(db, team_id) == {}
    assert await head(db, team_id) == (40, 40, 39 * 3 + 100)


async def test_vectors_carry_the_tags_of_their_image(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await make.image(db, team_id, tags=("sea", "sun"))
    sea, sun = await tag_of(db, team_id, "sea"), await tag_of(db, team_id, "sun")
    async with db.transaction() as session:
        model = EmbeddingModel(name=f"m-{image_id}", revision="1", dimension=2)
        session.add(model)
        await session.flush()
        vector = {"team_id": team_id, "image_id": image_id, "model_id": model.id}
        await session.execute(
            insert(ImageVector).values(
                **vector, created_at=func.now(), embedding=[1.0, 0.0], tag_ids=[NO_ID]
            )
        )
    tag_ids = select(ImageVector.tag_ids).where(ImageVector.image_id == image_id)
    async with db.transaction() as session:
        assert await session.scalar(tag_ids) == sorted([sea, sun])
        await session.execute(delete(Tag).where(Tag.id == sea))
        assert await session.scalar(tag_ids) == [sun]
    assert await truth.faults(db, team_id) == {}


async def test_rows_from_before_the_triggers_are_counted(other_server: str) -> None:
    other = Database(other_server)
    await migrate.upgrade(other.engine)
    team_id = await make.team(other)
    for weight in (0, 1, 2):
        await make.image(other, team_id, tags=("sea", "sun"), weight=weight)
    await make.image(other, team_id, tags=("sea",), state=ImageState.PENDING)

    await migrate.downgrade(other.engine, "0001")
    await migrate.upgrade(other.engine)

    assert await head(other, team_id) == (3, 2, 3)
    assert await truth.faults(other, team_id) == {}
    await other.close()


async def test_churn_leaves_everything_right(database_url: str) -> None:
    writers = 10
    db = Database(database_url, pool_size=writers)
    team_id = await make.team(db)
    async with db.transaction() as session:
        model = EmbeddingModel(name=f"churn-{team_id}", revision="1", dimension=2)
        session.add(model)
    for _ in range(10):
        await make.image(db, team_id, tags=churn.NAMES[:2])
    storm = churn.Churn(db, team_id, model.id)

    await storm.run(writers=writers, seconds=3)

    assert storm.outcomes["done"] > writers
    assert storm.outcomes.keys() <= {"done", "tries", "23503", "40P01"}
    assert await truth.faults(db, team_id) == {}
    async with db.transaction() as session:
        kept = select(func.count()).select_from(DrawLine).where(DrawLine.team_id == team_id)
        assert await session.scalar(kept)
    await db.close()


async def test_a_change_of_many_images_takes_as_long_as_they_are_many(
    database_url: str, db: Database
) -> None:
    """Not as their square, which would be more than a statement has, also where the connection changed one alone before."""
    team_id = await make.team(db)
    ids = await make.images(db, team_id, 25_000)
    one_connection = Database(database_url, pool_size=1)
    touched = update(Image).values(updated_at=func.now())
    async with one_connection.transaction() as session:
        await session.execute(touched.where(Image.id == ids[0]))
    async with one_connection.transaction() as session:
        changed = await session.execute(touched.where(Image.team_id == team_id).returning(Image.id))
        assert len(changed.all()) == len(ids)
    await one_connection.close()
