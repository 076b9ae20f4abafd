"""Storage is away, silent, slow, moody, full, or lies."""

# ruff: noqa: ASYNC110  Nothing here is told when a count is reached.

import asyncio
import hashlib
import json
import random
import shutil

from app.imaging import make_thumbnails
from tests.faults import client
from tests.faults.client import Load, load
from tests.faults.invariants import quiet
from tests.faults.outcome import Outcome, acknowledging, watched
from tests.faults.proxy import Faults
from tests.faults.stand import Stand

REFUSED_WITHIN_SECONDS = 5.0
CUT_AT = 5_000
ROOM_BYTES = 2_000_000


def _within_5_seconds(seen: Load, outcome: Outcome) -> None:
    if seen.slowest_refusal > REFUSED_WITHIN_SECONDS:
        outcome.wrong.append(f"a refusal took {seen.slowest_refusal:.1f} s")


async def storage_down(stand: Stand, seconds: int) -> Outcome:
    """Storage refuses connections; the folder is not there."""
    outcome = Outcome(1)
    async with watched(stand, outcome) as seen:
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
    async with watched(stand, outcome) as seen, stand.s3_proxy.faulty(up=silence, down=silence):
        await asyncio.sleep(seconds)
    _within_5_seconds(seen, outcome)
    return outcome


async def storage_slow(stand: Stand, seconds: int) -> Outcome:
    """2 s to the first byte of an answer, and 100 kB/s."""
    assert stand.s3_proxy is not None
    outcome = Outcome(1)
    slow, late = Faults(bytes_per_second=100_000), Faults(latency_seconds=2)
    async with watched(stand, outcome), stand.s3_proxy.faulty(up=slow, down=late):
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
    await quiet(stand)
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
