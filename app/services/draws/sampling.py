"""Chance: images drawn in exact proportion to their weights, among those that a filter lets through."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Double,
    Integer,
    Select,
    Uuid,
    all_,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db.models import DrawHead, Image
from app.domain import NO_ID, Actor, DateTimeRange, ImageFilter, Window
from app.errors import bad_input
from app.services import access, paging
from app.services.draws import recency, shuffles
from app.services.draws.shuffles import Shuffle
from app.services.filters import Match

MAX_COUNT: Final = 100
MAX_DARTS: Final = 2_000
IMAGES_A_DART: Final = 100
"""A scan reads about this many images in twice the time that one dart takes."""
FEW: Final = 5_000
"""Where a range of dates leaves no more images, they are scanned rather than thrown at again."""
LEAST_KEY: Final = 1e-300
"""For the one number in 2^53 that has no logarithm."""


async def draw(
    session: AsyncSession,
    actor: Actor,
    wanted: ImageFilter,
    *,
    count: int = 1,
    seed: str | None = None,
    half_life_days: float | None = None,
) -> list[Image]:
    """`count` different images that match, in the order they were drawn; fewer where fewer match.

    Each is drawn with probability weight / (sum of the weights of those that match and are not yet drawn).
    `half_life_days`: a weight counts half where the image is so much older. `seed`: the same images in the same
    order each time. Weight 0 and the trash are never drawn, whatever the filter says. BAD_USER_INPUT outside
    1 to 100.

    Why it is exact: darts at lists that cover the filter hit each image in proportion to its weight. The
    first that matches and is new is then proportional among the rest, and which one that is does not
    depend on how many darts missed. So they may be given up after any number, and the next image be
    drawn from the same rest in another exact way: by a scan. Of the hits of an old image only a share counts,
    by a coin for each dart: what counts is then in proportion to weight and age.
    """
    if not 1 <= count <= MAX_COUNT:
        raise bad_input("count", f"Between 1 and {MAX_COUNT} images.", limit=MAX_COUNT)
    recency.check(half_life_days)
    if seed is not None:
        asked = Shuffle(seed, wanted, half_life_days)
        return [*(await shuffles.page(session, actor, asked, Window(limit=count))).rows]
    match = await shuffles.matching(session, actor, wanted)
    if match.empty:
        return []
    plan = await _plan(session, match, wanted, count, half_life_days)
    drawn: list[Image] = []
    if plan.darts:
        drawn += await _throw(session, plan, drawn, darts=plan.darts, count=count)
    thrown = plan.darts
    darts = plan.more_darts(thrown, len(drawn), count)
    if (
        darts
        and not plan.seem_many(thrown, len(drawn))
        and await _are_few(session, match, wanted.created_at)
    ):
        darts = 0
    while darts:
        drawn += await _throw(session, plan, drawn, darts=darts, count=count)
        thrown += darts
        darts = plan.more_darts(thrown, len(drawn), count)
    if len(drawn) < count:
        drawn += await _scan(session, plan, drawn, count=count)
    return drawn


@dataclass(frozen=True)
class _Aged:
    """`newest`: a moment that no image is younger than, in seconds since 1970."""

    half_life_days: float
    newest: float

    @property
    def rate(self) -> float:
        """What a second more takes from the logarithm of a weight."""
        return math.log(2) / (recency.DAY_SECONDS * self.half_life_days)


@dataclass(frozen=True)
class _Plan:
    """Where to throw darts, how many at first and at most, and which of the images hit are answers.

    `lists`: of each team the list (a tag, or NO_ID for all images) that covers the filter, `size` images together.
    """

    match: Match
    answers: Select[Image]
    lists: Mapping[UUID, UUID]
    darts: int
    size: int = 0
    aged: _Aged | None = None

    @property
    def most(self) -> int:
        """Darts that cost half as much as a scan."""
        return min(MAX_DARTS, self.size // IMAGES_A_DART)

    def seem_many(self, thrown: int, found: int) -> bool:
        """Whether so many darts hit that there need be no count to know that the matches are more than FEW."""
        return found * self.size > 2 * FEW * thrown

    def more_darts(self, thrown: int, found: int, count: int) -> int:
        """How many will probably find the rest, judged by those that were thrown; 0 where they would be too many."""
        darts = ceil(1.5 * (count - found) * (thrown + 1) / (found + 1))
        return darts if thrown + darts <= self.most else 0


async def _plan(
    session: AsyncSession,
    match: Match,
    wanted: ImageFilter,
    count: int,
    half_life_days: float | None,
) -> _Plan:
    """Where a list is the filter, each dart is an answer; else darts may cost half as much as a scan.

    One statement, and none for the first kind. That one trusts the lists for tag and trash, because its
    images are then found by their keys alone, however many the tag has.
    """
    if match.lists is not None and half_life_days is None:
        darts = count if count == 1 else count + count // 4 + 8
        return _Plan(match, LISTED_ANSWERS, match.lists, darts)
    lists, size, newest = (
        ({}, 0, 0.0)
        if wanted.ids is not None
        else await _smallest_lists(session, match, dated=half_life_days is not None)
    )
    most = min(MAX_DARTS, size // IMAGES_A_DART)
    darts = 12 + 4 * count if 12 + 4 * count <= most else 0
    images = match.images() if match.lists is None else LISTED
    if half_life_days is None:
        return _Plan(match, _answers(images, FIRSTS), lists, darts, size)
    if wanted.created_at is not None and wanted.created_at.end is not None:
        newest = min(newest, wanted.created_at.end.timestamp())
    aged = _Aged(half_life_days, newest)
    return _Plan(match, _answers(images, AGED_FIRSTS), lists, darts, size, aged)


async def _smallest_lists(
    session: AsyncSession, match: Match, *, dated: bool
) -> tuple[dict[UUID, UUID], int, float]:
    """Of each team the list of least weight that covers the filter; how many images they have together; and, if
    `dated`, when the newest of the teams came, in seconds since 1970.

    A team in which one of the lists weighs nothing is left out: nothing in it can be drawn.
    """
    lists = {team: tags or (NO_ID,) for team, tags in match.all_tags.items()}
    heads = await session.execute(
        select(
            DrawHead.team_id,
            DrawHead.tag_id,
            func.sum(DrawHead.live),
            func.sum(DrawHead.images),
            recency.newest(match.team_ids) if dated else literal(0.0, Double()),
        )
        .where(
            tuple_(DrawHead.team_id, DrawHead.tag_id).in_(
                [(team, tag) for team, tags in lists.items() for tag in tags]
            ),
            DrawHead.live > 0,
        )
        .group_by(DrawHead.team_id, DrawHead.tag_id)
    )
    found = heads.all()
    sizes = {(team, tag): (int(weight), int(images)) for team, tag, weight, images, _ in found}
    smallest = {
        team: min(tags, key=lambda tag: sizes[team, tag])
        for team, tags in lists.items()
        if all((team, tag) in sizes for tag in tags)
    }
    return smallest, sum(sizes[one][1] for one in smallest.items()), found[0][-1] if found else 0.0


async def _are_few(session: AsyncSession, match: Match, span: DateTimeRange | None) -> bool:
    """Whether a range of dates alone leaves at most FEW images. Its index counts them in no time, up to the bound."""
    if span is None or span == DateTimeRange():
        return False
    dated = select(Image.id).where(access.in_teams(Image.team_id, match.team_ids))
    if span.start is not None:
        dated = dated.where(Image.created_at >= span.start)
    if span.end is not None:
        dated = dated.where(Image.created_at < span.end)
    return await paging.count(session, dated.limit(FEW + 1)) <= FEW


def _hits() -> CTE:
    """The darts' hits in order, each with a coin of its own from (0, 1].

    Materialized: a coin that the planner may move elsewhere is tossed once for an image, or for each row.
    """
    hits = (
        func.draw_many(_ids("teams"), _ids("tags"), bindparam("darts", type_=Integer()))
        .table_valued(column("image_id", Uuid), with_ordinality="nth")
        .render_derived("dart")
    )
    coin = (1 - func.random(type_=Double())).label("coin")
    return select(hits.c.image_id, hits.c.nth, coin).cte("hits").prefix_with("materialized")


def _firsts(hits: CTE, *, aged: bool) -> CTE:
    """Each image that was hit, at its first hit that counts."""
    firsts = select(hits.c.image_id, func.min(hits.c.nth).label("nth")).group_by(hits.c.image_id)
    if aged:
        born = aliased(Image)
        age: ColumnElement[float] = bindparam("newest", type_=Double()) - func.date_part(
            "epoch", born.created_at
        )
        kept = func.ln(hits.c.coin) <= -bindparam("rate", type_=Double()) * age
        firsts = firsts.join(born, born.id == hits.c.image_id).where(kept)
    return firsts.cte("firsts").prefix_with("materialized")


def _answers(images: Select[Image], firsts: CTE) -> Select[Image]:
    """Those of the images that were hit and are not drawn yet, in the order of the hits.

    OFFSET keeps the planner to the way that is quick for a few hits: it cannot know the filter's values, and may think
    that a range of dates or a tag is read sooner.
    """
    match = images.with_only_columns(Image.id).where(Image.id == firsts.c.image_id).offset(0)
    answers = (
        select(firsts.c.image_id, firsts.c.nth)
        .join(match.lateral("matching"), true())
        .where(firsts.c.image_id != all_(_ids("drawn")))
        .order_by(firsts.c.nth)
        .limit(bindparam("count", type_=Integer()))
        .subquery("answers")
    )
    return select(Image).join(answers, answers.c.image_id == Image.id).order_by(answers.c.nth)


def _ids(name: str) -> Any:
    return bindparam(name, type_=ARRAY(Uuid()))


FIRSTS: Final = _firsts(_hits(), aged=False)
AGED_FIRSTS: Final = _firsts(_hits(), aged=True)
LISTED: Final = select(Image).where(Image.team_id == any_(_ids("teams")), Image.live)
LISTED_ANSWERS: Final = _answers(LISTED, FIRSTS)
"""Made once: to make it anew takes twice as long as to run it."""


async def _throw(
    session: AsyncSession, plan: _Plan, drawn: Sequence[Image], *, darts: int, count: int
) -> list[Image]:
    """The images that the darts hit, each at its first hit, without those that are no answer.

    One statement, so that lists and filter are read as of one moment.
    """
    values: dict[str, Any] = {
        "teams": list(plan.lists.keys()),
        "tags": list(plan.lists.values()),
        "darts": darts,
        "drawn": [image.id for image in drawn],
        "count": count - len(drawn),
    }
    if plan.aged is not None:
        values |= {"rate": plan.aged.rate, "newest": plan.aged.newest}
    return list(await session.scalars(plan.answers, values))


async def _scan(
    session: AsyncSession, plan: _Plan, drawn: Sequence[Image], *, count: int
) -> list[Image]:
    """The rest of `count` from everything that matches: each image gets the key -ln(U) / weight, and the
    smallest keys are drawn (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).

    `random()` lies in [0, 1), so it is its complement that has a logarithm. Ids are sorted first, for whole rows
    are ten times as wide.
    """
    key = -func.ln(1 - func.random()) / cast(Image.draw_weight, Double)
    if plan.aged is not None:
        gain = recency.gain(plan.aged.half_life_days)
        key = func.ln(func.greatest(key, literal(LEAST_KEY, Double()))) - gain
    chosen = (
        plan.match.images()
        .with_only_columns(Image.id, key.label("key"))
        .where(Image.draw_weight > 0, Image.id.not_in([image.id for image in drawn]))
        .order_by("key")
        .limit(count - len(drawn))
        .subquery("chosen")
    )
    if plan.match.lists is None:
        await session.execute(shuffles.PLAN_ANEW)
    rows = select(Image).join(chosen, chosen.c.id == Image.id).order_by(chosen.c.key)
    return list(await session.scalars(rows))
