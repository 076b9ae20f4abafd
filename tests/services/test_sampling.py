"""Draws are exactly proportional, with any filter, and never show what must not be drawn.

Chi-square at 99.9 %: a fair draw fails it once in 1,000 times, so a sample that fails is taken once
more; a fair draw fails both once in a million.
"""

import itertools
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import ColumnElement, event, func, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import counted_statements
from app.db.models import Image, Tag
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
)
from app.errors import AppError, ErrorCode
from app.services.draws import darts, sampling
from tests import make
from tests.database import Database

CRITICAL = {1: 10.828, 2: 13.816, 3: 16.266, 5: 20.515, 9: 27.877}
"""Upper 0.1 % points by degrees of freedom: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4."""
WEIGHTS = (0.5, 1, 2, 3, 5, 8)
NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
IN_2024 = DateTimeRange(NEW_YEAR, NEW_YEAR.replace(year=2025))
SEA = TagFilter(all=("sea",))

Sample = Callable[[], Awaitable[Counter[Hashable]]]


def chi_square(seen: Counter[Hashable], weights: Mapping[Hashable, float]) -> float:
    """Pearson's statistic of the counts against these relative probabilities."""
    scale = seen.total() / sum(weights.values())
    return sum(
        (seen[one] - weight * scale) ** 2 / (weight * scale) for one, weight in weights.items()
    )


async def assert_fair(sample: Sample, weights: Mapping[Hashable, float]) -> None:
    bound = CRITICAL[len(weights) - 1]
    worst = []
    for _ in range(2):
        seen = await sample()
        assert seen.keys() <= weights.keys()
        worst.append(chi_square(seen, weights))
        if worst[-1] < bound:
            return
    raise AssertionError(f"chi-square {worst}, bound {bound}")


async def library(db: Database, actor: Actor) -> dict[Hashable, float]:
    """Six images of tag "sea" of 2024 by weight, in lists with holes, among others that do not match."""
    (team_id,) = actor.team_ids
    day = NEW_YEAR + timedelta(days=100)
    ids = [
        await make.image(db, team_id, tags=("sea",), weight=weight + 4, created_at=day)
        for weight in WEIGHTS
    ]
    await make.image(db, team_id, tags=("sea",), weight=0, created_at=day)
    await make.image(
        db, team_id, tags=("sea",), weight=9, created_at=day, trashed_at=datetime.now(UTC)
    )
    await make.image(db, team_id, tags=("sea",), weight=9, created_at=day, state=ImageState.PENDING)
    await make.image(db, team_id, tags=("sea",), weight=6, created_at=IN_2024.end)
    await make.image(db, team_id, tags=("sun",), weight=6, created_at=day)
    await make.image(db, await make.team(db), tags=("sea",), weight=6, created_at=day)
    async with db.transaction() as session:
        for image_id, weight in zip(ids, WEIGHTS, strict=True):
            await session.execute(
                update(Image).where(Image.id == image_id).values(weight=round(weight * MICRO))
            )
    return dict(zip(ids, WEIGHTS, strict=True))


def bulk(
    db: Database, team_id: UUID, tag_id: UUID, wanted: ColumnElement[bool], many: int
) -> Sample:
    """Darts in one statement, of which those that match are counted: at least 60,000."""
    hits = (
        select(Image.id, func.count())
        .join(darts.DARTS, darts.DARTS.c.image_id == Image.id)
        .where(wanted)
        .group_by(Image.id)
    )
    values = {"teams": [team_id], "tags": [tag_id], "least": many, "most": 0, "images_a_dart": 1}
    values |= {"sure": many, "few": 0, "since": NEW_YEAR, "until": NEW_YEAR}

    async def sample() -> Counter[Hashable]:
        async with db.transaction() as session:
            seen: Counter[Hashable] = Counter(dict((await session.execute(hits, values)).all()))
        assert seen.total() >= 60_000
        return seen

    return sample


def served(
    db: Database,
    actor: Actor,
    wanted: ImageFilter,
    times: int,
    *,
    count: int = 1,
    half_life_days: float | None = None,
    anew: bool = False,
) -> Sample:
    """What the service draws: ids for a count of 1, tuples of ids for more.

    `anew`: from dates that begin an hour earlier each time, of which nothing is remembered.
    """
    starts = itertools.count(1)

    def asked() -> ImageFilter:
        if not anew:
            return wanted
        start = NEW_YEAR - timedelta(hours=next(starts))
        return replace(wanted, created_at=DateTimeRange(start, IN_2024.end))

    async def sample() -> Counter[Hashable]:
        seen: Counter[Hashable] = Counter()
        async with db.transaction() as session:
            for _ in range(times):
                drawn = await sampling.draw(
                    session, actor, asked(), count=count, half_life_days=half_life_days
                )
                ids = tuple(image.id for image in drawn)
                seen[ids[0] if count == 1 else ids] += 1
        return seen

    return sample


async def tag_of(db: Database, team_id: UUID, key: str) -> UUID:
    async with db.transaction() as session:
        query = select(Tag.id).where(Tag.team_id == team_id, Tag.key == key)
        return (await session.scalars(query)).one()


async def test_sixty_thousand_draws_follow_six_weights(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = [await make.image(db, team_id, tags=("sea",), weight=weight) for weight in WEIGHTS]
    await make.image(db, team_id, weight=0)
    weights: dict[Hashable, float] = dict(zip(ids, WEIGHTS, strict=True))

    await assert_fair(bulk(db, team_id, NO_ID, true(), 60_000), weights)
    await assert_fair(served(db, actor, ImageFilter(), 500), weights)


async def test_sixty_thousand_draws_with_tag_and_dates(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    weights = await library(db, actor)
    sea = await tag_of(db, team_id, "sea")
    wanted = ImageFilter(tags=SEA, created_at=IN_2024)

    in_2024 = (Image.created_at >= NEW_YEAR) & (Image.created_at < NEW_YEAR.replace(year=2025))
    await assert_fair(bulk(db, team_id, sea, in_2024, 150_000), weights)
    await assert_fair(served(db, actor, wanted, 500), weights)


@pytest.mark.parametrize(("others", "weight"), [(0, 1), (2_000, 0.05), (2_000, 0.5)])
async def test_draws_with_two_tags_and_dates(db: Database, others: int, weight: float) -> None:
    """Beside others with both tags of another year: none, so that darts find all, or so many that some or most take a scan."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    both, day = ("sea", "blue"), NEW_YEAR + timedelta(days=100)
    weights: dict[Hashable, float] = {
        await make.image(db, team_id, tags=both, weight=one, created_at=day): one for one in WEIGHTS
    }
    for tags, at in (((both[0],), day), ((both[1],), day), (both, IN_2024.end), ((), day)):
        await make.image(db, team_id, tags=tags, weight=7, created_at=at)
    await fill(db, team_id, others, weight=weight)
    await tag_all(db, team_id, both, since=IN_2024.end + timedelta(days=1))
    wanted = ImageFilter(tags=TagFilter(all=both), created_at=IN_2024)

    with counted_statements(db) as seen:
        await assert_fair(served(db, actor, wanted, 500, anew=True), weights)
    # Of one sample or of two.
    draws = sum("draw_line" in one for one in seen)
    scans = sum("chosen" in one for one in seen)
    assert (scans > draws / 2) if weight == 0.5 else (scans < draws / 5)
    assert bool(scans) is bool(others)


async def tag_all(db: Database, team_id: UUID, keys: tuple[str, ...], since: datetime) -> None:
    """Puts tags that are there on every image that came since."""
    async with db.transaction() as session:
        await session.execute(
            text(
                "insert into image_tag (team_id, image_id, tag_id, created_at)"
                " select i.team_id, i.id, t.id, i.created_at from image i join tag t using (team_id)"
                " where i.team_id = :team and i.created_at >= :since and t.key = any(:keys)"
            ),
            {"team": team_id, "since": since, "keys": list(keys)},
        )
        # As autovacuum does after so many rows: else PostgreSQL plans for one.
        await session.execute(text("analyze image, image_tag"))


async def test_filtered_draws_of_a_long_list(db: Database) -> None:
    """A hundredth of the weight matches, so that some draws are darts' and some a scan's."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await fill(db, team_id, 3_000, weight=0.5)
    weights: dict[Hashable, float] = {
        await make.image(db, team_id, weight=weight, width=99): weight for weight in WEIGHTS
    }
    wanted = ImageFilter(width=IntRange(99, 99))
    with counted_statements(db) as seen:
        await assert_fair(served(db, actor, wanted, 300), weights)
    draws = sum("draw_line" in one for one in seen)
    assert draws / 6 < sum("chosen" in one for one in seen) < draws * 5 / 6


async def fill(db: Database, team_id: UUID, count: int, *, weight: float) -> None:
    """Many images in one statement."""
    async with db.transaction() as session:
        await session.execute(
            text(
                "insert into image (team_id, state, object_key, sha256, size_bytes, format, width,"
                " height, weight) select :team, 'STORED', 'k', int4send(nth), 1, 'JPEG', 1, 1, :weight"
                " from generate_series(1, :count) nth"
            ),
            {"team": team_id, "count": count, "weight": round(weight * MICRO)},
        )
        # As autovacuum does soon.
        await session.execute(text("analyze image, draw_head, draw_line"))


@pytest.mark.parametrize("by", ["list", "long list", "filter", "long filter", "scan"])
async def test_draws_without_replacement(db: Database, by: str) -> None:
    """Weights so uneven that darts hit the same image again and again. A scan ends that in a short list, and in a long one
    more darts at the rest."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    weights = {await make.image(db, team_id, weight=weight): weight for weight in (20, 3, 2)}
    await fill(db, team_id, 3_000 if "long" in by else 0, weight=0)
    wanted = ImageFilter(
        ids=tuple(weights) if by == "scan" else None,
        width=IntRange(2) if "filter" in by else None,
    )
    pairs: dict[Hashable, float] = {
        (one, two): weights[one] / 25 * weights[two] / (25 - weights[one])
        for one, two in permutations(weights, 2)
    }
    with counted_statements(db) as seen:
        await assert_fair(served(db, actor, wanted, 600, count=2), pairs)
    throws = sum("draw_line" in one for one in seen)
    scans = sum("chosen" in one for one in seen)
    if by == "scan":
        assert not throws
    else:
        # That 48 darts at the rest all miss happens to one draw in 50,000.
        assert (scans < 5 and throws % 600 > 30) if "long" in by else (scans > 30)


@pytest.mark.parametrize("by", ["list", "filter", "scan"])
async def test_newer_images_are_drawn_more_often(db: Database, by: str) -> None:
    """The heaviest are the oldest: many darts hit those, and each hit has a coin of its own.

    The others of a long list are far too old, so that some draws take a scan after their darts.
    """
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await fill(db, team_id, 3_000, weight=0.06)
    async with db.transaction() as session:
        await session.execute(
            update(Image)
            .where(Image.team_id == team_id)
            .values(created_at=datetime(1999, 1, 1, tzinfo=UTC))
        )
    weights: dict[Hashable, float] = {}
    for number, weight in enumerate(WEIGHTS):
        born = NEW_YEAR - timedelta(days=11 * number)
        one = await make.image(db, team_id, weight=weight, width=99, created_at=born)
        weights[one] = weight * 0.5 ** (11 * number / 20)
    wanted = {
        "list": ImageFilter(),
        "filter": ImageFilter(
            width=IntRange(99, 99), created_at=DateTimeRange(None, NEW_YEAR + timedelta(days=1))
        ),
        "scan": ImageFilter(ids=tuple(weights)),  # type: ignore[arg-type]
    }[by]
    with counted_statements(db) as seen:
        await assert_fair(served(db, actor, wanted, 300, half_life_days=20), weights)
    assert any("draw_line" in one for one in seen) == (by != "scan")
    assert any("chosen" in one for one in seen)


async def test_newer_images_without_replacement(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    weights = {
        await make.image(
            db, team_id, weight=weight * 2**age, created_at=NEW_YEAR - timedelta(days=age)
        ): weight
        for age, weight in enumerate((5, 3, 2))
    }
    pairs: dict[Hashable, float] = {
        (one, two): weights[one] / 10 * weights[two] / (10 - weights[one])
        for one, two in permutations(weights, 2)
    }
    await assert_fair(served(db, actor, ImageFilter(), 600, count=2, half_life_days=1), pairs)


async def test_the_newest_of_two_teams_is_the_measure(db: Database) -> None:
    one, two = await make.team(db), await make.team(db)
    actor = Actor(user_id=await make.user(db), roles={one: Role.VIEWER, two: Role.VIEWER})
    weights: dict[Hashable, float] = {}
    for team in (one, two):
        await fill(db, team, 1_000, weight=0.001)
    for team, age in ((one, 0), (two, 10), (two, 20)):
        born = datetime.now(UTC) - timedelta(days=age)
        weights[await make.image(db, team, weight=4, width=99, created_at=born)] = 0.5 ** (age / 10)
    wanted = ImageFilter(width=IntRange(99, 99))
    await assert_fair(served(db, actor, wanted, 200, half_life_days=10), weights)


@pytest.mark.parametrize("days", [0, -1, 0.0099, 1_000_001, math.nan, math.inf, -math.inf])
async def test_a_half_life_has_limits(db: Database, days: float) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0])
    for seed in (None, "monday"):
        async with db.transaction() as session:
            with pytest.raises(AppError) as caught:
                await sampling.draw(session, actor, ImageFilter(), seed=seed, half_life_days=days)
        error = caught.value
        assert (error.code, error.field) == (ErrorCode.BAD_USER_INPUT, "recency.halfLifeDays")


@pytest.mark.parametrize("days", [0.01, 1_000_000])
async def test_no_age_is_too_great(db: Database, days: float) -> None:
    """Powers of two would be beyond a double's range long before."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    for year in (1, 1970, 9999):
        await make.image(db, team_id, created_at=datetime(year, 1, 1, tzinfo=UTC))
    await fill(db, team_id, 2_000, weight=0.001)
    for seed in (None, "monday"):
        async with db.transaction() as session:
            drawn = await sampling.draw(
                session,
                actor,
                ImageFilter(width=IntRange(2, None)),
                count=5,
                seed=seed,
                half_life_days=days,
            )
        assert len(drawn) == 3
        if days < 1:
            assert [image.created_at.year for image in drawn] == [9999, 1970, 1]


async def darts_thrown(session: AsyncSession) -> int:
    """How often this connection has looked for a segment, up to what statistics have taken over between two transactions."""
    query = "select idx_scan from pg_stat_xact_user_tables where relname = 'draw_line'"
    return int(await session.scalar(text(query)) or 0)


async def test_few_dates_are_counted_before_more_darts(db: Database) -> None:
    """A list so long that darts may try for a while; the index of dates tells that they need not."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await fill(db, team_id, 9_000, weight=1)
    # So light that no dart ever hits it.
    old = await make.image(db, team_id, weight=1 / MICRO, created_at=NEW_YEAR)
    for wanted, most in (
        (ImageFilter(created_at=IN_2024), 16),
        (ImageFilter(created_at=DateTimeRange(NEW_YEAR), width=IntRange(2)), 240),
    ):
        async with db.transaction() as session:
            before = await darts_thrown(session)
            with counted_statements(db) as seen:
                drawn = await sampling.draw(session, actor, wanted)
            assert await darts_thrown(session) - before == most
        assert [image.id for image in drawn] == [old]
        assert [sum(word in one for one in seen) for word in ("draw_line", "chosen")] == [1, 1]


@pytest.mark.parametrize(
    ("tags", "half_life", "anew"),
    [((), None, True), (("sea",), 20, True), ((), 20, False), (("sea",), None, False)],
)
async def test_draws_from_few_dates(
    db: Database, tags: tuple[str, ...], half_life: float | None, anew: bool
) -> None:
    """Of a list so long that most of these draws are a scan's, by the index of dates and whatever the values are."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    weights: dict[Hashable, float] = {}
    for number, weight in enumerate(WEIGHTS):
        born = IN_2024.end - timedelta(days=1 + 11 * number)
        one = await make.image(db, team_id, tags=("sea",), weight=weight, created_at=born)
        weights[one] = weight * 0.5 ** (11 * number / half_life if half_life else 0)
    for more in ({"weight": 0}, {"weight": 9, "trashed_at": datetime.now(UTC)}):
        await make.image(db, team_id, tags=("sea",), created_at=NEW_YEAR, **more)
    if tags:
        await make.image(db, team_id, weight=9, created_at=NEW_YEAR)
    await make.image(db, await make.team(db), tags=("sea",), weight=9, created_at=NEW_YEAR)
    await fill(db, team_id, 3_000, weight=1)
    await tag_all(db, team_id, ("sea",), since=IN_2024.end)
    wanted = ImageFilter(tags=TagFilter(all=tags), created_at=IN_2024)

    with counted_statements(db) as seen:
        sample = served(db, actor, wanted, 300, half_life_days=half_life, anew=anew)
        await assert_fair(sample, weights)
    assert sum("chosen" in one for one in seen) > 150
    assert anew or sum("draw_line" in one for one in seen) < 50
    assert not any("plan_cache_mode" in one for one in seen)
    async with db.transaction() as session:
        drawn = await sampling.draw(session, actor, wanted, count=100, half_life_days=half_life)
    assert {one.id for one in drawn} == weights.keys()
    assert len(drawn) == len(weights)


async def test_what_is_remembered_of_dates(db: Database) -> None:
    """The second draw from few dates needs no darts; once they are no longer few, darts are thrown again."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    old = await make.image(db, team_id, tags=("sea",), created_at=NEW_YEAR)
    await fill(db, team_id, 4_100, weight=100)

    async def drawn(wanted: ImageFilter, count: int = 1) -> tuple[list[UUID], list[int]]:
        """And how many statements threw darts, and how many scanned."""
        async with db.transaction() as session:
            with counted_statements(db) as seen:
                images = await sampling.draw(session, actor, wanted, count=count)
        ways = [sum(word in one for one in seen) for word in ("draw_line", "chosen")]
        return [one.id for one in images], ways

    wanted = ImageFilter(created_at=IN_2024)
    later = DateTimeRange(NEW_YEAR + timedelta(minutes=59), IN_2024.end)
    assert await drawn(wanted) == ([old], [1, 1])
    assert await drawn(wanted) == ([old], [0, 1])
    assert await drawn(ImageFilter(created_at=later)) == ([], [0, 1])
    # Nothing is known of another count, or of a tag.
    assert await drawn(wanted, 2) == ([old], [1, 1])
    assert await drawn(replace(wanted, tags=SEA)) == ([old], [1, 0])

    async with db.transaction() as session:
        move = "update image set created_at = :day where team_id = :team and id <> :old"
        values = {"day": NEW_YEAR + timedelta(days=9), "team": team_id, "old": old}
        await session.execute(text(move), values)
    for ways in ([1, 1], [1, 0]):
        images, taken = await drawn(wanted)
        assert len(images) == 1
        assert taken == ways


async def test_few_dates_are_scanned_by_their_index_alone(db: Database) -> None:
    actor = await make.actor(db)
    await fill(db, actor.team_ids[0], 3_000, weight=1)
    seen: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        seen.append((statement, values))

    engine = db.engine.sync_engine
    async with db.acting(actor).transaction() as session:
        event.listen(engine, "before_cursor_execute", note)
        await sampling.draw(session, actor, ImageFilter(created_at=IN_2024))
        event.remove(engine, "before_cursor_execute", note)
        statement, values = seen[-1]
        assert "chosen" in statement
        connection = await session.connection()
        rows = await connection.exec_driver_sql(f"explain (costs off) {statement}", values)
        assert "Index Only Scan using ix_image_dates" in "\n".join(row[0] for row in rows)


async def test_no_dart_is_thrown_after_the_last_hit(db: Database) -> None:
    """Whatever way PostgreSQL takes, it must not throw all darts first."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await fill(db, team_id, 9_000, weight=1)
    before = NEW_YEAR - timedelta(days=1)
    await make.image(db, team_id, tags=("sea", "sun"), weight=0, created_at=before)
    await tag_all(db, team_id, ("sea", "sun"), since=NEW_YEAR)
    both = TagFilter(all=("sea", "sun"))
    for wanted in (
        ImageFilter(),
        ImageFilter(tags=SEA),
        ImageFilter(tags=both),
        ImageFilter(tags=both, created_at=DateTimeRange(NEW_YEAR)),
        ImageFilter(width=IntRange(1), created_at=DateTimeRange(NEW_YEAR)),
    ):
        # Seven times on one connection: the first five, PostgreSQL plans for the values.
        async with db.transaction() as session:
            before = await darts_thrown(session)
            for _ in range(7):
                await sampling.draw(session, actor, wanted)
            assert await darts_thrown(session) - before == 7
    async with db.transaction() as session:
        before = await darts_thrown(session)
        await sampling.draw(session, actor, ImageFilter(), count=20)
        assert await darts_thrown(session) - before == 33


async def test_a_heavy_image_among_many_light_ones(db: Database) -> None:
    """Its segment begins far before most of its spots."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    heavy = await make.image(db, team_id, weight=1_000)
    await fill(db, team_id, 2_000, weight=0.5)
    await make.image(db, team_id, weight=1_000, trashed_at=datetime.now(UTC))

    async def sample() -> Counter[Hashable]:
        seen = await bulk(db, team_id, NO_ID, true(), 60_000)()
        return Counter({True: seen[heavy], False: seen.total() - seen[heavy]})

    await assert_fair(sample, {True: 1_000, False: 1_000})


async def test_teams_are_drawn_by_their_weight(db: Database) -> None:
    one, two = await make.team(db), await make.team(db)
    actor = Actor(user_id=await make.user(db), roles={one: Role.VIEWER, two: Role.VIEWER})
    weights: dict[Hashable, float] = {
        await make.image(db, team, tags=("sea",), weight=weight): weight
        for team, weight in ((one, 1), (one, 2), (two, 4))
    }
    await make.image(db, two, tags=("sun",), weight=9)
    await assert_fair(served(db, actor, ImageFilter(tags=SEA), 300), weights)
    for team in (one, two):
        await fill(db, team, 1_500, weight=0.001)
    wanted = ImageFilter(width=IntRange(640, 640), tags=TagFilter(none=("sun",)))
    await assert_fair(served(db, actor, wanted, 200), weights)


async def test_two_tags(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    weights: dict[Hashable, float] = {
        await make.image(db, team_id, tags=("sea", "sun"), weight=weight): weight
        for weight in (1, 2, 3)
    }
    await make.image(db, team_id, tags=("sea",), weight=50)
    await make.image(db, team_id, tags=("sun",), weight=5)
    await assert_fair(
        served(db, actor, ImageFilter(tags=TagFilter(all=("sea", "sun"))), 300), weights
    )


async def test_what_is_never_drawn(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    trashed = await make.image(db, team_id, trashed_at=datetime.now(UTC))
    other = await make.image(db, await make.team(db))
    none = await make.image(db, team_id, weight=0)
    for wanted in (
        ImageFilter(),
        ImageFilter(trashed=True),
        ImageFilter(trashed=None),
        ImageFilter(ids=(trashed, other, none)),
        ImageFilter(width=IntRange(1, None), trashed=None),
        ImageFilter(tags=SEA),
        ImageFilter(team_id=NO_ID),
    ):
        async with db.transaction() as session:
            assert await sampling.draw(session, actor, wanted, count=100) == []


async def test_fewer_where_fewer_match(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = {await make.image(db, team_id, tags=("sea",), weight=weight) for weight in (1, 100, 1e6)}
    for wanted in (ImageFilter(), ImageFilter(tags=SEA), ImageFilter(height=IntRange(480, 480))):
        async with db.transaction() as session:
            drawn = await sampling.draw(session, actor, wanted, count=5)
        assert len(drawn) == 3
        assert {image.id for image in drawn} == ids


@pytest.mark.parametrize("count", [-1, 0, 101])
async def test_the_count_has_limits(db: Database, count: int) -> None:
    actor = await make.actor(db)
    async with db.transaction() as session:
        with pytest.raises(AppError) as caught:
            await sampling.draw(session, actor, ImageFilter(), count=count)
    assert (caught.value.code, caught.value.field) == (ErrorCode.BAD_USER_INPUT, "count")


async def test_the_number_of_statements(db: Database) -> None:
    actor = await make.actor(db)
    await library(db, actor)
    expected = {
        ImageFilter(): 1,
        ImageFilter(tags=SEA): 2,
        ImageFilter(created_at=IN_2024): 1,
        ImageFilter(tags=SEA, created_at=IN_2024): 2,
        ImageFilter(width=IntRange(1)): 1,
    }
    for wanted, statements in expected.items():
        async with db.transaction() as session:
            with counted_statements(db) as seen:
                assert await sampling.draw(session, actor, wanted)
        assert len(seen) == statements, seen


@pytest.mark.parametrize("function", ["draw_uniform", "draw_uniform_by_uuid"])
async def test_uniform_integers(db: Database, function: str) -> None:
    async def sample() -> Counter[Hashable]:
        async with db.transaction() as session:
            rows = await session.execute(
                text(f"select {function}(10), count(*) from generate_series(1, 20000) group by 1")
            )
            return Counter(dict(rows.all()))

    await assert_fair(sample, dict.fromkeys(range(10), 1.0))
    async with db.transaction() as session:
        big = await session.scalar(
            text(f"select max({function}(3 * (1::bigint << 60))) from generate_series(1, 1000)")
        )
    assert 2**61 < big < 3 * 2**60
