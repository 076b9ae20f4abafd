"""A second model beside the first: who reads which image, when it takes over, what is kept, and the way back."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from app.db.models import EmbeddingModel, Image, ImageJob, ImageVector, VectorClaim
from app.domain import NO_ID, ImageState, JobKind, JobState, ModelState, ProcessingStatus
from app.errors import AppError, ErrorCode
from app.services import embedding_models, job_runs, jobs, reembedding, reembedding_runs
from app.services.intake import processing
from app.services.reembedding import Progress
from app.services.reembedding_runs import Batch
from tests import make
from tests.database import Database
from tests.services import planted
from tests.services.test_embedding_models import begin, embedded, ensure
from tests.services.test_jobs import queued, row, status

LEASE, NO_LEASE = timedelta(minutes=5), timedelta(0)


@pytest.fixture
def db(own_db: Database) -> Database:
    return own_db


@pytest.fixture
async def images(db: Database) -> list[UUID]:
    """Five images that the active model has read."""
    return sorted(await embedded(db, 5, await ensure(db, "first")))


@pytest.fixture
async def second(db: Database, images: list[UUID]) -> int:
    return (await begin(db, "second")).id


async def claim(
    db: Database, model_id: int, *, limit: int = 100, lease: timedelta = LEASE, after: UUID = NO_ID
) -> Batch:
    return await db.worker.run(
        lambda session: reembedding_runs.claim(session, model_id, after, limit, lease)
    )


async def alone(db: Database, model_id: int, *, lease: timedelta = LEASE) -> Batch:
    """One of those whose run did not come back."""
    await db.worker.run(lambda session: reembedding_runs.take_back(session, model_id))
    return await db.worker.run(
        lambda session: reembedding_runs.claim_suspect(session, model_id, lease)
    )


async def release(db: Database, batch: Batch) -> None:
    async with db.worker.transaction() as session:
        await reembedding_runs.release(session, batch)


async def attempts(db: Database, model_id: int) -> dict[UUID, int]:
    async with db.transaction() as session:
        found = await session.execute(
            select(VectorClaim.image_id, VectorClaim.attempts).where(
                VectorClaim.model_id == model_id
            )
        )
        return {row.image_id: row.attempts for row in found}


async def keep(db: Database, batch: Batch) -> None:
    rows = planted.random(len(batch.images))
    vectors = {image.id: row for image, row in zip(batch.images, rows, strict=True)}
    await db.worker.run(lambda session: reembedding_runs.keep(session, batch, vectors))


async def fail(db: Database, batch: Batch, image_id: UUID) -> None:
    await db.worker.run(
        lambda session: reembedding_runs.fail(session, batch, image_id, "no colours")
    )


async def refused(db: Database, model_id: int, bad: UUID) -> None:
    """The model has read all but this one, at which it had its tries."""
    for _ in range(job_runs.MAX_ATTEMPTS):
        batch = await claim(db, model_id)
        await fail(db, batch, bad)
        rest = [one for one in batch.images if one.id != bad]
        await keep(db, Batch(model_id, batch.run_id, rest))
        await due(db)


async def die(db: Database, model_id: int) -> None:
    """Whoever reads now does not come back; somebody else has noticed it, and the pause is over."""
    await due(db)
    await db.worker.run(lambda session: reembedding_runs.take_back(session, model_id))
    await due(db)


async def due(db: Database) -> None:
    """All pauses are over."""
    async with db.transaction() as session:
        await session.execute(
            update(VectorClaim)
            .where(VectorClaim.lease_until.is_not(None))
            .values(lease_until=func.now() - timedelta(seconds=1))
        )


async def switch(db: Database, model_id: int) -> bool:
    return await db.worker.run(lambda session: reembedding.switch(session, model_id))


async def unread(db: Database, model_id: int) -> bool:
    return await db.worker.run(lambda session: reembedding.unread(session, model_id))


async def progress(db: Database) -> dict[str, Progress]:
    total, listed = await db.worker.run(reembedding.progress)
    assert all(one.vectors <= total for one in listed)
    return {one.name: one for one in listed}


def ids(batch: Batch) -> list[UUID]:
    return [image.id for image in batch.images]


async def test_each_image_is_read_by_one(db: Database, second: int, images: list[UUID]) -> None:
    one = await claim(db, second, limit=2)
    other = await claim(db, second, limit=2)
    assert ids(one) + ids(other) == images[:4]
    assert ids(await claim(db, second, after=images[3])) == images[4:]
    assert ids(await claim(db, second)) == []


async def test_it_takes_over_when_every_image_was_read(
    db: Database, second: int, images: list[UUID]
) -> None:
    await keep(db, await claim(db, second, limit=4))
    rest = await claim(db, second)
    assert await unread(db, second)
    assert not await switch(db, second), "one is being read"
    await keep(db, rest)
    assert not await unread(db, second)
    assert await switch(db, second)
    told = await progress(db)
    assert told["second"].state is ModelState.ACTIVE
    assert told["second"].vectors == told["first"].vectors == 5
    assert told["first"].retired_at is not None
    async with db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(VectorClaim)) == 0
    assert (await row(db, images[0])).state is JobState.DONE


async def test_a_run_that_comes_back_too_late_writes_nothing(db: Database, second: int) -> None:
    lost = await claim(db, second, lease=NO_LEASE)
    await due(db)
    again = await alone(db, second)
    assert ids(again) == ids(lost)[:1]
    await keep(db, lost)
    assert (await progress(db))["second"].vectors == 0
    await keep(db, again)
    assert (await progress(db))["second"].vectors == 1


async def test_what_is_handed_back_costs_no_attempt(db: Database, second: int) -> None:
    for _ in range(job_runs.MAX_ATTEMPTS + 1):
        batch = await claim(db, second)
        assert len(batch.images) == 5
        await release(db, batch)
        await due(db)


async def test_one_alone_that_is_handed_back_costs_no_attempt_and_stays_alone(
    db: Database, second: int, images: list[UUID]
) -> None:
    (one, *_) = images
    await claim(db, second, limit=1)
    await due(db)
    for _ in range(job_runs.MAX_ATTEMPTS + 1):
        batch = await alone(db, second)
        assert ids(batch) == [one]
        assert (await attempts(db, second))[one] == 1
        # Twice, as where the first answer did not come.
        await release(db, batch)
        await release(db, batch)
        assert (await attempts(db, second))[one] == 0
        assert one not in ids(await claim(db, second, limit=1))


async def test_an_image_that_cannot_be_read_holds_nothing_up(
    db: Database, second: int, images: list[UUID]
) -> None:
    bad, *good = images
    for _ in range(job_runs.MAX_ATTEMPTS):
        batch = await claim(db, second)
        await fail(db, batch, bad)
        await keep(db, Batch(second, batch.run_id, [one for one in batch.images if one.id != bad]))
        assert ids(await claim(db, second)) == [], "it has a pause"
        await due(db)
    assert ids(await claim(db, second)) == []
    told = (await progress(db))["second"]
    assert (told.vectors, told.refused) == (4, 1)
    assert await switch(db, second)
    job = await row(db, bad)
    assert (job.state, job.error) == (JobState.FAILED, "no colours")
    assert (await row(db, good[0])).state is JobState.DONE


async def refuse_all(db: Database, model_id: int, among: list[UUID]) -> None:
    """The model had its tries at these images."""
    async with db.transaction() as session:
        facts = {"model_id": model_id, "attempts": job_runs.MAX_ATTEMPTS, "lease_until": None}
        session.add_all([VectorClaim(image_id=one, error="no colours", **facts) for one in among])


@pytest.mark.parametrize(("read", "takes_over"), [(0, False), (5, False), (6, True)])
async def test_a_model_that_refused_more_than_it_read_does_not_take_over(
    db: Database, images: list[UUID], second: int, read: int, takes_over: bool
) -> None:
    more = sorted(await embedded(db, read + 6 - len(images), await ensure(db, "first")))
    all_images = images + more
    await refuse_all(db, second, all_images[read:])
    if read:
        await keep(db, await claim(db, second))
    if takes_over:
        assert await switch(db, second)
        return
    with pytest.raises(AppError, match=f"refused 6 of the {read + 6} images") as doubted:
        await switch(db, second)
    assert (doubted.value.code, doubted.value.field) == (ErrorCode.CONFLICT, "model")
    assert (await progress(db))["first"].state is ModelState.ACTIVE
    assert await status(db, images[0]) is not ProcessingStatus.FAILED
    assert await db.worker.run(lambda s: reembedding.switch(s, second, anyway=True))


async def test_what_no_model_can_read_is_no_reason_to_doubt_the_new_one(
    db: Database, second: int, images: list[UUID]
) -> None:
    await keep(db, await claim(db, second))
    team_id = await make.team(db)
    await refuse_all(db, second, [await make.image(db, team_id) for _ in range(9)])
    assert await switch(db, second)


async def test_a_few_may_be_refused_whatever_their_share(
    db: Database, second: int, images: list[UUID]
) -> None:
    await refuse_all(db, second, images)
    assert await switch(db, second)
    assert (await progress(db))["second"].vectors == 0


async def test_what_was_refused_and_then_read_by_its_job_is_no_failure(
    db: Database, second: int, images: list[UUID]
) -> None:
    """Its bytes were missing, and came back before the switch: its job reads it with both."""
    healed, lost, *_ = images
    await keep(db, await claim(db, second, after=lost))
    await refuse_all(db, second, [healed, lost])
    async with db.transaction() as session:
        team_id = (await session.get_one(Image, healed)).team_id
        await jobs.enqueue(session, team_id, healed, [JobKind.EMBED])
    claimed = await db.run(lambda session: job_runs.claim(session, [JobKind.EMBED], 9, LEASE))
    vectors = {1: planted.random(1), second: planted.random(1, 2)}
    await db.worker.run(lambda session: processing.keep_vectors(session, claimed, vectors))

    told = (await progress(db))["second"]
    assert (told.vectors, told.refused) == (4, 1)
    assert set(await attempts(db, second)) == {lost}
    # As an older worker leaves it, which does not end the claim.
    await refuse_all(db, second, [healed])
    told = (await progress(db))["second"]
    assert (told.vectors, told.refused) == (4, 1)
    assert await switch(db, second)
    assert (await row(db, healed)).state is JobState.DONE
    assert (await row(db, lost)).state is JobState.FAILED


async def test_one_that_kills_its_process_costs_the_others_nothing(
    db: Database, second: int, images: list[UUID]
) -> None:
    bad, *good = images
    assert len((await claim(db, second)).images) == 5
    await die(db, second)
    assert ids(await claim(db, second)) == [], "what had company is read alone from here on"
    assert set((await attempts(db, second)).values()) == {0}
    tried: list[UUID] = []
    while (trial := await alone(db, second)).images:
        tried += ids(trial)
        if ids(trial) == [bad]:
            assert (await attempts(db, second))[bad] == tried.count(bad)
            await die(db, second)
        else:
            await keep(db, trial)
    assert sorted(tried) == [*[bad] * job_runs.MAX_ATTEMPTS, *good]
    told = (await progress(db))["second"]
    assert (told.vectors, told.refused) == (4, 1)
    assert await switch(db, second)
    job = await row(db, bad)
    assert (job.state, job.error) == (JobState.FAILED, job_runs.LOST)
    assert {(await row(db, one)).state for one in good} == {JobState.DONE}


async def test_two_processes_try_different_ones_and_none_that_has_a_pause(
    db: Database, second: int, images: list[UUID]
) -> None:
    await claim(db, second, limit=2)
    await due(db)
    died, lives = await alone(db, second, lease=NO_LEASE), await alone(db, second)
    assert ids(died) + ids(lives) == images[:2]
    assert ids(await alone(db, second)) == [], "it died a moment ago"
    await fail(db, lives, images[1])
    await due(db)
    assert ids(await claim(db, second))[0] == images[1], "whoever read it lives: it is no suspect"
    assert await attempts(db, second) == {**dict.fromkeys(images, 0), images[0]: 1, images[1]: 1}
    assert ids(await alone(db, second)) == images[:1]


async def test_an_image_that_the_old_model_could_not_read_is_ready_if_the_new_one_can(
    db: Database, second: int, images: list[UUID]
) -> None:
    team_id = await make.team(db)
    failed = await queued(db, team_id, [JobKind.EMBED])
    async with db.transaction() as session:
        await session.execute(
            update(ImageJob)
            .where(ImageJob.image_id == failed)
            .values(state=JobState.FAILED, error="no colours")
        )
    batch = await claim(db, second)
    assert failed in ids(batch)
    await keep(db, batch)
    assert await switch(db, second)
    job = await row(db, failed)
    assert (job.state, job.error) == (JobState.DONE, None)


async def test_new_images_get_vectors_of_both(
    db: Database, second: int, images: list[UUID]
) -> None:
    await keep(db, await claim(db, second))
    late = await queued(db, await make.team(db), [JobKind.EMBED])
    assert not await unread(db, second), "its job reads it with both"
    claimed = await db.run(lambda session: job_runs.claim(session, [JobKind.EMBED], 9, LEASE))
    vectors = {1: planted.random(1), second: planted.random(1, 2)}
    await db.worker.run(lambda session: processing.keep_vectors(session, claimed, vectors))
    assert (await row(db, late)).state is JobState.DONE
    assert not await unread(db, second)
    assert {one.vectors for one in (await progress(db)).values()} == {6}


async def test_a_worker_without_the_new_model_delays_the_switch_and_loses_nothing(
    db: Database, second: int
) -> None:
    await keep(db, await claim(db, second))
    late = await queued(db, await make.team(db), [JobKind.EMBED])
    claimed = await db.run(lambda session: job_runs.claim(session, [JobKind.EMBED], 9, LEASE))
    await db.worker.run(
        lambda session: processing.keep_vectors(session, claimed, {1: planted.random(1)})
    )
    assert not await switch(db, second)
    batch = await claim(db, second)
    assert ids(batch) == [late]
    await keep(db, batch)
    assert await switch(db, second)


async def test_a_worker_that_missed_the_switch_reads_again(db: Database, second: int) -> None:
    await keep(db, await claim(db, second))
    await queued(db, await make.team(db), [JobKind.EMBED])
    claimed = await db.run(lambda session: job_runs.claim(session, [JobKind.EMBED], 9, LEASE))
    assert await switch(db, second)
    with pytest.raises(AppError) as refused:
        await db.worker.run(
            lambda session: processing.keep_vectors(session, claimed, {1: planted.random(1)})
        )
    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert (
        await db.worker.run(lambda session: processing.claim_embedding(session, 1, 9, LEASE)) == []
    )


async def test_cancelled_it_goes_on_where_it_was(db: Database, second: int) -> None:
    await keep(db, await claim(db, second, limit=3))
    held = await claim(db, second)
    assert await db.worker.run(reembedding.cancel) == "second (1)"
    await keep(db, held)
    assert ids(await claim(db, second)) == []
    assert not await unread(db, second)
    assert not await switch(db, second)
    assert (await progress(db))["second"].vectors == 3
    with pytest.raises(AppError) as refused:
        await db.worker.run(reembedding.cancel)
    assert refused.value.code is ErrorCode.CONFLICT
    assert (await begin(db, "third")).state is ModelState.BUILDING
    await db.worker.run(reembedding.cancel)
    await begin(db, "second")
    assert len((await claim(db, second)).images) == 2


async def test_the_way_back_is_one_step_and_tells_what_is_missing(
    db: Database, second: int, images: list[UUID]
) -> None:
    await keep(db, await claim(db, second))
    await switch(db, second)
    late = await queued(db, await make.team(db), [JobKind.EMBED])
    claimed = await db.run(lambda session: job_runs.claim(session, [JobKind.EMBED], 9, LEASE))
    await db.worker.run(
        lambda session: processing.keep_vectors(session, claimed, {second: planted.random(1)})
    )
    assert await db.worker.run(reembedding.rollback) == "first (1)"
    told = await progress(db)
    assert told["first"].state is ModelState.ACTIVE
    assert told["second"].retired_at is not None
    assert (await row(db, late)).state is JobState.QUEUED
    assert (await row(db, images[0])).state is JobState.DONE
    async with db.transaction() as session:
        image = await session.get_one(Image, late)
        assert image.processing is not ProcessingStatus.READY
    assert await db.worker.run(reembedding.rollback) == "second (1)"


async def test_what_the_newer_model_alone_could_not_read_is_no_failure_after_the_way_back(
    db: Database, second: int, images: list[UUID]
) -> None:
    bad, *_ = images
    await refused(db, second, bad)
    await switch(db, second)
    assert (await row(db, bad)).state is JobState.FAILED
    assert await status(db, bad) is ProcessingStatus.FAILED

    await db.worker.run(reembedding.rollback)

    job = await row(db, bad)
    assert (job.state, job.error) == (JobState.DONE, None)
    assert await status(db, bad) is not ProcessingStatus.FAILED
    assert await db.worker.run(reembedding.rollback) == "second (1)"
    assert (await row(db, bad)).state is JobState.QUEUED, "forward again, it is tried again"


async def test_what_was_uploaded_since_and_failed_is_pending_after_the_way_back(
    db: Database, second: int
) -> None:
    await keep(db, await claim(db, second))
    await switch(db, second)
    team_id = await make.team(db)
    late, broken = [await queued(db, team_id) for _ in range(2)]
    async with db.transaction() as session:
        await session.execute(
            update(ImageJob)
            .where(
                ImageJob.image_id.in_((late, broken)),
                (ImageJob.kind == JobKind.EMBED) | (ImageJob.image_id == broken),
            )
            .values(state=JobState.FAILED, error="no colours")
        )
        await jobs.follow(session, [late, broken])
    assert await status(db, late) is ProcessingStatus.FAILED

    await db.worker.run(reembedding.rollback)

    job = await row(db, late)
    assert (job.state, job.error) == (JobState.QUEUED, None)
    assert await status(db, late) is ProcessingStatus.PENDING
    assert await status(db, broken) is ProcessingStatus.FAILED, "so have its thumbnails"


async def test_without_an_earlier_model_there_is_no_way_back(db: Database, second: int) -> None:
    with pytest.raises(AppError) as refused:
        await db.worker.run(reembedding.rollback)
    assert refused.value.code is ErrorCode.CONFLICT
    assert (await progress(db))["first"].state is ModelState.ACTIVE


async def test_pruned_vectors_are_gone_and_their_model_is_remembered(
    db: Database, second: int
) -> None:
    await keep(db, await claim(db, second))
    await switch(db, second)
    assert await db.worker.run(reembedding.forget_retired) == [1]
    assert await db.worker.run(lambda session: reembedding.prune(session, 1, 3)) == 3
    assert await db.worker.run(lambda session: reembedding.prune(session, 1, 3)) == 2
    assert await db.worker.run(lambda session: reembedding.prune(session, second, 3)) == 0
    async with db.transaction() as session:
        left = await session.scalars(select(ImageVector.model_id).distinct())
        assert list(left) == [second]
        with pytest.raises(AppError):
            await embedding_models.of_page(session, 1)
    with pytest.raises(AppError):
        await db.worker.run(reembedding.rollback)
    await ensure(db, "first")
    assert (await progress(db))["first"].state is ModelState.RETIRED


async def test_a_model_that_is_built_again_goes_on_answering_its_pages(
    db: Database, second: int
) -> None:
    await keep(db, await claim(db, second))
    await switch(db, second)
    await begin(db, "first")
    async with db.transaction() as session:
        page = await embedding_models.of_page(session, 1)
    assert page is not None
    assert page.name == "first"
    assert (await progress(db))["first"].state is ModelState.BUILDING
    assert await switch(db, 1), "its vectors are still there"


async def test_deleted_images_are_nobody_s_business(
    db: Database, second: int, images: list[UUID]
) -> None:
    batch = await claim(db, second)
    async with db.transaction() as session:
        await session.execute(
            update(Image).where(Image.id == images[0]).values(state=ImageState.DELETED)
        )
    await keep(db, batch)
    assert (await progress(db))["second"].vectors == 4
    assert await switch(db, second)


async def test_without_images_it_takes_over_at_once(db: Database) -> None:
    await ensure(db, "first")
    second = await begin(db, "second")
    assert await switch(db, second.id)
    async with db.transaction() as session:
        states = await session.scalars(select(EmbeddingModel.state).order_by(EmbeddingModel.id))
        assert list(states) == [ModelState.RETIRED, ModelState.ACTIVE]
