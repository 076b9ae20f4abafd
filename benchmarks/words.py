"""Full text behind the second wall: lists and HYBRID searches by words that few images have, and by words of many.

    python -m benchmarks.words [--images 100000] [--repeats 15]

Starts a server of its own in a temporary folder. The same work takes turns within one run: `rows` compares the words
row by row, as a policy makes PostgreSQL do; `index` asks the function worded_images first. Read the ratios.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import embedded, migrate
from app.db.models import EmbeddingModel
from app.domain import Actor, ImageFilter, ImageOrder, ModelState, Role, SearchMode, Window
from app.services import full_text, images
from app.services.searching import search
from app.services.searching.directions import Direction
from benchmarks.draw import settle, times
from tests import make
from tests.database import Database

DIMENSION = 64
WORDS = {"rare": 10_000, "seldom": 1_000, "scarce": 100, "often": 20, "usual": 2, "picture": 1}
"""One image of so many has the word."""
LOAD = (
    "set local session_replication_role = replica",
    "insert into image (team_id, state, object_key, sha256, size_bytes, format, width, height, title,"
    " filename, created_at, words) select :team, 'STORED', 'k', int4send(nth), nth, 'JPEG', 640, 480,"
    " title, 'IMG.jpg', timestamptz '2024-02-20Z' - nth % 1000 * interval '1 day',"
    " setweight(readings(title), 'A') from (select nth, 'A day at ' || nth % 977 || {words} as title"
    " from generate_series(cast(:first as int), cast(:last as int)) nth) as titled",
    "insert into image_vector (team_id, model_id, image_id, created_at, embedding)"
    " select team_id, :model, id, created_at, (select array_agg(random() - 0.5) from"
    " generate_series(1, cast(:dimension as int)) where i.id is not null)::real[]::halfvec"
    " from image i where team_id = :team and size_bytes between :first and :last",
)
PART = 5_000
"""Without the triggers, which are measured elsewhere."""

Do = Callable[[AsyncSession], Awaitable[Any]]


async def load(db: Database, size: int) -> Actor:
    """The actor of a team; another one has as many images."""
    async with db.transaction() as session:
        model = EmbeddingModel(
            name="benchmark", revision="1", dimension=DIMENSION, state=ModelState.ACTIVE
        )
        session.add(model)
        await session.flush()
    words = " || ".join(
        f"case when nth % {one} = 0 then ' {word}' else '' end" for word, one in WORDS.items()
    )
    teams: list[UUID] = []
    for _ in range(2):
        teams.append(await make.team(db))
        place = {"team": teams[-1], "model": model.id, "dimension": DIMENSION}
        for first in range(1, size, PART):
            async with db.transaction() as session:
                for statement in LOAD:
                    part = {"first": first, "last": min(first + PART - 1, size)}
                    await session.execute(text(statement.replace("{words}", words)), place | part)
    await settle(db, "vacuum analyze")
    return Actor(user_id=await make.user(db), roles={teams[0]: Role.VIEWER})


def works(actor: Actor) -> dict[str, Do]:
    vector = np.random.default_rng(1).normal(size=DIMENSION).astype(np.float32)

    def listed(word: str) -> Do:
        return lambda session: images.page(
            session, actor, ImageFilter(text=word), ImageOrder(), Window(50)
        )

    def hybrid(word: str) -> Do:
        asked = search.Search(
            Direction(vector, ("benchmark", "1"), "x"), mode=SearchMode.HYBRID, words=word
        )
        return lambda session: search.page(session, actor, asked, Window(10))

    found: dict[str, Do] = {}
    for word, one in WORDS.items():
        found[f"50 images by a word of 1 in {one:,}"] = listed(word)
    for word, one in WORDS.items():
        found[f"HYBRID by a word of 1 in {one:,}"] = hybrid(word)
    return found


def way(db: Database, actor: Actor, do: Do, most: int) -> Callable[[], Awaitable[Any]]:
    async def work() -> Any:
        full_text.MOST_BY_INDEX = most
        async with db.acting(actor).transaction() as session:
            return await do(session)

    return work


async def main(size: int, repeats: int, url: str) -> None:
    db = Database(url, pool_size=1)
    await migrate.upgrade(db.engine)
    await settle(db, "alter system set synchronous_commit = off", "select pg_reload_conf()")
    actor = await load(db, size)
    print(f"{size:,} images in the team, as many in another one")
    print(f"{'':<36} {'rows ms':>9} {'index ms':>9} {'ratio':>7}")
    most = full_text.MOST_BY_INDEX
    for name, do in works(actor).items():
        # None of them is few enough for the index where none may be.
        taken = await times(
            {"rows": way(db, actor, do, -1), "index": way(db, actor, do, most)}, repeats
        )
        rows, index = (statistics.median(taken[one]) for one in ("rows", "index"))
        print(f"{name:<36} {rows:9.2f} {index:9.2f} {index / rows:7.2f}", flush=True)
    await db.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pictor-benchmark-") as folder:
        Path(folder).chmod(0o755)
        url = embedded.start(Path(folder))
        asyncio.run(main(options.images, options.repeats, url))
