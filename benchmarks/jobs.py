"""Our queue, and pgqueuer 1.6 as plain transport: what a job costs, and how soon a worker hears of it.

    python -m benchmarks.jobs [--jobs 200] [--wakes 100]

pgqueuer is no dependency of the project. To have it beside, in a folder of its own:

    python -m pip install --no-deps --target var/pgqueuer pgqueuer==1.6.0 croniter==6.2.4 tabulate==0.10.0
    PYTHONPATH=var/pgqueuer python -m benchmarks.jobs

Starts a server of its own in a temporary folder, with its default durability. Both queues take turns within one run.
Read the ratios: they hold on a busy machine, milliseconds do not. "one by one" is a transaction for each job, as an
upload queues and a thumbnail ends; "in batches" is 32 at once, as vectors are.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import make_url, text

from app.db import embedded, migrate
from app.db.notifications import notified
from app.domain import JobKind
from app.services import job_runs, jobs
from tests import make
from tests.database import Database

BATCH = 32
LEASE = timedelta(minutes=5)
KIND = [JobKind.THUMBNAILS]
ROUNDS = 3
IMAGES = (
    "insert into image (team_id, state, object_key, sha256, size_bytes, format, width, height, title, filename)"
    " select :team, 'STORED', 'k', uuid_send(uuidv7()), 1, 'JPEG', 1, 1, '', 'x'"
    " from generate_series(1, cast(:count as int)) returning id"
)


class Ours:
    """image_job, with the image's status kept beside it."""

    def __init__(self, db: Database, team_id: UUID) -> None:
        self._db = db
        self._team_id = team_id
        self._claimed: list[job_runs.Job] = []

    async def images(self, count: int) -> list[UUID]:
        async with self._db.transaction() as session:
            found = await session.scalars(text(IMAGES), {"team": self._team_id, "count": count})
            return list(found)

    async def enqueue(self, image_ids: list[UUID]) -> None:
        for image_id in image_ids:
            async with self._db.worker.transaction() as session:
                await jobs.enqueue(session, self._team_id, image_id, KIND)

    async def claim(self) -> int:
        async with self._db.worker.transaction() as session:
            self._claimed = await job_runs.claim(session, KIND, BATCH, LEASE)
        return len(self._claimed)

    async def finish(self) -> None:
        for job in self._claimed:
            async with self._db.worker.transaction() as session:
                await job_runs.finish(session, [job])

    async def finish_batch(self) -> None:
        async with self._db.worker.transaction() as session:
            await job_runs.finish(session, self._claimed)


class Theirs:
    """pgqueuer's own table; no truth of ours beside it."""

    def __init__(self, connection: Any) -> None:
        from pgqueuer import Queries  # noqa: PLC0415  It may be absent.
        from pgqueuer.ports.repository import EntrypointExecutionParameter  # noqa: PLC0415

        self._queries = Queries.from_asyncpg_connection(connection)
        self._limits = {"job": EntrypointExecutionParameter(0)}
        self._manager = uuid4()
        self._claimed: list[Any] = []

    async def install(self) -> None:
        await self._queries.install()

    async def images(self, count: int) -> list[UUID]:
        return [uuid4() for _ in range(count)]

    async def enqueue(self, image_ids: list[UUID]) -> None:
        for image_id in image_ids:
            await self._queries.enqueue("job", image_id.bytes)

    async def claim(self) -> int:
        self._claimed = await self._queries.dequeue(
            BATCH, self._limits, self._manager, None, timedelta(seconds=30)
        )
        return len(self._claimed)

    async def finish(self) -> None:
        for job in self._claimed:
            await self._queries.log_jobs([(job, "successful", None)])

    async def finish_batch(self) -> None:
        await self._queries.log_jobs([(job, "successful", None) for job in self._claimed])


Queue = Ours | Theirs
Times = dict[str, float]


async def timed(work: Awaitable[Any]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def through(queue: Queue, count: int, *, batches: bool) -> Times:
    """Milliseconds a job, step by step."""
    image_ids = await queue.images(count)
    spent = {"enqueue": await timed(queue.enqueue(image_ids)), "claim": 0.0, "finish": 0.0}
    done = 0
    while done < count:
        began = time.perf_counter()
        done += await queue.claim()
        spent["claim"] += time.perf_counter() - began
        spent["finish"] += await timed(queue.finish_batch() if batches else queue.finish())
    return {step: 1000 * seconds / count for step, seconds in spent.items()}


async def our_wakes(db: Database, ours: Ours, count: int) -> list[float]:
    """Milliseconds from the commit of a job until a waiting worker has claimed it."""
    woken, found = asyncio.Event(), []
    async with notified(db, jobs.CHANNEL, [woken]):
        await woken.wait()
        for image_id in await ours.images(count):
            woken.clear()
            claiming = asyncio.create_task(_claim_when(woken, ours))
            await ours.enqueue([image_id])
            began = time.perf_counter()
            found.append(1000 * (await claiming - began))
            await ours.finish()
    return found


async def _claim_when(woken: asyncio.Event, ours: Ours) -> float:
    while True:
        await woken.wait()
        woken.clear()
        if await ours.claim():
            return time.perf_counter()


async def their_wakes(connect: Callable[[], Awaitable[Any]], count: int) -> list[float]:
    from pgqueuer import PgQueuer  # noqa: PLC0415  It may be absent.
    from pgqueuer.db import AsyncpgDriver  # noqa: PLC0415

    connection, other = await connect(), await connect()
    manager, queue = PgQueuer(AsyncpgDriver(connection)), Theirs(other)
    started: asyncio.Queue[float] = asyncio.Queue()

    @manager.entrypoint("job")
    async def job(_job: Any) -> None:
        started.put_nowait(time.perf_counter())

    running, found = asyncio.create_task(manager.run()), []
    await queue.enqueue([uuid4()])
    await started.get()
    for _ in range(count):
        await asyncio.sleep(0.02)
        await queue.enqueue([uuid4()])
        began = time.perf_counter()
        found.append(1000 * (await started.get() - began))
    manager.shutdown.set()
    await running
    await connection.close()
    await other.close()
    return found


async def measure(url: str, count: int, wakes: int) -> None:
    db = Database(url)
    await migrate.upgrade(db.engine)
    ours = Ours(db, await make.team(db))
    place = make_url(url)

    async def connect() -> Any:
        return await asyncpg.connect(
            host=place.query["host"], user=place.username, database=place.database
        )

    queues: dict[str, Queue] = {"ours": ours}
    connection = None
    if find_spec("pgqueuer"):
        connection = await connect()
        theirs = Theirs(connection)
        await theirs.install()
        queues["pgqueuer"] = theirs
    for batches in (False, True):
        rounds: dict[str, list[Times]] = {name: [] for name in queues}
        for _ in range(ROUNDS):
            for name, queue in queues.items():
                rounds[name].append(await through(queue, count, batches=batches))
        show("in batches" if batches else "one by one", rounds)
    found = {"ours": await our_wakes(db, ours, wakes)}
    if connection is not None:
        found["pgqueuer"] = await their_wakes(connect, wakes)
        await connection.close()
    for name, milliseconds in found.items():
        parts = statistics.quantiles(milliseconds, n=20)
        print(f"wake-up, {name:<28} p50 {parts[9]:6.1f} ms   p95 {parts[18]:6.1f} ms")
    await db.close()


def show(how: str, rounds: dict[str, list[Times]]) -> None:
    for step in ("enqueue", "claim", "finish", "all"):
        typical = {
            name: statistics.median(
                sum(one.values()) if step == "all" else one[step] for one in times
            )
            for name, times in rounds.items()
        }
        line = "   ".join(f"{name} {value:6.2f} ms" for name, value in typical.items())
        ratio = f"   ratio {typical['ours'] / typical['pgqueuer']:.1f}" if len(typical) == 2 else ""
        print(f"{how}, {step:<10} {line}{ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--wakes", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pictor-bench-") as folder:
        Path(folder).chmod(0o755)
        url = embedded.start(Path(folder))
        asyncio.run(measure(url, asked.jobs, asked.wakes))
        embedded.stop(Path(folder))


if __name__ == "__main__":
    main()
