"""Which model answers: the first at once, the next when every image has been read by it, and back again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.db.models import EmbeddingModel, ImageVector
from app.domain import JobKind, JobState
from app.errors import AppError
from app.services import embedding_models, jobs
from tests import make
from tests.database import Database
from tests.fixtures.own_database import own_database
from tests.services import planted
from tests.services.test_jobs import queued, row

LEASE = timedelta(minutes=5)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A database has one active model, and one queue: each of these tests has its own."""
    async with own_database(database_url) as url:
        database = Database(url, pool_size=5)
        yield database
        await database.close()


async def ensure(db: Database, name: str, revision: str = "1") -> EmbeddingModel:
    async with db.transaction() as session:
        return await embedding_models.ensure(
            session, name=name, revision=revision, dimension=planted.DIMENSION
        )


async def active(db: Database) -> str | None:
    async with db.transaction() as session:
        model = await embedding_models.active(session)
        return None if model is None else model.name


async def wanted(db: Database) -> str | None:
    async with db.transaction() as session:
        model = await embedding_models.wanted(session)
        return None if model is None else model.name


async def switch(db: Database, model: EmbeddingModel) -> bool:
    async with db.transaction() as session:
        return await embedding_models.switch(session, model.id)


async def embedded(db: Database, count: int, model: EmbeddingModel) -> list[UUID]:
    """Images of one team that the model has read."""
    team_id = await make.team(db)
    images = [await queued(db, team_id, [JobKind.EMBED]) for _ in range(count)]
    await read_all(db, model)
    return images


async def claim(db: Database) -> list[jobs.Job]:
    async with db.transaction() as session:
        return await jobs.claim(session, [JobKind.EMBED], 1000, LEASE)


async def read_all(db: Database, model: EmbeddingModel) -> None:
    """What a worker does with the queue."""
    claimed = await claim(db)
    async with db.transaction() as session:
        await jobs.finish(session, claimed)
    rows = planted.random(len(claimed))
    await planted.vectors(
        db, model.id, {job.image_id: row for job, row in zip(claimed, rows, strict=True)}
    )


async def test_the_first_model_answers_at_once(db: Database) -> None:
    async with db.transaction() as session:
        with pytest.raises(AppError):
            await embedding_models.require(session)
    first = await ensure(db, "first")
    assert await active(db) == await wanted(db) == "first"
    again = await ensure(db, "first")
    assert again.id == first.id


async def test_ten_workers_start_at_once(db: Database) -> None:
    models = await asyncio.gather(*(ensure(db, "first") for _ in range(5)))
    assert len({model.id for model in models}) == 1


async def test_another_model_takes_over_at_once_where_nothing_was_read(db: Database) -> None:
    await ensure(db, "first")
    await ensure(db, "second")
    assert await active(db) == "second"


async def test_another_model_waits_until_every_image_was_read(db: Database) -> None:
    first = await ensure(db, "first")
    images = await embedded(db, 3, first)
    second = await ensure(db, "second")
    assert await active(db) == "first"
    assert await wanted(db) == "second"
    assert (await row(db, images[0])).state is JobState.QUEUED
    assert not await switch(db, second)
    await read_all(db, second)
    late = await queued(db, await make.team(db), [JobKind.EMBED])
    assert await switch(db, second), "an image that came later is no reason to wait"
    assert await active(db) == "second"
    assert (await row(db, late)).state is JobState.QUEUED
    async with db.transaction() as session:
        kept = await session.scalar(
            select(func.count()).select_from(ImageVector).where(ImageVector.model_id == first.id)
        )
    assert kept == 3


async def test_an_image_that_cannot_be_read_holds_nothing_up(db: Database) -> None:
    first = await ensure(db, "first")
    await embedded(db, 2, first)
    second = await ensure(db, "second")
    bad, *good = await claim(db)
    async with db.transaction() as session:
        await jobs.finish(session, good)
        await jobs.fail(session, replace(bad, attempts=jobs.MAX_ATTEMPTS), "no colours")
    assert await switch(db, second)


async def test_the_way_back_is_short(db: Database) -> None:
    first = await ensure(db, "first")
    await embedded(db, 3, first)
    second = await ensure(db, "second")
    await ensure(db, "first")
    assert await wanted(db) == await active(db) == "first"
    await switch(db, second)
    assert await active(db) == "first"
    await ensure(db, "second")
    await read_all(db, second)
    assert await switch(db, second)
    back = await ensure(db, "first")
    assert await active(db) == "second"
    assert await switch(db, back), "its vectors are still there"
    assert await active(db) == "first"


async def test_a_run_of_the_old_model_is_fenced(db: Database) -> None:
    await embedded(db, 1, await ensure(db, "first"))
    await queued(db, await make.team(db), [JobKind.EMBED])
    claimed = await claim(db)
    await ensure(db, "second")
    with pytest.raises(jobs.SupersededError):
        async with db.transaction() as session:
            await jobs.finish(session, claimed)
