"""Jobs: each is run once, counted when it starts, given up after three, and fenced from a late finisher."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image, ImageJob
from app.domain import JobKind, JobState, ProcessingStatus
from app.services import images, job_runs, jobs
from tests import make
from tests.database import Database

LEASE = timedelta(minutes=5)
BOTH = (JobKind.EMBED, JobKind.THUMBNAILS)


@pytest.fixture(autouse=True)
async def _others_wait(db: Database) -> None:
    """What other tests left in the queue is not due: a claim takes the oldest first."""
    async with db.transaction() as session:
        later = datetime.now(UTC) + timedelta(days=1)
        await session.execute(
            update(ImageJob).where(ImageJob.state == JobState.QUEUED).values(run_after=later)
        )


async def queued(db: Database, team_id: UUID, kinds: Iterable[JobKind] = BOTH) -> UUID:
    image_id = await make.image(db, team_id)
    async with db.transaction() as session:
        await jobs.enqueue(session, team_id, image_id, kinds)
    return image_id


async def claim(
    db: Database,
    image_ids: Iterable[UUID],
    kinds: Iterable[JobKind] = BOTH,
    *,
    suspects: bool = False,
) -> list[job_runs.Job]:
    """Claims, and keeps those of this test: other tests' jobs lie in the same table."""
    async with db.transaction() as session:
        claimed = await job_runs.claim(session, kinds, 1000, LEASE, suspects=suspects)
        others = [job for job in claimed if job.image_id not in set(image_ids)]
        await job_runs.release(session, others)
    return [job for job in claimed if job.image_id in set(image_ids)]


async def row(db: Database, image_id: UUID, kind: JobKind = JobKind.EMBED) -> ImageJob:
    async with db.transaction() as session:
        found = await session.scalar(
            select(ImageJob).where(ImageJob.image_id == image_id, ImageJob.kind == kind)
        )
    assert found is not None
    return found


async def status(db: Database, image_id: UUID) -> ProcessingStatus:
    async with db.transaction() as session:
        found = await session.scalar(select(Image.processing).where(Image.id == image_id))
    assert found is not None
    return found


async def change(db: Database, image_id: UUID, **columns: object) -> None:
    async with db.transaction() as session:
        await session.execute(
            update(ImageJob).where(ImageJob.image_id == image_id).values(**columns)
        )


async def wait_of(session: AsyncSession, image_id: UUID) -> timedelta:
    """How long its job waits for the next attempt, as of this transaction's begin."""
    wait = select(ImageJob.run_after - func.now()).where(ImageJob.image_id == image_id)
    return (await session.scalars(wait)).one()


async def lose(db: Database, *image_ids: UUID) -> list[timedelta]:
    """The worker that had these images' jobs died: their leases run out, and another one notices. How long each waits."""
    for image_id in image_ids:
        await change(db, image_id, lease_until=datetime.now(UTC) - timedelta(seconds=1))
    async with db.transaction() as session:
        assert len(await job_runs.take_back(session)) >= len(image_ids)
        return [await wait_of(session, image_id) for image_id in image_ids]


async def due(db: Database, image_id: UUID) -> None:
    await change(db, image_id, run_after=datetime.now(UTC))


async def test_twenty_claimers_take_each_job_once(db: Database) -> None:
    team_id = await make.team(db)
    image_ids = [await queued(db, team_id, [JobKind.EMBED]) for _ in range(60)]

    async def claimer() -> list[UUID]:
        async with db.transaction() as session:
            return [job.id for job in await job_runs.claim(session, [JobKind.EMBED], 5, LEASE)]

    taken = [one for got in await asyncio.gather(*(claimer() for _ in range(20))) for one in got]
    assert len(taken) == len(set(taken))
    rest = await claim(db, image_ids, [JobKind.EMBED])
    assert set(taken).isdisjoint(job.id for job in rest)
    async with db.transaction() as session:
        tries = set(
            await session.scalars(select(ImageJob.attempts).where(ImageJob.image_id.in_(image_ids)))
        )
    assert tries == {1}


async def test_processing_follows_the_jobs(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await queued(db, team_id)
    assert await status(db, image_id) is ProcessingStatus.PENDING
    (embed,) = await claim(db, [image_id], [JobKind.EMBED])
    assert await status(db, image_id) is ProcessingStatus.PROCESSING
    async with db.transaction() as session:
        await job_runs.finish(session, [embed])
    assert await status(db, image_id) is ProcessingStatus.PENDING
    (thumbnails,) = await claim(db, [image_id])
    async with db.transaction() as session:
        await job_runs.finish(session, [thumbnails])
    assert await status(db, image_id) is ProcessingStatus.READY
    assert (await row(db, image_id)).finished_at is not None


async def test_both_jobs_of_an_image_finish_at_once(db: Database) -> None:
    """Each transaction sees the other's job still running; together they must leave READY behind."""
    team_id = await make.team(db)
    image_id = await queued(db, team_id)
    claimed = await claim(db, [image_id])
    assert len(claimed) == 2

    async def finish(job: job_runs.Job) -> None:
        async with db.transaction() as session:
            await job_runs.finish(session, [job])
            await asyncio.sleep(0.05)

    await asyncio.gather(*(finish(job) for job in claimed))
    assert await status(db, image_id) is ProcessingStatus.READY


async def test_three_failures_end_it(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await queued(db, team_id, [JobKind.EMBED])
    for attempt in (1, 2, 3):
        (job,) = await claim(db, [image_id])
        assert job.attempts == attempt
        async with db.transaction() as session:
            await job_runs.fail(session, job, "no colours")
            assert await wait_of(session, image_id) == timedelta(seconds=5 * 2**attempt)
        assert await claim(db, [image_id]) == []
        await change(db, image_id, run_after=datetime.now(UTC))
    assert (await row(db, image_id)).state is JobState.FAILED
    assert (await row(db, image_id)).error == "no colours"
    assert await status(db, image_id) is ProcessingStatus.FAILED
    assert await claim(db, [image_id]) == []


async def test_enqueue_revives_what_failed_and_leaves_what_runs(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await queued(db, team_id, [JobKind.EMBED])
    (job,) = await claim(db, [image_id])
    async with db.transaction() as session:
        await jobs.enqueue(session, team_id, image_id, [JobKind.EMBED])
    assert (await row(db, image_id)).run_id == job.run_id
    await change(db, image_id, state=JobState.FAILED, attempts=3, error="x")
    async with db.transaction() as session:
        await jobs.enqueue(session, team_id, image_id, [JobKind.EMBED])
    again = await row(db, image_id)
    assert (again.state, again.attempts, again.error) == (JobState.QUEUED, 0, None)
    assert await status(db, image_id) is ProcessingStatus.PENDING


async def test_a_rolled_back_upload_leaves_no_job(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await make.image(db, team_id)
    async with db.transaction() as session:
        await jobs.enqueue(session, team_id, image_id, BOTH)
        await session.rollback()
    assert await claim(db, [image_id]) == []


async def test_a_dead_workers_job_runs_again_and_its_late_result_is_refused(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await queued(db, team_id, [JobKind.EMBED])
    (late,) = await claim(db, [image_id])
    async with db.transaction() as session:
        await job_runs.take_back(session)
    assert (await row(db, image_id)).run_id == late.run_id
    await lose(db, image_id)
    assert await status(db, image_id) is ProcessingStatus.PENDING
    (now,) = await claim(db, [image_id], suspects=True)
    assert now.id == late.id
    with pytest.raises(job_runs.SupersededError):
        async with db.transaction() as session:
            await job_runs.finish(session, [late])
    async with db.transaction() as session:
        await job_runs.fail(session, late, "too late")
    assert (await row(db, image_id)).state is JobState.RUNNING
    async with db.transaction() as session:
        await job_runs.finish(session, [now])
    ended = await row(db, image_id)
    assert (ended.state, ended.attempts, ended.suspect) == (JobState.DONE, 1, False)


async def test_what_a_worker_had_when_it_died_is_tried_alone_and_not_charged(db: Database) -> None:
    team_id = await make.team(db)
    image_ids = [await queued(db, team_id, [JobKind.EMBED]) for _ in range(3)]
    assert len(await claim(db, image_ids)) == 3
    await lose(db, *image_ids)
    assert await claim(db, image_ids) == []
    assert {(await row(db, one)).attempts for one in image_ids} == {0}
    async with db.transaction() as session:
        assert JobKind.EMBED in await job_runs.suspected(session)
    tried = await claim(db, image_ids, suspects=True)
    assert [job.attempts for job in tried] == [1] * 3


async def test_an_image_that_kills_its_worker_is_given_up(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await queued(db, team_id, [JobKind.EMBED])
    assert len(await claim(db, [image_id])) == 1
    await lose(db, image_id)
    for attempt in (1, 2, 3):
        (job,) = await claim(db, [image_id], suspects=True)
        assert job.attempts == attempt
        assert await lose(db, image_id) == [timedelta(seconds=5 * 2**attempt)]
        assert await claim(db, [image_id], suspects=True) == []
        assert (await row(db, image_id)).error == job_runs.LOST
        await due(db, image_id)
    assert (await row(db, image_id)).state is JobState.FAILED
    assert await status(db, image_id) is ProcessingStatus.FAILED


async def test_a_suspect_whose_worker_lives_is_none_any_more(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await queued(db, team_id, [JobKind.EMBED])
    await claim(db, [image_id])
    await lose(db, image_id)
    (job,) = await claim(db, [image_id], suspects=True)
    async with db.transaction() as session:
        await job_runs.release(session, [job])
    (job,) = await claim(db, [image_id], suspects=True)
    async with db.transaction() as session:
        await job_runs.fail(session, job, "not a picture")
    await due(db, image_id)
    (job,) = await claim(db, [image_id])
    assert job.attempts == 2


async def test_what_killed_its_workers_is_tried_alone_also_when_it_is_retried(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await queued(db, team_id)
    await change(db, image_id, state=JobState.FAILED, attempts=3, error=job_runs.LOST, suspect=True)
    async with db.transaction() as session:
        await jobs.retry(session, [team_id], [image_id])
    assert await status(db, image_id) is ProcessingStatus.PENDING
    assert await claim(db, [image_id]) == []
    assert [job.attempts for job in await claim(db, [image_id], suspects=True)] == [1, 1]


async def test_twenty_enqueues_at_once_make_one_job_a_kind(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await make.image(db, team_id)

    async def enqueue(_number: int) -> None:
        await db.run(lambda session: jobs.enqueue(session, team_id, image_id, BOTH))

    await asyncio.gather(*(enqueue(number) for number in range(20)))
    async with db.transaction() as session:
        kinds = list(
            await session.scalars(select(ImageJob.kind).where(ImageJob.image_id == image_id))
        )
    assert sorted(kinds) == sorted(BOTH)


async def test_work_handed_back_costs_no_attempt(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await queued(db, team_id, [JobKind.EMBED])
    held = await claim(db, [image_id])
    async with db.transaction() as session:
        await job_runs.release(session, held)
    (job,) = await claim(db, [image_id])
    assert job.attempts == 1


async def test_work_for_later_waits(db: Database) -> None:
    team_id = await make.team(db)
    image_id = await make.image(db, team_id)
    async with db.transaction() as session:
        await jobs.enqueue(session, team_id, image_id, [JobKind.PURGE], timedelta(hours=1))
    assert await claim(db, [image_id], [JobKind.PURGE]) == []
    await change(db, image_id, run_after=datetime.now(UTC) - timedelta(seconds=1))
    assert len(await claim(db, [image_id], [JobKind.PURGE])) == 1


async def test_the_trash_goes_by_the_clock_by_which_it_is_emptied(db: Database) -> None:
    """A server whose clock is a month behind would have it emptied at once."""
    actor, week = await make.actor(db), timedelta(days=7)
    image_id = await make.image(db, actor.team_ids[0])
    async with db.acting(actor).transaction() as session:
        now = await session.scalar(select(func.now()))
        await asyncio.sleep(0.01)
        for trashed in (True, True, False, True):
            (row,) = await images.set_trashed(session, actor, [image_id], trashed=trashed)
            assert (row.trashed_at, row.updated_at) == (now if trashed else None, now)
        await images.delete_forever(session, actor, [image_id], purge_after=week)
    async with db.transaction() as session:
        columns = (Image.deleted_at, ImageJob.run_after - Image.deleted_at)
        its = select(*columns).join(ImageJob, ImageJob.image_id == Image.id)
        assert (await session.execute(its.where(Image.id == image_id))).one() == (now, week)


async def test_more_images_than_a_statement_has_parameters_are_followed(db: Database) -> None:
    """As many as a new model may settle when it takes over."""
    image_id = await queued(db, await make.team(db))
    await change(db, image_id, state=JobState.DONE)
    async with db.worker.transaction() as session:
        await jobs.follow(session, [image_id, *(uuid4() for _ in range(33_000))])
    assert await status(db, image_id) is ProcessingStatus.READY
