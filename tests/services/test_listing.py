"""Pages of images: the same rows as a plain query has, without a scan or a sort of the library, in every order."""

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Collection, Image, Membership
from app.domain import (
    Actor,
    DateTimeRange,
    ImageFilter,
    ImageFormat,
    ImageOrder,
    ImageOrderField,
    IntRange,
    OrderDirection,
    ProcessingStatus,
    TagFilter,
    Window,
)
from app.services import filters, images, paging
from app.services.listing import BY_INDEX
from app.services.merging import MAX_SORTED
from benchmarks import library
from tests.database import Database
from tests.fixtures.library import Seeded, seeded

END = library.END.astype("datetime64[ms]").item()
ORDERS = [ImageOrder(field, OrderDirection.DESC) for field in ImageOrderField]
ORDERS.insert(1, ImageOrder(ImageOrderField.CREATED_AT, OrderDirection.ASC))
ORDERS.insert(2, ImageOrder(ImageOrderField.TAKEN_AT, OrderDirection.ASC))
"""An index is read backwards for the other direction; an order in one direction, backwards, is the other one."""


@pytest.fixture(scope="module")
def place(database_url: str) -> Iterator[Seeded]:
    with seeded(database_url) as made:
        yield made


@pytest.fixture
async def here(place: Seeded) -> AsyncIterator[Database]:
    database = Database(place.url, pool_size=1)
    yield database
    await database.close()


def days(first: int, last: int) -> DateTimeRange:
    """From so many days before the end of the library to so many."""
    end = END.replace(tzinfo=UTC)
    return DateTimeRange(end - timedelta(days=first), end - timedelta(days=last))


SHAPES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a common tag": {"tags": TagFilter(all=("t1",))},
    "a rare tag": {"tags": TagFilter(all=("t190",))},
    "two tags": {"tags": TagFilter(all=("t1", "t2"))},
    "two tags, one rare": {"tags": TagFilter(all=("t1", "t150"))},
    "any of two tags": {"tags": TagFilter(any=("t1", "t40"))},
    "any of two rare tags": {"tags": TagFilter(any=("t180", "t190"))},
    "a tag and any of two": {"tags": TagFilter(all=("t2",), any=("t1", "t40"))},
    "none of two tags": {"tags": TagFilter(none=("t1", "t2"))},
    "a tag, of some days": {"tags": TagFilter(all=("t1",)), "created_at": days(900, 100)},
    "days": {"created_at": days(30, 0)},
    "years": {"created_at": days(1500, 100)},
    "days of taking": {"taken_at": days(300, 200)},
    "taken since": {"taken_at": DateTimeRange(days(900, 0).start, None)},
    "taken since, of some days": {"taken_at": days(900, 100), "created_at": days(1200, 200)},
    "taken since, a tag": {"taken_at": days(900, 100), "tags": TagFilter(all=("t1",))},
    "taken since, in a collection": {"taken_at": days(900, 100), "collection_id": "Half"},
    "taken before": {"taken_at": DateTimeRange(None, days(700, 0).start)},
    "formats": {"formats": (ImageFormat.GIF, ImageFormat.PNG)},
    "width": {"width": IntRange(min=5000)},
    "small files": {"size_bytes": IntRange(max=300_000)},
    "files": {"size_bytes": IntRange(500_000, 5_000_000)},
    "an uploader": {"uploaded_by_id": "uploader"},
    "a large collection": {"collection_id": "Half"},
    "a small collection": {"collection_id": "A hundredth"},
    "a common word": {"text": "harbour"},
    "words": {"text": "golden harbour dusk"},
    "ids": {"ids": "ids"},
    "the trash": {"trashed": True},
    "the trash too": {"trashed": None},
    "unready": {"processing": (ProcessingStatus.FAILED, ProcessingStatus.PENDING)},
    "ready": {"processing": (ProcessingStatus.READY,)},
    "damaged": {"damaged": True},
    "nowhere": {"uploaded_by_id": UUID(int=7)},
}


async def wanted(session: AsyncSession, place: Seeded, shape: str) -> ImageFilter:
    """The filter, with ids of this library's largest team."""
    asked = dict(SHAPES[shape])
    (team_id,) = place.alone.team_ids
    if asked.get("uploaded_by_id") == "uploader":
        of_team = select(Membership.user_id).where(
            Membership.team_id == team_id, Membership.user_id != place.actor.user_id
        )
        asked["uploaded_by_id"] = (await session.scalars(of_team)).first()
    if isinstance(name := asked.get("collection_id"), str):
        named = select(Collection.id).where(Collection.team_id == team_id, Collection.name == name)
        asked["collection_id"] = (await session.scalars(named)).one()
    if "ids" in asked:
        asked["ids"] = tuple(await session.scalars(select(Image.id).limit(80)))
    return ImageFilter(**asked)


@contextmanager
def statements(db: Database) -> Iterator[list[tuple[str, Any]]]:
    """What the pool runs inside the block, with its parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        seen.append((statement, parameters))

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine.sync_engine, "before_cursor_execute", note)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def bad_nodes(session: AsyncSession, ran: Sequence[tuple[str, Any]]) -> list[str]:
    """Of the plans of these statements, run again here: scans of a whole table, and sorts of more than a page may cost."""
    found = []
    for one in ran:
        for node in nodes(await explained(session, one)):
            rows = max((child["Actual Rows"] for child in node.get("Plans", ())), default=0)
            if node["Node Type"] == "Seq Scan":
                found.append(f"Seq Scan on {node['Relation Name']}")
            if node["Node Type"] in ("Sort", "Incremental Sort") and rows > MAX_SORTED:
                found.append(f"{node['Node Type']} of {rows:.0f} rows")
    return found


async def for_anything(db: Database) -> set[str]:
    """What the one connection has run by a plan that PostgreSQL made for any parameters."""
    async with db.transaction() as session:
        kept = text("select statement from pg_prepared_statements where generic_plans > 0")
        return set(await session.scalars(kept))


async def naive(
    session: AsyncSession, actor: Actor, asked: ImageFilter, order: ImageOrder
) -> list[UUID]:
    match = await filters.resolve(session, actor, asked)
    if match.empty:
        return []
    keyset = images.keyset(order)
    columns = [key.column for key in keyset.keys]
    rows = match.images().with_only_columns(Image.id)
    rows = rows.order_by(*paging.in_order(columns, keyset, Window()))
    # In one row: SQLAlchemy would make one of each of ten thousand.
    found = await session.scalar(select(func.array(rows.scalar_subquery())))
    return list(found or ())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("many", [False, True], ids=["one team", "twenty teams"])
async def test_pages_read_no_more_than_they_show(
    here: Database, place: Seeded, shape: str, *, many: bool
) -> None:
    actor = place.actor if many else place.alone
    async with here.acting(actor).transaction() as session:
        asked = await wanted(session, place, shape)
        whole = {order: await naive(session, actor, asked, order) for order in ORDERS}
    wrong: dict[str, Any] = {}
    steered: set[str] = set()
    for order in ORDERS:
        rows = whole[order]
        for backward in (False, True):
            window = Window(20, backward=backward)
            for expected in [rows[-20:], rows[-40:-20]] if backward else [rows[:20], rows[20:40]]:
                async with here.acting(actor).transaction() as session:
                    with statements(here) as ran:
                        page = await images.page(session, actor, asked, order, window)
                    plans = await bad_nodes(session, ran)
                texts = [statement for statement, _ in ran]
                if BY_INDEX.text in texts:
                    steered |= {*texts[texts.index(BY_INDEX.text) + 1 :]}
                if plans or [row.id for row in page.rows] != expected:
                    wrong[f"{order} {window}"] = (plans, ran[-1][0])
                if page.cursors:
                    window = Window(20, page.cursors[0 if backward else -1], backward=backward)
    assert wrong == {}
    assert not steered & await for_anything(here)
    for order in ORDERS[:2]:
        middle = len(whole[order]) // 2
        async with here.acting(actor).transaction() as session:
            page = await images.page(session, actor, asked, order, Window(20, offset=middle))
        assert [row.id for row in page.rows] == whole[order][middle : middle + 20]


FAR = ("nothing", "a common tag", "a large collection", "an uploader", "the trash", "years")
"""Lists that an index has in order, so that a page reads what it shows and little else."""


@pytest.mark.parametrize("many", [False, True], ids=["one team", "twenty teams"])
async def test_a_page_far_down_reads_as_little_as_the_first(
    here: Database, place: Seeded, *, many: bool
) -> None:
    actor = place.actor if many else place.alone
    read: dict[str, list[int]] = {}
    for shape in FAR:
        for order in ORDERS if shape == "nothing" else ORDERS[:2]:
            async with here.acting(actor).transaction() as session:
                asked = await wanted(session, place, shape)
                # The newest, and those in the middle and near the end of the list; also among equals.
                whole = await naive(session, actor, asked, order)
                rows = await images.by_id(session, actor, [whole[len(whole) // 2], whole[-25]])
            cursors = [images.keyset(order).cursor(row) for row in rows]
            counts = []
            for cursor in (None, *cursors):
                async with here.acting(actor).transaction() as session:
                    with statements(here) as ran:
                        await images.page(session, actor, asked, order, Window(20, cursor))
                    counts.append(await rows_read(session, ran[-1]))
            read[f"{shape} by {order.field} {order.direction}"] = counts
    # Some of the newest are too young for the trash: those of the first page, its rows, and as many again.
    far = {name: counts for name, counts in read.items() if max(counts[1:]) > 3 * counts[0] + 40}
    assert far == {}


RANGES: dict[ImageOrderField, dict[str, Any]] = {
    ImageOrderField.CREATED_AT: {"created_at": days(1500, 10)},
    ImageOrderField.TAKEN_AT: {"taken_at": days(1500, 10)},
    ImageOrderField.SIZE_BYTES: {"size_bytes": IntRange(1_000, 20_000_000)},
}


@pytest.mark.parametrize("field", RANGES)
@pytest.mark.parametrize("direction", OrderDirection)
async def test_a_page_in_a_range_does_not_read_that_up_to_its_cursor(
    here: Database, place: Seeded, field: ImageOrderField, direction: OrderDirection
) -> None:
    actor, asked, order = place.alone, ImageFilter(**RANGES[field]), ImageOrder(field, direction)
    counts = []
    async with here.acting(actor).transaction() as session:
        whole = await naive(session, actor, asked, order)
        places = [whole[20], whole[-60]]
        for row in await images.by_id(session, actor, places):
            cursor = images.keyset(order).cursor(row)
            with statements(here) as ran:
                page = await images.page(session, actor, asked, order, Window(20, cursor))
            assert row
            start = whole.index(row.id) + 1
            assert [one.id for one in page.rows] == whole[start : start + 20]
            counts.append(await pages_read(session, ran[-1]))
    near, far = counts
    assert far < near + 10


async def test_what_was_made_before_the_days_of_taking_is_not_read(
    here: Database, place: Seeded
) -> None:
    actor, since = place.alone, days(700, 0).start
    asked = ImageFilter(taken_at=DateTimeRange(since, None))
    order = ORDERS[0]
    async with here.acting(actor).transaction() as session:
        older = ImageFilter(created_at=DateTimeRange(None, since))
        made_before = await images.count(session, actor, older)
        whole = await naive(session, actor, asked, order)
        of_wrong_clocks = await session.scalar(
            select(func.count()).where(Image.created_at < since, Image.taken_at >= since)
        )
        with statements(here) as ran:
            page = await images.page(session, actor, asked, order, Window(20, backward=True))
        read = await rows_read(session, ran[-1])
    assert of_wrong_clocks
    assert [row.id for row in page.rows] == whole[-20:]
    assert read < made_before / 2


@pytest.mark.parametrize(
    "asked",
    [
        ImageFilter(created_at=DateTimeRange(days(300, 0).start, None)),
        ImageFilter(created_at=DateTimeRange(None, days(700, 0).start)),
        ImageFilter(taken_at=DateTimeRange(None, days(300, 0).start)),
    ],
    ids=["uploaded since", "uploaded before", "taken before"],
)
async def test_the_ends_of_the_order_of_taking_are_not_walked_through(
    here: Database, place: Seeded, asked: ImageFilter
) -> None:
    """Where clocks were right: there lies nothing of these days."""
    actor = place.alone
    right = text("update image set taken_at = created_at where taken_at > created_at")
    async with here.acting(actor).transaction() as session:
        await session.execute(right)
        for order in (one for one in ORDERS if one.field is ImageOrderField.TAKEN_AT):
            whole = await naive(session, actor, asked, order)
            for backward in (False, True):
                with statements(here) as ran:
                    window = Window(20, backward=backward)
                    page = await images.page(session, actor, asked, order, window)
                lists = [one for one in ran if "ORDER BY" in one[0]]
                read = sum([await rows_read(session, one) for one in lists])
                assert [row.id for row in page.rows] == (whole[-20:] if backward else whole[:20])
                # Beside the page: some taken in these days and uploaded later, which are many where days end.
                assert 20 < read < 300
        await session.rollback()


KINDS: dict[str, Any] = {
    "created_at": DateTimeRange,
    "taken_at": DateTimeRange,
    "size_bytes": IntRange,
}


def ranged(
    chance: random.Random, asked: ImageFilter, some: Sequence[Image], field: ImageOrderField
) -> ImageFilter:
    """The filter with ranges, most often of this field, that begin and end at what images have. Some are empty, some end
    before they begin."""
    for name, kind in KINDS.items():
        if chance.random() < (0.8 if name == field.lower() else 0.25):
            ends = [chance.choice([None, *(getattr(one, name) for one in some)]) for _ in range(2)]
            if None not in ends and chance.random() < 0.9:
                ends.sort()
            asked = replace(asked, **{name: kind(*ends)})
    return asked


@pytest.mark.parametrize("field", RANGES)
@pytest.mark.parametrize("many", [False, True], ids=["one team", "twenty teams"])
async def test_a_page_behind_any_image_is_the_part_of_the_list_there(
    here: Database, place: Seeded, field: ImageOrderField, *, many: bool
) -> None:
    """Also behind one that does not match, or lies beyond an end of the filter's ranges: cursors are not bound to filters."""
    actor = place.actor if many else place.alone
    chance = random.Random(f"{field} {many}")
    up = ImageOrder(field, OrderDirection.ASC)
    async with here.acting(actor).transaction() as session:
        every = await naive(session, actor, ImageFilter(trashed=None), up)
        shapes = [await wanted(session, place, shape) for shape in SHAPES]
    rank = {one: n for n, one in enumerate(every)}
    for _ in range(15):
        async with here.acting(actor).transaction() as session:
            found = await images.by_id(session, actor, chance.sample(every, 3))
            behind, *some = [one for one in found if one]
            shape = chance.choice([ImageFilter(), *chance.sample(shapes, 2)])
            asked = ranged(chance, shape, some, field)
            order = ImageOrder(field, chance.choice([*OrderDirection]))
            whole = await naive(session, actor, asked, order)
            assert len(whole) == await images.count(session, actor, asked)
            size = chance.choice([1, 3, 50])
            cursor = images.keyset(order).cursor(behind)
            for _ in range(4):
                backward = chance.random() < 0.5
                rises = (order == up) is not backward
                left = [one for one in whole if one != behind.id]
                left = [one for one in left if (rank[one] > rank[behind.id]) is rises]
                window = Window(size, cursor, backward=backward)
                page = await images.page(session, actor, asked, order, window)
                shown = [row.id for row in page.rows]
                expected = left[-size:] if backward else left[:size]
                assert shown == expected, (asked, order, window)
                more = page.has_previous if backward else page.has_next
                assert more is (len(left) > size)
                if not shown:
                    break
                nth = chance.randrange(len(shown))
                behind, cursor = page.rows[nth], page.cursors[nth]


async def test_what_was_made_as_the_days_of_taking_begin_is_there_once(
    here: Database, place: Seeded
) -> None:
    """By a clock that was ahead: it is found where lists start, and not among what was made earlier."""
    (team_id,) = place.alone.team_ids
    ahead = select(Image).where(Image.team_id == team_id, Image.taken_at > Image.created_at)
    async with here.acting(place.alone).transaction() as session:
        row = (await session.scalars(ahead.where(Image.live).limit(1))).one()
        asked = ImageFilter(taken_at=DateTimeRange(row.created_at, None))
        whole = await naive(session, place.alone, asked, ORDERS[1])
        first = max(0, whole.index(row.id) - 5)
        page = await images.page(session, place.alone, asked, ORDERS[1], Window(10, offset=first))
    assert [one.id for one in page.rows] == whole[first : first + 10]


async def explained(session: AsyncSession, ran: tuple[str, Any]) -> dict[str, Any]:
    """The plan of a statement, run again here."""
    statement, parameters = ran
    connection = await session.connection()
    answer = await connection.exec_driver_sql(
        f"explain (analyze, buffers, timing off, format json) {statement}", parameters
    )
    plan: dict[str, Any] = answer.scalar_one()[0]["Plan"]
    return plan


async def rows_read(session: AsyncSession, ran: tuple[str, Any]) -> int:
    """What the scans of a statement found or passed over."""
    return round(
        sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            for node in nodes(await explained(session, ran))
            if "Index Name" in node
        )
    )


async def pages_read(session: AsyncSession, ran: tuple[str, Any]) -> int:
    """Of 8 KiB: what an index passes over by its own condition is no row."""
    plan = await explained(session, ran)
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
