"""What facets and timelines cost in a library of a million images.

    python -m benchmarks.facets --url URL [--repeats 10]

URL is the database that benchmarks.seed filled; nothing is written there. Read the ratios to the plain count of the
same filter, which was timed in turn with everything else.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from sqlalchemy import text

from app.domain import (
    NO_ID,
    Actor,
    ImageFilter,
    IntRange,
    Role,
    TagFilter,
    TimelineField,
    TimelineUnit,
)
from app.services import facets, paging
from tests.database import Database

Work = Callable[[], Awaitable[Any]]
FILTERS: Final = {
    "everything": ImageFilter(),
    "a tag (a third)": ImageFilter(tags=TagFilter(all=("t1",))),
    "a tag (4 %)": ImageFilter(tags=TagFilter(all=("t10",))),
    "two tags": ImageFilter(tags=TagFilter(all=("t1", "t2"))),
    "a width": ImageFilter(width=IntRange(1, 1_000)),
}


async def works(db: Any, actor: Actor, wanted: ImageFilter) -> dict[str, Work]:
    match = await facets.read(db, actor, wanted)

    def timeline(unit: TimelineUnit, zone: str) -> Work:
        return lambda: facets.timeline(
            db, actor, wanted, field=TimelineField.CREATED_AT, unit=unit, zone=zone
        )

    return {
        "count(*)": lambda: paging.count(db, match.images()),
        "total": lambda: facets.total(db, match),
        "tags": lambda: facets.tags(db, match, 50),
        "formats": lambda: facets.formats(db, match),
        "processing": lambda: facets.statuses(db, match),
        "months, UTC": timeline(TimelineUnit.MONTH, "UTC"),
        "months, Berlin": timeline(TimelineUnit.MONTH, "Europe/Berlin"),
    }


async def main(url: str, repeats: int) -> None:
    database = Database(url, pool_size=2)
    async with database.transaction() as session:
        query = text("select id from team where slug = 'team-1'")
        actor = Actor(NO_ID, {(await session.execute(query)).scalar_one(): Role.VIEWER})
        for name, wanted in FILTERS.items():
            its = await works(session, actor, wanted)
            taken: dict[str, list[float]] = {one: [] for one in its}
            for _ in range(repeats):
                for one in random.sample(list(its), len(its)):
                    start = time.perf_counter()
                    await its[one]()
                    taken[one].append((time.perf_counter() - start) * 1000)
            floor = statistics.median(taken["count(*)"])
            print(f"\n{name:<30} {'min ms':>8} {'p50 ms':>8} {'x count(*)':>11}")
            for one, values in taken.items():
                middle = statistics.median(values)
                print(f"{one:<30} {min(values):8.1f} {middle:8.1f} {middle / floor:11.2f}")
    await database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--url", metavar="URL", required=True)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    asyncio.run(main(options.url, options.repeats))
