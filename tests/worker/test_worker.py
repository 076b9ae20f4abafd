"""The worker end to end: real bytes become thumbnails and vectors that search finds; what goes wrong stays alone."""

import asyncio
import errno
import hashlib
import io
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from sqlalchemy import func, select, text, update

from app.db.models import EmbeddingModel, Image, ImageJob, ImageVector, Team
from app.domain import Actor, ImageFilter, ImageState, JobKind, JobState, ProcessingStatus, Window
from app.embedding import Embedder, Vectors, embedder_from_name
from app.errors import UploadProblem, unavailable
from app.imaging import Decoder
from app.imaging.decoder import MIB, Limits
from app.imaging.refusals import refusal
from app.resources import Resources
from app.services import embedding_models, job_runs, jobs
from app.services.exports import datasets
from app.services.intake import processing
from app.services.people import teams
from app.services.searching import search
from app.storage import Storage, storage_from_url
from app.worker import Worker, models
from app.worker.gate import Gate
from app.worker.handlers import failed
from tests import make
from tests.database import Database
from tests.fixtures import tiny_model
from tests.imaging.make import large_png
from tests.worker.wrapped import Wrapped

PATIENCE_SECONDS = 120.0
READY, DONE = ProcessingStatus.READY, JobState.DONE
BOTH = (JobKind.THUMBNAILS, JobKind.EMBED)


@asynccontextmanager
async def working(resources: Resources) -> AsyncIterator[Worker]:
    gate = Gate()
    worker = Worker(resources, gate)
    running = asyncio.create_task(worker.run())
    keeping = asyncio.create_task(models.keep(resources, building=True, gate=gate))
    try:
        yield worker
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await worker.stop()
        await running


async def until(
    reached: Callable[[], Awaitable[bool]], told: Callable[[], Awaitable[object]] | None = None
) -> None:
    """`told`: how things stand, to be read where it is never reached."""
    for _ in range(round(PATIENCE_SECONDS / 0.02)):
        if await reached():
            return
        await asyncio.sleep(0.02)
    state = await told() if told is not None else ""
    raise TimeoutError(f"{reached.__qualname__} never came true {state}")


def noise(seed: int, height: int = 60, width: int = 90) -> NDArray[np.uint8]:
    """Large blocks of colour: they look alike before and after JPEG and shrinking."""
    blocks = np.random.default_rng(seed).integers(0, 255, (3, 3, 3), dtype=np.uint8)
    return blocks.repeat(height // 3, axis=0).repeat(width // 3, axis=1)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(picture).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


async def stored(
    resources: Resources, team_id: UUID, data: bytes, kinds: Sequence[JobKind] = BOTH
) -> UUID:
    """An image as an upload leaves it: bytes, row, jobs."""
    key = f"t/{team_id}/{secrets.token_hex(8)}/1"
    path = resources.settings.data_dir / secrets.token_hex(4)
    await asyncio.to_thread(path.write_bytes, data)
    await resources.storage.put(key, path, size=len(data))
    facts = {"size_bytes": len(data), "sha256": hashlib.sha256(data).digest()}
    image_id = await make.image(resources.db, team_id, object_key=key, **facts)
    async with resources.db.transaction() as session:
        await jobs.enqueue(session, team_id, image_id, kinds)
    return image_id


async def image(db: Database, image_id: UUID) -> Image:
    async with db.transaction() as session:
        return (await session.scalars(select(Image).where(Image.id == image_id))).one()


async def job(db: Database, image_id: UUID, kind: JobKind = JobKind.EMBED) -> ImageJob:
    async with db.transaction() as session:
        rows = select(ImageJob).where(ImageJob.image_id == image_id, ImageJob.kind == kind)
        return (await session.scalars(rows)).one()


async def until_ready(db: Database, image_ids: Sequence[UUID]) -> None:
    async def ready() -> bool:
        return all([(await image(db, one)).processing is READY for one in image_ids])

    async def told() -> object:
        columns = ImageJob.image_id, ImageJob.kind, ImageJob.state, ImageJob.error
        async with db.transaction() as session:
            rows = await session.execute(select(*columns).where(ImageJob.image_id.in_(image_ids)))
            return rows.all()

    await until(ready, told)


async def ask(resources: Resources, actor: Actor, query: search.Direction) -> list[UUID]:
    async with resources.db.transaction() as session:
        hits = await search.page(session, actor, search.Search(query), Window(10))
    return [hit.image.id for hit in hits.hits]


async def test_bytes_become_thumbnails_and_vectors_that_search_finds(resources: Resources) -> None:
    actor = await make.actor(resources.db)
    async with working(resources):
        images = [
            await stored(resources, actor.team_ids[0], jpeg(noise(seed, 600, 900)))
            for seed in range(5)
        ]
        await until_ready(resources.db, images)
    for seed, image_id in enumerate(images):
        query = await search.by_picture(resources.embedder, noise(seed, 600, 900))
        assert (await ask(resources, actor, query))[0] == image_id
        thumbnails = (await image(resources.db, image_id)).thumbnails
        sizes = {name: (one["width"], one["height"]) for name, one in thumbnails.items()}
        assert sizes == {"SMALL": (160, 107), "MEDIUM": (480, 320), "LARGE": (900, 600)}
        for one in thumbnails.values():
            assert await resources.storage.size(one["key"]) == one["bytes"] > 0
    words = await search.by_text(resources.embedder, "a red square")
    assert set(await ask(resources, actor, words)) == set(images)
    async with resources.db.transaction() as session:
        similar = await search.similar(session, actor, images[0], ImageFilter(), None, Window(10))
    assert {hit.image.id for hit in similar.hits} == set(images[1:])
    assert list(resources.settings.tmp_dir.iterdir()) == []


async def test_a_vector_carries_the_images_tags(resources: Resources) -> None:
    team_id = await make.team(resources.db)
    data, path = jpeg(noise(1)), resources.settings.data_dir / "x"
    sha256 = hashlib.sha256(data).digest()
    image_id = await make.image(resources.db, team_id, tags=("b", "a"), sha256=sha256)
    path.write_bytes(data)
    key = (await image(resources.db, image_id)).object_key
    await resources.storage.put(key, path, size=len(data))
    async with resources.db.transaction() as session:
        await jobs.enqueue(session, team_id, image_id, BOTH)
    async with working(resources):
        await until_ready(resources.db, [image_id])
    async with resources.db.transaction() as session:
        vector = (await session.scalars(select(ImageVector))).one()
    assert vector.tag_ids == sorted(vector.tag_ids)
    assert len(vector.tag_ids) == 2
    assert vector.created_at == (await image(resources.db, image_id)).created_at


async def test_what_cannot_be_read_fails_alone_and_says_why(resources: Resources) -> None:
    team_id = await make.team(resources.db)
    bad = await stored(resources, team_id, b"no picture at all")
    lost = await stored(resources, team_id, jpeg(noise(9)))
    await resources.storage.delete([(await image(resources.db, lost)).object_key])
    good = [await stored(resources, team_id, jpeg(noise(seed))) for seed in range(3)]

    async def given_up() -> bool:
        async with resources.db.transaction() as session:
            await session.execute(update(ImageJob).values(run_after=func.now()))
            await jobs.wake(session)
            open_jobs = select(ImageJob.id).where(
                ImageJob.image_id.in_((bad, lost)), ImageJob.state != JobState.FAILED
            )
            return (await session.execute(open_jobs)).first() is None

    async with working(resources):
        await until_ready(resources.db, good)
        await until(given_up)
    for kind in BOTH:
        failed = await job(resources.db, bad, kind)
        assert failed.attempts == job_runs.MAX_ATTEMPTS
        assert failed.error == "The file is not a picture that can be read."
        assert (await job(resources.db, lost, kind)).error == "The stored bytes are missing."
    assert (await image(resources.db, bad)).processing is ProcessingStatus.FAILED


async def test_a_picture_that_kills_its_decoder_harms_no_other(resources: Resources) -> None:
    team_id = await make.team(resources.db)
    tight = Decoder(max_pixels=100_000_000, limits=Limits(memory_bytes=400 * MIB))
    # Small to store, and more to decode than the child may have.
    poison = await stored(resources, team_id, large_png(9_000))
    good = [await stored(resources, team_id, jpeg(noise(seed))) for seed in range(20)]

    async def given_up() -> bool:
        async with resources.db.transaction() as session:
            await session.execute(update(ImageJob).values(run_after=func.now()))
            await jobs.wake(session)
        rows = [await job(resources.db, poison, kind) for kind in BOTH]
        return all(row.state is JobState.FAILED for row in rows)

    async with working(replace(resources, decoder=tight)):
        await until_ready(resources.db, good)
        await until(given_up)
    await tight.close()
    for kind in BOTH:
        its = await job(resources.db, poison, kind)
        assert (its.attempts, its.suspect) == (job_runs.MAX_ATTEMPTS, False)
        assert its.error == refusal(UploadProblem.TOO_EXPENSIVE).message
    assert {(await job(resources.db, one)).attempts for one in good} == {1}


async def test_a_store_that_is_away_costs_no_attempt_and_no_hurry(
    resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    """The lane tries a batch, puts it off, and rests before it takes the next. The log says so, whichever images they are."""
    team_id = await make.team(resources.db)
    lot = [await stored(resources, team_id, jpeg(noise(seed))) for seed in range(60)]
    away = storage_from_url(
        "s3://k:s@bucket?endpoint=http://127.0.0.1:1", resources.settings.data_dir
    )
    async with working(replace(resources, storage=away)):

        async def put_off() -> bool:
            async with resources.db.transaction() as session:
                later = select(func.count()).where(ImageJob.run_after > func.now())
                return bool(await session.scalar(later))

        await until(put_off)
    async with resources.db.transaction() as session:
        rows = list(await session.scalars(select(ImageJob)))
    assert {(row.state, row.attempts, row.error) for row in rows} == {(JobState.QUEUED, 0, None)}
    assert len(rows) == 2 * len(lot)
    said = {one.getMessage() for one in caplog.records if one.name == "app.worker.handlers"}
    assert said
    assert len(said) <= len(BOTH)
    await away.close()


async def test_a_full_disk_is_not_the_images_fault(resources: Resources) -> None:
    image_id = await stored(resources, await make.team(resources.db), jpeg(noise(1)))
    async with resources.db.transaction() as session:
        (claimed,) = await job_runs.claim(session, [JobKind.THUMBNAILS], 1, timedelta(minutes=1))
    outage = await failed(resources, claimed, OSError(errno.ENOSPC, "No space left on device"))
    assert outage is not None
    put_off = await job(resources.db, image_id, JobKind.THUMBNAILS)
    assert (put_off.state, put_off.attempts, put_off.error) == (JobState.QUEUED, 0, None)
    assert put_off.run_after > datetime.now(UTC) + timedelta(seconds=20)


async def test_a_deleted_image_leaves_nothing(resources: Resources) -> None:
    team_id = await make.team(resources.db)
    async with working(resources):
        gone, stays = [await stored(resources, team_id, jpeg(noise(seed))) for seed in range(2)]
        await until_ready(resources.db, [gone, stays])
        async with resources.db.transaction() as session:
            await session.execute(
                update(Image).where(Image.id == gone).values(state=ImageState.DELETED)
            )
            await jobs.enqueue(session, team_id, gone, [JobKind.PURGE])

        async def purged() -> bool:
            async with resources.db.transaction() as session:
                rows = await session.scalar(select(func.count()).where(Image.id == gone))
                left = await session.scalar(select(func.count()).where(ImageJob.image_id == gone))
                return rows == left == 0

        await until(purged)
    keys = [one.key async for one in resources.storage.list(f"t/{team_id}/")]
    kept = (await image(resources.db, stays)).object_key
    assert len(keys) == 4
    assert all(key.startswith(kept) for key in keys)


async def test_an_image_deleted_before_its_turn_gets_no_vector(resources: Resources) -> None:
    team_id = await make.team(resources.db)
    image_id = await stored(resources, team_id, jpeg(noise(1)))
    async with resources.db.transaction() as session:
        await session.execute(
            update(Image).where(Image.id == image_id).values(state=ImageState.DELETED)
        )

    async def done() -> bool:
        return all([(await job(resources.db, image_id, kind)).state is DONE for kind in BOTH])

    async with working(resources):
        await until(done)
    async with resources.db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(ImageVector)) == 0


async def test_lost_connections_are_made_again(apart: Resources) -> None:
    team_id = await make.team(apart.db)
    async with working(apart):
        await until_ready(apart.db, [await stored(apart, team_id, jpeg(noise(1)))])
        async with apart.db.transaction() as session:
            await session.execute(
                text(
                    "select pg_terminate_backend(pid, 60000) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )
            )
        await until_ready(apart.db, [await stored(apart, team_id, jpeg(noise(2)))])


async def test_another_model_is_built_beside_and_takes_over(resources: Resources) -> None:
    actor = await make.actor(resources.db)
    async with working(resources):
        images = [
            await stored(resources, actor.team_ids[0], jpeg(noise(seed))) for seed in range(3)
        ]
        await until_ready(resources.db, images)
    other = replace(resources, embedder=embedder_from_name(str(tiny_model.folder(1, 48))))

    async def taken_over() -> bool:
        async with resources.db.transaction() as session:
            model = await embedding_models.require(session)
            return model.dimension == 48

    async with working(resources), working(other):
        await until(taken_over)
        await until_ready(resources.db, images)
    query = await search.by_picture(other.embedder, noise(0))
    assert (await ask(other, actor, query))[0] == images[0]
    async with resources.db.transaction() as session:
        counts = await session.execute(
            select(EmbeddingModel.dimension, func.count())
            .join(ImageVector, ImageVector.model_id == EmbeddingModel.id)
            .group_by(EmbeddingModel.dimension)
        )
        assert sorted(tuple(row) for row in counts) == [(32, 3), (48, 3)]
    await other.embedder.close()


class FearsWide(Wrapped):
    """Breaks on any batch with a picture wider than 200 pixels."""

    async def pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> Vectors:
        if any(picture.shape[1] > 2 * picture.shape[0] for picture in pictures):
            raise ZeroDivisionError
        return await self.inner.pictures(pictures)


class ReadsNothingAtFirst(Wrapped):
    """Broken on its host, until that is put right."""

    def __init__(self, inner: Embedder) -> None:
        super().__init__(inner)
        self.broken, self.calls = True, 0

    async def pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> Vectors:
        self.calls += 1
        if self.broken:
            raise RuntimeError("no kernel image is available")
        return await self.inner.pictures(pictures)


class Hangs(Wrapped):
    async def pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> Vectors:
        await asyncio.Event().wait()
        return await self.inner.pictures(pictures)


class ComesLate(Wrapped):
    """Cannot be loaded the first time, and is out of order the first time it is used."""

    def __init__(self, inner: Embedder) -> None:
        super().__init__(inner)
        self.calls = 0

    async def warm(self) -> None:
        self._count()
        await self.inner.warm()

    async def pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> Vectors:
        self._count()
        return await self.inner.pictures(pictures)

    def _count(self) -> None:
        self.calls += 1
        if self.calls in (1, 3):
            raise unavailable("not now")


async def test_thumbnails_of_an_earlier_release_make_way(everywhere: Resources) -> None:
    """As docs/repair.md has them made anew: under the keys of those that are there."""
    db, storage = everywhere.db, everywhere.storage
    image_id = await stored(everywhere, await make.team(db), jpeg(noise(1)), [JobKind.THUMBNAILS])
    key = f"{(await image(db, image_id)).object_key}.small.webp"
    old = everywhere.settings.data_dir / "old"
    old.write_bytes(b"paler")
    await storage.put(key, old, size=5)

    async def read() -> bytes:
        async with await storage.open(key) as stream:
            return b"".join([part async for part in stream])

    async with working(everywhere):
        await until_done(db, image_id, JobKind.THUMBNAILS)
        small = (await image(db, image_id)).thumbnails["SMALL"]
        made = await read()
        assert made.startswith(b"RIFF")
        assert (small["key"], small["bytes"]) == (key, len(made))
        async with db.transaction() as session:
            await jobs.enqueue(
                session, (await image(db, image_id)).team_id, image_id, [JobKind.THUMBNAILS]
            )
        await until_done(db, image_id, JobKind.THUMBNAILS)
    assert await read() == made


async def until_done(db: Database, image_id: UUID, kind: JobKind) -> None:
    async def done() -> bool:
        return (await job(db, image_id, kind)).state is JobState.DONE

    await until(done)


@pytest.mark.parametrize("damaged", [False, True])
async def test_an_image_whose_thumbnail_is_lost_is_read_all_the_same(
    resources: Resources, *, damaged: bool
) -> None:
    """As of a store that was restored without them: what is to be read anew must not wait for a pass of reconcile.
    And none tells that one is damaged.
    """
    db, team_id = resources.db, await make.team(resources.db)
    image_id = await stored(resources, team_id, jpeg(noise(1)), [JobKind.EMBED])
    key = f"t/{team_id}/lost.medium.webp"
    lost = {"MEDIUM": {"key": key, "width": 9, "height": 9, "bytes": 9}}
    if damaged:
        rotten = resources.settings.data_dir / "rotten"
        rotten.write_bytes(b"no webp..")
        await resources.storage.put(key, rotten, size=9)
    async with db.transaction() as session:
        change = update(Image).where(Image.id == image_id)
        await session.execute(change.values(thumbnails=lost))
    async with working(resources):

        async def ended() -> bool:
            return (await job(db, image_id)).state in (JobState.DONE, JobState.FAILED)

        await until(ended)
    its = await job(db, image_id)
    assert (its.state, its.attempts, its.error) == (JobState.DONE, 1, None)
    assert (await image(db, image_id)).damage is None


async def test_a_picture_that_breaks_the_model_breaks_no_other(resources: Resources) -> None:
    team_id = await make.team(resources.db)
    good = [await stored(resources, team_id, jpeg(noise(seed))) for seed in range(4)]
    wide = await stored(resources, team_id, jpeg(noise(9, 60, 300)))
    async with working(replace(resources, embedder=FearsWide(resources.embedder))):
        await until_ready(resources.db, good)

        async def tried() -> bool:
            return (await job(resources.db, wide)).error is not None

        await until(tried)
    failed = await job(resources.db, wide)
    assert failed.attempts == 1
    assert (
        failed.error == "Something went wrong (ZeroDivisionError); the server's log has the rest."
    )


async def test_a_model_that_reads_nothing_costs_no_image_an_attempt(resources: Resources) -> None:
    team_id = await make.team(resources.db)
    ids = [await stored(resources, team_id, jpeg(noise(seed))) for seed in range(3)]
    model = ReadsNothingAtFirst(resources.embedder)
    async with working(replace(resources, embedder=model)):

        async def given_back() -> bool:
            # All at once, one alone, a plain one: and again.
            jobs_ = [await job(resources.db, one) for one in ids]
            return model.calls >= 6 and all(one.state is JobState.QUEUED for one in jobs_)

        await until(given_back)
        left = [await job(resources.db, one) for one in ids]
        model.broken = False
        await until_ready(resources.db, ids)
    assert {(one.attempts, one.error) for one in left} == {(0, None)}


async def test_a_model_that_comes_late_costs_no_attempt(resources: Resources) -> None:
    team_id = await make.team(resources.db)
    image_id = await stored(resources, team_id, jpeg(noise(1)))
    async with working(replace(resources, embedder=ComesLate(resources.embedder))):
        await until_ready(resources.db, [image_id])
    assert (await job(resources.db, image_id)).attempts == 1


async def test_stopping_hands_back_what_is_not_done(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.worker.worker.GRACE_SECONDS", 0.1)
    image_id = await stored(resources, await make.team(resources.db), jpeg(noise(1)))
    async with working(replace(resources, embedder=Hangs(resources.embedder))):

        async def taken() -> bool:
            return (await job(resources.db, image_id)).state is JobState.RUNNING

        await until(taken)
    back = await job(resources.db, image_id)
    assert (back.state, back.attempts, back.run_id) == (JobState.QUEUED, 0, None)


async def test_what_a_killed_worker_left_is_swept(resources: Resources) -> None:
    folder = resources.settings.tmp_dir
    folder.mkdir(exist_ok=True)
    old, young, foreign = (folder / name for name in ("work-old", "work-young", "upload-old"))
    for path in (old, young, foreign):
        path.touch()
    for path in (old, foreign):
        os.utime(path, (0, 0))
    async with working(resources):

        async def swept() -> bool:
            return not old.exists()

        await until(swept)
    assert young.exists()
    assert foreign.exists()


async def test_a_killed_run_hands_back_too(resources: Resources) -> None:
    image_id = await stored(resources, await make.team(resources.db), jpeg(noise(1)))
    running = asyncio.create_task(
        Worker(replace(resources, embedder=Hangs(resources.embedder))).run()
    )

    async def taken() -> bool:
        return (await job(resources.db, image_id)).state is JobState.RUNNING

    await until(taken)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await job(resources.db, image_id)).state is JobState.QUEUED


async def test_a_deleted_team_leaves_neither_bytes_nor_rows(
    resources: Resources,
) -> None:
    db, admin = resources.db, await make.actor(resources.db)
    (team_id,) = admin.team_ids
    for seed in range(3):
        await stored(resources, team_id, jpeg(noise(seed)))
    other = await make.team(db)
    kept = await stored(resources, other, jpeg(noise(9)), [JobKind.THUMBNAILS])
    async with db.transaction() as session:
        slug = (await session.get_one(Team, team_id)).slug
        await teams.remove(session, admin, team_id, slug)

    async def objects(of: UUID) -> int:
        return len([one async for one in resources.storage.list(f"t/{of}/")])

    async def purged() -> bool:
        async with db.transaction() as session:
            rows = select(func.count()).select_from(Image).where(Image.team_id == team_id)
            # The worker has laid the job down again: from here on the test may change when it is due.
            resting = select(ImageJob.state).where(
                ImageJob.team_id == team_id, ImageJob.kind == JobKind.PURGE_TEAM
            )
            return (
                not await session.scalar(rows)
                and not await objects(team_id)
                and await session.scalar(resting) is JobState.QUEUED
            )

    async def gone() -> bool:
        async with db.transaction() as session:
            return await session.get(Team, team_id) is None

    async with working(resources):
        await until(purged)
        assert not await gone()
        late = resources.settings.data_dir / "late"
        late.write_bytes(b"what an upload had begun to store")
        for prefix in (f"t/{team_id}/late", f"incoming/{team_id}"):
            await resources.storage.put(f"{prefix}/1", late, size=late.stat().st_size)
        async with db.transaction() as session:
            long_ago = func.now() - processing.LATECOMERS
            await session.execute(
                update(Team).where(Team.id == team_id).values(deleted_at=long_ago)
            )
            await session.execute(
                update(ImageJob).where(ImageJob.team_id == team_id).values(run_after=func.now())
            )
            await jobs.wake(session)
        await until(gone)

    assert await objects(team_id) == 0
    assert [one async for one in resources.storage.list(f"incoming/{team_id}/")] == []
    assert await objects(other) > 0
    assert (await image(db, kept)).state is ImageState.STORED
    async with db.transaction() as session:
        for table in ("image", "image_job", "tag", "draw_head", "draw_line", "image_vector"):
            query = text(f"select count(*) from {table} where team_id = :team")
            assert await session.scalar(query, {"team": team_id}) == 0


class NeverStores:
    """A store to which no export ever comes through."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.asked = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def put(self, key: str, source: Path, *, size: int) -> None:
        if f"/{datasets.FOLDER}/" in key:
            self.asked.set()
            await asyncio.Event().wait()
        await self.inner.put(key, source, size=size)


async def test_no_upload_waits_for_a_suspect_that_touches_no_picture(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart in the midst of a large export; of the uploads that were lost with it, neither does any."""
    monkeypatch.setattr("app.worker.worker.CALM_SECONDS", 0.0)
    monkeypatch.setattr("app.worker.worker.TRIAL_SECONDS", 0.2)
    monkeypatch.setattr("app.worker.worker.GRACE_SECONDS", 0.1)
    actor, db = await make.actor(resources.db), resources.db
    (team_id,) = actor.team_ids
    async with db.acting(actor).transaction() as session:
        await datasets.export(
            session, actor, team_id=team_id, name="All of it", wanted=ImageFilter()
        )
    lost = await stored(resources, team_id, jpeg(noise(1)))
    kinds = (*BOTH, JobKind.EXPORT)
    await db.worker.run(lambda s: job_runs.claim(s, kinds, 3, timedelta(0)))
    storage: Any = NeverStores(resources.storage)
    async with working(replace(resources, storage=storage)):
        await asyncio.wait_for(storage.asked.wait(), PATIENCE_SECONDS)
        fresh = await stored(resources, team_id, jpeg(noise(2)))
        await until_ready(db, [lost, fresh])
        # It goes on all the same.
        export = await export_job(db, team_id)
        assert (export.state, export.suspect) == (JobState.RUNNING, True)
    assert (await export_job(db, team_id)).state is JobState.QUEUED


async def export_job(db: Database, team_id: UUID) -> ImageJob:
    async with db.transaction() as session:
        rows = select(ImageJob).where(ImageJob.team_id == team_id, ImageJob.kind == JobKind.EXPORT)
        return (await session.scalars(rows)).one()
