"""Graphs of vectors whose builder is killed for good: our process, or PostgreSQL's in the middle of `create index concurrently`."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db import embedded, locks, migrate
from app.domain import Actor, ImageFilter, SearchStrategy
from app.errors import AppError, ErrorCode
from app.imaging import Decoder
from app.resources import Resources
from app.services import filters
from app.services.searching import graphs, nearest
from app.services.searching.graphs import Graph
from app.services.searching.vector_plan import Bounds
from app.storage import storage_from_url
from app.worker import graphs as builder
from tests import make
from tests.database import Database
from tests.services import planted
from tests.worker.conftest import opened
from tests.worker.test_processes import process
from tests.worker.test_worker import until

FEWEST: Final = 40
MEMORY: Final = 64 * 1024 * 1024
QUERY = planted.random(1, seed=5)[0]
BUILDING: Final = (
    "select pid, phase from pg_stat_progress_create_index where datname = current_database()"
)
WRITER: Final = "lock table image_vector in row exclusive mode"
"""The index is in the catalogue, and nothing in it: it waits for those who write."""
READER: Final = "set transaction isolation level repeatable read; select 1"
"""The index is built, and not yet valid: it waits for those who still read what was before."""
STEPS: Final = {
    "waiting for writers before build": WRITER,
    "waiting for old snapshots": READER,
}


@asynccontextmanager
async def held_up(db: Database, statements: str) -> AsyncIterator[None]:
    """A transaction beside the builder, which has to wait for its end."""
    async with db.engine.connect() as connection:
        for statement in statements.split("; "):
            await connection.execute(text(statement))
        try:
            yield
        finally:
            # PostgreSQL may have ended it.
            await connection.invalidate()


async def building(db: Database) -> Mapping[str, int]:
    """What is being built: its step, and the process of PostgreSQL's that does it."""
    async with db.engine.connect() as connection:
        return {row.phase: row.pid for row in await connection.execute(text(BUILDING))}


async def at(db: Database, step: str) -> int:
    """Waits for the step; the process that is at it."""

    async def is_there() -> bool:
        return step in await building(db)

    await until(is_there)
    return (await building(db))[step]


async def nearest_to(db: Database, actor: Actor, model_id: int) -> tuple[SearchStrategy, list[Any]]:
    async with db.acting(actor).transaction() as session:
        match = await filters.resolve(session, actor, ImageFilter())
        candidates = nearest.Candidates(match, model_id)
        found = await nearest.best(session, candidates, QUERY, 10, bounds=Bounds(exact=20))
    return found.strategy, [hit.image_id for hit in found]


@pytest.fixture
def step(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.mark.parametrize("step", STEPS, indirect=True)
async def test_a_process_that_is_killed_leaves_nothing_behind(
    apart: Resources, tmp_path: Path, step: str
) -> None:
    db = apart.db
    assert isinstance(db, Database)
    url = db.engine.url.render_as_string(hide_password=False)
    model_id, actor = await planted.model(db), await make.actor(db)
    await planted.library(db, actor.team_ids[0], model_id, planted.random(50))
    truth = await nearest_to(db, actor, model_id)
    assert truth[0] is SearchStrategy.EXACT

    async with held_up(db, STEPS[step]):
        with process(["app", "reindex"], url, tmp_path, PICTOR_INDEX_MIN_VECTORS=str(FEWEST)) as it:
            await at(db, step)
            it.send_signal(signal.SIGKILL)
            assert await asyncio.to_thread(it.wait, 90) == -signal.SIGKILL
        assert await nearest_to(db, actor, model_id) == truth

        # Nobody is there any more for whom PostgreSQL would build it.
        async def has_given_up() -> bool:
            return not await building(db)

        await until(has_given_up)
        assert await names(db) == {Graph(model_id, actor.team_ids[0]).name: False}
        assert await nearest_to(db, actor, model_id) == truth
    await rebuilt(db, actor, model_id)


@pytest.fixture
def server() -> Iterator[str]:
    """Of the test's own: when one of its processes is killed, PostgreSQL ends all of them and starts again."""
    with tempfile.TemporaryDirectory(prefix="pictor-test-") as folder:
        Path(folder).chmod(0o755)
        yield embedded.start(Path(folder))
        embedded.stop(Path(folder))


async def test_a_backend_that_is_killed_leaves_nothing_behind(
    server: str, decoder: Decoder, tmp_path: Path
) -> None:
    storage = storage_from_url(None, tmp_path)
    async with opened(server, tmp_path, storage, decoder) as resources:
        db = resources.db
        assert isinstance(db, Database)
        await migrate.upgrade(db.engine)
        model_id, actor = await planted.model(db), await make.actor(db)
        await planted.library(db, actor.team_ids[0], model_id, planted.random(50))
        truth = await nearest_to(db, actor, model_id)
        for step, statements in STEPS.items():
            async with held_up(db, statements):
                run = asyncio.create_task(
                    builder.build(db, MEMORY, builder.Failures(), fewest=FEWEST)
                )
                os.kill(await at(db, step), signal.SIGKILL)
                with pytest.raises(AppError) as caught:
                    await run
                assert caught.value.code is ErrorCode.UNAVAILABLE
            await until(lambda: is_up(db))
            assert await names(db) == {Graph(model_id, actor.team_ids[0]).name: False}
            assert await nearest_to(db, actor, model_id) == truth
        await rebuilt(db, actor, model_id)


async def is_up(db: Database) -> bool:
    """After its recovery; connections from before are of no use."""
    await db.engine.dispose()
    try:
        await db.reach()
        await building(db)
    except (AppError, DBAPIError, OSError):
        return False
    return True


async def names(db: Database) -> dict[str, bool]:
    return dict(await db.worker.run(graphs.present))


async def rebuilt(db: Database, actor: Actor, model_id: int) -> None:
    """The next run makes up for it, and there is nothing left to do."""
    assert await builder.build(db, MEMORY, builder.Failures(), fewest=FEWEST)
    assert await names(db) == {Graph(model_id, actor.team_ids[0]).name: True}
    strategy, found = await nearest_to(db, actor, model_id)
    assert (strategy, len(found)) == (SearchStrategy.INDEX, 10)
    again = await builder.due(db, fewest=FEWEST)
    assert (again.wanted, again.left_over) == ([], [])
    assert await building(db) == {}
    async with locks.alone(db, builder.LOCK) as free:
        assert free
