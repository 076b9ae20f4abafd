"""Processes and connections die: server, worker, database, clients, and all of them together."""

import asyncio
import random
import time

from tests.faults import client
from tests.faults.client import Load, deleters, load, readers
from tests.faults.invariants import quiet
from tests.faults.outcome import Outcome, acknowledging
from tests.faults.proxy import Faults
from tests.faults.stand import Stand


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
        await stand.end_leases()
    begun = time.monotonic()
    await stand.start_worker()
    await quiet(stand)
    outcome.recoveries.append(time.monotonic() - begun)
    [row] = await stand.rows("select count(*) from image_job where state = 'FAILED'")
    outcome.notes.append(f"{row['count']} jobs given up")
    return outcome


async def _work_for(stand: Stand, kind: str, outcome: Outcome) -> None:
    waiting = "select count(*) from image_job where kind = $1 and state in ('QUEUED', 'RUNNING')"
    await stand.end_pauses()
    seen = Load(stand)
    while (await stand.rows(waiting, kind))[0]["count"] < 40:
        await seen.give([client.picture() for _ in range(10)])
    outcome.add(seen)


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


async def everything_at_once(stand: Stand, times: int) -> Outcome:
    """Server, worker, database and storage die at random, under uploads, reads and deletions."""
    outcome = Outcome(times)
    victims = ["server", "worker", "database", "connections"] + ["storage"] * (stand.s3 is not None)
    async with load(stand) as seen, readers(seen), deleters(seen):
        for _ in range(times):
            await asyncio.sleep(random.uniform(0.2, 1.5))
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
    await stand.end_leases()
    outcome.add(seen)
    return outcome
