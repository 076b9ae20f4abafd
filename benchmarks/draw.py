"""What a weighted draw costs as a library grows, and what keeping it exact costs whoever writes.

    python -m benchmarks.draw [--sizes 10000 100000] [--repeats 300] [--url URL]

Starts a server of its own in a temporary folder. Read the ratios to `select 1`, which was timed in turn
with everything else: they hold on a busy machine, milliseconds do not. Commits do not wait for the disk, so
that the changes show what triggers cost and not what a sync does.

`--url`: the database that benchmarks.seed has filled. Nothing but draws is done there, and the same draws
in turn on the smallest size here. `--only-draws` leaves out what changes cost.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import asyncio
import random
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg  # type: ignore[import-untyped]  # asyncpg ships no types
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from tqdm import tqdm

from app.db import embedded, migrate
from app.db.prepared import Prepared
from app.domain import NO_ID, Actor, DateTimeRange, ImageFilter, Role, TagFilter, Window
from app.services.draws import sampling, shuffles
from app.services.draws.shuffles import Shuffle
from tests.database import Database

BATCH = 5_000
TAGS = {"half": 2, "tenth": 10, "rare": 1_000}
"""Every n-th image carries the tag."""
ONE = Prepared(text("select 1"))
LAST_TWENTIETH = DateTimeRange(datetime(2024, 1, 1, tzinfo=UTC))
TRIGGERED = ("image", "image_tag", "tag", "image_vector")

LOAD_IMAGES = """
insert into image (team_id, state, object_key, sha256, size_bytes, format, width, height, title, filename,
                   weight, created_at)
select :team, 'STORED', 'k', int4send(nth), nth, 'JPEG', 640, 480, 'Picture ' || nth, 'IMG_' || nth || '.jpg',
       (exp(2 * random()) * 1000000)::bigint, timestamptz '2024-02-20Z' - nth % 1000 * interval '1 day'
from generate_series(cast(:first as int), cast(:last as int)) nth
"""
LOAD_TAGS = """
insert into image_tag (team_id, image_id, tag_id, created_at)
select i.team_id, i.id, tag.id, i.created_at from image i join tag using (team_id)
where i.team_id = :team and i.size_bytes between :first and :last
  and i.size_bytes % cast(substring(tag.key from '[0-9]+') as int) = 0
"""
UPLOAD = (
    "insert into image (id, team_id, object_key, sha256, size_bytes, format, width, height, title, filename)"
    " values (:image, :team, 'k', :sha256, 1, 'JPEG', 1, 1, 'A sunset by the sea', 'IMG_1.jpg')",
    "insert into image_tag (team_id, image_id, tag_id, created_at)"
    " select team_id, :image, id, now() from tag where team_id = :team",
    "update image set state = 'STORED' where id = :image",
)
CHANGES = {
    "upload with 3 tags": UPLOAD,
    "new weight, heavier": ("update image set weight = weight * 2 where id = :image",),
    "new weight, lighter": ("update image set weight = weight / 4 where id = :image",),
    "to the trash": ("update image set trashed_at = now() where id = :image",),
    "other processing status": ("update image set processing = 'READY' where id = :image",),
}

Work = Callable[[], Awaitable[Any]]


async def times(
    works: dict[str, Work], repeats: int, *sessions: AsyncSession
) -> dict[str, list[float]]:
    """Milliseconds of each piece of work, in a new order each round: a busy moment hits all alike.

    In one transaction of these sessions, a scan would have what follows it planned anew as well: that is undone before each.
    """
    taken: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        await work()
    rng = random.Random(1)  # noqa: S311  only an order
    for _ in range(repeats):
        for name, work in rng.sample(list(works.items()), len(works)):
            for session in sessions:
                await session.execute(text("set local plan_cache_mode = auto"))
            start = time.perf_counter()
            await work()
            taken[name].append((time.perf_counter() - start) * 1000)
    return taken


def show(title: str, taken: dict[str, list[float]]) -> None:
    floor = statistics.median(taken["select 1"])
    print(f"\n{title:<42} {'p10 ms':>8} {'p50 ms':>8} {'p95 ms':>8} {'x select 1':>11}")
    for name, values in taken.items():
        cuts = statistics.quantiles(values, n=20)
        p10, p50, p95 = cuts[1], cuts[9], cuts[18]
        print(f"{name:<42} {p10:8.2f} {p50:8.2f} {p95:8.2f} {p50 / floor:11.1f}")


async def load(db: Database, size: int) -> Actor:
    """A team of `size` images with weights of log-uniform spread, e to the power of 0 to 2."""
    async with db.transaction() as session:
        slug = secrets.token_hex(6)
        insert = text("insert into team (name, slug) values ('Benchmark', :slug) returning id")
        team_id: UUID = (await session.execute(insert, {"slug": slug})).scalar_one()
        for name, nth in TAGS.items():
            await session.execute(
                text("insert into tag (team_id, name, key) values (:team, :name, :key)"),
                {"team": team_id, "name": name, "key": f"{nth}"},
            )
    start = time.perf_counter()
    with tqdm(total=size, desc=f"{size:,} images", unit=" images") as bar:
        for first in range(1, size + 1, BATCH):
            span = {"team": team_id, "first": first, "last": min(first + BATCH - 1, size)}
            async with db.transaction() as session:
                await session.execute(text(LOAD_IMAGES), span)
                await session.execute(text(LOAD_TAGS), span)
            bar.update(BATCH)
    print(f"loaded {size:,} images in {time.perf_counter() - start:.0f} s")
    await settle(db, "vacuum analyze")
    return Actor(user_id=NO_ID, roles={team_id: Role.VIEWER})


async def settle(db: Database, *statements: str) -> None:
    """Statements that stand outside any transaction."""
    async with db.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            await autocommit.execute(text(statement))


def tagged(*names: int) -> TagFilter:
    return TagFilter(all=tuple(str(one) for one in names))


async def draws(db: Database, actor: Actor, repeats: int) -> dict[str, list[float]]:
    async with db.transaction() as session:

        def draw(count: int = 1, half_life: float | None = None, **wanted: Any) -> Work:
            return lambda: sampling.draw(
                session, actor, ImageFilter(**wanted), count=count, half_life_days=half_life
            )

        return await times(
            {
                "select 1": lambda: session.execute(text("select 1")),
                "1 of the team": draw(),
                "20 of the team": draw(20),
                "1 of a tag (half of the images)": draw(tags=tagged(2)),
                "1 of a tag (one in 1,000)": draw(tags=tagged(1000)),
                "1 of two tags": draw(tags=tagged(2, 10)),
                "1 of the last twentieth by date": draw(created_at=LAST_TWENTIETH),
                "20 of the last twentieth by date": draw(20, created_at=LAST_TWENTIETH),
                "1 of the team, half-life of 100 days": draw(half_life=100.0),
                "the exact scan of the whole team": lambda: scan(session, actor),
                "a page of 20 of a seeded order": lambda: sampling.draw(
                    session, actor, ImageFilter(), count=20, seed="benchmark"
                ),
            },
            repeats,
            session,
        )


async def side_by_side(
    small: tuple[Database, Actor], big: Database, repeats: int
) -> dict[str, list[float]]:
    """The same draws on a small library and on the seeded million, in turn."""
    async with small[0].transaction() as here, big.transaction() as there:
        teams = await there.execute(
            text("select id from team where slug like 'team-%' order by slug")
        )
        everything = Actor(user_id=NO_ID, roles=dict.fromkeys(teams.scalars(), Role.VIEWER))
        largest = (
            await there.execute(text("select id from team where slug = 'team-1'"))
        ).scalar_one()
        team = Actor(user_id=NO_ID, roles={largest: Role.VIEWER})

        def draw(
            session: AsyncSession,
            actor: Actor,
            count: int = 1,
            half_life: float | None = None,
            **wanted: Any,
        ) -> Work:
            return lambda: sampling.draw(
                session, actor, ImageFilter(**wanted), count=count, half_life_days=half_life
            )

        def named(*names: str) -> TagFilter:
            return TagFilter(all=names)

        late = {share: await since(there, largest, share) for share in (0.5, 0.05, 0.005)}
        return await times(
            {
                "select 1": lambda: there.execute(text("select 1")),
                "select 1, as a draw goes": lambda: ONE.rows(there, {}),
                "small: 1": draw(here, small[1]),
                "small: 20": draw(here, small[1], 20),
                "small: 1 of a tag": draw(here, small[1], tags=tagged(2)),
                "small: 1 of two tags": draw(here, small[1], tags=tagged(2, 10)),
                "all 20 teams: 1": draw(there, everything),
                "all 20 teams: 20": draw(there, everything, 20),
                "largest team: 1": draw(there, team),
                "largest team: 20": draw(there, team, 20),
                "largest team: 1 of a tag (a third)": draw(there, team, tags=named("t1")),
                "largest team: 20 of a tag (a third)": draw(there, team, 20, tags=named("t1")),
                "largest team: 1 of a tag (0.2 %)": draw(there, team, tags=named("t200")),
                "largest team: 1 of two tags": draw(there, team, tags=named("t1", "t2")),
                "largest team: 1 of two tags and half the dates": draw(
                    there, team, tags=named("t1", "t2"), created_at=late[0.5]
                ),
                "largest team: 1 of 50 % of the dates": draw(there, team, created_at=late[0.5]),
                "largest team: 1 of 5 % of the dates": draw(there, team, created_at=late[0.05]),
                "largest team: 20 of 5 % of the dates": draw(
                    there, team, 20, created_at=late[0.05]
                ),
                "largest team: 1 of 0.5 % of the dates": draw(there, team, created_at=late[0.005]),
                "largest team: 20 of 0.5 % of the dates": draw(
                    there, team, 20, created_at=late[0.005]
                ),
                "largest team: 1, half-life of a year": draw(there, team, half_life=365.0),
                "largest team: 1, half-life of 30 days": draw(there, team, half_life=30.0),
            },
            repeats,
            here,
            there,
        )


async def since(session: AsyncSession, team_id: UUID, share: float) -> DateTimeRange:
    """The span of the newest images of a team, by their share."""
    query = text(
        "select created_at from image where team_id = :team order by created_at desc"
        " offset (select count(*) * cast(:share as float8) from image where team_id = :team)::int limit 1"
    )
    found = await session.execute(query, {"team": team_id, "share": share})
    return DateTimeRange(found.scalar_one())


async def seeded(big: Database, repeats: int) -> dict[str, list[float]]:
    """Pages of seeded orders, which take a pass over all that matches."""
    async with big.transaction() as session:
        largest = (
            await session.execute(text("select id from team where slug = 'team-1'"))
        ).scalar_one()
        team = Actor(user_id=NO_ID, roles={largest: Role.VIEWER})
        asked = Shuffle("benchmark", ImageFilter())
        first = await shuffles.page(session, team, asked, Window(limit=100))

        def page(asked: Shuffle, cursor: str | None = None) -> Work:
            return lambda: shuffles.page(session, team, asked, Window(limit=100, cursor=cursor))

        count = text("select count(*) from image where team_id = :team and live")
        return await times(
            {
                "select 1": lambda: session.execute(text("select 1")),
                "count(*) of the team's live images": lambda: session.execute(
                    count, {"team": largest}
                ),
                "largest team: first page": page(asked),
                "largest team: second page": page(asked, first.cursors[-1]),
                "largest team: first page, half-life of a year": page(
                    replace(asked, half_life_days=365.0)
                ),
                "largest team: first page of a tag (4 %)": page(
                    replace(asked, wanted=ImageFilter(tags=TagFilter(all=("t10",))))
                ),
            },
            repeats,
        )


UPLOAD_AT_ONCE = """
create or replace function benchmark_upload(team uuid, tag uuid, images int) returns void language plpgsql as $$
declare made uuid[];
begin
  with new as (
    insert into image (team_id, state, object_key, sha256, size_bytes, format, width, height, title)
    select team, 'STORED', 'k', uuid_send(gen_random_uuid()), 1, 'JPEG', 1, 1, 'A picture' from generate_series(1, images)
    returning id
  ) select array_agg(id) into made from new;
  insert into image_tag (team_id, image_id, tag_id, created_at) select team, one, tag, now() from unnest(made) one;
end $$
"""


async def writers(
    db: Database, actor: Actor, seconds: float, images: int, *, drawing: bool
) -> tuple[float, list[float]]:
    """Images a second that 8 connections put into one team and one tag, so many in a transaction; and what a draw from that
    tag took meanwhile, a hundred times a second."""
    (team_id,) = actor.team_ids
    async with db.transaction() as session:
        await session.execute(text(UPLOAD_AT_ONCE))
        query = text("select id from tag where team_id = :team and key = '2'")
        tag_id = (await session.execute(query, {"team": team_id})).scalar_one()
    address = db.engine.url.query["host"]
    until = time.perf_counter() + seconds
    taken: list[float] = []

    async def write() -> int:
        connection = await asyncpg.connect(host=address, user="postgres", database="postgres")
        upload = await connection.prepare("select benchmark_upload($1, $2, $3)")
        made = 0
        while time.perf_counter() < until:
            await upload.fetchval(team_id, tag_id, images)
            made += images
        await connection.close()
        return made

    async def draw() -> int:
        while drawing and time.perf_counter() < until:
            start = time.perf_counter()
            async with db.transaction() as session:
                await sampling.draw(session, actor, ImageFilter(tags=tagged(2)))
            taken.append((time.perf_counter() - start) * 1000)
            await asyncio.sleep(0.01)
        return 0

    made = await asyncio.gather(*(write() for _ in range(8)), draw())
    return sum(made) / seconds, taken


async def sustained(db: Database, actor: Actor, rounds: int = 3, seconds: float = 4) -> None:
    print(
        f"\n{'images a second into one list, 8 writers':<44} {'alone':>8} {'drawing':>8} {'a draw, ms p50':>15}"
    )
    for images in (1, 20, 100):
        for number in range(rounds):
            alone, _ = await writers(db, actor, seconds, images, drawing=False)
            both, taken = await writers(db, actor, seconds, images, drawing=True)
            draw = statistics.median(taken)
            name = f"{images} in a transaction, round {number + 1}"
            print(f"{name:<44} {alone:8.0f} {both:8.0f} {draw:15.1f}")


async def scan(session: AsyncSession, actor: Actor) -> None:
    """What one draw would cost without lines."""
    await session.execute(
        text(
            "select id from image where team_id = :team and draw_weight > 0"
            " order by -ln(1 - random()) / draw_weight limit 1"
        ),
        {"team": actor.team_ids[0]},
    )


async def changes(
    db: Database, actor: Actor, repeats: int, *, triggers: bool
) -> dict[str, list[float]]:
    """Each change in its own transaction, on an image that an upload made just before."""
    (team_id,) = actor.team_ids
    await switch(db, on=triggers)
    place: dict[str, Any] = {"team": team_id}

    def change(statements: tuple[str, ...]) -> Work:
        async def work() -> None:
            if statements is UPLOAD:
                place.update(
                    image=UUID(bytes=secrets.token_bytes(16)), sha256=secrets.token_bytes(32)
                )
            async with db.transaction() as session:
                for statement in statements:
                    await session.execute(text(statement), place)

        return work

    async def floor() -> None:
        async with db.transaction() as session:
            await session.execute(text("select 1"))

    works = {name: change(statements) for name, statements in CHANGES.items()}
    taken = await times({"select 1": floor, **works}, repeats)
    await switch(db, on=True)
    return taken


async def switch(db: Database, *, on: bool) -> None:
    async with db.transaction() as session:
        for table in TRIGGERED:
            mode = "enable" if on else "disable"
            await session.execute(text(f"alter table {table} {mode} trigger user"))


async def once(db: Database, actor: Actor) -> None:
    """Changes that touch as many images as a tag has, or a lane."""
    (team_id,) = actor.team_ids
    for name, statement in {
        "compact a lane": "select draw_compact(:team, whole_team(), 0::smallint)",
        "rename a tag of a tenth of the images": "update tag set name = 'renamed'"
        " where team_id = :team and key = '10'",
        "delete a tag of a tenth of the images": "delete from tag"
        " where team_id = :team and key = '10'",
        "delete the team": "delete from team where id = :team",
    }.items():
        start = time.perf_counter()
        async with db.transaction() as session:
            await session.execute(text(statement), {"team": team_id})
        print(f"{name:<42} {time.perf_counter() - start:8.2f} s")


async def main(options: argparse.Namespace, url: str) -> None:
    db = Database(url, pool_size=2)
    await migrate.upgrade(db.engine)
    await settle(db, "alter system set synchronous_commit = off", "select pg_reload_conf()")
    for size in options.sizes:
        actor = await load(db, size)
        if options.url and size == min(options.sizes):
            big = Database(options.url, pool_size=2)
            small = f"{size:,} images and the library side by side"
            show(small, await side_by_side((db, actor), big, options.repeats))
            show("seeded orders", await seeded(big, max(options.repeats // 20, 5)))
            await big.close()
        show(f"draws, {size:,} images", await draws(db, actor, options.repeats))
        await sustained(db, actor)
        if options.only_draws:
            continue
        with_triggers = await changes(db, actor, options.repeats, triggers=True)
        show("changes, as they are", with_triggers)
        show("changes, triggers off", await changes(db, actor, options.repeats, triggers=False))
        print()
        await once(db, actor)
    await db.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--url", metavar="URL", help="of the database that benchmarks.seed filled")
    parser.add_argument("--only-draws", action="store_true")
    with tempfile.TemporaryDirectory(prefix="pictor-benchmark-") as folder:
        Path(folder).chmod(0o755)
        asyncio.run(main(parser.parse_args(), embedded.start(Path(folder))))
