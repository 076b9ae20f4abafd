"""What is asked of many teams' graphs at first, and what follows where that is not enough."""

import math

import pytest
from sqlalchemy import text

from app.db.database import counted_statements
from app.domain import Actor, DateTimeRange, ImageFilter, SearchStrategy, TagFilter
from app.services import filters, match_counts
from app.services.remembered import Remembered
from app.services.searching import nearest, tastes, vector_look
from app.services.searching.kept_plans import IDLE_SECONDS, MOST, OFTEN, KeptPlans
from app.services.searching.vector_plan import NO_GRAPHS, Bounds
from app.worker import graphs as builder
from tests import make
from tests.database import Database
from tests.services import planted
from tests.services.test_graphs import MEMORY, between

COUNT = 1_600
TEAMS = {make_: 10_000 * 2**n for n, make_ in enumerate("abcde")}
EVERY = sum(TEAMS.values())


def _of(share: float, page: int = 11) -> dict[str, int]:
    return tastes.of_teams(page, TEAMS, every=EVERY, matches=share * EVERY)


def test_of_everything_a_taste_is_the_share_of_the_page_and_what_chance_adds() -> None:
    all_ = _of(1.0)
    for team, images in TEAMS.items():
        share = 11 * images / EVERY
        assert share < all_[team] <= 12
    assert sorted(all_.values()) == list(all_.values())
    assert sum(all_.values()) < 4 * 11


def test_the_fewer_match_the_more_are_tasted() -> None:
    shares = [1.0, 0.5, 0.1, 0.02, 0.001]
    largest = [_of(share)["e"] for share in shares]
    assert largest == sorted(largest)
    # Of 11 hits among a fiftieth, 550 are as near, half of them of the largest team.
    assert 284 < _of(0.02)["e"] < 2 * 284 + 60
    # Where hardly anything matches, the page is all of it, and no more is asked for.
    assert _of(0.0)["e"] == pytest.approx(_of(11 / EVERY)["e"], rel=0.01)


def test_few_matches_are_compared_and_scattered_ones_sooner_followed() -> None:
    side_by_side = tastes.fewest(11, 50_000, 1_000_000, scattered=False)
    scattered = tastes.fewest(11, 50_000, 1_000_000, scattered=True)
    assert 500 < side_by_side < 2_500
    assert scattered < side_by_side
    # A few images more or fewer do not make another bound, under which counts would be looked for.
    assert tastes.fewest(11, 50_001, 1_000_100, scattered=False) == side_by_side
    assert math.isclose(
        tastes.fewest(11, 40_000, 1_000_000, scattered=False), side_by_side, rel_tol=0.5
    )


async def _world(db: Database, model_id: int, query: planted.Rows) -> Actor:
    """Two teams with graphs; the later an image, the nearer it is."""
    actors = [await make.actor(db) for _ in range(2)]
    for seed, actor in enumerate(actors):
        rows = planted.clustered(COUNT, seed=seed)
        rows = rows[(rows @ query).argsort()]
        tags = {"far": range(800), "any": range(0, COUNT, 2)}
        await planted.library(db, actor.team_ids[0], model_id, rows, tags=tags)
    assert await builder.build(db, MEMORY, builder.Failures(), fewest=1_000, model_id=model_id)
    return Actor(actors[0].user_id, actors[0].roles | actors[1].roles)


FAR = DateTimeRange(None, between(0, 1_300).end)


async def test_what_lies_elsewhere_than_a_taste_is_found_all_the_same(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the nearest matches: then each team is looked through for a whole page; where many of them match, the taste is enough."""
    monkeypatch.setattr(match_counts, "_COUNTED", Remembered(100))
    query = planted.random(1, seed=77)[0]
    async with planted.put_back(db):
        model_id = await planted.model(db, "tastes")
        both = await _world(db, model_id, query)
        for wanted, at_first in (
            (ImageFilter(tags=TagFilter(all=("far",))), 3),
            (ImageFilter(created_at=FAR), 3),
            (ImageFilter(tags=TagFilter(all=("any",))), 3),
            (ImageFilter(), 2),
        ):
            is_far = "far" in str(wanted) or wanted.created_at is not None
            async with db.acting(both).transaction() as session:
                match = await filters.resolve(session, both, wanted)
                candidates = nearest.Candidates(match, model_id)
                truth = await nearest.best(session, candidates, query, 10, bounds=NO_GRAPHS)
            async with db.acting(both).transaction() as session:
                with counted_statements(db) as statements:
                    match = await filters.resolve(session, both, wanted)
                    candidates = nearest.Candidates(match, model_id)
                    found = await nearest.best(session, candidates, query, 10, bounds=Bounds())
            assert len(found) == 10
            hit = {one.image_id for one in found} & {one.image_id for one in truth}
            assert len(hit) >= 9
            # Sorting is turned off again for the second look, where that is by a graph or by a tag's images.
            assert len(statements) >= at_first + is_far, statements
            if not is_far:
                assert len(statements) == at_first, statements
            compared = found.strategy is SearchStrategy.EXACT
            assert found.complete is compared


def test_a_plan_is_kept_of_what_is_asked_for_often_and_lately() -> None:
    now = 0.0
    plans = KeptPlans(lambda: now)
    assert [plans.keeps("a") for _ in range(OFTEN + 2)] == [False] * OFTEN + [True, True]
    for look in range(MOST - 1):
        assert [plans.keeps(look) for _ in range(OFTEN + 1)][-1]
    # There is no room for one more, until somebody has not asked for a while.
    assert not any(plans.keeps("late") for _ in range(OFTEN + 5))
    now = IDLE_SECONDS - 1
    assert plans.keeps("a")
    assert not plans.keeps("late")
    now = IDLE_SECONDS + 1
    assert plans.keeps("late")
    assert plans.keeps("a")
    # One that had to go comes back in the place of another that is not asked for.
    assert plans.keeps(0)


async def test_a_look_whose_plan_is_kept_finds_the_same_and_leaves_no_trace(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match_counts, "_COUNTED", Remembered(100))
    monkeypatch.setattr(vector_look, "GRAPHS", range(2, 3))
    monkeypatch.setattr(vector_look, "PLANS", KeptPlans())
    query = planted.random(1, seed=78)[0]
    async with planted.put_back(db):
        model_id = await planted.model(db, "kept")
        both = await _world(db, model_id, query)
        for wanted in (ImageFilter(), ImageFilter(created_at=between(200, COUNT))):
            found, written_out = [], []
            for _ in range(OFTEN + 3):
                async with db.acting(both).transaction() as session:
                    match = await filters.resolve(session, both, wanted)
                    candidates = nearest.Candidates(match, model_id)
                    with counted_statements(db) as statements:
                        rows = await nearest.best(session, candidates, query, 10)
                    mode = await session.scalar(text("show plan_cache_mode"))
                    assert mode == "force_custom_plan"
                found.append([one.image_id for one in rows])
                look = next(one for one in statements if "found as materialized" in one)
                written_out.append(all(team.hex in look for team in both.team_ids))
            assert written_out == [False] * OFTEN + [True] * 3
            # The statement that changes how the look is planned is gone again.
            assert len(statements) == 2, statements
            assert all(one == found[0] for one in found)
