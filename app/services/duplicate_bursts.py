"""Bursts of near-copies: whom an image is near to when the groups of its nearest ones have no room for it."""

from bisect import bisect
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Float,
    ScalarSelect,
    Select,
    Subquery,
    and_,
    any_,
    func,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db.models import Duplicate, DuplicatePair, ImageVector
from app.services import arrays
from app.services.duplicate_groups import MAX_GROUP, Pair

EACH_WAY: Final = 5
"""With so many images before it and so many behind it, in the order of ids, an image is paired."""
MOST: Final = 500
"""Images that those left alone are compared with in one transaction."""


async def beside(
    session: AsyncSession, team_id: UUID, model_id: int, alone: Collection[UUID], floor: float
) -> Mapping[UUID, Sequence[Pair]]:
    """Pairs of the images that are left `alone`, with each other and with images whose group has room.

    Those nearest to a burst of copies are the same few for all of it, and their group is full at some time. Who else is near
    to these few is compared vector by vector; and of all that are near enough, the next ones in the order of ids are taken,
    for the nearest would once more be a few.
    """
    pool = (await session.scalars(_pool(team_id, alone))).all()
    scores = _scores(team_id, model_id, alone, {*alone, *pool}, floor)
    near: dict[UUID, list[tuple[UUID, float]]] = {}
    for image_id, other_id, score in await session.execute(scores):
        near.setdefault(image_id, []).append((other_id, score))
    return {
        image_id: [Pair.of(image_id, *other) for other in _next(image_id, sorted(others))]
        for image_id, others in near.items()
    }


def _next(image_id: UUID, others: Sequence[tuple[UUID, float]]) -> Sequence[tuple[UUID, float]]:
    at = bisect(others, (image_id, 0.0))
    return others[max(at - EACH_WAY, 0) : at + EACH_WAY]


def _pool(team_id: UUID, alone: Collection[UUID]) -> Select[Any]:
    """Who is near to the neighbours of these or to others of their groups, and has a group with room, or none.

    Of each neighbour the newest: in a burst it is the last group that has room. Everything is looked up image by image.
    Joined, PostgreSQL compared each image with each where it knew nothing of the team.
    """
    its, theirs = _ends(team_id, "its"), _ends(team_id, "theirs")
    near = (
        select(its.c.other_id, _group(team_id, its.c.other_id).label("group_id"))
        .where(its.c.image_id == any_(arrays.of(alone)))
        .distinct()
        .cte("near")
        .prefix_with("materialized")
    )
    groups = select(near.c.group_id).distinct().subquery("groups")
    mate = (
        select(Duplicate.image_id)
        .where(Duplicate.team_id == team_id, Duplicate.group_id == groups.c.group_id)
        .limit(MAX_GROUP)
        .lateral("mate")
    )
    hub = union_all(
        select(near.c.other_id.label("image_id"), near.c.group_id).where(near.c.group_id.is_(None)),
        select(mate.c.image_id, groups.c.group_id).select_from(groups).join(mate, true()),
    ).subquery("hub")
    stands = _group(team_id, theirs.c.other_id)
    # Most of these stand in the same full group: whether another one is full is asked last.
    has_room = or_(
        stands.is_(None), and_(stands.is_distinct_from(hub.c.group_id), ~_is_full(team_id, stands))
    )
    newest = (
        select(theirs.c.other_id)
        .where(theirs.c.image_id == hub.c.image_id, has_room)
        .order_by(theirs.c.other_id.desc())
        .limit(MAX_GROUP)
        .lateral("newest")
    )
    found = select(newest.c.other_id).select_from(hub).join(newest, true())
    return found.distinct().order_by(newest.c.other_id.desc()).limit(MOST)


def _group(team_id: UUID, image_id: ColumnElement[UUID]) -> ScalarSelect[UUID]:
    """The one in which the image stands."""
    its = aliased(Duplicate)
    group = select(its.group_id).where(its.team_id == team_id, its.image_id == image_id)
    return group.correlate_except(its).scalar_subquery()


def _is_full(team_id: UUID, group_id: ScalarSelect[UUID]) -> ColumnElement[bool]:
    """No other image comes into this group."""
    its = aliased(Duplicate)
    count = select(func.count()).where(its.team_id == team_id, its.group_id == group_id)
    return count.correlate_except(its).scalar_subquery() >= MAX_GROUP


def _ends(team_id: UUID, name: str) -> Subquery:
    """The team's pairs, seen from each of their images."""
    low, high = DuplicatePair.low_id, DuplicatePair.high_id
    ends = (
        select(one.label("image_id"), other.label("other_id")).where(
            DuplicatePair.team_id == team_id
        )
        for one, other in ((low, high), (high, low))
    )
    return union_all(*ends).subquery(name)


def _scores(
    team_id: UUID, model_id: int, alone: Collection[UUID], pool: Collection[UUID], floor: float
) -> Select[UUID, UUID, float]:
    one, other = aliased(ImageVector), aliased(ImageVector)
    score = func.least(1.0, -one.embedding.max_inner_product(other.embedding), type_=Float())
    return select(one.image_id, other.image_id, score).where(
        *(vector.team_id == team_id for vector in (one, other)),
        *(vector.model_id == model_id for vector in (one, other)),
        one.image_id == any_(arrays.of(alone)),
        other.image_id == any_(arrays.of(pool)),
        one.image_id != other.image_id,
        score >= floor,
    )
