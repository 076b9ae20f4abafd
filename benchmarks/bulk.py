"""A bulk job against one plain statement that writes the same rows: images a second, and what the dry run costs.

    python -m benchmarks.bulk [--team 100000] [--images 50000]

Starts a server of its own in a temporary folder, with its default durability. Both ways put one tag on the same images, take turns
within one run, and cause the same triggers to run (draw lines, counters, words). Read the ratios: they hold on a busy machine,
seconds do not.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import asyncio
import statistics
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from app.db import embedded, migrate
from app.db.models import Image
from app.domain import Actor, BulkAction, BulkStatus, DateTimeRange, ImageFilter
from app.services.bulk_edits import bulk, bulk_runs
from app.services.bulk_edits.bulk import Change
from app.services.bulk_edits.bulk_selections import Selection
from app.worker.bulk import LEASE
from tests import make
from tests.database import Database

ROUNDS = 3
KEY = b"k" * 32
PLAIN = (
    "insert into image_tag (team_id, image_id, tag_id, created_at, tagged_by)"
    " select i.team_id, i.id, :tag, i.created_at, :user from image i"
    " where i.team_id = :team and i.created_at < :end order by i.id"
)
RATIOS = (
    ("job", "plain insert"),
    ("plain insert", "plain insert"),
    ("dry run", "count"),
    ("count", "count"),
)
COUNT = "select count(*) from image where team_id = :team and state = 'STORED' and trashed_at is null and created_at < :end"


class Bench:
    """Images uploaded before `end`."""

    def __init__(self, db: Database, actor: Actor, end: datetime) -> None:
        self.db, self.actor, self.end = db, actor, end
        self.wanted = ImageFilter(created_at=DateTimeRange(end=end))
        (self.team_id,) = actor.team_ids
        self.times: dict[str, list[float]] = {}

    def note(self, name: str, began: float) -> None:
        self.times.setdefault(name, []).append(time.perf_counter() - began)

    async def job(self, name: str) -> None:
        """Prepared, started, and done part by part as the worker does it."""
        change = Change(BulkAction.ADD_TAGS, tags=(name,))
        began = time.perf_counter()
        async with self.db.acting(self.actor).transaction() as session:
            row = await bulk.prepare(
                session, self.actor, self.team_id, Selection(self.wanted), change
            )
        self.note("dry run", began)
        async with self.db.acting(self.actor).transaction() as session:
            await bulk.start(session, self.actor, row.id, "bench")
        began = time.perf_counter()
        async with self.db.worker.transaction() as session:
            run = await bulk_runs.claim(session, LEASE)
        more, longest = run is not None, 0.0
        while run is not None and more:
            part = time.perf_counter()
            async with self.db.login.transaction() as session:
                actor = await bulk_runs.actor_of(session, run)
            async with self.db.acting(actor).transaction() as session:
                more = await bulk_runs.advance(session, actor, run, LEASE, KEY)
            longest = max(longest, time.perf_counter() - part)
        self.note("job", began)
        self.times.setdefault("longest part", []).append(longest)
        async with self.db.acting(self.actor).transaction() as session:
            (ended,) = await bulk.by_id(session, self.actor, [row.id])
        if ended is None or (ended.status, ended.changed) != (BulkStatus.DONE, row.total):
            raise RuntimeError("the job did not do all of it")

    async def plain(self, name: str) -> None:
        about = {"team": self.team_id, "end": self.end}
        async with self.db.transaction() as session:
            made = text(
                "insert into tag (team_id, name, key) values (:team, :name, :name) returning id"
            )
            tag = await session.scalar(made, {"team": self.team_id, "name": name})
        began = time.perf_counter()
        async with self.db.transaction() as session:
            await session.execute(text("set local statement_timeout = 0"))
            await session.execute(text(PLAIN), about | {"tag": tag, "user": self.actor.user_id})
        self.note("plain insert", began)
        began = time.perf_counter()
        async with self.db.transaction() as session:
            await session.execute(text(COUNT), about)
        self.note("count", began)


async def main(url: str, team: int, images: int) -> None:
    db = Database(url)
    await migrate.upgrade(db.engine)
    actor = await make.actor(db)
    ids = await make.images(db, actor.team_ids[0], team)
    end = await second_after(db, ids[images - 1])
    bench = Bench(db, actor, end)
    for number in range(ROUNDS):
        await bench.job(f"job {number}")
        await bench.plain(f"plain {number}")
    await db.close()
    found = {name: statistics.median(times) for name, times in bench.times.items()}
    print(f"{images:,} of {team:,} images, median of {ROUNDS}\n")
    for name, base in RATIOS:
        print(
            f"{name:14} {found[name]:8.2f} s {images / found[name]:12,.0f} images/s"
            f" {found[name] / found[base]:8.2f} x {base}"
        )
    print(f"longest part   {found['longest part']:8.2f} s")


async def second_after(db: Database, image_id: UUID) -> datetime:
    """Images are a minute apart: this one is the last before it."""
    async with db.transaction() as session:
        await session.execute(text("analyze image"))
        return (await session.get_one(Image, image_id)).created_at + timedelta(seconds=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--team", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=50_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pictor-bench-") as folder:
        Path(folder).chmod(0o755)
        try:
            asyncio.run(main(embedded.start(Path(folder)), given.team, given.images))
        finally:
            embedded.stop(Path(folder))
