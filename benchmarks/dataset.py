"""What an export costs: images a second, and memory, for a set and for one ten times as large in the same run.

    python -m benchmarks.dataset [--images 50000] [--tags 3]

Starts a server of its own in a temporary folder, with a folder as storage. Read the ratios of the two sizes (of images a second, of
the peak of memory above the beginning): they hold on a busy machine. `read` is the snapshot alone, `export` all of it.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psutil
from sqlalchemy import select, text

from app.db import embedded, migrate
from app.db.models import Dataset
from app.domain import Actor, ImageFilter, JobKind
from app.embedding import embedder_from_name
from app.imaging import Decoder
from app.resources import Resources
from app.services import job_runs
from app.services.exports import datasets, exporting
from app.settings import Settings
from app.storage import storage_from_url
from app.worker import export
from tests import make
from tests.database import Database

IMAGES = text("""
insert into image (team_id, uploaded_by, state, object_key, sha256, size_bytes, format, width, height, filename, title, description, taken_at)
select its.team, cast(cast(:user as text) as uuid), 'STORED', 't/' || its.team || '/' || n,
       decode(md5(n::text) || md5(its.team::text || n), 'hex'), 100000 + n, 'JPEG', 1200, 800,
       'picture-' || n || '.jpg', 'A picture of something, number ' || n,
       'It was taken on a day like any other, and tells little.', timestamptz '2026-01-01' + n * interval '1 s'
from generate_series(1, cast(:count as int)) n, (select cast(cast(:team as text) as uuid) as team) its
""")
TAGS = text("""
insert into tag (team_id, name, key)
select cast(cast(:team as text) as uuid), 'tag ' || n, 'tag ' || n from generate_series(1, 50) n
""")
TAGGED = text("""
insert into image_tag (team_id, image_id, tag_id, created_at, tagged_by, source)
select i.team_id, i.id, t.id, i.created_at, i.uploaded_by, 'MANUAL'
from (select *, row_number() over () n from image where team_id = cast(cast(:team as text) as uuid)) i
join (select *, row_number() over () n from tag where team_id = cast(cast(:team as text) as uuid)) t
  on ((t.n - i.n) % 50 + 50) % 50 < cast(:tags as int)
""")


@dataclass(frozen=True)
class Run:
    images: int
    read_seconds: float
    export_seconds: float
    peak_bytes: int
    file_bytes: int


async def planted(db: Database, count: int, tags: int) -> Actor:
    actor = await make.actor(db)
    values = {"team": str(actor.team_ids[0]), "user": str(actor.user_id)}
    async with db.transaction() as session:
        # What triggers keep of tags and words is nothing to an export, and takes long.
        await session.execute(text("set local session_replication_role = replica"))
        await session.execute(IMAGES, values | {"count": count})
        await session.execute(TAGS, {"team": values["team"]})
        await session.execute(TAGGED, {"team": values["team"], "tags": tags})
    async with db.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.exec_driver_sql("vacuum analyze image, image_tag, tag")
    return actor


async def asked(resources: Resources, actor: Actor, name: str) -> Dataset:
    async with resources.db.acting(actor).transaction() as session:
        return await datasets.export(
            session, actor, team_id=actor.team_ids[0], name=name, wanted=ImageFilter()
        )


async def measured(resources: Resources, actor: Actor, count: int) -> Run:
    dataset = await asked(resources, actor, "Read")
    began = time.perf_counter()
    reader = exporting.reader_of(dataset.team_id)
    async with resources.db.acting(reader).snapshot() as session:
        view = await exporting.view(session, dataset)
        seen = 0
        async for batch in view.pictures():
            seen += len(batch)
    read = time.perf_counter() - began
    if seen != count:
        raise RuntimeError(f"{seen} of {count} images were read")
    (job,) = await resources.db.run(
        lambda session: job_runs.claim(session, [JobKind.EXPORT], 1, timedelta(hours=1))
    )
    process = psutil.Process()
    before, peak, done = process.memory_info().rss, 0, asyncio.Event()

    async def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    began = time.perf_counter()
    await export.exports(resources, [job])
    seconds = time.perf_counter() - began
    done.set()
    await watching
    row = await _row(resources.db, dataset.id)
    if row.image_count != count:
        raise RuntimeError(f"{row.image_count} of {count} images were exported")
    size = sum(one.size for one in datasets.files(row))
    return Run(count, read, seconds, max(peak - before, 0), size)


async def _row(db: Database, dataset_id: UUID) -> Dataset:
    async with db.transaction() as session:
        return (await session.scalars(select(Dataset).where(Dataset.id == dataset_id))).one()


async def runs(url: str, folder: Path, images: int, tags: int) -> list[Run]:
    db = Database(url, pool_size=5)
    await migrate.upgrade(db.engine)
    settings = Settings(data_dir=folder)
    settings.tmp_dir.mkdir()
    decoder = Decoder(max_pixels=1)
    storage = storage_from_url(None, folder)
    resources = Resources(settings, db, storage, decoder, embedder_from_name("builtin"))
    found = []
    for count in (images // 10, images):
        actor = await planted(db, count, tags)
        found.append(await measured(resources, actor, count))
    await db.close()
    await decoder.close()
    await storage.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--tags", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pictor-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        url = embedded.start(folder / "server")
        try:
            small, large = asyncio.run(runs(url, folder, asked.images, asked.tags))
        finally:
            embedded.stop(folder / "server")
    print(f"{'images':>10}{'read/s':>10}{'export/s':>10}{'peak MiB':>10}{'files MiB':>10}")
    for one in (small, large):
        mib = 1024 * 1024
        print(
            f"{one.images:>10,}{one.images / one.read_seconds:>10,.0f}"
            f"{one.images / one.export_seconds:>10,.0f}"
            f"{one.peak_bytes / mib:>10.1f}{one.file_bytes / mib:>10.1f}"
        )
    speed = (large.images / large.export_seconds) / (small.images / small.export_seconds)
    print(
        f"ten times as many: {speed:.2f} of the speed, {large.peak_bytes / max(small.peak_bytes, 1):.2f} of the memory"
    )


if __name__ == "__main__":
    main()
