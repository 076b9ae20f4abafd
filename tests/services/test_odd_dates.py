"""Images whose dates lie where nobody expects them: no list loses one, or shows one twice."""

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image
from app.domain import (
    Actor,
    DateTimeRange,
    ImageFilter,
    ImageOrder,
    ImageOrderField,
    OrderDirection,
    Window,
)
from app.services import images
from app.services.merging import MAX_SORTED
from tests.database import Database
from tests.fixtures.library import Seeded, seeded
from tests.services.test_listing import (
    SHAPES,
    naive,
    wanted,
)

KINDS: Final = {
    "made after the id": "created_at = created_at + interval '300 days'",
    "made after the id, undated": "created_at = created_at + interval '300 days', taken_at = null",
    "imported": "created_at = created_at - interval '500 days'",
    "imported, undated": "created_at = created_at - interval '500 days', taken_at = null",
    "taken ever so long ago": "taken_at = '-infinity'",
    "taken ever so long ago, made after the id": "taken_at = '-infinity', created_at = created_at + interval '2 hours'",
    "taken in a time to come": "taken_at = 'infinity'",
    "taken a year later": "taken_at = created_at + interval '1 year'",
    "taken a day later": "taken_at = created_at + interval '1 day'",
    "taken as it was made": "taken_at = created_at",
    "made as late as can be": "created_at = {id_says} + interval '1 hour', taken_at = null",
    "made later": "created_at = {id_says} + interval '3600.000001 seconds', taken_at = null",
    "of a random id": "title = title",
    "of a random id, undated": "taken_at = null",
}
"""What is done to one image in fifty each."""
ID_SAYS: Final = (
    "to_timestamp(('x' || translate(left(image.id::text, 13), '-', ''))::bit(48)::bigint / 1000.0)"
)
KIND: Final = "abs(hashtext(id::text)) % 50"
CHOSEN: Final = f"""
create table chosen as
select id, {KIND} as kind,
  case when {KIND} >= {len(KINDS) - 2} then overlay(md5(id::text) placing '4' from 13)::uuid else id end as new_id
from image where {KIND} < {len(KINDS)}
"""
TIMES: Final = list(ImageOrderField)[:2]


@pytest.fixture(scope="module")
def place(database_url: str) -> Iterator[Seeded]:
    with seeded(database_url) as made:
        made.run(_make_odd(made.url))
        yield made


async def _make_odd(url: str) -> None:
    database = Database(url, pool_size=1)
    async with database.transaction() as session:
        await session.execute(text("set local session_replication_role = replica"))
        await session.execute(text(CHOSEN))
        await session.execute(
            text("update image set id = new_id from chosen where image.id = chosen.id")
        )
        for number, change in enumerate(KINDS.values()):
            its = change.format(id_says=ID_SAYS)
            where = f"image.id = chosen.new_id and kind = {number}"
            await session.execute(text(f"update image set {its} from chosen where {where}"))
        for table in ("image_tag", "collection_image"):
            await session.execute(
                text(
                    f"update {table} its set image_id = image.id, created_at = image.created_at"
                    " from chosen join image on image.id = chosen.new_id where its.image_id = chosen.id"
                )
            )
        await session.execute(text("analyze"))
    await database.close()


@pytest.fixture
async def here(place: Seeded) -> AsyncIterator[Database]:
    database = Database(place.url, pool_size=1)
    yield database
    await database.close()


async def odd_ids(session: AsyncSession) -> list[UUID]:
    """What the index of odd dates has."""
    predicate = text(
        "select pg_get_expr(indpred, indrelid) from pg_index where indexrelid = 'ix_image_odd_dates'::regclass"
    )
    condition = await session.scalar(predicate)
    return list(await session.scalars(text(f"select id from image where {condition} order by id")))


def dated(chance: random.Random, asked: ImageFilter, dates: list[DateTimeRange]) -> ImageFilter:
    """The filter with days of upload, and sometimes with days of taking, of any of which an end may be open."""
    for name, share in (("created_at", 0.85), ("taken_at", 0.4)):
        if chance.random() < share:
            asked = replace(asked, **{name: chance.choice(dates)})
    return asked


@pytest.mark.parametrize("field", TIMES)
@pytest.mark.parametrize("many", [False, True], ids=["one team", "twenty teams"])
async def test_pages_are_parts_of_the_list_whatever_the_dates(
    here: Database, place: Seeded, field: ImageOrderField, *, many: bool
) -> None:
    actor = place.actor if many else place.alone
    chance = random.Random(f"{field} {many}")
    async with here.transaction() as session:
        odd = set(await odd_ids(session))
    async with here.acting(actor).transaction() as session:
        up = ImageOrder(field, OrderDirection.ASC)
        every = await naive(session, actor, ImageFilter(trashed=None), up)
        shapes = [await wanted(session, place, shape) for shape in SHAPES]
        cornered = [one for one in every if one in odd]
    rank = {one: n for n, one in enumerate(every)}
    for _ in range(60):
        async with here.acting(actor).transaction() as session:
            some = await images.by_id(
                session, actor, chance.sample(cornered, 2) + chance.sample(every, 2)
            )
            behind, *others = chance.sample([one for one in some if one], 3)
            moments = [None, *(one.created_at for one in others), *(one.taken_at for one in others)]
            ends = [chance.choice(moments) for _ in range(2)]
            if None not in ends and chance.random() < 0.9:
                ends.sort()
            asked = chance.choice([ImageFilter(), ImageFilter(), chance.choice(shapes)])
            asked = dated(chance, asked, [DateTimeRange(*ends), DateTimeRange(*ends[::-1])])
            order = ImageOrder(field, chance.choice([*OrderDirection]))
            whole = await naive(session, actor, asked, order)
            size = chance.choice([1, 7, 50])
            cursor = chance.choice([None, images.keyset(order).cursor(behind)])
            for _ in range(4):
                backward = chance.random() < 0.5
                left = whole
                if cursor is not None:
                    rises = (order == up) is not backward
                    left = [one for one in whole if one != behind.id]
                    left = [one for one in left if (rank[one] > rank[behind.id]) is rises]
                offset = 0 if backward else chance.choice([0, 0, 20])
                window = Window(size, cursor, backward=backward, offset=offset)
                page = await images.page(session, actor, asked, order, window)
                shown = [row.id for row in page.rows]
                expected = left[-size:] if backward else left[offset : offset + size]
                assert shown == expected, (asked, order, window)
                more = page.has_previous if backward else page.has_next
                assert more is (len(left) > offset + size)
                if not shown:
                    break
                nth = chance.randrange(len(shown))
                behind, cursor = page.rows[nth], page.cursors[nth]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", OrderDirection)
async def test_an_image_at_the_edge_of_the_days_is_there_once(
    here: Database, place: Seeded, kind: str, direction: OrderDirection
) -> None:
    """Whose upload is the first of these days, or the last; many others are of them, so that lists are read in order."""
    actor, order = place.alone, ImageOrder(ImageOrderField.TAKEN_AT, direction)
    of_kind = text(
        "select image.id from image join chosen on new_id = image.id"
        " where kind = :kind and live and team_id = :team order by created_at"
    )
    async with here.transaction() as session:
        asked_for = {"kind": list(KINDS).index(kind), "team": actor.team_ids[0]}
        ids = list(await session.scalars(of_kind, asked_for))
    async with here.acting(actor).transaction() as session:
        for row in await images.by_id(session, actor, ids[:2]):
            assert row
            await assert_there_once(session, actor, row, DateTimeRange(row.created_at, None), order)
        for row in await images.by_id(session, actor, ids[-2:]):
            assert row
            days = DateTimeRange(None, row.created_at + timedelta(microseconds=1))
            await assert_there_once(session, actor, row, days, order)


async def assert_there_once(
    session: AsyncSession, actor: Actor, row: Image, days: DateTimeRange, order: ImageOrder
) -> None:
    """In the pages behind each of its neighbours, and before it."""
    asked = ImageFilter(created_at=days)
    whole = await naive(session, actor, asked, order)
    assert len(whole) > MAX_SORTED
    nth = whole.index(row.id)
    for one in await images.by_id(session, actor, whole[max(0, nth - 2) : nth + 3]):
        assert one
        at, cursor = whole.index(one.id), images.keyset(order).cursor(one)
        page = await images.page(session, actor, asked, order, Window(5, cursor))
        assert [other.id for other in page.rows] == whole[at + 1 : at + 6]
        page = await images.page(session, actor, asked, order, Window(5, cursor, backward=True))
        assert [other.id for other in page.rows] == whole[max(0, at - 5) : at]
