"""Wrong and lost bytes as the worker meets them: what can be made anew is, and the rest is written down."""

import hashlib
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, update

from app.db.models import Image, ImageJob
from app.domain import Damage, JobKind, JobState
from app.resources import Resources
from app.services import damage, job_runs, jobs
from app.services.intake import intents
from app.services.intake.intents import NewImage
from app.services.job_runs import MAX_ATTEMPTS, Job, SupersededError
from app.storage import ObjectMissing
from app.worker import handlers, pictures
from tests import make
from tests.worker import planted
from tests.worker.planted import row, states
from tests.worker.test_worker import image, job, jpeg, noise, stored

DONE, QUEUED, FAILED = JobState.DONE, JobState.QUEUED, JobState.FAILED
EMBED, THUMBNAILS = JobKind.EMBED, JobKind.THUMBNAILS


@pytest.fixture
async def team_id(everywhere: Resources) -> UUID:
    everywhere.settings.tmp_dir.mkdir(exist_ok=True)
    return await make.team(everywhere.db)


async def claimed(resources: Resources, kind: JobKind, attempts: int = 1) -> list[Job]:
    """Taken by a worker for the so many-th time."""
    async with resources.db.transaction() as session:
        due = update(ImageJob).where(ImageJob.kind == kind, ImageJob.state == QUEUED)
        await session.execute(due.values(attempts=attempts - 1, run_after=func.now()))
        return await job_runs.claim(session, [kind], 50, timedelta(minutes=1))


async def made(resources: Resources, image_id: UUID) -> Image:
    """The image with its thumbnails."""
    await handlers.thumbnails(resources, await claimed(resources, THUMBNAILS))
    return await image(resources.db, image_id)


async def lies(resources: Resources, key: str) -> bytes:
    async with await resources.storage.open(key) as stream:
        return b"".join([part async for part in stream])


async def healed(resources: Resources, row: Image) -> Image:
    """As an upload of the same bytes heals it."""
    actor = await make.actor(resources.db, row.team_id)
    intent = await planted.intent(resources, row.team_id, timedelta(minutes=10))
    async with resources.db.transaction() as session:
        same = update(Image).where(Image.id == intent.id).values(sha256=row.sha256)
        await session.execute(same)
        return await intents.publish(session, actor, NewImage(row.team_id), intent.id)


async def test_wrong_bytes_of_an_original_are_written_down(
    everywhere: Resources, team_id: UUID
) -> None:
    """Else the same file again would not heal it, for nobody knew of the damage."""
    image_id = await stored(everywhere, team_id, jpeg(noise(1)))
    key = (await image(everywhere.db, image_id)).object_key
    await planted.replaced(everywhere, key, jpeg(noise(2)))

    await handlers.thumbnails(everywhere, await claimed(everywhere, THUMBNAILS))
    assert (await row(everywhere.db, image_id)).damage is None
    last = await claimed(everywhere, THUMBNAILS, MAX_ATTEMPTS)
    await handlers.thumbnails(everywhere, last)

    assert (await row(everywhere.db, image_id)).damage is Damage.WRONG_BYTES
    assert (await job(everywhere.db, image_id, THUMBNAILS)).error == "The stored bytes are damaged."


async def test_thumbnails_have_their_hash(everywhere: Resources, team_id: UUID) -> None:
    now = await made(everywhere, await stored(everywhere, team_id, jpeg(noise(1))))
    for one in now.thumbnails.values():
        data = await lies(everywhere, one["key"])
        assert (one["bytes"], one["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("size", ["same", "another"])
async def test_thumbnails_that_are_made_anew_take_the_place_of_others(
    everywhere: Resources, team_id: UUID, size: str
) -> None:
    """A flipped bit, or what another release made."""
    image_id = await stored(everywhere, team_id, jpeg(noise(1)))
    before = (await made(everywhere, image_id)).thumbnails
    key = before["MEDIUM"]["key"]
    right = await lies(everywhere, key)
    wrong = bytes([right[0] ^ 1]) + right[1:]
    await planted.replaced(everywhere, key, wrong if size == "same" else wrong[:-1])
    async with everywhere.db.transaction() as session:
        await jobs.enqueue(session, team_id, image_id, [THUMBNAILS])

    now = await made(everywhere, image_id)

    assert await lies(everywhere, key) == right
    assert now.thumbnails == before


@pytest.mark.parametrize("data", [None, b"no picture", b"x"])
@pytest.mark.parametrize("hashed", [True, False])
async def test_a_vector_does_not_fail_with_a_thumbnail(
    everywhere: Resources, team_id: UUID, data: bytes | None, hashed: bool
) -> None:
    image_id = await stored(everywhere, team_id, jpeg(noise(1)))
    now = await made(everywhere, image_id)
    medium = now.thumbnails["MEDIUM"]
    if not hashed:
        del medium["sha256"]
    await everywhere.storage.delete([medium["key"]])
    if data is not None:
        await planted.put(everywhere, medium["key"], data)

    pixels = await pictures.pixels(everywhere, now)

    assert pixels.std() > 20
    assert (await states(everywhere.db, image_id))[THUMBNAILS] is QUEUED


@pytest.mark.parametrize("kind", [THUMBNAILS, EMBED])
async def test_a_last_attempt_on_the_old_bytes_does_not_outlast_the_new_ones(
    everywhere: Resources, team_id: UUID, kind: JobKind
) -> None:
    """The file comes again while a worker is about to give up: else the image had no thumbnails for ever."""
    image_id = await stored(everywhere, team_id, jpeg(noise(1)))
    db = everywhere.db
    lost = await image(db, image_id)
    async with db.transaction() as session:
        await damage.flag(session, lost.object_key, Damage.MISSING)
    (last,) = await claimed(everywhere, kind, MAX_ATTEMPTS)

    await healed(everywhere, lost)
    await handlers.failed(everywhere, last, ObjectMissing(lost.object_key))

    now = await job(db, image_id, kind)
    assert (now.state, now.attempts, now.error) == (QUEUED, 0, None)
    assert (await row(db, image_id)).damage is None
    async with db.transaction() as session:
        with pytest.raises(SupersededError):
            await job_runs.finish(session, [last])


@pytest.mark.parametrize("found", [Damage.MISSING, Damage.WRONG_BYTES])
async def test_a_last_attempt_does_not_outlast_bytes_that_were_put_back(
    everywhere: Resources, team_id: UUID, found: Damage
) -> None:
    image_id = await stored(everywhere, team_id, jpeg(noise(1)))
    db = everywhere.db
    key = (await image(db, image_id)).object_key
    async with db.transaction() as session:
        await damage.flag(session, key, found)
    (last,) = await claimed(everywhere, THUMBNAILS, MAX_ATTEMPTS)

    async with db.transaction() as session:
        assert await damage.clear(session, key)
    await handlers.failed(everywhere, last, ObjectMissing(key))

    assert (await row(db, image_id)).damage is None
    assert (await states(db, image_id))[THUMBNAILS] is QUEUED


async def test_what_failed_is_queued_with_the_end_of_its_damage(
    everywhere: Resources, team_id: UUID
) -> None:
    image_id = await stored(everywhere, team_id, jpeg(noise(1)))
    db = everywhere.db
    key = (await image(db, image_id)).object_key
    (last,) = await claimed(everywhere, THUMBNAILS, MAX_ATTEMPTS)
    await handlers.failed(everywhere, last, ObjectMissing(key))
    assert (await row(db, image_id)).damage is Damage.MISSING
    assert (await states(db, image_id))[THUMBNAILS] is FAILED
    async with db.transaction() as session:
        assert await damage.clear(session, key)
    assert (await states(db, image_id))[THUMBNAILS] is QUEUED
