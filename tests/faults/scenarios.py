"""What befalls an installation, one function a fault. Each leaves it whole again, for the check that follows."""

# ruff: noqa: ASYNC110  Nothing here is told when a count is reached.

import asyncio
import hashlib
import json
import random
import shutil
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.imaging import make_thumbnails
from tests.faults import client
from tests.faults.client import LOST, Load, load, readers
from tests.faults.proxy import Faults
from tests.faults.stand import Stand

ALLOWED = {LOST, "UNAVAILABLE"}
"""How an upload may fail while something is broken."""
REFUSED_WITHIN_SECONDS = 5.0
RECOVERY_SECONDS = 30.0
CUT_AT = 5_000
ROOM_BYTES = 2_000_000


@dataclass
class Outcome:
    """What a scenario saw, beside the invariants."""

    runs: int = 0
    acknowledged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By code, LOST among them."""
    recoveries: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Uploads whose connection broke, or that found nobody listening."""
        return self.refused[LOST]

    @property
    def answered(self) -> int:
        """Uploads that were refused in so many words."""
        return self.refused.total() - self.lost

    def add(self, seen: Load) -> None:
        self.acknowledged += seen.acknowledged
        self.refused += seen.refused
        for code, count in seen.refused.items():
            if code not in ALLOWED:
                self.wrong.append(f"{count} uploads were answered {code}")


Scenario = Callable[[Stand, int], Awaitable[Outcome]]


async def server_killed(stand: Stand, times: int) -> Outcome:
    """kill -9 of the server at any moment of 8 concurrent uploads."""
    outcome = Outcome(times)
    async with load(stand) as seen:
        for _ in range(times):
            await _busy(seen)
            await stand.kill_server()
            outcome.recoveries.append(await stand.start_server())
        await asyncio.sleep(1)
    outcome.add(seen)
    return outcome


async def _busy(seen: Load) -> None:
    """Until some moment while uploads run; now and then before the first of them came through."""
    if random.random() < 0.8:
        await acknowledging(seen)
    await asyncio.sleep(random.uniform(0, 0.5))


RUNNING = "select count(*) from image_job where state = 'RUNNING' and kind = $1"


async def worker_killed(stand: Stand, times: int) -> Outcome:
    """kill -9 of the worker while it holds jobs: every tenth time of vectors, else of thumbnails."""
    outcome = Outcome(times)
    await stand.end_workers()
    for number in range(times):
        kind = "EMBED" if number % 10 == 4 else "THUMBNAILS"
        await _work_for(stand, kind, outcome)
        worker = stand.spawn_worker()
        begun = time.monotonic()
        while (await stand.rows(RUNNING, kind))[0]["count"] == 0:
            await asyncio.sleep(0.005)
            if time.monotonic() - begun > 60:
                raise RuntimeError(f"no {kind} job was begun")
        await asyncio.sleep(random.uniform(0, 0.2))
        await stand.kill_worker(worker)
        # A killed worker's jobs come back when their lease of a minute is over: here, now.
        await stand.rows("update image_job set lease_until = now() where state = 'RUNNING'")
    begun = time.monotonic()
    await stand.start_worker()
    await drained(stand)
    outcome.recoveries.append(time.monotonic() - begun)
    return outcome


async def _work_for(stand: Stand, kind: str, outcome: Outcome) -> None:
    waiting = "select count(*) from image_job where kind = $1 and state in ('QUEUED', 'RUNNING')"
    await stand.rows("update image_job set run_after = now() where state = 'QUEUED'")
    seen = Load(stand)
    while (await stand.rows(waiting, kind))[0]["count"] < 40:
        await seen.give([client.picture() for _ in range(10)])
    outcome.add(seen)


async def drained(stand: Stand) -> None:
    for _ in range(1200):
        await stand.rows("update image_job set run_after = now() where state = 'QUEUED'")
        open_jobs = "select count(*) from image_job where state in ('QUEUED', 'RUNNING')"
        if (await stand.rows(open_jobs))[0]["count"] == 0:
            return
        await asyncio.sleep(0.1)
    raise RuntimeError("the workers do not come to an end")


async def database_restarted(stand: Stand, times: int) -> Outcome:
    """pg_ctl restart -m immediate under uploads and background work."""
    outcome = Outcome(times)
    async with load(stand) as seen:
        for _ in range(times):
            await asyncio.sleep(random.uniform(0.3, 1.0))
            await stand.postgres.restart()
            outcome.recoveries.append(await acknowledging(seen))
    outcome.add(seen)
    return outcome


async def database_cut(stand: Stand, times: int) -> Outcome:
    """Every connection to the database gets RST, whatever was on its way, a COMMIT or its answer."""
    outcome = Outcome(times)
    async with load(stand) as seen:
        for _ in range(times):
            await asyncio.sleep(random.uniform(0.02, 0.4))
            stand.database_proxy.reset()
        outcome.recoveries.append(await acknowledging(seen))
    outcome.add(seen)
    return outcome


async def database_silent(stand: Stand, seconds: int) -> Outcome:
    """The database takes everything and answers nothing, for so many seconds."""
    outcome = Outcome(1)
    silence = Faults(blackhole=True)
    async with load(stand) as seen:
        await asyncio.sleep(1)
        async with stand.database_proxy.faulty(up=silence, down=silence):
            await asyncio.sleep(seconds)
        # Whatever was swallowed is lost: connections that wait for it are of no use.
        outcome.recoveries.append(await acknowledging(seen, patience=90))
    outcome.add(seen)
    outcome.notes.append(f"slowest refusal {seen.slowest_refusal:.1f} s")
    return outcome


async def acknowledging(seen: Load, *, patience: float = RECOVERY_SECONDS) -> float:
    """The seconds until the next upload was acknowledged."""
    begun = time.monotonic()
    while seen.last_acknowledged < begun:
        if time.monotonic() - begun > patience:
            raise RuntimeError(f"no upload was acknowledged within {patience:.0f} s")
        await asyncio.sleep(0.02)
    return seen.last_acknowledged - begun


@asynccontextmanager
async def _watched(stand: Stand, outcome: Outcome, *, normal: float = 5) -> AsyncIterator[Load]:
    """Uploads and reads beside each other: undisturbed for a while, then in the block. What refusals and reads then took is held
    to what is promised."""
    async with load(stand) as before, readers(before):
        await asyncio.sleep(normal)
    async with load(stand) as seen, readers(seen):
        yield seen
        outcome.recoveries.append(await acknowledging(seen))
    outcome.add(before)
    outcome.add(seen)
    ratio = p95(seen.reads) / p95(before.reads)
    outcome.notes += [
        f"refused within {seen.slowest_refusal:.1f} s",
        f"p95 of a read {p95(before.reads) * 1000:.0f} to {p95(seen.reads) * 1000:.0f} ms ({ratio:.2f}x)",
    ]
    if seen.failed_reads:
        outcome.wrong.append(f"reads failed: {dict(seen.failed_reads)}")
    if ratio > 2:
        outcome.wrong.append(f"reads took {ratio:.1f} times as long")


def p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def _within_5_seconds(seen: Load, outcome: Outcome) -> None:
    if seen.slowest_refusal > REFUSED_WITHIN_SECONDS:
        outcome.wrong.append(f"a refusal took {seen.slowest_refusal:.1f} s")


async def storage_down(stand: Stand, seconds: int) -> Outcome:
    """Storage refuses connections; the folder is not there."""
    outcome = Outcome(1)
    async with _watched(stand, outcome) as seen:
        if stand.s3_proxy is not None:
            async with stand.s3_proxy.refusing():
                await asyncio.sleep(seconds)
        else:
            away = stand.objects.with_name("away")
            stand.objects.rename(away)
            await asyncio.sleep(seconds)
            away.rename(stand.objects)
    _within_5_seconds(seen, outcome)
    return outcome


async def storage_silent(stand: Stand, seconds: int) -> Outcome:
    """Storage takes connections and says nothing."""
    assert stand.s3_proxy is not None
    outcome = Outcome(1)
    silence = Faults(blackhole=True)
    async with _watched(stand, outcome) as seen, stand.s3_proxy.faulty(up=silence, down=silence):
        await asyncio.sleep(seconds)
    _within_5_seconds(seen, outcome)
    return outcome


async def storage_slow(stand: Stand, seconds: int) -> Outcome:
    """2 s to the first byte of an answer, and 100 kB/s."""
    assert stand.s3_proxy is not None
    outcome = Outcome(1)
    slow, late = Faults(bytes_per_second=100_000), Faults(latency_seconds=2)
    async with _watched(stand, outcome), stand.s3_proxy.faulty(up=slow, down=late):
        await asyncio.sleep(seconds)
    return outcome


async def storage_errors(stand: Stand, seconds: int) -> Outcome:
    """30 % of requests are answered 503."""
    assert stand.s3_proxy is not None
    outcome = Outcome(1)
    async with load(stand) as seen:
        async with stand.s3_proxy.faulty(errors=0.3):
            await asyncio.sleep(seconds)
        outcome.recoveries.append(await acknowledging(seen))
    outcome.add(seen)
    return outcome


async def storage_cut(stand: Stand, seconds: int) -> Outcome:
    """RST after 5,000 bytes of a request: in the middle of every larger put."""
    assert stand.s3_proxy is not None
    outcome = Outcome(1)
    async with load(stand) as seen:
        async with stand.s3_proxy.faulty(up=Faults(reset_after=CUT_AT)):
            await asyncio.sleep(seconds)
        outcome.recoveries.append(await acknowledging(seen))
    outcome.add(seen)
    return outcome


WANTED = "query($id: ID!) { image(id: $id) { url sha256 } }"


async def storage_lies(stand: Stand, times: int) -> Outcome:
    """One bit of what storage sends is turned over: always while clients download, now and then while the worker reads."""
    assert stand.s3_proxy is not None
    outcome = Outcome(times)
    await stand.end_workers()
    seen = Load(stand)
    while seen.acknowledged < times:
        await seen.give([client.picture(4_000) for _ in range(10)])
    outcome.add(seen)
    rows = await stand.rows("select id::text from image order by id desc limit $1", times)
    async with stand.s3_proxy.faulty(down=Faults(flips=1)):
        delivered = [await _delivered_wrong(stand, row["id"]) for row in rows]
    if any(delivered):
        outcome.wrong.append(f"{sum(delivered)} of {times} downloads came whole with wrong bytes")
    if whole := [row["id"] for row in rows if await _delivered_wrong(stand, row["id"])]:
        outcome.wrong.append(f"{len(whole)} downloads are wrong afterwards")
    async with stand.s3_proxy.faulty(down=Faults(flips=0.3)):
        await stand.start_worker()
        await asyncio.sleep(10)
    await drained(stand)
    outcome.wrong += await _wrong_thumbnails(stand, [row["id"] for row in rows])
    return outcome


async def _delivered_wrong(stand: Stand, image_id: str) -> bool:
    """Whether the original came to its end, and with other bytes than the image's."""
    answer = await client.ask(stand, WANTED, id=image_id)
    status, body = await client.download(stand, answer.data["image"]["url"])
    if status != 200 or body is None:
        return False
    return bool(hashlib.sha256(body).hexdigest() != answer.data["image"]["sha256"])


async def _wrong_thumbnails(stand: Stand, ids: list[str]) -> list[str]:
    """Thumbnails that are not what the stored original gives."""
    query = "select id::text, object_key, thumbnails from image where id = any($1::uuid[])"
    wrong = []
    for row in await stand.rows(query, ids):
        made = await asyncio.to_thread(make_thumbnails, stand.objects / row["object_key"])
        for name, one in json.loads(row["thumbnails"]).items():
            if (stand.objects / one["key"]).read_bytes() != made[name].data:
                wrong.append(f"{row['id']}: the thumbnail {name} is made of wrong bytes")
    return wrong


async def storage_killed(stand: Stand, times: int) -> Outcome:
    """kill -9 of the S3 server under uploads; it comes back at the same address."""
    assert stand.s3 is not None
    outcome = Outcome(times)
    async with load(stand) as seen:
        for _ in range(times):
            await asyncio.sleep(random.uniform(0.2, 1.0))
            await stand.restart_s3()
            outcome.recoveries.append(await acknowledging(seen))
    outcome.add(seen)
    return outcome


async def disk_full(stand: Stand, _times: int) -> Outcome:
    """Uploads until nothing fits any more; then room is made, and they go on without a restart."""
    outcome = Outcome(1)
    ballast = stand.disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(stand.disk).free - ROOM_BYTES))
    async with load(stand) as seen:
        while sum(seen.refused.values()) < 30:
            await asyncio.sleep(0.1)
        ballast.unlink()
        outcome.recoveries.append(await acknowledging(seen))
    outcome.add(seen)
    return outcome


async def clients_gone(stand: Stand, times: int) -> Outcome:
    """Clients that go away at any byte of their upload, 8 at a time."""
    outcome = Outcome(times)
    turns = asyncio.Semaphore(8)

    async def one() -> None:
        async with turns:
            body = client.form([client.picture(30_000)])
            top = client.head(stand, b"multipart/form-data; boundary=" + client.BOUNDARY, len(body))
            cut = random.randrange(len(top) + len(body))
            reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
            writer.write((top + body)[:cut])
            await writer.drain()
            await asyncio.sleep(random.uniform(0, 0.05))
            if random.random() < 0.5:
                writer.transport.abort()
            writer.close()
            del reader

    [before] = await stand.rows("select count(*) from image")
    await asyncio.gather(*(one() for _ in range(times)))
    await asyncio.sleep(1)
    [after] = await stand.rows("select count(*) from image")
    if after["count"] != before["count"]:
        outcome.wrong.append(f"{after['count'] - before['count']} rows of broken-off uploads")
    if left := [path.name for path in stand.tmp.glob("upload-*")]:
        outcome.wrong.append(f"{len(left)} temporary folders are left while the server runs")
    seen = Load(stand)
    begun = time.monotonic()
    await seen.give([client.picture()])
    outcome.recoveries.append(time.monotonic() - begun)
    outcome.add(seen)
    return outcome


async def everything_at_once(stand: Stand, seconds: int) -> Outcome:
    """Server, worker, database and storage die at random, under uploads, reads and deletions."""
    outcome = Outcome(0)
    victims = ["server", "worker", "database", "connections"] + ["storage"] * (stand.s3 is not None)
    until = time.monotonic() + seconds
    async with load(stand) as seen, readers(seen):
        while time.monotonic() < until:
            await asyncio.sleep(random.uniform(0.2, 1.5))
            outcome.runs += 1
            match random.choice(victims):
                case "server":
                    await stand.kill_server()
                    await stand.start_server()
                case "worker":
                    await stand.kill_worker(stand.workers[0])
                    await stand.start_worker()
                case "database":
                    await stand.postgres.restart()
                case "connections":
                    stand.database_proxy.reset()
                case "storage":
                    await stand.restart_s3()
        outcome.recoveries.append(await acknowledging(seen))
    await stand.rows("update image_job set lease_until = now() where state = 'RUNNING'")
    outcome.add(seen)
    return outcome
