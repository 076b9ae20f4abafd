"""`pictor reconcile`: brings rows and stored objects back in step, and reports what it found."""

import argparse
import asyncio
import json
import sys
from datetime import timedelta

from app.cli.progress import bar
from app.db import locks
from app.resources import Resources, open_resources
from app.settings import Settings
from app.worker import reconcile
from app.worker.report import Report

TURN_SECONDS = 1.0
LONGEST_SECONDS = 10 * 365 * 24 * 3600
MEANINGS = {
    "objects": "objects listed",
    "images": "images compared",
    "expired_intents": "uploads that were broken off, ended",
    "trash_emptied": "images in the trash for long, deleted",
    "purges_revived": "purges that were given up or missing, queued",
    "purged": "deleted images whose bytes were removed",
    "foreign": "objects of teams that this database does not know, left alone",
    "orphans_seen": "objects without a row, seen for the first time",
    "orphans_waiting": "objects without a row, seen before and not old enough",
    "orphans_deleted": "objects without a row, deleted",
    "missing": "DAMAGED: images whose bytes are missing",
    "wrong_size": "DAMAGED: images with too few or too many bytes",
    "wrong_bytes": "DAMAGED: images with other bytes, as whoever read them found",
    "healed": "images whose bytes are right again",
    "jobs_made": "jobs that were missing, queued",
    "requeued": "jobs whose result is gone, queued again",
    "datasets": "datasets compared",
    "datasets_damaged": "DAMAGED: datasets of which a file is missing or has another size",
    "temporary_files": "temporary files of the dead, removed",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="report, and change nothing at all")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--older-than",
        type=_seconds,
        default=reconcile.GRACE,
        metavar="SECONDS",
        help="how long ago an object without a row was first seen before it is deleted (86400)",
    )


def _seconds(text: str) -> timedelta:
    seconds = float(text)
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"seconds, 0 to {LONGEST_SECONDS}")
    return timedelta(seconds=seconds)


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    async with open_resources(settings) as resources:
        if asked.dry_run:
            report = await _reconcile(resources, asked)
        else:
            report = await _in_turn(resources, asked)
    if asked.json:
        print(json.dumps(report.counts()))
    else:
        _show(report)
    return 1 if report.damaged else 0


async def _in_turn(resources: Resources, asked: argparse.Namespace) -> Report:
    """Waits for whoever is at it already."""
    waits = False
    while True:
        async with locks.alone(resources.db, reconcile.LOCK) as mine:
            if mine:
                return await _reconcile(resources, asked)
        if not waits:
            print("Another one is running; this one waits for its end.", file=sys.stderr)
        waits = True
        await asyncio.sleep(TURN_SECONDS)


async def _reconcile(resources: Resources, asked: argparse.Namespace) -> Report:
    return await reconcile.run(
        resources,
        resources.db.owner,
        dry_run=asked.dry_run,
        grace=asked.older_than,
        progress=bar,
    )


def _show(report: Report) -> None:
    if report.dry_run:
        print("Dry run: this is what would be done. Nothing was changed.")
    for name, count in report.counts().items():
        if name in MEANINGS:
            print(f"{count:>12,}  {MEANINGS[name]}")
