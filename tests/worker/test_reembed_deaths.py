"""Real processes that an image kills while they build a model: no other image pays for it."""

import asyncio
import signal
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, update

from app.db.models import ImageJob, ImageVector, VectorClaim
from app.domain import JobKind, JobState
from app.resources import Resources
from app.services import job_runs
from app.worker import models
from tests import make
from tests.database import Database
from tests.fixtures import tiny_model
from tests.services import planted
from tests.services.test_jobs import row
from tests.worker.test_processes import process
from tests.worker.test_worker import BOTH, jpeg, noise, stored

WIDE = 240


async def test_one_that_kills_every_process_is_refused_and_no_other(
    resources: Resources, tmp_path: Path
) -> None:
    db, team_id = resources.db, await make.team(resources.db)
    assert isinstance(db, Database)
    await models.introduce(resources)
    widths = (90, 90, WIDE, 90, 90)
    images = [
        await stored(resources, team_id, jpeg(noise(seed, width=width)), BOTH)
        for seed, width in enumerate(widths)
    ]
    async with db.transaction() as session:
        await session.execute(update(ImageJob).values(state=JobState.DONE))
    rows = planted.random(len(images), dimension=32)
    await planted.vectors(db, 1, dict(zip(images, rows, strict=True)))
    poison = images.pop(widths.index(WIDE))

    deaths = 0
    while (status := await run(db, tmp_path)) == -signal.SIGKILL:
        deaths += 1
        await leases_run_out(db)

    assert status == 0
    assert deaths == 1 + job_runs.MAX_ATTEMPTS, "one in company, three alone"
    async with db.transaction() as session:
        read = select(ImageVector.image_id).where(ImageVector.model_id == 2)
        assert set(await session.scalars(read)) == set(images)
    job = await row(db, poison)
    assert (job.state, job.error) == (JobState.FAILED, job_runs.LOST)
    assert {(await row(db, one)).state for one in images} == {JobState.DONE}
    assert (await row(db, poison, JobKind.THUMBNAILS)).state is JobState.DONE


async def run(db: Database, folder: Path) -> int:
    url = db.engine.url.render_as_string(hide_password=False)
    new = str(tiny_model.folder(1, 48))
    with process(["tests.worker.deadly_reembed"], url, folder, PICTOR_EMBEDDING_MODEL=new) as it:
        return await asyncio.to_thread(it.wait, 90)


async def leases_run_out(db: Database) -> None:
    async with db.transaction() as session:
        await session.execute(
            update(VectorClaim)
            .where(VectorClaim.lease_until.is_not(None))
            .values(lease_until=func.now() - timedelta(seconds=1))
        )
