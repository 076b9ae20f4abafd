"""Graphs of vectors come and go in the background: once each, of whole teams, and never half of one is searched."""

import asyncio
import secrets
import time
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import make_url

from app.db import locks
from app.db.database import ROLES
from app.domain import Actor, ImageFilter, ModelState, SearchStrategy
from app.resources import Resources
from app.services import embedding_models, filters
from app.services.searching import graphs, nearest
from app.services.searching.graphs import Graph, Wanted
from app.services.searching.vector_plan import Bounds
from app.worker import graphs as builder
from app.worker import models
from tests import make
from tests.database import Database
from tests.services import planted
from tests.worker.planted import execute
from tests.worker.test_graph_deaths import WRITER, at, held_up
from tests.worker.test_worker import until

FEWEST = 40
MEMORY = 64 * 1024 * 1024
QUERY = planted.random(1, seed=5)[0]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.worker.graphs.WAIT_SECONDS", 0.05)
    monkeypatch.setattr("app.worker.graphs.LOOK_SECONDS", 0.05)


@pytest.fixture
def own(apart: Resources) -> Resources:
    """A team with 50 images counts as large."""
    return replace(apart, settings=apart.settings.model_copy(update={"index_min_vectors": FEWEST}))


def owned(resources: Resources) -> Database:
    assert isinstance(resources.db, Database)
    return resources.db


async def team_of(resources: Resources, model_id: int, count: int) -> Actor:
    db = owned(resources)
    actor = await make.actor(db)
    await planted.library(db, actor.team_ids[0], model_id, planted.random(count, seed=count))
    return actor


async def names(resources: Resources) -> dict[str, bool]:
    return dict(await owned(resources).worker.run(graphs.present))


async def strategy(resources: Resources, actor: Actor, model_id: int) -> SearchStrategy:
    async with resources.db.acting(actor).transaction() as session:
        match = await filters.resolve(session, actor, ImageFilter())
        candidates = nearest.Candidates(match, model_id)
        found = await nearest.best(session, candidates, QUERY, 10, bounds=Bounds(exact=20))
    assert len(found) == 10
    return found.strategy


async def build(resources: Resources) -> bool:
    return await builder.build(resources.db, MEMORY, builder.Failures(), fewest=FEWEST)


async def test_large_teams_get_one_in_the_background(own: Resources) -> None:
    model_id = await planted.model(owned(own))
    large, small = await team_of(own, model_id, 50), await team_of(own, model_id, 30)
    assert await strategy(own, large, model_id) is SearchStrategy.EXACT
    keeping = asyncio.create_task(builder.keep(own))
    try:
        its = Graph(model_id, large.team_ids[0]).name

        async def is_there() -> bool:
            return await names(own) == {its: True}

        await until(is_there)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
    assert await strategy(own, large, model_id) is SearchStrategy.INDEX
    assert await strategy(own, small, model_id) is SearchStrategy.EXACT


async def test_two_workers_build_one_after_the_other_what_is_due(own: Resources) -> None:
    """And images come meanwhile."""
    db, model_id = owned(own), await planted.model(owned(own))
    actors = [await team_of(own, model_id, 50 + n) for n in range(2)]
    more = planted.random(20, seed=9)
    async with asyncio.TaskGroup() as both, held_up(db, WRITER):
        first = both.create_task(build(own))
        await at(db, "waiting for writers before build")
        assert not await build(own)
        await planted.library(db, actors[0].team_ids[0], model_id, more)
    assert first.result()
    assert await names(own) == {Graph(model_id, one.team_ids[0]).name: True for one in actors}
    assert await strategy(own, actors[0], model_id) is SearchStrategy.INDEX
    again = await builder.due(db, fewest=FEWEST)
    assert (again.wanted, again.left_over) == ([], [])


async def test_what_broke_off_is_not_searched_and_built_anew(own: Resources) -> None:
    db, model_id = owned(own), await planted.model(owned(own))
    actor = await team_of(own, model_id, 50)
    await build(own)
    name = Graph(model_id, actor.team_ids[0]).name
    await execute(
        db,
        "update pg_index set indisvalid = false where indexrelid = to_regclass(:name)",
        name=name,
    )
    assert await strategy(own, actor, model_id) is SearchStrategy.EXACT
    assert list((await builder.due(db, fewest=FEWEST)).left_over) == [name]
    await build(own)
    assert await names(own) == {name: True}
    assert await strategy(own, actor, model_id) is SearchStrategy.INDEX


async def broken_team(resources: Resources, model_id: int, count: int) -> Actor:
    """Its graph cannot be built: one of its vectors is of another length."""
    actor = await team_of(resources, model_id, count)
    await execute(
        owned(resources),
        "update image_vector set embedding = '[1]' where image_id ="
        " (select id from image where team_id = :team limit 1)",
        team=actor.team_ids[0],
    )
    return actor


async def test_one_that_fails_holds_no_other_up(
    own: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    """The small one is built first, and is not tried again at once."""
    model_id = await planted.model(owned(own))
    broken, large = await broken_team(own, model_id, 50), await team_of(own, model_id, 60)
    keeping = asyncio.create_task(builder.keep(own))
    try:

        async def is_there() -> bool:
            return await names(own) == {Graph(model_id, large.team_ids[0]).name: True}

        await until(is_there)
        await asyncio.sleep(1)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
    assert await is_there(), "and nothing is left of the other"
    said = f"{Graph(model_id, broken.team_ids[0]).name} could not be built"
    assert caplog.text.count(said) == 1


def test_what_failed_is_tried_again_later_and_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.worker.graphs.FAILED_SECONDS", 0.2)
    one = Wanted(Graph(1, uuid4()), "partition", 24, 50)
    failures = builder.Failures()
    assert failures.others([one]) == [one]
    failures.add(one.graph.name)
    assert failures.others([one]) == []
    time.sleep(0.25)
    assert failures.others([one]) == [one]
    failures.add(one.graph.name)
    time.sleep(0.25)
    assert failures.others([one]) == []
    assert failures.names == [one.graph.name]
    failures.forget(one.graph.name)
    assert failures.others([one]) == [one]
    assert failures.names == []


async def test_a_model_takes_over_though_each_failure_takes_long(
    own: Resources, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of two that fail, each is due again before the other has failed."""
    monkeypatch.setattr("app.worker.graphs.FAILED_SECONDS", 0.0)
    model_id = await planted.model(owned(own))
    for count in (50, 60):
        await broken_team(own, model_id, count)
    async with asyncio.timeout(30):
        await builder.prepare(own, model_id)
    assert "goes on without 2 of its graphs" in caplog.text
    assert caplog.text.count("could not be built") == 2


async def test_what_serves_nobody_is_dropped(own: Resources) -> None:
    db, model_id = owned(own), await planted.model(owned(own))
    actors = [await team_of(own, model_id, count) for count in (50, 51, 52)]
    kept, gone, shrunk = (one.team_ids[0] for one in actors)
    await build(own)
    assert len(await names(own)) == 3
    await execute(db, "update team set deleted_at = now() where id = :team", team=gone)
    await execute(
        db,
        "update image set trashed_at = now() where id in"
        " (select id from image where team_id = :team limit 33)",
        team=shrunk,
    )
    await build(own)
    assert await names(own) == {Graph(model_id, kept).name: True}
    await execute(db, "update embedding_model set state = 'RETIRED', retired_at = now()")
    await build(own)
    assert len(await names(own)) == 1, "one may go back to it"
    await execute(db, "update embedding_model set retired_at = null")
    await builder.clear(db)
    assert await names(own) == {}


async def test_who_does_not_own_the_tables_says_so_once(
    own: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    db, model_id = owned(own), await planted.model(owned(own))
    await team_of(own, model_id, 50)
    name = f"server_{secrets.token_hex(4)}"
    await execute(db, f"create role {name} login noinherit in role {', '.join(ROLES)}")
    url = make_url(db.engine.url).set(username=name)
    server = Database(url.render_as_string(hide_password=False))
    keeping = asyncio.create_task(builder.keep(replace(own, db=server)))
    try:

        async def has_said() -> bool:
            return "pictor reindex" in caplog.text

        await until(has_said)
        # Nor does a model wait for what nobody here can build.
        await builder.prepare(replace(own, db=server), model_id)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await server.close()
        await execute(db, f"drop role {name}")
    assert await names(own) == {}


async def test_a_new_model_answers_only_when_its_graphs_are_there(own: Resources) -> None:
    """While another process builds, it waits for it."""
    db, embedder = owned(own), own.embedder
    actor = await make.actor(db)
    old_id = await planted.model(db)
    images = await planted.library(db, actor.team_ids[0], old_id, planted.random(50))
    await embedder.warm()
    row = await db.worker.run(
        lambda session: embedding_models.begin(
            session,
            name=embedder.name,
            revision=embedder.revision,
            dimension=embedder.dimension,
            source=embedder.source,
        )
    )
    rows = planted.random(50, seed=2, dimension=embedder.dimension)
    await planted.vectors(db, row.id, dict(zip(images, rows, strict=True)))
    next_model = (await models.refresh(own)).building
    assert next_model is not None
    async with locks.alone(db, builder.LOCK) as mine:
        assert mine
        building = asyncio.create_task(models.build(own, next_model))
        await asyncio.sleep(0.5)
        assert not building.done()
        assert (await models.refresh(own)).building == next_model
    assert await building
    assert (await names(own))[Graph(next_model.id, actor.team_ids[0]).name]
    assert (await models.refresh(own)).active == replace(next_model, state=ModelState.ACTIVE)
    await own.models.close()


async def test_a_new_model_takes_over_without_a_graph_that_fails(
    own: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    model_id = await planted.model(owned(own))
    await broken_team(own, model_id, 50)
    large = await team_of(own, model_id, 60)
    await asyncio.wait_for(builder.prepare(own, model_id), 30)
    assert await names(own) == {Graph(model_id, large.team_ids[0]).name: True}
    assert "the model goes on without 1 of its graphs" in caplog.text
