"""What searches cost in a large library, and how many of the nearest they find, at every selectivity of a filter.

    python -m benchmarks.search --data-dir var/bench [--queries 40] [--build]
    python -m benchmarks.search --url postgresql+asyncpg://… --small

The database is one that benchmarks.seed filled. `--build` first builds the graphs that are due. Questions are vectors of
no image there, every second one as far from all pictures as a text is. All are asked through `search.page` as a member,
one after the other, which gives p50 and p95; as many others come before, for connections of a pool have long touched its
pages. A second connection lies idle, as in a pool, and may do half of a page of many teams. Then each again, in turns
with the same question vector by vector: read the ratio of the two, which holds on a busy machine.
`--small` is for 50,000 images: smaller teams have graphs, and fewer questions are asked.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
import uvloop
from numpy.typing import NDArray
from sqlalchemy import text
from tqdm import tqdm

from app.cli.serve import spare_the_living
from app.db import embedded
from app.domain import (
    NO_ID,
    Actor,
    DateTimeRange,
    ImageFilter,
    Role,
    SearchStrategy,
    TagFilter,
    Window,
)
from app.services.searching import graphs, search
from app.worker import graphs as builder
from benchmarks import library
from tests.database import Database

SHARES: Final = (0.5, 0.05, 0.005, 0.0005)
FIRST: Final = 10
SMALL_FEWEST: Final = 1_000
MEMORY: Final = 2 << 30

TEAMS: Final = "select t.id, sum(h.images) from team t join draw_head h on h.team_id = t.id and h.tag_id = :whole group by 1"
TAGGED: Final = """
select h.team_id, t.name, sum(h.images) from draw_head h join tag t on t.id = h.tag_id group by 1, 2
"""
PAIRS: Final = """
select s.name, t.name, count(*) from image_tag a join image_tag b using (team_id, image_id)
join tag s on s.id = a.tag_id join tag t on t.id = b.tag_id
where a.team_id = :team and a.tag_id < b.tag_id group by 1, 2
"""


@dataclass(frozen=True)
class Cell:
    shape: str
    matches: int
    teams: Sequence[UUID]
    wanted: ImageFilter


@dataclass
class Measured:
    """`milliseconds`: of searches that follow one another. The others are of turns with the exact search, which leaves nothing of a
    graph in the processor's caches. `cpu`, `exact_cpu`: of this process and of PostgreSQL's, in milliseconds of which nobody else took any."""

    milliseconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    exact: list[float] = field(default_factory=list)
    exact_cpu: list[float] = field(default_factory=list)
    found: int = 0
    true: int = 0
    short: int = 0
    by_graph: int = 0


async def cells(db: Database) -> list[Cell]:
    """For each shape of a filter, those that come nearest to letting through SHARES of all images."""
    async with db.transaction() as session:
        size_of = {
            row[0]: int(row[1]) for row in await session.execute(text(TEAMS), {"whole": NO_ID})
        }
        total = sum(size_of.values())
        everybody, largest = list(size_of), max(size_of, key=lambda one: size_of[one])
        teams = [(int(n), team) for team, n in size_of.items()]
        tagged = [(int(n), team, name) for team, name, n in await session.execute(text(TAGGED))]
        pairs = [(n, a, b) for a, b, n in await session.execute(text(PAIRS), {"team": largest})]
        made = [Cell("none: all teams", total, everybody, ImageFilter())]
        for share in SHARES:
            n, team = _nearest(teams, share * total)
            made.append(Cell("team", n, [team], ImageFilter(team_id=team)))
        for share in SHARES:
            n, team, name = _nearest(tagged, share * total)
            made.append(
                Cell(
                    "team + tag", n, [team], ImageFilter(team_id=team, tags=TagFilter(all=(name,)))
                )
            )
        for share in SHARES:
            n, a, b = _nearest(pairs, share * total)
            wanted = ImageFilter(team_id=largest, tags=TagFilter(all=(a, b)))
            made.append(Cell("team + two tags", n, [largest], wanted))
        for what, chosen in (("team + dates", [largest]), ("dates, all teams", everybody)):
            size = sum(size_of[one] for one in chosen)
            for share in SHARES:
                many = int(share * size)
                since = await _since(session, chosen, many)
                wanted = ImageFilter(
                    team_id=largest if len(chosen) == 1 else None, created_at=DateTimeRange(since)
                )
                made.append(Cell(what, many, chosen, wanted))
    return list({(one.shape, one.matches): one for one in made}.values())


def _nearest(rows: Sequence[Any], target: float) -> Any:
    return min(rows, key=lambda row: abs(np.log((row[0] + 1) / target)))


async def _since(session: Any, teams: Sequence[UUID], count: int) -> datetime:
    query = "select created_at from image where team_id = any(:teams) and live order by created_at desc offset :n limit 1"
    since: datetime = await session.scalar(text(query), {"teams": list(teams), "n": count})
    return since


def questions(size: int, count: int) -> NDArray[np.float32]:
    """float32[count, 512]: by turns like a picture, and like a text, of none that the library has."""
    space = library.space_of(library.generate(size))
    asked = np.stack([space.questions(count, texts=texts) for texts in (False, True)], axis=1)
    return np.asarray(asked.reshape(2 * count, -1)[:count], np.float32)


@contextmanager
def timed(pids: Sequence[int]) -> Iterator[list[float]]:
    """Milliseconds by the clock, and of processor time."""
    taken: list[float] = []
    began, used = time.perf_counter(), _cpu(pids)
    yield taken
    taken += [(time.perf_counter() - began) * 1000, _cpu(pids) - used]


def _cpu(pids: Sequence[int]) -> float:
    spent = sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids)
    return spent / 1e6 + time.process_time() * 1000


async def _opened(db: Database) -> int:
    """A connection of the pool that lies idle from then on; the process behind it."""
    async with db.transaction() as session:
        pid = await session.scalar(text("select pg_backend_pid() from pg_sleep(0.1)"))
    return int(pid or 0)


async def measure(
    db: Database,
    pids: Sequence[int],
    model: search.Identity,
    cell: Cell,
    vectors: NDArray[np.float32],
    others: NDArray[np.float32],
) -> Measured:
    """`others`: asked before, and not measured."""
    actor = Actor(user_id=NO_ID, roles=dict.fromkeys(cell.teams, Role.VIEWER))
    its = Measured()

    async def page(vector: NDArray[np.float32]) -> search.Hits:
        asked = search.Search(search.Direction(vector, model, "benchmark"), wanted=cell.wanted)
        async with db.acting(actor).transaction() as session:
            return await search.page(session, actor, asked, Window(FIRST, None))

    for vector in others:
        await page(vector)
    for vector in vectors:
        with timed(pids) as taken:
            await page(vector)
        its.milliseconds.append(taken[0])
    for vector in vectors:
        with timed(pids) as taken:
            hits = await page(vector)
        with timed(pids) as taken_exactly:
            async with db.acting(actor).transaction() as session:
                truth = await hits.near.exactly(session)
        its.cpu.append(taken[1])
        its.exact.append(taken_exactly[0])
        its.exact_cpu.append(taken_exactly[1])
        best = {one.image_id for one in truth[:FIRST]}
        its.found += len(best & {hit.image.id for hit in hits.hits})
        its.true += len(best)
        its.short += len(hits.hits) < len(best)
        its.by_graph += hits.near.strategy is SearchStrategy.INDEX
    return its


def line(cell: Cell, its: Measured) -> str:
    cuts = statistics.quantiles(its.milliseconds, n=20)
    p50, p95, exact = cuts[9], cuts[18], statistics.median(its.exact)
    strategy = {0: "EXACT", len(its.exact): "INDEX"}.get(its.by_graph, "both")
    recall = its.found / its.true if its.true else 1.0
    cpu, exact_cpu = statistics.median(its.cpu), statistics.median(its.exact_cpu)
    cpu95 = statistics.quantiles(its.cpu, n=20)[18]
    return (
        f"| {cell.shape} | {cell.matches:,} | {strategy} | {recall:.3f} | {its.short} |"
        f" {p50:.1f} | {p95:.1f} | {cpu:.1f} | {cpu95:.1f} | {exact:.1f} | {exact_cpu:.1f} |"
        f" {cpu / exact_cpu:.2f} |"
    )


async def run(url: str, asked: argparse.Namespace) -> None:
    db = Database(url, pool_size=4)
    if asked.build:
        fewest = SMALL_FEWEST if asked.small else 10_000
        await builder.build(
            db,
            MEMORY,
            builder.Failures(),
            fewest=fewest,
            told=lambda one: print(f"building {one.graph.name}"),
        )
    async with db.transaction() as session:
        row = (
            await session.execute(
                text("select name, revision from embedding_model where state = 'ACTIVE'")
            )
        ).one()
    pids = await asyncio.gather(_opened(db), _opened(db))
    there = await db.worker.run(graphs.present)
    print(f"{sum(is_valid for _, is_valid in there)} graphs\n")
    print(
        "| filter | matches | strategy | recall@10 | short pages | p50 ms | p95 ms | CPU p50 | CPU p95 |"
        " exact p50 ms | exact CPU p50 | ratio of CPU |"
    )
    print("|---" * 12 + "|")
    made = await cells(db)
    async with db.transaction() as session:
        size = await session.scalar(text("select count(*) from image"))
    vectors = questions(size or 0, asked.queries)
    others = questions(size or 0, 2 * asked.queries)[asked.queries :]
    spare_the_living()
    for cell in tqdm(made, leave=False):
        if asked.only and cell.shape not in asked.only:
            continue
        its = await measure(db, pids, (row.name, row.revision), cell, vectors, others)
        tqdm.write(line(cell, its))
    await db.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data-dir", type=Path)
    where.add_argument("--url")
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--only", nargs="*", metavar="SHAPE", help="these shapes alone")
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--small", action="store_true")
    asked = parser.parse_args()
    # As the server does.
    uvloop.run(run(asked.url or embedded.start(asked.data_dir), asked))


if __name__ == "__main__":
    main()
