"""Near-copies in groups: which images stand together, and what keeps two apart for ever. Who may mark is in duplicates."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Delete,
    Uuid,
    any_,
    column,
    delete,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.db.models import Duplicate, DuplicateCheck, DuplicatePair, Image, NotDuplicate
from app.domain import ImageState
from app.services import arrays

MAX_GROUP: Final = 50
"""Images of a group. A burst of more becomes several groups."""
GRADE: Final = 3
"""Decimals of a similarity that decide which pair comes first: the rest is how vectors were rounded when they were stored."""
IN_PLACE: Final = 500
"""Pairs that become groups in less than 10 ms. A library full of copies has more of them: 200,000 take 3 s."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images of a team, `low` the one with the smaller id. `score`: cosine similarity of their vectors."""

    low: UUID
    high: UUID
    score: float = 0

    @classmethod
    def of(cls, one: UUID, other: UUID, score: float = 0) -> "Pair":
        return cls(min(one, other), max(one, other), score)


def clusters(
    near: Iterable[Pair], apart: Iterable[Pair], stands: Mapping[UUID, UUID] | None = None
) -> list[list[UUID]]:
    """The groups that pairs make; each in the order of its ids.

    Pairs within a group as it `stands` come first, then the nearest, and among those the oldest: a burst of copies fills
    one group after the other. No group has two images of a pair in `apart`, nor more than MAX_GROUP: two groups that
    together would are not joined.
    """
    group_now = stands or {}

    def turn(pair: Pair) -> tuple[bool, float, UUID, UUID]:
        together = pair.low in group_now and group_now[pair.low] == group_now.get(pair.high)
        return not together, -round(pair.score, GRADE), pair.high, pair.low

    foes: dict[UUID, set[UUID]] = {}
    for pair in apart:
        foes.setdefault(pair.low, set()).add(pair.high)
        foes.setdefault(pair.high, set()).add(pair.low)
    group_of: dict[UUID, set[UUID]] = {}
    for pair in sorted(near, key=turn):
        one, other = (group_of.setdefault(its, {its}) for its in (pair.low, pair.high))
        if one is other or len(one) + len(other) > MAX_GROUP:
            continue
        if any(foes.get(its, set()) & other for its in one):
            continue
        one |= other
        group_of.update(dict.fromkeys(other, one))
    groups = {id(group): sorted(group) for group in group_of.values() if len(group) > 1}
    return sorted(groups.values())


async def lock(session: AsyncSession, team_id: UUID) -> None:
    """Until the transaction ends, nobody else changes the team's groups."""
    key = func.hashtextextended(f"pictor.duplicates:{team_id}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def keep_apart(
    session: AsyncSession, team_id: UUID, image_ids: Sequence[UUID], marked_by: UUID
) -> None:
    """From here on no two of these images ever come in one group; nor one alone with any that stand in its group now."""
    await lock(session, team_id)
    together = await _companions(session, team_id, image_ids)
    if len(image_ids) > 1:
        pairs = [Pair.of(*two) for two in combinations(image_ids, 2)]
    else:
        (alone,) = image_ids
        pairs = [Pair.of(alone, one) for one in together - {alone}]
    rows = [
        {"team_id": team_id, "low_id": one.low, "high_id": one.high, "marked_by": marked_by}
        for one in pairs
    ]
    if rows:
        await session.execute(insert(NotDuplicate).values(rows).on_conflict_do_nothing())
    await regroup(session, team_id, await _near(session, team_id, together))


async def put_near(
    session: AsyncSession,
    team_id: UUID,
    model_id: int,
    near: Mapping[UUID, Sequence[Pair]],
) -> set[UUID]:
    """The pairs of each image by this model, in place of those that another one found; who is left alone by `regroup`.

    The search may be older than `lock`, under which this is called: an image that was deleted since then has no pair.
    """
    images = list(near)
    await session.execute(
        delete(DuplicatePair).where(
            DuplicatePair.team_id == team_id,
            _either(DuplicatePair, images),
            DuplicatePair.model_id != model_id,
        )
    )
    found = {(one.low, one.high): one for its in near.values() for one in its}
    stored = await _stored(session, team_id, {its for pair in found for its in pair})
    pairs = {ids: one for ids, one in found.items() if stored.issuperset(ids)}
    rows = [
        {
            "team_id": team_id,
            "low_id": one.low,
            "high_id": one.high,
            "model_id": model_id,
            "score": one.score,
        }
        for one in pairs.values()
    ]
    if rows:
        new = insert(DuplicatePair).values(rows)
        again = {"score": new.excluded.score, "model_id": model_id}
        keys = ["team_id", "low_id", "high_id"]
        await session.execute(new.on_conflict_do_update(index_elements=keys, set_=again))
    return await regroup(session, team_id, [*images, *(its for two in pairs for its in two)])


async def forget(session: AsyncSession, team_id: UUID, gone: Sequence[UUID]) -> None:
    """These images are in no pair any more; what they held together may fall apart."""
    # Before the lock, as whoever looks for copies has it: the other way round each would wait for the other.
    await session.execute(
        delete(DuplicateCheck).where(
            DuplicateCheck.team_id == team_id, arrays.among(DuplicateCheck.image_id, gone)
        )
    )
    await lock(session, team_id)
    touched = await _companions(session, team_id, gone)
    for table in (DuplicatePair, NotDuplicate):
        await session.execute(delete(table).where(table.team_id == team_id, _either(table, gone)))
    await regroup(session, team_id, await _near(session, team_id, touched))


async def regroup(session: AsyncSession, team_id: UUID, touched: Collection[UUID]) -> set[UUID]:
    """Makes the groups of these images anew, from the pairs that there are now.

    Whoever stands together stays together as long as pairs allow it. The images that have pairs and come into no group:
    theirs are full, or have somebody whom they were told apart from.
    """
    await lock(session, team_id)
    stands = await _standing(session, team_id, touched)
    members = arrays.of({*touched, *stands})
    among = [
        select(table.low_id, table.high_id).where(
            table.team_id == team_id, table.low_id == any_(members), table.high_id == any_(members)
        )
        for table in (DuplicatePair, NotDuplicate)
    ]
    near = (await session.execute(among[0].add_columns(DuplicatePair.score))).all()
    apart = (await session.execute(among[1])).all()
    if len(near) + len(apart) <= IN_PLACE:
        groups = _grouped(near, apart, stands)
    else:
        # In a thread, which touches nothing of the session: whoever is served by this process does not wait for it.
        groups = await asyncio.to_thread(_grouped, near, apart, stands)
    await session.execute(
        delete(Duplicate).where(Duplicate.team_id == team_id, Duplicate.image_id == any_(members))
    )
    if groups:
        await session.execute(_made(team_id, groups))
    if full := [its for group in groups if len(group) == MAX_GROUP for its in group]:
        await session.execute(_between_full_ones(team_id, full))
    return {its for pair in near for its in pair[:2]} - {its for group in groups for its in group}


def _grouped(
    near: Iterable[Any], apart: Iterable[Any], stands: Mapping[UUID, UUID]
) -> list[list[UUID]]:
    return clusters([Pair(*row) for row in near], [Pair(*row) for row in apart], stands)


def _made(team_id: UUID, groups: Sequence[Sequence[UUID]]) -> Insert:
    """As three parameters, however many images they have."""
    members = [image_id for group in groups for image_id in group]
    their_groups = [group[0] for group in groups for _ in group]
    made = (
        func.unnest(arrays.of(members), arrays.of(their_groups))
        .table_valued(column("image_id", Uuid), column("group_id", Uuid))
        .render_derived("made")
    )
    rows = select(literal(team_id), made.c.image_id, made.c.group_id)
    return insert(Duplicate).from_select(["team_id", "image_id", "group_id"], rows)


def _between_full_ones(team_id: UUID, full: Collection[UUID]) -> Delete:
    """Pairs of these images with those of other full groups hold nothing together.

    Without this, the few that are nearest to all of a burst would be read with all of it for each copy that comes.
    """
    low, of_low = _group(team_id, DuplicatePair.low_id)
    high, of_high = _group(team_id, DuplicatePair.high_id)
    # Looked up pair by pair. Joined, PostgreSQL compared each image with each where it knew nothing of the team.
    return delete(DuplicatePair).where(
        DuplicatePair.team_id == team_id,
        _either(DuplicatePair, full),
        low != high,
        of_low >= MAX_GROUP,
        of_high >= MAX_GROUP,
    )


def _group(
    team_id: UUID, image_id: InstrumentedAttribute[UUID]
) -> tuple[ColumnElement[UUID], ColumnElement[int]]:
    """The group in which an image of a pair stands, and how many do."""
    stands, its = aliased(Duplicate), aliased(Duplicate)
    group = (
        select(stands.group_id)
        .where(stands.team_id == team_id, stands.image_id == image_id)
        .correlate(DuplicatePair)
        .scalar_subquery()
    )
    count = select(func.count()).where(its.team_id == team_id, its.group_id == group)
    return group, count.correlate(DuplicatePair).scalar_subquery()


async def _companions(session: AsyncSession, team_id: UUID, images: Collection[UUID]) -> set[UUID]:
    """These images and all that stand in a group with one of them."""
    return {*images, *await _standing(session, team_id, images)}


async def _standing(
    session: AsyncSession, team_id: UUID, images: Collection[UUID]
) -> dict[UUID, UUID]:
    """The groups of these images as they are now: each image's group."""
    mine = select(Duplicate.group_id).where(
        Duplicate.team_id == team_id, arrays.among(Duplicate.image_id, images)
    )
    found = await session.execute(
        select(Duplicate.image_id, Duplicate.group_id).where(
            Duplicate.team_id == team_id, Duplicate.group_id.in_(mine)
        )
    )
    return {row.image_id: row.group_id for row in found}


async def _stored(session: AsyncSession, team_id: UUID, images: Collection[UUID]) -> set[UUID]:
    """Those of these images that are not deleted."""
    found = await session.scalars(
        select(Image.id).where(
            Image.team_id == team_id,
            arrays.among(Image.id, images),
            Image.state == ImageState.STORED,
        )
    )
    return set(found)


async def _near(session: AsyncSession, team_id: UUID, images: Collection[UUID]) -> set[UUID]:
    """These images and all that one of them is near to: what kept some of those out of its group may be gone."""
    found = await session.execute(
        select(DuplicatePair.low_id, DuplicatePair.high_id).where(
            DuplicatePair.team_id == team_id, _either(DuplicatePair, images)
        )
    )
    return {*images, *(its for pair in found for its in pair)}


def _either(
    table: type[DuplicatePair] | type[NotDuplicate], images: Collection[UUID]
) -> ColumnElement[bool]:
    ids = arrays.of(images)
    return or_(table.low_id == any_(ids), table.high_id == any_(ids))
