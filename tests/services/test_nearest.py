"""Rankings by vectors: what one team has to reach, another need not."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from app.db.database import counted_statements
from app.domain import NO_ID, Actor, ImageFilter, Role, SearchStrategy
from app.services import filters
from app.services.searching import facts, nearest
from app.services.searching.vector_plan import Plan
from tests import make
from tests.database import Database
from tests.services import planted

QUERY = planted.random(1, seed=999)[0]


@pytest.fixture
async def model_id(db: Database) -> AsyncIterator[int]:
    async with planted.instead(db) as id:
        yield id


async def test_each_team_has_its_own_floor(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    other = await make.actor(db)
    mine, theirs = actor.team_ids[0], other.team_ids[0]
    actor = Actor(actor.user_id, {**actor.roles, theirs: Role.VIEWER})
    images = {
        await make.image(db, team_id): row
        for team_id in (mine, theirs)
        for row in planted.random(10, seed=1)
    }
    await planted.vectors(db, model_id, images)
    async with db.transaction() as session:
        match = await filters.resolve(session, actor, ImageFilter())
        candidates = nearest.Candidates(match, model_id)
        all_ = await nearest.best(session, candidates, QUERY, 100)
        middle = sorted(one.score for one in all_)[10]
        floor = {mine: middle}
        found = await nearest.best(session, candidates, QUERY, 100, floor=floor)
    assert list(found) == [one for one in all_ if one.team_id == mine and one.score >= middle]
    assert found
    assert found.strategy is SearchStrategy.EXACT
    assert found.complete


async def test_what_is_known_is_not_asked_again_and_images_come_along(
    db: Database, model_id: int
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    rows = planted.random(10, seed=2)
    images = {await make.image(db, team_id): row for row in rows}
    await planted.vectors(db, model_id, images)
    async with db.acting(actor).transaction() as session:
        match = await filters.resolve(session, actor, ImageFilter())
        known = await facts.read(session, match, model_id)
        with counted_statements(db) as statements:
            candidates = nearest.Candidates(match, model_id, known=known)
            found = await nearest.best(session, candidates, QUERY, 5, has_images=True)
            assert len(statements) == 1, statements
        assert [one.image.id for one in found if one.image] == [one.image_id for one in found]
        # Asked again elsewhere, nothing is known.
        again = await found.exactly(session)
    assert list(again) == list(found)
    assert len(found) == 5
    assert not any(one.image for one in again)


async def test_only_a_model_that_answers_is_found_by_its_name(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    async with db.acting(actor).transaction() as session:
        match = await filters.resolve(session, actor, ImageFilter())
        by_id = await facts.read(session, match, model_id)
        assert by_id.model is not None
        by_name = await facts.read(session, match, (by_id.model.name, by_id.model.revision))
        assert by_name.model == by_id.model
        other = await facts.read(session, match, (by_id.model.name, "no such revision"))
    assert other.model is None
    assert other.sizes == by_id.sizes


def test_a_larger_graph_is_searched_more_broadly() -> None:
    alone = [Plan((), (NO_ID,), {}, {NO_ID: n}) for n in (0, 10_000, 272_000, 1_000_000, 10**9)]
    assert [one.breadth(NO_ID, 20) for one in alone] == [64, 64, 130, 250, 1_000]
    # Never less than what it is asked for takes.
    assert alone[0].breadth(NO_ID, 300) == 400
    part = Plan((), (NO_ID, UUID(int=1)), {}, {NO_ID: 272_000})
    assert part.breadth(NO_ID, 9) == 65
