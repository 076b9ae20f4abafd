"""Which model is what: the first answers at once, the next is built beside it, and no start undoes a switch."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from app.db.models import EmbeddingModel
from app.domain import JobKind, ModelState
from app.errors import AppError, ErrorCode
from app.services import embedding_models, job_runs
from tests import make
from tests.database import Database
from tests.services import planted
from tests.services.test_jobs import queued

LEASE = timedelta(minutes=5)


@pytest.fixture
def db(own_db: Database) -> Database:
    """A database has one active model, and one queue: each of these tests has its own."""
    return own_db


async def ensure(db: Database, name: str, revision: str = "1") -> EmbeddingModel:
    async with db.transaction() as session:
        return await embedding_models.ensure(
            session, name=name, revision=revision, dimension=planted.DIMENSION
        )


async def active(db: Database) -> str | None:
    async with db.transaction() as session:
        model = await embedding_models.active(session)
        return None if model is None else model.name


async def states(db: Database) -> dict[str, ModelState]:
    async with db.transaction() as session:
        return {model.name: model.state for model in await embedding_models.known(session)}


async def begin(db: Database, name: str) -> EmbeddingModel:
    async with db.transaction() as session:
        return await embedding_models.begin(
            session, name=name, revision="1", dimension=planted.DIMENSION, source=f"/{name}"
        )


async def embedded(db: Database, count: int, model: EmbeddingModel) -> list[UUID]:
    """Images of one team that the model has read."""
    team_id = await make.team(db)
    images = [await queued(db, team_id, [JobKind.EMBED]) for _ in range(count)]
    await read_all(db, model)
    return images


async def claim(db: Database) -> list[job_runs.Job]:
    async with db.transaction() as session:
        return await job_runs.claim(session, [JobKind.EMBED], 1000, LEASE)


async def read_all(db: Database, model: EmbeddingModel) -> None:
    """What a worker does with the queue."""
    claimed = await claim(db)
    async with db.transaction() as session:
        await job_runs.finish(session, claimed)
    rows = planted.random(len(claimed))
    await planted.vectors(
        db, model.id, {job.image_id: row for job, row in zip(claimed, rows, strict=True)}
    )


async def test_the_first_model_answers_at_once(db: Database) -> None:
    async with db.transaction() as session:
        with pytest.raises(AppError):
            await embedding_models.require(session)
    first = await ensure(db, "first")
    assert await active(db) == "first"
    again = await ensure(db, "first")
    assert again.id == first.id


async def test_ten_workers_start_at_once(db: Database) -> None:
    models = await asyncio.gather(*(ensure(db, "first") for _ in range(5)))
    assert len({model.id for model in models}) == 1


async def test_another_model_takes_over_at_once_where_nothing_was_read(db: Database) -> None:
    await ensure(db, "first")
    await ensure(db, "second")
    assert await active(db) == "second"
    async with db.transaction() as session:
        assert await embedding_models.answering(session, "first", "1") is None


async def test_a_new_setting_is_built_beside_and_an_old_one_undoes_nothing(db: Database) -> None:
    first = await ensure(db, "first")
    await embedded(db, 1, first)
    await ensure(db, "second")
    assert await states(db) == {"first": ModelState.ACTIVE, "second": ModelState.BUILDING}
    await ensure(db, "first")
    await ensure(db, "third")
    assert await states(db) == {
        "first": ModelState.ACTIVE,
        "second": ModelState.BUILDING,
        "third": ModelState.RETIRED,
    }
    async with db.transaction() as session:
        await embedding_models.activate(session, await session.get_one(EmbeddingModel, 2))
    await ensure(db, "first")
    assert (await states(db))["second"] is ModelState.ACTIVE
    assert (await states(db))["first"] is ModelState.RETIRED


async def test_one_model_is_built_at_a_time(db: Database) -> None:
    await embedded(db, 1, await ensure(db, "first"))
    second = await begin(db, "second")
    assert second.state is ModelState.BUILDING
    assert (await begin(db, "second")).id == second.id
    with pytest.raises(AppError, match=r"second .* is being built") as refused:
        await begin(db, "third")
    assert refused.value.code is ErrorCode.CONFLICT
    assert "third" not in await states(db)


async def test_reembedding_an_empty_installation_needs_no_other_model(db: Database) -> None:
    assert (await begin(db, "first")).state is ModelState.ACTIVE


async def test_whole_vectors_alone_answer(db: Database) -> None:
    await embedded(db, 1, await ensure(db, "first"))
    second = await begin(db, "second")
    async with db.transaction() as session:
        assert await embedding_models.answering(session, "first", "1")
        assert await embedding_models.answering(session, "second", "1") is None
        assert await embedding_models.answering(session, "first", "2") is None
        with pytest.raises(AppError) as refused:
            await embedding_models.of_page(session, second.id)
    assert refused.value.extensions == {"code": "BAD_USER_INPUT", "field": "after"}
