"""What row-level security costs: the same work as the owner of the tables, and as an actor behind the wall.

    python -m benchmarks.second_wall [--images 20000] [--teams 50] [--repeats 200]

Starts a server of its own in a temporary folder. Three entrances take turns within one run: `owner` (no
setting, no policy), `entered` (the first statement alone, for a role that no policy holds) and `acting`. Read
the ratios: they hold on a busy machine, milliseconds do not.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import asyncio
import secrets
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import embedded, migrate
from app.db.database import Entrance
from app.db.models import EmbeddingModel
from app.domain import (
    Actor,
    DateTimeRange,
    ImageFilter,
    ImageOrder,
    ImageState,
    ModelState,
    Role,
    TagFilter,
    Window,
)
from app.services import images, taggings, tags
from app.services.draws import sampling
from app.services.searching import search
from app.services.searching.directions import Direction
from benchmarks.draw import settle, times
from tests import make
from tests.database import Database as OwnedDatabase

IMAGES_OF_OTHERS = 50_000
DIMENSION = 64
LOAD = (
    "insert into image (team_id, state, object_key, sha256, size_bytes, format, width, height, title,"
    " filename, created_at) select :team, 'STORED', 'k', int4send(nth), nth, 'JPEG', 640, 480,"
    " 'Picture ' || nth || case when nth % 1000 = 0 then ' rare' else '' end, 'IMG.jpg',"
    " timestamptz '2024-02-20Z' - nth % 1000 * interval '1 day'"
    " from generate_series(1, cast(:images as int)) nth",
    "insert into tag (team_id, name, key) values (:team, 'half', 'half'), (:team, 'tenth', 'tenth')",
    "insert into image_tag (team_id, image_id, tag_id, created_at)"
    " select i.team_id, i.id, tag.id, i.created_at from image i join tag using (team_id)"
    " where i.team_id = :team and i.size_bytes % case tag.key when 'half' then 2 else 10 end = 0",
    "insert into image_vector (team_id, model_id, image_id, created_at, embedding)"
    " select team_id, :model, id, created_at, (select array_agg(random() - 0.5) from"
    " generate_series(1, cast(:dimension as int)) where i.id is not null)::real[]::halfvec"
    " from image i where team_id = :team",
)

Do = Callable[[AsyncSession], Awaitable[Any]]


async def load(db: OwnedDatabase, size: int, others: int) -> tuple[Actor, Actor]:
    """An actor of the large team, and one of all teams."""
    async with db.transaction() as session:
        model = EmbeddingModel(
            name="benchmark", revision="1", dimension=DIMENSION, state=ModelState.ACTIVE
        )
        session.add(model)
        await session.flush()
    teams: list[UUID] = []
    for count in (size, *([IMAGES_OF_OTHERS // others] * others)):
        teams.append(await make.team(db))
        place = {"team": teams[-1], "images": count, "model": model.id, "dimension": DIMENSION}
        async with db.transaction() as session:
            for statement in LOAD:
                await session.execute(text(statement), place)
    await settle(db, "vacuum analyze")
    user_id = await make.user(db)
    return (
        Actor(user_id=user_id, roles={teams[0]: Role.EDITOR}),
        Actor(user_id=user_id, roles=dict.fromkeys(teams[:20], Role.EDITOR)),
    )


def works(actor: Actor, ids: list[UUID]) -> dict[str, Do]:
    rng = np.random.default_rng(1)

    def page(**wanted: Any) -> Do:
        return lambda session: images.page(
            session, actor, ImageFilter(**wanted), ImageOrder(), Window(50)
        )

    def draw(count: int, **wanted: Any) -> Do:
        return lambda session: sampling.draw(session, actor, ImageFilter(**wanted), count=count)

    def near(**wanted: Any) -> Do:
        vector = rng.normal(size=DIMENSION).astype(np.float32)
        asked = search.Search(Direction(vector, ("benchmark", "1"), "x"), ImageFilter(**wanted))
        return lambda session: search.page(session, actor, asked, Window(10))

    async def upload(session: AsyncSession) -> None:
        image = images.Image(
            team_id=actor.team_ids[0], object_key="k", sha256=secrets.token_bytes(32), size_bytes=1,
            format="JPEG", width=1, height=1, title="A sunset", state=ImageState.STORED,
            created_at=datetime.now(UTC),
        )  # fmt: skip
        session.add(image)
        await session.flush()
        tag_ids = await tags.ensure(session, actor, image.team_id, ["half", "tenth"])
        await taggings.attach(session, actor, [image], tag_ids)

    half = TagFilter(all=("half",))
    return {
        "select 1": lambda session: session.execute(text("select 1")),
        "50 images": page(),
        "50 images of a tag": page(tags=half),
        "50 images of a span": page(created_at=DateTimeRange(datetime(2024, 1, 1, tzinfo=UTC))),
        "50 images by a rare word": page(text="rare"),
        "50 images by a word of all": page(text="picture"),
        "tags of 50 images": lambda session: taggings.by_image(session, actor, ids),
        "50 images by id": lambda session: images.by_id(session, actor, ids),
        "1 draw of the team": draw(1),
        "20 draws of a tag": draw(20, tags=half),
        "10 nearest": near(),
        "10 nearest of a tag": near(tags=half),
        "a stored image with two tags": upload,
    }


def through(entrance: Entrance, do: Do) -> Callable[[], Awaitable[Any]]:
    async def work() -> None:
        async with entrance.transaction() as session:
            await do(session)

    return work


async def compare(db: OwnedDatabase, actor: Actor, title: str, repeats: int) -> None:
    async with db.transaction() as session:
        page = await images.page(session, actor, ImageFilter(), ImageOrder(), Window(50))
    acting = db.acting(actor)
    entrances = {
        "owner": db.owner,
        "entered": replace(acting, settings=("none", *(acting.settings or ())[1:])),
        "acting": acting,
    }
    print(f"\n{title:<30} {'owner ms':>9} {'entered':>8} {'acting':>8}   (ratios of medians)")
    for name, do in works(actor, [row.id for row in page.rows]).items():
        taken = await times(
            {one: through(entrance, do) for one, entrance in entrances.items()}, repeats
        )
        owner, entered, behind = (statistics.median(taken[one]) for one in entrances)
        print(f"{name:<30} {owner:9.2f} {entered / owner:8.2f} {behind / owner:8.2f}", flush=True)


async def main(size: int, others: int, repeats: int, url: str) -> None:
    db = OwnedDatabase(url, pool_size=1)
    await migrate.upgrade(db.engine)
    await settle(db, "alter system set synchronous_commit = off", "select pg_reload_conf()")
    one, many = await load(db, size, others)
    print(f"{size:,} images in the team, {others:,} other teams with {IMAGES_OF_OTHERS:,} together")
    await compare(db, one, "an actor of one team", repeats)
    await compare(db, many, "an actor of 20 teams", repeats)
    await db.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--teams", type=int, default=50, help="other teams")
    parser.add_argument("--repeats", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pictor-benchmark-") as folder:
        Path(folder).chmod(0o755)
        url = embedded.start(Path(folder))
        asyncio.run(main(options.images, options.teams, options.repeats, url))
