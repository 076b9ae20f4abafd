"""`pictor reindex`: the graphs that large teams are searched by, built now instead of by a worker."""

import argparse
import asyncio
import sys
from contextlib import suppress
from typing import Final, NoReturn

from tqdm import tqdm

from app.cli.logs import configure
from app.db.database import Database
from app.errors import AppError
from app.resources import open_database
from app.services.searching import graphs
from app.services.searching.graphs import Wanted
from app.settings import Settings
from app.worker import graphs as builder

LOOK_SECONDS: Final = 1.0
NOT_OWNER: Final = (
    "Whoever the database URL names does not own the tables: indexes are made by their owner alone."
)
BUSY: Final = "Another process is building; it goes on with what is due."
FAILED: Final = "pictor: %d graphs could not be built: %s"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", action="store_true", help="only say what is there and due")


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    configure("warning")
    async with open_database(settings) as db:
        if asked.status:
            return await _status(db, settings)
        if not await builder.may_build(db):
            print(NOT_OWNER, file=sys.stderr)
            return 1
        return await _build(db, settings)


async def _status(db: Database, settings: Settings) -> int:
    there = await db.worker.run(graphs.present)
    for graph, is_valid in there:
        print(f"{'ready' if is_valid else 'building or broken off':<23}{graph}")
    found = await builder.due(db, fewest=settings.index_min_vectors)
    for one in found.wanted:
        print(f"{'due':<23}{one.graph.name}, of about {one.vectors} vectors")
    for name in found.left_over:
        print(f"{'left over':<23}{name}")
    return 0


async def _build(db: Database, settings: Settings) -> int:
    begun, failures = list[Wanted](), builder.Failures(once=True)
    with tqdm(desc="Graphs of vectors", unit="vector", unit_scale=True) as bar:

        def told(wanted: Wanted) -> None:
            begun.append(wanted)
            bar.reset(wanted.vectors)
            bar.set_description(f"Graph {len(begun)}")

        watching = asyncio.create_task(_watch(db, bar))
        try:
            mine = await builder.build(
                db,
                settings.index_memory_bytes,
                failures,
                fewest=settings.index_min_vectors,
                told=told,
            )
        finally:
            watching.cancel()
    failed = failures.names
    built = {one.graph.name for one in begun} - {*failed}
    print(f"Built {len(built)} graphs." if mine else BUSY)
    if failed:
        print(FAILED % (len(failed), ", ".join(failed)), file=sys.stderr)
    return 0 if mine and not failed else 1


async def _watch(db: Database, bar: "tqdm[NoReturn]") -> None:
    """What PostgreSQL says of the build that runs."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        with suppress(AppError):
            bar.n = await db.owner.run(graphs.progress) or bar.n
            bar.refresh()
