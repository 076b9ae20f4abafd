"""Chance: images drawn in exact proportion to their weights, among those that a filter lets through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from uuid import UUID

from sqlalchemy import ARRAY, Double, Select, Uuid, cast, column, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import DrawHead, Image
from app.domain import NO_ID, Actor, ImageFilter
from app.errors import bad_input
from app.services import access, filters
from app.services.filters import Match

MAX_COUNT = 100
MAX_DARTS = 2_000
IMAGES_A_DART = 100
"""A scan reads about this many images in twice the time that one dart takes."""


async def draw(
    session: AsyncSession, actor: Actor, wanted: ImageFilter, *, count: int = 1
) -> list[Image]:
    """`count` different images that match, in the order they were drawn; fewer where fewer match.

    Each is drawn with probability weight / (sum of the weights of those that match and are not yet drawn).
    Weight 0 and the trash are never drawn, whatever the filter says. BAD_USER_INPUT outside 1 to 100.

    Why it is exact: darts at lists that cover the filter hit each image in proportion to its weight. The
    first that matches and is new is then proportional among the rest, and which one that is does not
    depend on how many darts missed. So they may be given up after any number, and the next image be
    drawn from the same rest in another exact way: by a scan.
    """
    if not 1 <= count <= MAX_COUNT:
        raise bad_input("count", f"Between 1 and {MAX_COUNT} images.", limit=MAX_COUNT)
    if wanted.trashed:
        return []
    match = await filters.resolve(session, actor, replace(wanted, trashed=False))
    if match.empty:
        return []
    plan = await _plan(session, match, wanted, count)
    drawn: list[Image] = []
    if plan.darts:
        drawn += await _throw(session, plan, drawn, darts=plan.darts, count=count)
    if darts := plan.more_darts(len(drawn), count):
        drawn += await _throw(session, plan, drawn, darts=darts, count=count)
    if len(drawn) < count:
        drawn += await _scan(session, match, drawn, count=count)
    return drawn


@dataclass(frozen=True)
class _Plan:
    """Where to throw darts, how many at first and at most, and which of the images hit are answers.

    `lists`: of each team the list (a tag, or NO_ID for all images) that covers the filter.
    """

    images: Select[Image]
    lists: Mapping[UUID, UUID]
    darts: int
    most: int

    def more_darts(self, found: int, count: int) -> int:
        """How many will probably find the rest, judged by the first ones; 0 where they would be too many."""
        darts = ceil(1.5 * (count - found) * (self.darts + 1) / (found + 1))
        return darts if self.darts + darts <= self.most else 0


async def _plan(session: AsyncSession, match: Match, wanted: ImageFilter, count: int) -> _Plan:
    """Where a list is the filter, each dart is an answer; else darts may cost half as much as a scan.

    One statement, and none for the first kind. That one trusts the lists for tag and trash, because its
    images are then found by their keys alone, however many the tag has.
    """
    if match.only_tags and all(len(tags) <= 1 for tags in match.all_tags.values()):
        images = select(Image).where(access.in_teams(Image.team_id, match.team_ids), Image.live)
        lists = {team: tags[0] if tags else NO_ID for team, tags in match.all_tags.items()}
        darts = count if count == 1 else count + count // 4 + 8
        return _Plan(images, lists, darts, most=darts)
    lists, size = ({}, 0) if wanted.ids is not None else await _smallest_lists(session, match)
    most = min(MAX_DARTS, size // IMAGES_A_DART)
    darts = 12 + 4 * count
    return _Plan(match.images(), lists, darts if darts <= most else 0, most)


async def _smallest_lists(session: AsyncSession, match: Match) -> tuple[dict[UUID, UUID], int]:
    """Of each team the list of least weight that covers the filter, and how many images they have together.

    A team in which one of the lists weighs nothing is left out: nothing in it can be drawn.
    """
    lists = {team: tags or (NO_ID,) for team, tags in match.all_tags.items()}
    heads = await session.execute(
        select(
            DrawHead.team_id, DrawHead.tag_id, func.sum(DrawHead.live), func.sum(DrawHead.images)
        )
        .where(
            tuple_(DrawHead.team_id, DrawHead.tag_id).in_(
                [(team, tag) for team, tags in lists.items() for tag in tags]
            ),
            DrawHead.live > 0,
        )
        .group_by(DrawHead.team_id, DrawHead.tag_id)
    )
    sizes = {(team, tag): (int(weight), int(images)) for team, tag, weight, images in heads}
    smallest = {
        team: min(tags, key=lambda tag: sizes[team, tag])
        for team, tags in lists.items()
        if all((team, tag) in sizes for tag in tags)
    }
    return smallest, sum(sizes[one][1] for one in smallest.items())


async def _throw(
    session: AsyncSession, plan: _Plan, drawn: Sequence[Image], *, darts: int, count: int
) -> list[Image]:
    """The images that the darts hit, each at its first hit, without those that are no answer.

    One statement, so that lists and filter are read as of one moment.
    """
    lines = (literal(list(ids), ARRAY(Uuid())) for ids in (plan.lists.keys(), plan.lists.values()))
    hits = (
        func.draw_many(*lines, darts)
        .table_valued(column("image_id", Uuid), with_ordinality="nth")
        .render_derived("hits")
    )
    firsts = (
        select(hits.c.image_id, func.min(hits.c.nth).label("nth"))
        .group_by(hits.c.image_id)
        .cte("firsts")
        .prefix_with("materialized")
    )
    query = (
        plan.images.join(firsts, firsts.c.image_id == Image.id)
        .where(Image.id.not_in([image.id for image in drawn]))
        .order_by(firsts.c.nth)
        .limit(count - len(drawn))
    )
    return list(await session.scalars(query))


async def _scan(
    session: AsyncSession, match: Match, drawn: Sequence[Image], *, count: int
) -> list[Image]:
    """The rest of `count` from everything that matches: each image gets the key -ln(U) / weight, and the
    smallest keys are drawn (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).

    `random()` lies in [0, 1), so it is its complement that has a logarithm.
    """
    query = (
        match.images()
        .where(Image.draw_weight > 0, Image.id.not_in([image.id for image in drawn]))
        .order_by(-func.ln(1 - func.random()) / cast(Image.draw_weight, Double))
        .limit(count - len(drawn))
    )
    return list(await session.scalars(query))
