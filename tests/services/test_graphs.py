"""Large teams are searched by a graph: it is taken where it should be, misses next to nothing, and never shortens a page."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import delete, event, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import counted_statements
from app.db.models import Image
from app.domain import (
    Actor,
    DateTimeRange,
    ImageFilter,
    ImageFormat,
    IntRange,
    Role,
    SearchStrategy,
    TagFilter,
)
from app.metrics import Metrics, RecallSampler
from app.services import filters, match_counts
from app.services.filters import Match
from app.services.remembered import Remembered
from app.services.searching import graphs, nearest
from app.services.searching.places import After
from app.services.searching.vector_plan import NO_GRAPHS, Bounds
from app.worker import graphs as builder
from tests import make
from tests.database import Database, given_back
from tests.services import planted

FEWEST = 1_000
BOUNDS = Bounds(exact=150)
COUNT = 3_000
MEMORY = 64 * 1024 * 1024
START = datetime(2024, 1, 1, tzinfo=UTC)
TAGS = {
    "half": range(0, COUNT, 2),
    "some": range(0, COUNT, 9),
    "few": range(0, COUNT, 60),
    "late": range(COUNT - 300, COUNT),
    "most": range(COUNT // 6, COUNT),
}


@dataclass(frozen=True)
class World:
    db: Database
    model_id: int
    actor: Actor
    other: Actor

    @property
    def both(self) -> Actor:
        return Actor(self.actor.user_id, {**self.actor.roles, **self.other.roles})

    @property
    def team_id(self) -> UUID:
        return self.actor.team_ids[0]

    async def best(
        self,
        wanted: ImageFilter,
        query: planted.Rows,
        limit: int = 10,
        *,
        bounds: Bounds = BOUNDS,
        actor: Actor | None = None,
        **rest: Any,
    ) -> nearest.Found:
        actor = actor or self.actor
        async with self.db.acting(actor).transaction() as session:
            match = await filters.resolve(session, actor, wanted)
            candidates = nearest.Candidates(match, self.model_id)
            return await nearest.best(session, candidates, query, limit, bounds=bounds, **rest)

    async def truth(
        self, wanted: ImageFilter, query: planted.Rows, limit: int, **rest: Any
    ) -> list[UUID]:
        """Every vector compared."""
        found = await self.best(wanted, query, limit, bounds=NO_GRAPHS, **rest)
        assert found.strategy is SearchStrategy.EXACT
        return [one.image_id for one in found]


@pytest.fixture(scope="module")
def planted_world(database_url: str) -> Iterator[tuple[int, Actor, Actor]]:
    """One for all tests here, which leave it as it is."""
    before, model_id, actor, other = asyncio.run(_plant(database_url))
    yield model_id, actor, other
    asyncio.run(_put_back(database_url, before))


async def _put_back(database_url: str, before: int | None) -> None:
    db = Database(database_url, pool_size=2)
    await planted.activate(db, before)
    await db.close()


async def _plant(database_url: str) -> tuple[int | None, int, Actor, Actor]:
    """A team, and another whose pictures are of anything but what the first one's are of."""
    db = Database(database_url, pool_size=2)
    before = await planted.active(db)
    model_id = await planted.model(db, "graphs")
    actor = await make.actor(db)
    rows = planted.clustered(COUNT)
    await planted.library(db, actor.team_ids[0], model_id, rows, tags=TAGS)
    other = await make.actor(db)
    away = -planted.clustered(COUNT // 2, seed=9)
    tags = {"half": range(0, COUNT // 2, 2)}
    await planted.library(db, other.team_ids[0], model_id, away, tags=tags)
    assert await builder.build(db, MEMORY, builder.Failures(), fewest=FEWEST, model_id=model_id)
    # As autovacuum does soon: without, PostgreSQL compares every tag of the team with every vector.
    async with db.transaction() as session:
        await session.execute(text("analyze image, image_tag, image_vector"))
    await db.close()
    return before, model_id, actor, other


@pytest.fixture
def world(db: Database, planted_world: tuple[int, Actor, Actor]) -> World:
    return World(db, *planted_world)


def between(first: int, last: int) -> DateTimeRange:
    return DateTimeRange(START + timedelta(minutes=first), START + timedelta(minutes=last))


QUERIES = planted.clustered(20, seed=77)
SHAPES = {
    "everything": (ImageFilter(), SearchStrategy.INDEX),
    "tag": (ImageFilter(tags=TagFilter(all=("half",))), SearchStrategy.INDEX),
    "narrower tag": (ImageFilter(tags=TagFilter(all=("some",))), SearchStrategy.INDEX),
    "rare tag": (ImageFilter(tags=TagFilter(all=("few",))), SearchStrategy.EXACT),
    "two tags": (ImageFilter(tags=TagFilter(all=("half", "some"))), SearchStrategy.INDEX),
    "two that rarely meet": (
        ImageFilter(tags=TagFilter(all=("late", "some"))),
        SearchStrategy.EXACT,
    ),
    "dates": (ImageFilter(created_at=between(500, 2_500)), SearchStrategy.INDEX),
    "few days": (ImageFilter(created_at=between(500, 600)), SearchStrategy.EXACT),
    "tag and dates": (
        ImageFilter(tags=TagFilter(all=("half",)), created_at=between(0, 900)),
        SearchStrategy.INDEX,
    ),
    "another column": (ImageFilter(width=IntRange(min=641)), SearchStrategy.INDEX),
    "nothing": (ImageFilter(formats=(ImageFormat.GIF,)), SearchStrategy.EXACT),
    "trash too": (ImageFilter(trashed=None), SearchStrategy.INDEX),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_graph_finds_what_comparing_all_finds(world: World, shape: str) -> None:
    wanted, strategy = SHAPES[shape]
    hit = total = 0
    for query in QUERIES:
        truth = await world.truth(wanted, query, 10)
        found = await world.best(wanted, query)
        assert found.strategy is strategy
        assert found.complete is (strategy is SearchStrategy.EXACT)
        assert len(found) == len(truth)
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        hit += len({one.image_id for one in found} & set(truth))
        total += len(truth)
    assert hit >= 0.99 * total


async def test_where_tags_meet_the_bound_is_on_what_comparing_reads(world: World) -> None:
    """1,250 of the 1,500 that the rarer tag has carry the other too."""
    both = ImageFilter(tags=TagFilter(all=("half", "most")))
    half = ImageFilter(tags=TagFilter(all=("half",)))
    for wanted, exact, strategy in (
        (both, 1_200, SearchStrategy.INDEX),
        (both, 1_400, SearchStrategy.INDEX),
        (both, 1_500, SearchStrategy.EXACT),
        (half, 1_400, SearchStrategy.INDEX),
        (half, 1_500, SearchStrategy.EXACT),
    ):
        found = await world.best(wanted, QUERIES[0], bounds=Bounds(exact=exact))
        assert found.strategy is strategy, (wanted, exact)
        assert len(found) == 10


async def test_the_plan_is_the_graph_under_the_second_wall(world: World) -> None:
    plans = await explained(world, ImageFilter())
    assert f"Index Scan using {graphs.Graph(world.model_id, world.team_id).name}" in plans
    assert "Seq Scan on image" not in plans
    # Before it is begun, its breadth is set.
    assert "One-Time Filter: ((set_config('hnsw.ef_search'::text, '64'::text, true))" in plans
    narrow = await explained(world, ImageFilter(tags=TagFilter(all=("few",))))
    assert graphs.PREFIX not in narrow.replace("'image_vector_graph_", "")
    assert BY_ONE_ARRAY.search(narrow)


BY_ONE_ARRAY = re.compile(r"Index Cond: .*\(image_id = ANY \(\(InitPlan")
"""The index is walked once."""
ONE_BY_ONE = re.compile(r"Filter: .*\(image_id = ANY")


@pytest.mark.parametrize(
    "dates", [DateTimeRange(), DateTimeRange(start=START + timedelta(days=10_000))]
)
async def test_the_vectors_of_a_tag_are_found_by_one_array_whatever_is_known(
    world: World, dates: DateTimeRange
) -> None:
    """Of the team PostgreSQL has no statistics, and of the dates that nothing is there: it would compare each with each."""
    new = await make.actor(world.db)
    await planted.library(
        world.db,
        new.team_ids[0],
        world.model_id,
        planted.random(500),
        tags={"few": range(0, 500, 5)},
    )
    wanted = ImageFilter(tags=TagFilter(all=("few",)), created_at=dates)
    for actor in (new, world.actor):
        plan = await explained(replace(world, actor=actor), wanted)
        assert BY_ONE_ARRAY.search(plan)
        assert not ONE_BY_ONE.search(plan)


async def explained(world: World, wanted: ImageFilter) -> str:
    """How PostgreSQL goes about the last statement of `best`, as the actor."""
    seen: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        seen.append((statement, values))

    async with world.db.acting(world.actor).transaction() as session:
        match = await filters.resolve(session, world.actor, wanted)
        candidates = nearest.Candidates(match, world.model_id)
        engine = world.db.engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        await nearest.best(session, candidates, QUERIES[0], 10, bounds=BOUNDS)
        event.remove(engine, "before_cursor_execute", note)
        statement, values = seen[-1]
        connection = await session.connection()
        # As it was when the statement was planned.
        await connection.exec_driver_sql("set local enable_sort = off")
        rows = await connection.exec_driver_sql(f"explain (costs off) {statement}", values)
        return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("shape", ["everything", "tag", "two tags", "another column"])
async def test_pages_go_on_without_a_repeat_to_the_last(world: World, shape: str) -> None:
    """Deeper than the graph is followed: from there on every vector is compared."""
    wanted = SHAPES[shape][0]
    truth = await world.truth(wanted, QUERIES[0], COUNT)
    seen: list[UUID] = []
    after, strategies = None, set()
    while True:
        found = await world.best(wanted, QUERIES[0], 97, after=after)
        strategies.add(found.strategy)
        seen += [one.image_id for one in found]
        if len(found) < 97:
            break
        after = After(found[-1].score, found[-1].image_id)
    assert len(seen) == len(set(seen))
    assert strategies == set(SearchStrategy) or shape == "two tags"
    assert len(set(seen) & set(truth)) >= 0.99 * len(truth)


async def test_a_floor_cuts_and_each_team_may_have_its_own(world: World) -> None:
    query = QUERIES[3]
    least = (await world.best(ImageFilter(), query, 40))[29].score
    found = await world.best(ImageFilter(), query, 100, floor=least)
    assert found.strategy is SearchStrategy.INDEX
    assert [one.image_id for one in found] == await world.truth(
        ImageFilter(), query, 100, floor=least
    )
    own = await world.best(ImageFilter(), query, 100, floor={world.team_id: least})
    assert list(own) == list(found)
    assert not await world.best(ImageFilter(), query, 100, floor={make_id(): 0.0})


def make_id() -> UUID:
    return UUID(int=7)


async def test_the_trash_shortens_no_page(world: World) -> None:
    """Those nearest lie in it: more of them than a page takes to spare."""
    nearest_ids = await world.truth(ImageFilter(), QUERIES[5], 60)
    async with world.db.transaction() as session:
        trash = update(Image).where(Image.id.in_(nearest_ids))
        await session.execute(trash.values(trashed_at=START))
    try:
        truth = await world.truth(ImageFilter(), QUERIES[5], 10)
        found = await world.best(ImageFilter(), QUERIES[5])
        in_trash = await world.best(ImageFilter(trashed=True), QUERIES[5], 100)
    finally:
        async with world.db.transaction() as session:
            await session.execute(trash.values(trashed_at=None))
    assert found.strategy is SearchStrategy.INDEX
    assert [one.image_id for one in found] == truth
    assert {one.image_id for one in in_trash} == set(nearest_ids)


async def test_images_that_look_the_same_are_paged_by_id(world: World) -> None:
    """More of one score than a page takes to spare: which come first, the graph does not know."""
    db, team = world.db, world.team_id
    same = np.repeat(planted.random(1, seed=31), 70, axis=0)
    copies = await planted.library(db, team, world.model_id, same)
    try:
        seen: list[UUID] = []
        after = None
        for _ in range(7):
            found = await world.best(ImageFilter(), same[0], after=after)
            seen += [one.image_id for one in found]
            after = After(found[-1].score, found[-1].image_id)
    finally:
        async with db.transaction() as session:
            await session.execute(delete(Image).where(Image.id.in_(copies)))
    assert seen == sorted(copies)


async def test_many_teams_are_one_ranking(world: World) -> None:
    """One by its graph, the others exactly; a team that is not the actor's never shows."""
    db = world.db
    actors = [await make.actor(db) for _ in range(3)]
    for seed, actor in enumerate(actors):
        rows = planted.clustered(80, seed=seed + 50)
        await planted.library(db, actor.team_ids[0], world.model_id, rows, tags={"half": range(40)})
    mine = {one.team_ids[0]: Role.VIEWER for one in actors[:2]}
    both = Actor(world.actor.user_id, world.actor.roles | mine)
    for wanted in (ImageFilter(), ImageFilter(tags=TagFilter(all=("half",)))):
        hit = 0
        teams = set()
        for query in QUERIES:
            truth = await world.truth(wanted, query, 20, actor=both)
            found = await world.best(wanted, query, 20, actor=both)
            assert found.strategy is SearchStrategy.INDEX
            assert len(found) == 20
            hit += len({one.image_id for one in found} & set(truth))
            teams |= {one.team_id for one in found}
        assert hit >= 0.99 * 20 * len(QUERIES)
        assert teams == set(both.team_ids)
    assert not await world.best(ImageFilter(), QUERIES[0], actor=await make.actor(db))


MANY = {
    "everything": ImageFilter(),
    "tag": ImageFilter(tags=TagFilter(all=("half",))),
    "dates": ImageFilter(created_at=between(0, 2_000)),
    "tag and dates": ImageFilter(tags=TagFilter(all=("half",)), created_at=between(0, 2_500)),
    "another column": ImageFilter(width=IntRange(min=641)),
}


@pytest.mark.parametrize("shape", MANY)
@pytest.mark.parametrize("limit", [10, 60])
async def test_two_graphs_find_what_comparing_all_finds(
    world: World, shape: str, limit: int
) -> None:
    """A page of 10 is found by tasting; most of the pages of 60 are one team's, whose graph is then followed."""
    hit = total = 0
    for query in [*QUERIES[:8], *-QUERIES[8:12]]:
        truth = await world.truth(MANY[shape], query, limit, actor=world.both)
        found = await world.best(MANY[shape], query, limit, actor=world.both)
        assert found.strategy is SearchStrategy.INDEX
        assert len(found) == len(truth) == limit
        assert len({one.image_id for one in found}) == limit
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        hit += len({one.image_id for one in found} & set(truth))
        total += limit
    assert hit >= 0.99 * total


async def test_a_graph_is_followed_only_where_its_taste_was_too_small(world: World) -> None:
    """Counters and the ranking; for a page that one team has alone, how broadly its graph is followed, and that."""
    for limit, count in ((10, 2), (60, 4)):
        with counted_statements(world.db) as statements:
            found = await world.best(ImageFilter(), QUERIES[0], limit, actor=world.both)
        assert len(statements) == count, statements
        assert {one.team_id for one in found} == {world.team_id}


async def test_of_many_teams_a_graph_is_the_quicker_way_sooner(world: World) -> None:
    """1,500 and 2,000 matches, which alone would be compared, and 101, which are."""
    few = ImageFilter(created_at=between(500, 601))
    for wanted, strategy in (
        (MANY["tag"], SearchStrategy.INDEX),
        (MANY["dates"], SearchStrategy.INDEX),
        (few, SearchStrategy.EXACT),
    ):
        alone = await world.best(wanted, QUERIES[2], bounds=Bounds())
        found = await world.best(wanted, QUERIES[2], bounds=Bounds(), actor=world.both)
        assert (alone.strategy, found.strategy) == (SearchStrategy.EXACT, strategy)
        truth = await world.truth(wanted, QUERIES[2], 10, actor=world.both)
        assert [one.image_id for one in found] == truth


async def test_counters_that_are_wrong_choose_the_way_and_find_the_same(world: World) -> None:
    """As if the larger team had one image, and the other a hundred times what it has."""
    query, wanted = QUERIES[4], MANY["dates"]
    truth = await world.truth(wanted, query, 60, actor=world.both)
    async with world.db.acting(world.both).transaction() as session:
        match = await filters.resolve(session, world.both, wanted)
    sizes = {one: 1 if one == world.team_id else 150_000 for one in match.team_ids}
    async with world.db.transaction() as session:
        for team, size in sizes.items():
            await session.execute(
                text(
                    "update draw_head set images = case lane when 0 then :n else 0 end where team_id = :team"
                ),
                {"n": size, "team": team},
            )
        candidates = nearest.Candidates(match, world.model_id)
        found = await nearest.best(session, candidates, query, 60, bounds=BOUNDS)
        await session.rollback()
    assert len(found) == 60
    assert len({one.image_id for one in found} & set(truth)) >= 59


BY_TWO = replace(BOUNDS, half=1)


@pytest.mark.parametrize("shape", MANY)
@pytest.mark.parametrize("limit", [10, 60])
async def test_two_connections_find_what_one_finds(world: World, shape: str, limit: int) -> None:
    for query in (QUERIES[0], QUERIES[3], -QUERIES[8]):
        one = await world.best(MANY[shape], query, limit, actor=world.both, has_images=True)
        # A second transaction ends after it was told of: until then, this small pool has none to spare.
        await given_back(world.db)
        with counted_statements(world.db) as statements:
            two = await world.best(
                MANY[shape], query, limit, actor=world.both, has_images=True, bounds=BY_TWO
            )
        looks = [one for one in statements if "found as materialized" in one.lower()]
        # Other columns are asked for along with the images, which is left to one connection.
        assert len(looks) >= (2 if shape != "another column" else 1)
        assert [hit.image_id for hit in two] == [hit.image_id for hit in one]
        assert [hit.image and hit.image.id for hit in two] == [
            hit.image and hit.image.id for hit in one
        ]


@pytest.mark.parametrize("shape", ["rare tag", "two that rarely meet", "rare tag and dates"])
async def test_one_tag_is_compared_on_two_connections(world: World, shape: str) -> None:
    """The older half of its images there, the newer here; all of them are on the page."""
    rare = ImageFilter(tags=TagFilter(all=("few",)), created_at=between(200, 2_900))
    wanted = rare if shape == "rare tag and dates" else SHAPES[shape][0]
    truth = await world.truth(wanted, QUERIES[1], 100)
    assert len(truth) > 20
    for limit in (10, 100):
        for _ in range(2):
            await given_back(world.db)
            with counted_statements(world.db) as statements:
                found = await world.best(wanted, QUERIES[1], limit, bounds=BY_TWO)
            assert [one.image_id for one in found] == truth[:limit]
            looks = [one for one in statements if "found as materialized" in one.lower()]
            assert len(looks) == 2
    # Where the middle lies is known by now.
    assert not [one for one in statements if "offset" in one.lower() and one not in looks]


async def test_pages_of_two_connections_go_on_without_a_repeat(world: World) -> None:
    wanted, after, seen = MANY["dates"], None, []
    while page := await world.best(
        wanted, QUERIES[1], 150, actor=world.both, bounds=BY_TWO, after=after
    ):
        seen += [one.image_id for one in page]
        after = After(page[-1].score, page[-1].image_id)
    truth = await world.truth(wanted, QUERIES[1], 5_000, actor=world.both)
    assert len(seen) == len(set(seen)) == len(truth)
    assert set(seen) == set(truth)


@pytest.mark.parametrize("bounds", [BOUNDS, BY_TWO], ids=["one connection", "two"])
async def test_the_trash_shortens_no_page_of_many_teams(world: World, bounds: Bounds) -> None:
    nearest_ids = await world.truth(ImageFilter(), QUERIES[6], 50, actor=world.both)
    async with world.db.transaction() as session:
        trash = update(Image).where(Image.id.in_(nearest_ids))
        await session.execute(trash.values(trashed_at=START))
    try:
        for limit in (10, 60):
            truth = await world.truth(ImageFilter(), QUERIES[6], limit, actor=world.both)
            found = await world.best(
                ImageFilter(), QUERIES[6], limit, actor=world.both, bounds=bounds
            )
            assert [one.image_id for one in found] == truth
    finally:
        async with world.db.transaction() as session:
            await session.execute(trash.values(trashed_at=None))


@pytest.mark.parametrize(
    ("shape", "first", "again"),
    [
        ("everything", 2, 2),
        ("few days", 3, 2),
        ("dates", 3, 2),
        ("tag", 3, 3),
        ("two tags", 4, 3),
        ("tag and dates", 4, 3),
    ],
)
async def test_it_takes_few_statements(
    world: World, shape: str, first: int, again: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counters and settings, the ranking; one for the tags' names. And the count where those do not say enough, for the first
    question to that part of the library."""
    monkeypatch.setattr(match_counts, "_COUNTED", Remembered(100))
    for count in (first, again):
        with counted_statements(world.db) as statements:
            await world.best(SHAPES[shape][0], QUERIES[0])
        assert len(statements) == count, statements


async def test_what_was_counted_is_counted_again_when_the_team_has_grown(world: World) -> None:
    """An eighth of the bound is as far off as a count may be; a range that ends an hour later is another."""
    wanted = ImageFilter(created_at=between(600, 2_400))
    async with world.db.acting(world.actor).transaction() as session:
        match = await filters.resolve(session, world.actor, wanted)
        bounds = {world.team_id: 800}

        async def statements(size: int, match: Match = match) -> int:
            sizes = {world.team_id: size}
            with counted_statements(world.db) as asked:
                found = await match_counts.matches(
                    session, match, world.model_id, sizes, {}, bounds
                )
            assert found == {world.team_id: (801, 801)}
            return len(asked)

        grown = [await statements(size) for size in (3_000, 3_000, 3_100, 3_101, 3_000, 2_999)]
        assert grown == [1, 0, 0, 1, 1, 0]
        later = replace(match, wanted=ImageFilter(created_at=between(600, 2_460)))
        assert await statements(3_000, later) == 1


async def test_a_count_of_some_minutes_is_none_of_their_hour(world: World) -> None:
    """Where thousands of images came within an hour, a part of it and most of it are looked through in different ways."""
    bounds, sizes = {world.team_id: 800}, {world.team_id: 3_000}
    async with world.db.acting(world.actor).transaction() as session:
        for first, last, count in ((600, 603, 3), (600, 650, 50), (640, 650, 10), (600, 603, 3)):
            wanted = ImageFilter(created_at=between(first, last))
            match = await filters.resolve(session, world.actor, wanted)
            found = await match_counts.matches(session, match, world.model_id, sizes, {}, bounds)
            assert found == {world.team_id: (count, count)}


async def test_some_searches_are_done_again_exactly_for_the_metrics(world: World) -> None:
    metrics = Metrics()
    every_second, never = RecallSampler(metrics, 2), RecallSampler(metrics, 0)
    entrance = world.db.acting(world.actor)
    by_graph = await world.best(ImageFilter(), QUERIES[0])
    exact = await world.best(ImageFilter(tags=TagFilter(all=("few",))), QUERIES[0])
    half = replace(by_graph, rows=by_graph.rows[:5])
    for found in (exact, by_graph, exact, half, half, half):
        every_second.saw(entrance, found)
        never.saw(entrance, found)
        await every_second.idle()
    text = metrics.text().decode()
    assert "pictor_search_recall_count 2.0" in text
    assert "pictor_search_recall_sum 1.0" in text
    assert 'pictor_search_recall_bucket{le="0.5"} 2.0' in text
    await every_second.close()


async def test_one_comparison_runs_at_a_time_and_ends_with_the_process(world: World) -> None:
    running, ended = [], []

    async def slowly(_session: AsyncSession) -> nearest.Found:
        running.append(1)
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(1)
        return nearest.Found()

    metrics = Metrics()
    sampler = RecallSampler(metrics, 1)
    found = nearest.Found((), SearchStrategy.INDEX, complete=False, exactly=slowly)
    for _ in range(3):
        sampler.saw(world.db.acting(world.actor), found)
        await asyncio.sleep(0.05)
    while not running:  # noqa: ASYNC110  the connection may take its time
        await asyncio.sleep(0.05)
    await sampler.close()
    assert (len(running), len(ended)) == (1, 1)
    assert "pictor_search_recall_count 0.0" in metrics.text().decode()


async def test_a_comparison_that_fails_is_nobody_elses_trouble(world: World) -> None:
    async def broken(_session: AsyncSession) -> nearest.Found:
        raise RuntimeError("the server went away")

    metrics = Metrics()
    sampler = RecallSampler(metrics, 1)
    found = nearest.Found((), SearchStrategy.INDEX, complete=False, exactly=broken)
    sampler.saw(world.db.acting(world.actor), found)
    await sampler.idle()
    assert "pictor_search_recall_count 0.0" in metrics.text().decode()
