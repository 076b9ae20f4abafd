"""What announcing changes costs a worker: the transaction that ends a batch of 32 jobs, with and without it.

    python -m benchmarks.image_changes [--repeats 150]

Starts a server of its own in a temporary folder. Three ways take turns within one run: `silent` (the trigger is off),
`announced`, and `heard` (a connection listens). Read the ratios: they hold on a busy machine, milliseconds do not.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from app.db import embedded, migrate
from app.db.changes import Changes
from app.services import job_runs, jobs
from tests import make
from tests.database import Database

BATCH = 32
WAYS = ("silent", "announced", "heard")


async def ended(db: Database, team_id: UUID, image_ids: list[UUID]) -> float:
    """Seconds of the transaction that makes all images READY."""
    async with db.transaction() as session:
        for one in image_ids:
            await jobs.enqueue(session, team_id, one, jobs.PROCESSING)
    claimed = await db.run(
        lambda session: job_runs.claim(session, jobs.PROCESSING, 2 * BATCH, timedelta(minutes=1))
    )
    started = time.perf_counter()
    await db.run(lambda session: job_runs.finish(session, claimed))
    return time.perf_counter() - started


async def measured(url: str, repeats: int) -> dict[str, list[float]]:
    db = Database(url)
    await migrate.upgrade(db.engine)
    team_id = await make.team(db)
    image_ids = [await make.image(db, team_id) for _ in range(BATCH)]
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(repeats + 5):
        for way in WAYS:
            async with AsyncExitStack() as stack:
                if way == "heard":
                    watch = await stack.enter_async_context(Changes(db).watch())
                    watch.follow([team_id])
                switch = "disable" if way == "silent" else "enable"
                async with db.transaction() as session:
                    await session.execute(
                        text(f"alter table image {switch} trigger image_processed")
                    )
                seconds = await ended(db, team_id, image_ids)
            if turn >= 5:
                found[way].append(seconds)
    await db.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=150)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory(prefix="pictor-bench-") as folder:
        Path(folder).chmod(0o755)
        url = embedded.start(Path(folder))
        try:
            found = asyncio.run(measured(url, repeats))
        finally:
            embedded.stop(Path(folder))
    base = statistics.median(found["silent"])
    for way, times in found.items():
        middle = statistics.median(times)
        print(f"{way:10} {middle * 1000:7.2f} ms  {middle / base:5.2f}")


if __name__ == "__main__":
    main()
