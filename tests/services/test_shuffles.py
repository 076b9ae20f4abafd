"""Seeded orders: the same from outside, each image once, and nothing moves that was not changed."""

import base64
import math
import re
from collections import Counter
from collections.abc import Hashable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects import postgresql

from app.db.database import counted_statements
from app.db.models import Image
from app.domain import (
    MICRO,
    NO_ID,
    Actor,
    DateTimeRange,
    ImageFilter,
    ImageState,
    IntRange,
    Role,
    TagFilter,
    Window,
)
from app.errors import AppError, ErrorCode
from app.services.draws import sampling, shuffles
from app.services.draws.shuffles import Shuffle
from tests import make
from tests.database import Database
from tests.services.test_sampling import WEIGHTS, assert_fair, fill, library

PAGE = Path(__file__).parents[2] / "docs/draws.md"
SEA = TagFilter(all=("sea",))


def documented() -> dict[str, Any]:
    """The Python of docs/draws.md, run."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names


async def walk(db: Database, actor: Actor, asked: Shuffle, size: int) -> list[UUID]:
    """The ids of all pages."""
    seen: list[UUID] = []
    cursor = None
    while True:
        async with db.transaction() as session:
            page = await shuffles.page(session, actor, asked, Window(limit=size, cursor=cursor))
        seen += [row.id for row in page.rows]
        assert page.has_previous == (cursor is not None)
        if not page.has_next:
            return seen
        cursor = page.cursors[-1]


async def test_pages_have_each_image_once(db: Database) -> None:
    actor = await make.actor(db)
    weights = await library(db, actor)
    (team_id,) = actor.team_ids
    await fill(db, team_id, 150, weight=0.5)
    for wanted in (ImageFilter(), ImageFilter(trashed=None), ImageFilter(width=IntRange(1, 1))):
        asked = Shuffle("monday", wanted)
        walked = [await walk(db, actor, asked, size) for size in (7, 100)]
        assert walked[0] == walked[1]
        async with db.transaction() as session:
            matching = select(Image.id).where(Image.team_id == team_id, Image.draw_weight > 0)
            if wanted.width:
                matching = matching.where(Image.width == 1)
            everything = set(await session.scalars(matching))
            first = await sampling.draw(session, actor, wanted, count=30, seed="monday")
            counted = await shuffles.count(session, actor, asked)
        assert set(walked[0]) == everything
        assert len(walked[0]) == len(everything) == counted > 100
        assert [image.id for image in first] == walked[0][:30]
    tagged = Shuffle("monday", ImageFilter(tags=SEA))
    assert set(weights) < set(await walk(db, actor, tagged, 3))
    async with db.transaction() as session:
        assert await shuffles.count(session, actor, tagged) == len(WEIGHTS) + 1


async def test_another_seed_is_another_order(db: Database) -> None:
    actor = await make.actor(db)
    await fill(db, actor.team_ids[0], 60, weight=1)
    orders = [
        tuple(await walk(db, actor, Shuffle(seed, ImageFilter()), 50)) for seed in ("a", "b", "ä")
    ]
    assert len(set(orders)) == 3
    assert len({frozenset(order) for order in orders}) == 1


async def test_a_new_weight_moves_that_image_alone(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await fill(db, team_id, 200, weight=1)
    asked = Shuffle("monday", ImageFilter())
    before = await walk(db, actor, asked, 100)

    async def change(image_id: UUID, **values: Any) -> list[UUID]:
        async with db.transaction() as session:
            await session.execute(update(Image).where(Image.id == image_id).values(**values))
        return await walk(db, actor, asked, 100)

    heavier = await change(before[-1], weight=1_000 * MICRO)
    assert heavier.index(before[-1]) < 100
    assert [one for one in heavier if one != before[-1]] == before[:-1]
    # Not the first one: its key may be so small that a millionth of the weight leaves it in front.
    lighter = await change(before[50], weight=1)
    assert lighter[-1] == before[50]
    assert lighter[:-1] == [one for one in heavier if one != before[50]]
    assert await change(before[7], trashed_at=datetime.now(UTC)) == [
        one for one in lighter if one != before[7]
    ]
    assert await change(before[7], trashed_at=None) == lighter
    await make.image(db, team_id)
    assert [one for one in await walk(db, actor, asked, 100) if one in set(before)] == lighter


async def test_changes_between_pages(db: Database) -> None:
    """What goes or comes while somebody pages neither repeats nor skips another image."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await fill(db, team_id, 90, weight=1)
    asked = Shuffle("monday", ImageFilter())
    staying = await walk(db, actor, asked, 100)
    passing = set(staying[::4])
    seen: list[UUID] = []
    cursor = None
    while True:
        async with db.transaction() as session:
            page = await shuffles.page(session, actor, asked, Window(limit=10, cursor=cursor))
            await session.execute(
                update(Image)
                .where(Image.id.in_(list(passing)[len(seen) % 20 :][:3]))
                .values(trashed_at=func.now())
            )
        seen += [row.id for row in page.rows]
        await make.image(db, team_id)
        if not page.has_next:
            break
        cursor = page.cursors[-1]
    assert len(seen) == len(set(seen))
    kept = [one for one in staying if one not in passing]
    assert [one for one in seen if one in set(kept)] == kept


@pytest.mark.parametrize("half_life", [None, 30.0])
async def test_the_documented_python_makes_the_same_order(
    db: Database, half_life: float | None
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    for number in range(40):
        await make.image(
            db,
            team_id,
            weight=(number % 7) / 3,
            created_at=datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=37.123457 * number),
        )
    async with db.transaction() as session:
        rows = list(await session.scalars(select(Image).where(Image.team_id == team_id)))
    images = [
        {"id": str(row.id), "weight": row.weight / MICRO, "createdAt": row.created_at.isoformat()}
        for row in rows
    ]
    order = documented()["order"](images, "crème brûlée", half_life)

    asked = Shuffle("crème brûlée", ImageFilter(), half_life)
    assert list(map(str, await walk(db, actor, asked, 9))) == order
    assert len(order) == sum(row.weight > 0 for row in rows)


async def test_a_hundred_thousand_keys_are_those_of_python(db: Database) -> None:
    """Bit for bit with the C library of this test; in any case so near that the order is the same."""
    key = documented()["key"]
    made = Shuffle("a million", ImageFilter()).key()
    expression = made.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    async with db.transaction() as session:
        rows = (
            await session.execute(
                text(
                    f"select id, draw_weight, {expression} as key from ("
                    " select gen_random_uuid() as id, (exp(12 * random()) * 1000)::bigint as draw_weight"
                    " from generate_series(1, 100000) offset 0) as image"
                )
            )
        ).all()
    ours = [one.id for one in sorted(rows, key=lambda one: (one.key, one.id))]
    theirs = {one.id: key(str(one.id), one.draw_weight / MICRO, "a million") for one in rows}
    assert ours == sorted(theirs, key=lambda one: (theirs[one], one))
    assert all(math.isclose(one.key, theirs[one.id], rel_tol=1e-15) for one in rows)


async def test_first_places_follow_the_weights(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    weights = {await make.image(db, team_id, weight=weight): weight for weight in (20, 3, 2)}
    pairs: dict[Hashable, float] = {
        (one, two): weights[one] / 25 * weights[two] / (25 - weights[one])
        for one, two in permutations(weights, 2)
    }
    rounds = iter(range(2))

    async def sample() -> Counter[Hashable]:
        seen: Counter[Hashable] = Counter()
        part = next(rounds)
        async with db.transaction() as session:
            for number in range(600):
                drawn = await sampling.draw(
                    session, actor, ImageFilter(), count=2, seed=f"{part} {number}"
                )
                seen[tuple(image.id for image in drawn)] += 1
        return seen

    await assert_fair(sample, pairs)


async def test_cursors_belong_to_their_order(db: Database) -> None:
    actor = await make.actor(db)
    await fill(db, actor.team_ids[0], 5, weight=1)
    asked = Shuffle("monday", ImageFilter())
    async with db.transaction() as session:
        page = await shuffles.page(session, actor, asked, Window(limit=2))
        cursor = page.cursors[-1]
        for other in (
            replace(asked, seed="tuesday"),
            replace(asked, half_life_days=3.0),
            replace(asked, wanted=ImageFilter(width=IntRange(1, None))),
            replace(asked, wanted=ImageFilter(team_id=NO_ID)),
        ):
            with pytest.raises(AppError) as caught:
                await shuffles.page(session, actor, other, Window(limit=2, cursor=cursor))
            assert (caught.value.code, caught.value.field) == (ErrorCode.BAD_USER_INPUT, "after")
        keyset = asked.keyset()
        for value in ("NaN", "Infinity", "1e999", '"1"', "1", "null", "[]"):
            forged = forge(keyset.name, value, NO_ID)
            with pytest.raises(AppError):
                await shuffles.page(session, actor, asked, Window(limit=2, cursor=forged))


def forge(name: str, value: str, image_id: UUID) -> str:
    packed = f'["{name}",{value},"{image_id}"]'.encode()
    return base64.urlsafe_b64encode(packed).decode()


@pytest.mark.parametrize("seed", ["", "x" * 201, "\ud800"])
async def test_bad_seeds(db: Database, seed: str) -> None:
    actor = await make.actor(db)
    async with db.transaction() as session:
        with pytest.raises(AppError) as caught:
            await sampling.draw(session, actor, ImageFilter(), seed=seed)
    assert (caught.value.code, caught.value.field) == (ErrorCode.BAD_USER_INPUT, "seed")


async def test_odd_seeds_are_seeds(db: Database) -> None:
    actor = await make.actor(db)
    await fill(db, actor.team_ids[0], 3, weight=1)
    for seed in ("\0", "'; drop table image; --", "x" * 200, "🎲"):
        assert len(await walk(db, actor, Shuffle(seed, ImageFilter()), 2)) == 3


async def test_what_is_never_in_an_order(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    trashed = await make.image(db, team_id, trashed_at=datetime.now(UTC))
    other = await make.image(db, await make.team(db))
    none = await make.image(db, team_id, weight=0)
    await make.image(db, team_id, state=ImageState.PENDING)
    for wanted in (
        ImageFilter(),
        ImageFilter(trashed=True),
        ImageFilter(trashed=None),
        ImageFilter(ids=(trashed, other, none)),
        ImageFilter(tags=SEA),
    ):
        asked = Shuffle("monday", wanted)
        assert await walk(db, actor, asked, 10) == []
        async with db.transaction() as session:
            assert await shuffles.count(session, actor, asked) == 0


async def test_two_teams_are_one_order(db: Database) -> None:
    one, two = await make.team(db), await make.team(db)
    actor = Actor(user_id=await make.user(db), roles={one: Role.VIEWER, two: Role.VIEWER})
    for team in (one, two):
        await fill(db, team, 20, weight=1)
    both = await walk(db, actor, Shuffle("monday", ImageFilter()), 7)
    parts = [
        await walk(db, actor, Shuffle("monday", ImageFilter(team_id=team)), 7)
        for team in (one, two)
    ]
    assert len(both) == 40
    for part in parts:
        assert [image_id for image_id in both if image_id in set(part)] == part


async def test_the_number_of_statements(db: Database) -> None:
    actor = await make.actor(db)
    await library(db, actor)
    year = DateTimeRange(datetime(2024, 1, 1, tzinfo=UTC))
    for wanted, statements in (
        (ImageFilter(), 1),
        (ImageFilter(tags=SEA), 2),
        (ImageFilter(created_at=year), 2),
    ):
        async with db.transaction() as session:
            with counted_statements(db) as seen:
                assert await sampling.draw(session, actor, wanted, seed="monday", count=3)
        assert len(seen) == statements, seen
