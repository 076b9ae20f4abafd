"""Bulk jobs in real workers: beside other work, and in a process that is killed half-way."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update

from app.db.models import BulkJob, BulkPart, ImageTag
from app.domain import Actor, BulkAction, BulkStatus
from app.resources import Resources
from app.services.bulk_edits import bulk
from app.services.bulk_edits.bulk import Change
from app.services.bulk_edits.bulk_selections import Selection
from tests import make
from tests.database import Database
from tests.fixtures.own_database import own_database
from tests.worker.planted import mark
from tests.worker.test_processes import PATIENCE_SECONDS, process, resources_on
from tests.worker.test_worker import working

TAGGED = Change(BulkAction.ADD_TAGS, tags=("x",))


async def begun(db: Database, actor: Actor, change: Change) -> UUID:
    """A job of all of the actor's images."""
    (team_id,) = actor.team_ids
    async with db.acting(actor).transaction() as session:
        row = await bulk.prepare(session, actor, team_id, Selection(), change)
        await bulk.start(session, actor, row.id, "test")
        return row.id


async def row_of(db: Database, job_id: UUID) -> BulkJob:
    async with db.transaction() as session:
        return await session.get_one(BulkJob, job_id)


async def until(db: Database, job_id: UUID, *, done: int = 0) -> BulkJob:
    """The job when so many images are done, or else when it has ended."""
    for _ in range(round(PATIENCE_SECONDS / 0.05)):
        row = await row_of(db, job_id)
        if row.status in bulk.ENDED or (done and row.done >= done):
            return row
        await asyncio.sleep(0.05)
    raise TimeoutError(f"{row.status} {row.done} of {row.total}: {row.error}")


async def test_a_job_is_due_by_the_clock_that_workers_go_by(resources: Resources) -> None:
    """A server whose clock is ahead would let it wait, and one whose clock is behind would let it pass others."""
    actor = await make.actor(resources.db)
    (team_id,) = actor.team_ids
    async with resources.db.acting(actor).transaction() as session:
        now = await session.scalar(select(func.now()))
        row = await bulk.prepare(session, actor, team_id, Selection(), TAGGED)
        await asyncio.sleep(0.01)
        await bulk.start(session, actor, row.id, "test")
    assert (row.started_at, row.lease_until) == (now, now)


async def test_a_worker_hears_of_a_job_and_does_it(resources: Resources) -> None:
    db = resources.db
    assert isinstance(db, Database)
    first, second = await make.actor(db), await make.actor(db)
    for actor in (first, second):
        await make.images(db, actor.team_ids[0], 1_200)

    async with working(resources):
        jobs = [await begun(db, actor, TAGGED) for actor in (first, second)]
        after = await begun(db, first, Change(BulkAction.TRASH))
        ends = [await until(db, one) for one in (*jobs, after)]

    assert [(row.status, row.changed) for row in ends] == [(BulkStatus.DONE, 1_200)] * 3
    assert 'pictor_bulk_jobs_total{action="ADD_TAGS",outcome="done"} 2.0' in (
        resources.metrics.text().decode()
    )


@pytest.fixture
async def database_of_ones_own(database_url: str) -> AsyncIterator[str]:
    async with own_database(database_url) as url:
        yield url


async def test_a_worker_that_is_killed_half_way_is_followed_by_another(
    database_of_ones_own: str, tmp_path: Path
) -> None:
    url, count = database_of_ones_own, 4_000
    async with resources_on(url, tmp_path, None) as resources:
        db = resources.db
        assert isinstance(db, Database)
        actor = await make.actor(db)
        await mark(resources)
        ids = await make.images(db, actor.team_ids[0], count)
        with process(["app", "worker"], url, tmp_path) as worker:
            job_id = await begun(db, actor, TAGGED)
            await until(db, job_id, done=500)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        half = await row_of(db, job_id)
        assert half.status is BulkStatus.RUNNING
        assert 500 <= half.done < count
        async with db.transaction() as session:
            tagged = select(func.count()).select_from(ImageTag)
            assert await session.scalar(tagged) == half.done
            lost = update(BulkJob).where(BulkJob.id == job_id)
            await session.execute(lost.values(lease_until=func.now()))
        with process(["app", "worker"], url, tmp_path) as worker:
            whole = await until(db, job_id)
            worker.terminate()
            assert worker.wait() == 0
        assert (whole.status, whole.done, whole.changed) == (BulkStatus.DONE, count, count)
        async with db.transaction() as session:
            rows = await session.execute(select(ImageTag.image_id, ImageTag.tagged_by))
            assert dict(rows.all()) == dict.fromkeys(ids, actor.user_id)
            assert not await session.scalar(select(func.count()).select_from(BulkPart))
            # The lines for draws hold each image once in the team's list and in the tag's.
            lines = text("select sum(images), sum(n) from draw_head")
            assert (await session.execute(lines)).one() == (2 * count, 2 * count)
