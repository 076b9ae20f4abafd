"""Rankings by vectors: what one team has to reach, another need not."""

from collections.abc import AsyncIterator

import pytest

from app.domain import Actor, ImageFilter, Role, SearchStrategy
from app.services import filters
from app.services.searching import nearest
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
