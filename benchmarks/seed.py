"""Fills an empty database with a library of a million images, by COPY, in minutes.

    python -m benchmarks.seed --data-dir var/bench [--images 1000000] [--seed 1]
    python -m benchmarks.seed --url postgresql+asyncpg://… [--images 50000]

What it is made of is in benchmarks/library. Triggers do not run: lines, heads, words and the tags beside the vectors are
made for all images at once (tests/test_seed.py has the triggers do it again, and compares). Either everything is there
at the end, or nothing. Its vectors are those of the model `builtin`, so that a served process answers texts too: at the
cost of real answers, though without their sense. It prints a key of the largest team, of a middle one and of the smallest.
The images have no bytes: before `pictor serve`, say `pictor adopt --store --anyway`.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.db import embedded, migrate
from app.db.database import Database
from app.domain import Role
from app.services.people import api_keys
from benchmarks import binary_copy, library, server
from benchmarks.library import Library

STEP: Final = 10_000
EVERYBODY: Final = "everybody@example.org"
"""Whom to log in as, or act as, to see all teams: an ADMIN of each, without a password."""
CARD: Final = Path(__file__).parents[1] / "app" / "builtin_model" / "card.json"
BULK: Final = ("image", "image_tag", "collection_image", "draw_line", "image_vector")

STAGE: Final = """
create temp table staged (
  id uuid, team_id uuid, uploaded_by uuid, object_key text, sha256 bytea, size_bytes bigint, format text, width int,
  height int, filename text, title text, description text, weight bigint, created_at timestamptz, taken_at timestamptz,
  trashed_at timestamptz, processing text, damage text, tags text
) on commit drop
"""
# As image_words has them (migration 0002), for texts that are at hand.
IMAGES: Final = r"""
insert into image (
  id, team_id, uploaded_by, state, object_key, sha256, size_bytes, format, width, height, filename, title, description,
  weight, created_at, updated_at, taken_at, trashed_at, processing, damage, damaged_at, words)
select id, team_id, uploaded_by, 'STORED', object_key, sha256, size_bytes, format, width, height, filename, title,
  description, weight, created_at, created_at, taken_at, trashed_at, processing, damage,
  case when damage is not null then created_at end,
  setweight(readings(title), 'A') || setweight(readings(tags), 'A') || setweight(readings(description), 'B')
  || setweight(readings(regexp_replace(filename, '[^[:alnum:]]+', ' ', 'g')), 'C')
from staged
"""
LINES: Final = """
with list as (
  select team_id, whole_team() as tag_id, draw_lane(id) as lane, draw_weight as weight, id as image_id from image
  where draw_weight > 0
  union all
  select t.team_id, t.tag_id, draw_lane(i.id), i.draw_weight, i.id from image_tag t join image i on i.id = t.image_id
  where i.draw_weight > 0
)
insert into draw_line (team_id, tag_id, lane, pos, weight, image_id)
select team_id, tag_id, lane, sum(weight) over lane - weight, weight, image_id from list
window lane as (partition by team_id, tag_id, lane order by image_id rows unbounded preceding)
"""
HEADS: Final = """
with list as (
  select team_id, whole_team() as tag_id, draw_lane(id) as lane, draw_weight as weight from image where live
  union all
  select t.team_id, t.tag_id, draw_lane(i.id), i.draw_weight from image_tag t join image i on i.id = t.image_id
  where i.live
)
insert into draw_head (team_id, tag_id, lane, total, live, n, images)
select team_id, tag_id, lane, sum(weight), sum(weight), count(*) filter (where weight > 0), count(*) from list
group by 1, 2, 3
"""
# Not those that hang on a parent's, nor a constraint's.
INDEXES: Final = """
select c.oid::regclass::text, replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ')
from pg_index i join pg_class c on c.oid = i.indexrelid
where i.indrelid in (select relid from unnest($1::text[]) as t, pg_partition_tree(t::regclass))
  and not c.relispartition and not exists (select from pg_constraint where conindid = c.oid)
"""


class Steps:
    """How long each step takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began
        print(f"{name:<42} {self.seconds[name]:8.1f} s", flush=True)


async def fill(url: str, images: int, seed: int = 1, *, vectors: bool = True) -> Library:
    """Fills the database, which must be at the head of the migrations and have no team."""
    steps = Steps()
    connection = await asyncpg.connect(server.dsn(url))
    try:
        async with connection.transaction():
            made = await _fill(connection, images, seed, steps, vectors=vectors)
        with steps.step("vacuum (analyze)"):
            await connection.execute("vacuum (analyze)")
    finally:
        await connection.close()
    print(f"{'everything':<42} {sum(steps.seconds.values()):8.1f} s")
    return made


async def _fill(connection: Any, images: int, seed: int, steps: Steps, *, vectors: bool) -> Library:
    if await connection.fetchval("select exists (select from team)"):
        raise SystemExit("This database has teams already: seed an empty one.")
    await connection.execute("set local session_replication_role = replica")
    await connection.execute("set local work_mem = '512MB'")
    # Of a table that is new in this transaction, a server with wal_level = minimal logs nothing.
    await connection.execute(f"truncate draw_head, {', '.join(BULK)} cascade")
    with steps.step("drawn"):
        made = library.generate(images, seed)
    with steps.step("indexes dropped"):
        indexes = await connection.fetch(INDEXES, list(BULK))
        for name, _definition in indexes:
            await connection.execute(f"drop index {name}")
    await _people(connection, made)
    with steps.step(f"image ({images:,} rows)"):
        await _images(connection, made)
    with steps.step("image_tag, collection_image"):
        await _tags(connection, made)
        await _collections(connection, made)
    await connection.execute("analyze image, image_tag")
    with steps.step("draw_line, draw_head"):
        await connection.execute(LINES)
        await connection.execute(HEADS)
    if vectors:
        with steps.step("image_vector"):
            await _vectors(connection, made, library.space_of(made))
    with steps.step("indexes made again"):
        for _name, definition in indexes:
            await connection.execute(definition)
    return made


async def _people(connection: Any, made: Library) -> None:
    """Teams, users, tags, collections and the model, by hand: they are few."""
    teams = [library.as_uuid(one) for one in made.team_ids]
    oldest = made.created[0].astype("datetime64[ms]").item().replace(tzinfo=None)
    await connection.executemany(
        "insert into team (id, name, slug) values ($1, $2, $3)",
        [(one, f"Team {n}", f"team-{n}") for n, one in enumerate(teams, start=1)],
    )
    everybody = await connection.fetchval(
        "insert into app_user (email, name) values ($1, 'Everybody') returning id", EVERYBODY
    )
    people = [
        (library.as_uuid(one), team, f"p{n}.{m}@example.org", f"Person {n}.{m}")
        for n, (team, ones) in enumerate(zip(teams, made.uploader_ids, strict=True), start=1)
        for m, one in enumerate(ones, start=1)
    ]
    await connection.executemany(
        "insert into app_user (id, email, name) values ($1, $2, $3)",
        [(one, email, name) for one, _, email, name in people],
    )
    members = [(team, everybody, "ADMIN") for team in teams]
    members += [(team, one, "EDITOR") for one, team, *_ in people]
    await connection.executemany(
        "insert into membership (team_id, user_id, role) values ($1, $2, $3)", members
    )
    await connection.executemany(
        "insert into tag (id, team_id, name, key, created_at)"
        " values ($1, $2, $3, $3, $4::timestamp at time zone 'UTC')",
        [
            (library.as_uuid(one), team, f"t{rank}", oldest)
            for team, ones in zip(teams, made.tag_ids, strict=True)
            for rank, one in enumerate(ones, start=1)
        ],
    )
    await connection.executemany(
        "insert into collection (id, team_id, name) values ($1, $2, $3)",
        [
            (library.as_uuid(one), team, name)
            for team, ones in zip(teams, made.collection_ids, strict=True)
            for one, name in zip(ones, library.COLLECTIONS, strict=True)
        ],
    )
    card = json.loads(CARD.read_text())
    await connection.execute(
        "insert into embedding_model (name, revision, dimension, state) values ($1, $2, $3, 'ACTIVE')",
        card["name"],
        card["revision"],
        library.DIMENSION,
    )


async def _images(connection: Any, made: Library) -> None:
    await connection.execute(STAGE)
    for start, stop in _spans(made, "images"):
        await connection.copy_to_table("staged", source=_lines(made, start, stop))
        await connection.execute(IMAGES)
        await connection.execute("truncate staged")


async def _lines(made: Library, start: int, stop: int) -> Any:
    """In COPY's text format, as the columns of STAGE are. No text has a tab or a backslash."""
    words = library.texts(made, start, stop)
    hashes = words.sha256.hex()
    teams = [str(library.as_uuid(one)) for one in made.team_ids]
    people = [[str(library.as_uuid(one)) for one in ones] for ones in made.uploader_ids]
    names = _tag_names(made, start, stop)
    made_at, taken, trashed = (
        np.datetime_as_string(one, timezone="UTC").tolist()
        for one in (made.created[start:stop], words.taken, words.trashed)
    )
    ids, weights = made.ids[start:stop], made.weight[start:stop].tolist()
    team, uploader = made.team[start:stop].tolist(), made.uploader[start:stop].tolist()
    rows = []
    for n in range(stop - start):
        sha256, (width, height) = hashes[64 * n : 64 * n + 64], words.side[n]
        rows.append(
            f"{library.as_uuid(ids[n])}\t{teams[team[n]]}\t{people[team[n]][uploader[n]]}\tt/{teams[team[n]]}/{sha256}"
            f"\t\\\\x{sha256}\t{words.size_bytes[n]}\t{words.format[n]}\t{width}\t{height}\t{words.filename[n]}"
            f"\t{words.title[n]}\t{words.description[n]}\t{weights[n]}\t{made_at[n]}\t{_known(taken[n])}"
            f"\t{_known(trashed[n])}\t{words.processing[n]}\t{words.damage[n] or _NULL}\t{names[n]}\n"
        )
    yield "".join(rows).encode()


_NULL: Final = "\\N"


def _known(moment: str) -> str:
    return _NULL if moment == "NaT" else moment


def _tag_names(made: Library, start: int, stop: int) -> list[str]:
    """Each image's names in the order of their tags' ids, as image_words joins them."""
    tags = _by_id(made, start, stop) + 1
    return [f"t{a}, t{b}, t{c}" for a, b, c in tags.tolist()]


def _by_id(made: Library, start: int, stop: int) -> NDArray[np.int64]:
    """`tags`, in the order of their ids."""
    whole = made.tag_ids.view(">u8")
    rank = np.empty((library.TEAMS, library.TAGS), dtype=np.int64)
    for team in range(library.TEAMS):
        rank[team, np.lexsort((whole[team, :, 1], whole[team, :, 0]))] = np.arange(library.TAGS)
    tags = made.tags[start:stop]
    order = np.argsort(rank[made.team[start:stop, None], tags], axis=1)
    return np.take_along_axis(tags, order, axis=1)


async def _tags(connection: Any, made: Library) -> None:
    for start, stop in _spans(made, "images with tags"):
        of_team, many = made.team[start:stop], library.TAGS_OF_IMAGE
        created = binary_copy.timestamps(made.created[start:stop]).repeat(many)
        columns = {
            "team_id": made.team_ids[of_team].repeat(many, axis=0),
            "image_id": made.ids[start:stop].repeat(many, axis=0),
            "tag_id": made.tag_ids[of_team[:, None], made.tags[start:stop]].reshape(-1, 16),
            "created_at": created.astype(binary_copy.INT8),
            "tagged_at": created.astype(binary_copy.INT8),
        }
        await _copy(connection, "image_tag", columns)


async def _collections(connection: Any, made: Library) -> None:
    rng = np.random.default_rng([made.seed, 5])
    for number, share in enumerate(library.COLLECTIONS.values()):
        inside = np.flatnonzero(rng.random(made.size) < share)
        created = binary_copy.timestamps(made.created[inside]).astype(binary_copy.INT8)
        columns = {
            "team_id": made.team_ids[made.team[inside]],
            "collection_id": made.collection_ids[made.team[inside], number],
            "image_id": made.ids[inside],
            "created_at": created,
            "added_at": created,
        }
        await _copy(connection, "collection_image", columns)


async def _vectors(connection: Any, made: Library, space: library.Space) -> None:
    model = await connection.fetchval("select id from embedding_model where state = 'ACTIVE'")
    for start, stop in _spans(made, "vectors"):
        of_team = made.team[start:stop]
        tags = made.tag_ids[of_team[:, None], _by_id(made, start, stop)]
        columns = {
            "team_id": made.team_ids[of_team],
            "model_id": np.full(stop - start, model, dtype=binary_copy.INT4),
            "image_id": made.ids[start:stop],
            "created_at": binary_copy.timestamps(made.created[start:stop]).astype(binary_copy.INT8),
            "tag_ids": binary_copy.uuid_arrays(tags),
            "embedding": binary_copy.halfvecs(space.vectors(made, start, stop)),
        }
        await _copy(connection, "image_vector", columns)


async def _copy(connection: Any, table: str, columns: dict[str, NDArray[Any]]) -> None:
    message = binary_copy.rows(columns)

    async def source() -> Any:
        yield message

    await connection.copy_to_table(table, source=source(), columns=list(columns), format="binary")


def _spans(made: Library, what: str) -> Iterator[tuple[int, int]]:
    with tqdm(total=made.size, desc=what, unit="", mininterval=1, leave=False) as bar:
        for start, stop in library.spans(made.size, STEP):
            yield start, stop
            bar.update(stop - start)


async def keys(url: str, teams: tuple[int, ...] = (1, 5, 20)) -> dict[int, str]:
    """A new key of everybody's in each of these teams, 1 the largest."""
    db = Database(url, pool_size=1)
    found = {}
    async with db.owner.transaction() as session:
        connection = await session.connection()
        for number in teams:
            team_id, user_id = (
                await connection.exec_driver_sql(
                    "select t.id, u.id from team t, app_user u where t.slug = $1 and u.email = $2",
                    (f"team-{number}", EVERYBODY),
                )
            ).one()
            _row, found[number] = await api_keys.add(
                session,
                team_id=team_id,
                user_id=user_id,
                name="benchmark",
                role=Role.ADMIN,
                expires_at=None,
            )
    await db.close()
    return found


async def prepare(url: str, images: int, seed: int) -> None:
    """Migrates and fills, and prints keys."""
    db = Database(url, pool_size=1)
    await migrate.upgrade(db.engine)
    await db.close()
    await fill(url, images, seed)
    for team, key in (await keys(url)).items():
        print(f"key of team {team:<3} {key}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--url", help="of a database")
    place.add_argument("--data-dir", type=Path, help="of a server that is started here")
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    url = asked.url or server.start(asked.data_dir)
    asyncio.run(prepare(url, asked.images, asked.seed))
    if asked.data_dir is not None:
        embedded.stop(asked.data_dir)


if __name__ == "__main__":
    main()
