"""About how many images of each team a filter lets through, counted as far as it takes to choose how to look through them.

What was counted is remembered: twenty teams' dates take 7 ms, and who looks through a year asks for the same year again.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DateTime,
    Integer,
    Uuid,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from app.db.prepared import Prepared
from app.services.filters import Match
from app.services.remembered import Remembered, about

SAMPLE: Final = 500
"""Where several tags must meet, so many images of the rarest are looked at: each costs as much as comparing a vector."""
DATED_AT_MOST: Final = 8
"""Where there are dates too, the rarest tag's images between them are counted up to so many times the bound."""
Count: TypeAlias = tuple[float, float]
Counts: TypeAlias = dict[UUID, Count]
"""Of each team: how many match, and how many vectors a comparison reads for them. Above its bound it says no more than that."""
CHANGED: Final = 8
"""What was counted is counted again where a list has grown or shrunk by such a part of the bound: so far its count may be off."""

_COUNTED: Final = Remembered[tuple[int, Count]](20_000)
"""With the size that the list had then."""

# Made once for each number of tags and each kind of date range, as text: for twenty teams, SQLAlchemy's constructs would
# cost more than the counting.
DATED: Final = """
select t.team, (
  select count(*) from (
    select from image_vector v where v.team_id = t.team and v.model_id = :model {dates} limit t.most
  ) part
), 0, null::bigint
from {teams}
"""
TAGGED: Final = """
select t.team, (
  select count(*) from (
    select from image_tag i where i.team_id = t.team and i.tag_id = t.rarest {dates} limit t.most
  ) part
), 0, null::bigint
from {teams}
"""
SAMPLED: Final = """
select t.team, {count}, looked.read, looked.hits
from {teams} cross join lateral (
  select count(*) as read, count(*) filter (where {has_all}) as hits from (
    select i.image_id from image_tag i where i.team_id = t.team and i.tag_id = t.rarest {dates} limit :sample
  ) part
) looked
"""
COUNTED: Final = """(
  select count(*) from (
    select from image_tag i where i.team_id = t.team and i.tag_id = t.rarest {dates} limit t.most
  ) every
)"""
HAS: Final = """exists (
  select from image_tag o where o.team_id = t.team and o.image_id = part.image_id and o.tag_id = t.other_{n}
)"""
IDS: Final = ARRAY(Uuid())
TYPES: Final[dict[str, TypeEngine[Any]]] = {
    "model": Integer(),
    "most": ARRAY(Integer()),
    "sample": Integer(),
    "start": DateTime(timezone=True),
    "end": DateTime(timezone=True),
}
"""Of values; all others are ids."""


async def matches(
    session: AsyncSession,
    match: Match,
    model_id: int,
    size_of: Mapping[UUID, int],
    rarest: Mapping[UUID, UUID],
    bounds: Mapping[UUID, int],
) -> Counts:
    """For the teams of `size_of`, which says how many images have the rarest tag, or how many there are."""
    if not match.beside:
        most = {team: bounds[team] + 1 for team in size_of}
        return _read(await session.execute(_of_any_filter(match, most)), size_of)
    span = about(match.created_at)
    keys: dict[UUID, Hashable] = {
        team: (team, model_id, frozenset(match.all_tags[team]), span, bounds[team])
        for team in size_of
    }
    found = {
        team: noted[1]
        for team, key in keys.items()
        if (noted := _COUNTED.get(key)) and abs(noted[0] - size_of[team]) * CHANGED <= bounds[team]
    }
    if unknown := {team: size for team, size in size_of.items() if team not in found}:
        counted = await _count(session, match, model_id, unknown, rarest, bounds)
        for team, count in counted.items():
            _COUNTED.note(keys[team], (size_of[team], count))
        found |= counted
    return found


async def _count(
    session: AsyncSession,
    match: Match,
    model_id: int,
    size_of: Mapping[UUID, int],
    rarest: Mapping[UUID, UUID],
    bounds: Mapping[UUID, int],
) -> Counts:
    teams = list(size_of)
    most = {team: bounds[team] + 1 for team in teams}
    tags = len(match.all_tags[teams[0]])
    span = match.created_at
    values: dict[str, Any] = {
        "team": teams,
        "model": model_id,
        "rarest": [rarest[team] for team in teams] if tags else [],
        "start": span.start,
        "end": span.end,
        "most": [most[team] if tags < 2 else DATED_AT_MOST * most[team] for team in teams],
        "sample": SAMPLE,
    }
    others = [[tag for tag in match.all_tags[team] if tag != rarest.get(team)] for team in teams]
    values |= {f"other_{n}": list(column) for n, column in enumerate(zip(*others, strict=True))}
    asked = _statement(tags, span.start is not None, span.end is not None, alone=len(teams) == 1)
    return _read(await asked.rows(session, values), size_of)


def _read(rows: Any, size_of: Mapping[UUID, int]) -> Counts:
    found = {}
    for team, count, read, hits in rows:
        # Without dates the counter of the rarest tag's list is right; with them, it was counted above the bound.
        size = float(count or size_of[team])
        if hits is None:
            found[team] = float(count), float(count)
        else:
            found[team] = (float(hits) if read < SAMPLE else hits / read * size), size
    return found


def _of_any_filter(match: Match, most: Mapping[UUID, int]) -> Any:
    branches = []
    for team, its_most in most.items():
        rows = select(literal(1)).where(*match.within([team]).where).limit(its_most)
        count = select(func.count()).select_from(rows.subquery()).scalar_subquery()
        branches.append(select(literal(team, Uuid()), count, literal(0), null()))
    return union_all(*branches)


@lru_cache(maxsize=256)
def _statement(tags: int, has_start: bool, has_end: bool, *, alone: bool) -> Prepared:
    """Rows of a team's id, how many match up to :most, and where several tags must meet, how many of a sample do."""
    dates = " ".join(
        f"and {'v' if tags == 0 else 'i'}.created_at {compared}"
        for compared, is_asked in ((">= :start", has_start), ("< :end", has_end))
        if is_asked
    )
    numbers = range(tags - 1)
    template = DATED if tags == 0 else TAGGED if tags == 1 else SAMPLED
    asked = template.format(
        dates=dates,
        count=COUNTED.format(dates=dates) if dates else "0::bigint",
        teams=_teams(
            ["team", "most", *["rarest", *(f"other_{n}" for n in numbers)][:tags]], alone=alone
        ),
        has_all=" and ".join(HAS.format(n=n) for n in numbers),
    )
    return Prepared.of_text(asked, lambda name: TYPES.get(name, IDS))


def _teams(names: Sequence[str], *, alone: bool) -> str:
    """Of one team as values that PostgreSQL sees when it plans, and so looks into one partition alone."""
    given = [f":{name}" for name in names]
    columns = f"t ({', '.join(names)})"
    if alone:
        return f"(select {', '.join(f'({one})[1]' for one in given)}) {columns}"
    return f"unnest({', '.join(given)}) {columns}"
