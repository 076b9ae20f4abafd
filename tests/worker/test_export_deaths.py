"""Exports whose process is killed with SIGKILL: while it writes, and between the files that it stores."""

import asyncio
import os
import signal
from asyncio import FIRST_COMPLETED
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from sqlalchemy import select, text

from app.db.models import Dataset
from app.domain import Actor, DatasetFile, DatasetStatus
from app.resources import Resources
from app.services import job_runs
from app.services.exports import datasets
from app.worker import reconcile
from tests import make
from tests.database import Database
from tests.fixtures.forked import Process
from tests.worker.planted import execute, keys, mark
from tests.worker.test_export import asked, content, progress, row
from tests.worker.test_processes import due, end_of, hurry, process
from tests.worker.test_worker import until

IMAGES: Final = 100
"""Five batches of the worker's."""
SAME: Final = {DatasetFile.IMAGES, DatasetFile.COCO, DatasetFile.SUMS}
"""What does not tell when and as which dataset it was made."""
WAITS: Final = text(
    "select true from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
)


@pytest.fixture
async def actor(resources: Resources) -> Actor:
    """Of a team with IMAGES images, each with a tag."""
    await mark(resources)
    actor = await make.actor(resources.db)
    one = await make.image(resources.db, actor.team_ids[0], tags=("zebra",))
    await make.copies(resources.db, one, IMAGES - 1)
    await execute(owned(resources), "update image set object_key = 't/' || team_id || '/' || id")
    return actor


def owned(resources: Resources) -> Database:
    assert isinstance(resources.db, Database)
    return resources.db


def worker(resources: Resources, **more: str) -> AbstractContextManager[Process]:
    url = owned(resources).engine.url.render_as_string(hide_password=False)
    folder = resources.settings.data_dir
    return process(["tests.worker.deadly_store"], url, folder, **more)


async def dies(running: Process) -> None:
    assert await end_of(running) == -signal.SIGKILL


async def is_ready(resources: Resources, actor: Actor, dataset_id: UUID) -> bool:
    found = await progress(resources, actor, dataset_id)
    assert found.status is not DatasetStatus.FAILED, found.error
    return found.status is DatasetStatus.READY


async def shows_nothing(resources: Resources, actor: Actor, dataset_id: UUID) -> None:
    assert (await progress(resources, actor, dataset_id)).status is DatasetStatus.RUNNING
    assert datasets.files(await row(resources, dataset_id)) == []


def half_written(folder: Path) -> list[Path]:
    return sorted(one for one in folder.glob("export-*/*") if one.stat().st_size)


async def killed_while_it_writes(resources: Resources, dataset_id: UUID) -> None:
    """Held up behind its first batch, where it tells how far it is."""
    db, folder = owned(resources), resources.settings.tmp_dir
    async with db.transaction() as session:
        await session.execute(select(Dataset.id).where(Dataset.id == dataset_id).with_for_update())
        with worker(resources) as running:

            async def is_held_up() -> bool:
                async with db.transaction() as other:
                    return bool(half_written(folder) and await other.scalar(WAITS))

            await until(is_held_up)
            running.kill()
            await dies(running)
    assert {one.name for one in half_written(folder)} <= {*DatasetFile, "coco-images"}
    assert not list(folder.glob("export-*/manifest.json"))


async def test_it_ends_with_the_same_bytes(resources: Resources, actor: Actor) -> None:
    db, folder = owned(resources), resources.settings.tmp_dir
    dataset_id = await asked(resources, actor)

    await killed_while_it_writes(resources, dataset_id)
    await shows_nothing(resources, actor, dataset_id)
    assert await keys(resources) == set()

    await hurry(db)
    with worker(resources, PUT="3") as running:
        await dies(running)
    await shows_nothing(resources, actor, dataset_id)
    assert len(await keys(resources)) == 2

    async def is_ready_when_due() -> bool:
        # The worker that takes a dead one's job back puts it off.
        await due(db)
        return await is_ready(resources, actor, dataset_id)

    await hurry(db)
    with worker(resources):
        await until(is_ready_when_due)
        undisturbed = await asked(resources, actor, "Another")
        await until(lambda: is_ready(resources, actor, undisturbed))
    found, wanted = await content(resources, dataset_id), await content(resources, undisturbed)
    assert found.keys() == wanted.keys() == {*DatasetFile}
    assert {name: found[name] for name in SAME} == {name: wanted[name] for name in SAME}
    assert len(found[DatasetFile.IMAGES].splitlines()) == IMAGES

    both = [await row(resources, one) for one in (dataset_id, undisturbed)]
    own = {file.key for one in both for file in datasets.files(one)}
    assert await keys(resources) == own
    # Nobody can be writing there any more after a day.
    for left in (left_behind := list(folder.iterdir())):
        os.utime(left, (0, 0))
    report = await reconcile.run(resources, resources.db.worker, grace=timedelta(0))
    # Of the two deaths, and perhaps of the last worker, which ends as soon as its export is ready.
    assert len([one for one in left_behind if one.name.startswith("export-")]) >= 2
    assert report.temporary_files == len(left_behind)
    assert list(folder.iterdir()) == []
    assert await keys(resources) == own


async def test_what_kills_its_worker_each_time_has_failed(resources: Resources) -> None:
    """Once in company, which nobody is charged with, and three times alone. Asked for again, it is made."""
    db, actor = owned(resources), await make.actor(resources.db)
    await mark(resources)
    await make.image(db, actor.team_ids[0])
    dataset_id = await asked(resources, actor)

    async def has_failed() -> bool:
        return (await progress(resources, actor, dataset_id)).status is DatasetStatus.FAILED

    deaths = 0
    while True:
        with worker(resources, PUT="2") as running:
            failed = asyncio.create_task(until(has_failed))
            ended = asyncio.create_task(end_of(running))
            while not (failed.done() or ended.done()):
                # The worker that takes a dead one's job back puts it off, longer each time.
                await due(db)
                await asyncio.wait({failed, ended}, timeout=0.2, return_when=FIRST_COMPLETED)
            if failed.done():
                running.terminate()
                assert await ended == 0
                break
            failed.cancel()
            assert ended.result() == -signal.SIGKILL
        deaths += 1
        await shows_nothing(resources, actor, dataset_id)
        await hurry(db)
    assert deaths == 1 + job_runs.MAX_ATTEMPTS
    assert (await progress(resources, actor, dataset_id)).error == job_runs.LOST_EXPORT
    assert datasets.files(await row(resources, dataset_id)) == []
    assert len(await keys(resources)) == deaths

    again = await asked(resources, actor)
    assert again != dataset_id
    with worker(resources):
        await until(lambda: is_ready(resources, actor, again))
    for _ in range(2):
        await reconcile.run(resources, resources.db.worker, grace=timedelta(0))
    own = {file.key for file in datasets.files(await row(resources, again))}
    assert await keys(resources) == own
