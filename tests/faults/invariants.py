"""What must hold whenever the dust has settled: rows, bytes, jobs and acknowledgements, compared one by one.

Written on its own, with SQL and a walk over the store's files: it shares no code with what repairs them.
"""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.faults.stand import Stand

Findings = dict[str, list[str]]
"""By invariant, what violates it."""

NAMES = {
    "bytes": "every stored image's object exists with its size and sha256",
    "acks": "every acknowledged upload is stored, with these very bytes, unless it was deleted",
    "rows": "every object has a row",
    "objects": "after at most two reconciliations, objects = stored + retained + derivatives",
    "jobs": "each stored image has one job of each kind, with at most 3 attempts and a legal state",
    "pending": "no upload is pending beyond its lease",
    "temp": "temporary folders are empty; those of killed processes after the next start",
}
IMAGES = """
select id::text, state, object_key, sha256, size_bytes, thumbnails, lease_until < now() as is_late from image
"""
JOBS = """
select image_id::text, kind, state, attempts, run_id, lease_until, finished_at from image_job
"""
OPEN_JOBS = "select id::text, state from image_job where state in ('QUEUED', 'RUNNING')"
LOOK_SECONDS = 0.5
LOST_SECONDS = 5.0
"""A job takes a fraction of this; its lease is a minute."""
LONG_AGO_SECONDS = 2 * 24 * 3600


async def check(stand: Stand, *, new_server: bool, new_worker: bool) -> Findings:
    """Waits until nothing moves, lets time pass, has things repaired, and compares.

    `new_server`, `new_worker`: one that died has left its temporary files to the next, which is started for this.
    """
    await quiet(stand)
    found: Findings = {name: [] for name in NAMES}
    found["rows"] = without_row(objects_of(stand.objects), await stand.rows(IMAGES))
    await let_time_pass(stand)
    if new_server:
        await stand.restart_server()
    if new_worker:
        await stand.end_workers()
        await stand.start_worker()
    # An object without a row goes when it is seen for the second time.
    for _ in range(2):
        await stand.command("reconcile", "--json", "--older-than", "0")
        await quiet(stand)
        images = [dict(row) for row in await stand.rows(IMAGES)]
        objects = await asyncio.to_thread(objects_of, stand.objects)
        found["objects"] = unexplained(objects, images)
        if not found["objects"]:
            break
    found["temp"] = [path.name for path in stand.tmp.glob("*")]
    found["bytes"] = await asyncio.to_thread(wrong_bytes, stand.objects, images)
    found["acks"] = lost_acknowledgements(stand.journal, images)
    found["jobs"] = illegal_jobs(images, [dict(row) for row in await stand.rows(JOBS)])
    found["pending"] = [row["id"] for row in images if row["state"] == "PENDING" and row["is_late"]]
    return found


async def quiet(stand: Stand, seconds: float = 120) -> None:
    """Until the workers, if there are any, have nothing left to do. Pauses and lost leases are not waited for, but ended."""
    until, idle = time.monotonic() + seconds, 0
    running: set[str] = set()
    while stand.workers and time.monotonic() < until:
        rows = await stand.rows(OPEN_JOBS)
        if not rows:
            return
        stand.must_live()
        await stand.end_pauses()
        before, running = running, {row["id"] for row in rows if row["state"] == "RUNNING"}
        idle = idle + 1 if running and running == before else 0
        if idle * LOOK_SECONDS > LOST_SECONDS:
            # Nobody is on them: a database that was away took no word of theirs.
            await stand.end_leases()
            idle = 0
        await asyncio.sleep(LOOK_SECONDS)
    if stand.workers:
        raise RuntimeError("the workers do not come to an end")


async def let_time_pass(stand: Stand) -> None:
    """As if a day had gone by: leases have run out, and what lies in temporary folders is old."""
    await stand.rows(
        "update image set lease_until = now() - interval '1 day' where state = 'PENDING'"
    )
    old = time.time() - LONG_AGO_SECONDS
    for path in stand.tmp.rglob("*"):
        os.utime(path, (old, old))


def objects_of(folder: Path) -> dict[str, int]:
    """By key, the bytes of what the store holds, but for its mark. A leading dot marks the S3 server's own drafts."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.startswith(".")
        and path.parent != folder / "t" / "installation"
    }


def without_row(objects: Iterable[str], images: Sequence[Mapping[str, Any]]) -> list[str]:
    known = {row["id"] for row in images}
    return [key for key in objects if key.split("/")[2] not in known]


def wrong_bytes(folder: Path, images: list[dict[str, Any]]) -> list[str]:
    wrong = []
    for row in images:
        if row["state"] != "STORED":
            continue
        path = folder / row["object_key"]
        if not path.is_file():
            wrong.append(f"{row['id']}: no object")
        elif path.stat().st_size != row["size_bytes"]:
            wrong.append(f"{row['id']}: {path.stat().st_size} bytes, not {row['size_bytes']}")
        elif hashlib.sha256(path.read_bytes()).digest() != row["sha256"]:
            wrong.append(f"{row['id']}: another sha256")
    return wrong


def lost_acknowledgements(journal: Path, images: list[dict[str, Any]]) -> list[str]:
    """Images that should be there and are not, or that should be gone and are there."""
    stored = {row["id"]: row["sha256"].hex() for row in images if row["state"] == "STORED"}
    lines = journal.read_text().splitlines() if journal.exists() else []
    facts = [json.loads(line) for line in lines]
    promised = {one["id"]: one["sha256"] for one in facts if "id" in one}
    # A deletion that was not acknowledged may have happened.
    undecided = {one["deleting"] for one in facts if "deleting" in one}
    gone = [one["deleted"] for one in facts if "deleted" in one]
    lost = [one for one, sha256 in promised.items() if stored.get(one) != sha256]
    return [one for one in lost if one not in undecided] + [one for one in gone if one in stored]


def unexplained(objects: dict[str, int], images: list[dict[str, Any]]) -> list[str]:
    expected: dict[str, int] = {}
    retained: set[str] = set()
    for row in images:
        thumbnails = json.loads(row["thumbnails"]).values()
        sizes = {row["object_key"]: row["size_bytes"]} | {
            one["key"]: one["bytes"] for one in thumbnails
        }
        if row["state"] == "STORED":
            expected |= sizes
        elif row["state"] == "DELETED":
            retained |= sizes.keys()
    missing = [f"missing: {key}" for key in expected.keys() - objects.keys()]
    unknown = [f"unknown: {key}" for key in objects.keys() - expected.keys() - retained]
    sizes_differ = [
        f"size: {key}" for key in expected.keys() & objects.keys() if expected[key] != objects[key]
    ]
    return missing + unknown + sizes_differ


def illegal_jobs(images: list[dict[str, Any]], jobs: list[dict[str, Any]]) -> list[str]:
    kinds: dict[str, list[str]] = {}
    wrong = []
    for job in jobs:
        kinds.setdefault(job["image_id"], []).append(job["kind"])
        legal = {
            "QUEUED": job["run_id"] is None and job["finished_at"] is None,
            "RUNNING": job["run_id"] is not None and job["lease_until"] is not None,
            "DONE": job["finished_at"] is not None,
            "FAILED": job["finished_at"] is not None,
        }
        if job["attempts"] > 3 or not legal.get(job["state"], False):
            wrong.append(f"{job['kind']} of {job['image_id']}: {job['state']}, {job['attempts']}")
    for row in images:
        of_it = sorted(kind for kind in kinds.get(row["id"], []) if kind in ("EMBED", "THUMBNAILS"))
        if row["state"] == "STORED" and of_it != ["EMBED", "THUMBNAILS"]:
            wrong.append(f"{row['id']} has {of_it}")
    return wrong
