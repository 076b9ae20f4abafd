"""Hostile pictures over HTTP: each refused quickly, nobody else disturbed, and the server no larger for it."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psutil

from tests.faults import bombs, client
from tests.faults.client import Answer, load, readers
from tests.faults.invariants import quiet
from tests.faults.outcome import Outcome, acknowledging, p95
from tests.faults.stand import Stand
from tests.imaging import make

REFUSALS = {"BAD_USER_INPUT", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"}
SECONDS = 10.0
GROWTH_BYTES = 20 * 1024 * 1024
OTHERS = 200


async def bombs_refused(stand: Stand, _times: int) -> Outcome:
    """One bomb after the other."""
    outcome = Outcome(len(bombs.BOMBS))
    await _taken_care_of(stand, outcome, "a warm-up", client.picture())
    with _growth(stand) as growth:
        for name in bombs.BOMBS:
            data = await asyncio.to_thread(bombs.bomb, name)
            await _taken_care_of(stand, outcome, name, data)
    _judge(outcome, growth)
    return outcome


async def bombs_at_once(stand: Stand, times: int) -> Outcome:
    """So many bombs in parallel, while 4 clients upload and 2 read."""
    outcome = Outcome(times)
    names = list(bombs.BOMBS)
    files = [(names[n % len(names)], bombs.bomb(names[n % len(names)])) for n in range(times)]
    async with load(stand, clients=4) as before, readers(before):
        await asyncio.sleep(5)
    with _growth(stand) as growth:
        async with load(stand, clients=4) as seen, readers(seen):
            begun = time.monotonic()
            answers = await asyncio.gather(
                *(_taken_care_of(stand, outcome, name, data) for name, data in files)
            )
            lasted = time.monotonic() - begun
            outcome.recoveries.append(await acknowledging(seen))
            # Reads of a moment say nothing about a p95.
            await asyncio.sleep(max(0, 3 - lasted))
    outcome.add(before)
    outcome.add(seen)
    _judge(outcome, growth)
    slowest = max(answer.seconds for answer in answers)
    ratio = p95(seen.reads) / p95(before.reads)
    outcome.notes += [
        f"all in {lasted:.1f} s, slowest {slowest:.1f} s",
        f"p95 of a read {ratio:.2f}x",
    ]
    return outcome


async def _taken_care_of(stand: Stand, outcome: Outcome, name: str, data: bytes) -> Answer:
    answer = await client.upload(stand, [data])
    if answer.code is not None:
        outcome.refused[answer.code] += 1
    if name in bombs.BOMBS and answer.code not in REFUSALS:
        outcome.wrong.append(f"{name}: {answer.code}")
    if answer.seconds > SECONDS:
        outcome.wrong.append(f"{name} took {answer.seconds:.1f} s")
    return answer


def _judge(outcome: Outcome, growth: list[int]) -> None:
    most = max(growth, default=0)
    outcome.notes.append(f"server's memory {most / 1024**2:+.0f} MB at most")
    if most > GROWTH_BYTES:
        outcome.wrong.append(f"the server grew by {most / 1024**2:.0f} MB")


@contextmanager
def _growth(stand: Stand) -> Iterator[list[int]]:
    """How many bytes more than at first the server held, sampled ten times a second and at the end."""
    seen: list[int] = []
    first = stand.memory()

    async def sample() -> None:
        while True:
            seen.append(stand.memory() - first)
            await asyncio.sleep(0.1)

    task = asyncio.create_task(sample())
    try:
        yield seen
    finally:
        task.cancel()
        seen.append(stand.memory() - first)


async def decoder_poisoned(stand: Stand, _times: int) -> Outcome:
    """A picture that kills whatever decodes it in the background: given up after 3 attempts, while 200 others finish."""
    outcome = Outcome(1)
    poison = make.encoded(make.noise(4_000, 3_000), "JPEG", quality=60)
    await stand.end_workers()
    async with load(stand) as seen:
        left = await seen.give([poison])
        await seen.reached(OTHERS + 1)
    outcome.add(seen)
    if left:
        outcome.wrong.append("the poison was refused before it could do harm")
        return outcome
    await stand.start_worker()
    async with _killing(stand, len(poison)) as killed:
        await quiet(stand)
    await _judge_poison(stand, outcome, len(poison), killed)
    return outcome


@asynccontextmanager
async def _killing(stand: Stand, size: int) -> AsyncIterator[list[int]]:
    """Kills every decoding process of the workers that has opened a file of so many bytes."""
    killed: list[int] = []

    async def watch() -> None:
        while True:
            for worker in stand.workers:
                for pid in await asyncio.to_thread(_decoding, worker.pid, size):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(watch())
    try:
        yield killed
    finally:
        task.cancel()


def _decoding(worker: int, size: int) -> list[int]:
    """The children of the worker's decoders that hold such a file open."""
    found = []
    with suppress(psutil.Error):
        for process in psutil.Process(worker).children(recursive=True):
            if process.ppid() == worker:
                continue
            with suppress(OSError, psutil.Error):
                for handle in Path(f"/proc/{process.pid}/fd").iterdir():
                    with suppress(OSError):
                        if handle.stat().st_size == size:
                            found.append(process.pid)
                            break
    return found


async def _judge_poison(stand: Stand, outcome: Outcome, size: int, killed: list[int]) -> None:
    query = """select j.kind, j.state, j.attempts, i.size_bytes = $1 as is_poison
        from image_job j join image i on i.id = j.image_id where j.kind in ('EMBED', 'THUMBNAILS')"""
    rows = await stand.rows(query, size)
    ends = {row["kind"]: (row["state"], row["attempts"]) for row in rows if row["is_poison"]}
    unfinished = [row for row in rows if not row["is_poison"] and row["state"] != "DONE"]
    outcome.notes.append(f"its decoder was killed {len(killed)} times: {ends}")
    if set(ends.values()) != {("FAILED", 3)}:
        outcome.wrong.append(f"the poison ended as {ends}")
    if unfinished:
        outcome.wrong.append(f"{len(unfinished)} jobs of other pictures did not finish")
