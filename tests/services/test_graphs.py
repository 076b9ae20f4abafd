"""Large teams are searched by a graph: it is taken where it should be, misses next to nothing, and never shortens a page."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from app.db.models import EmbeddingModel
from app.domain import (
    Actor,
    DateTimeRange,
    ImageFilter,
    ImageFormat,
    IntRange,
    ModelState,
    SearchStrategy,
    TagFilter,
)
from app.services import filters, nearest
from app.services.vector_plan import NO_GRAPHS, Bounds
from app.worker import graphs as builder
from tests import make
from tests.database import Database
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
}


@dataclass(frozen=True)
class World:
    db: Database
    model_id: int
    actor: Actor
    rows: dict[UUID, planted.Rows]

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


@pytest.fixture
async def world(db: Database) -> AsyncIterator[World]:
    model_id = await planted.model(db)
    actor = await make.actor(db)
    rows = await planted.library(
        db, actor.team_ids[0], model_id, planted.clustered(COUNT), tags=TAGS
    )
    assert await builder.build(db, MEMORY, fewest=FEWEST)
    yield World(db, model_id, actor, rows)
    await planted.model(db, "other", 8, ModelState.RETIRED)
    async with db.transaction() as session:
        await session.execute(
            update(EmbeddingModel)
            .where(EmbeddingModel.name == planted.NAME)
            .values(state=ModelState.RETIRED)
        )
    await builder.build(db, MEMORY, fewest=FEWEST)


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
