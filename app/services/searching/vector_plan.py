"""How vectors are looked through: which teams exactly, and which by their graph. The looking is in nearest.

The planner of PostgreSQL would take a graph for too few matches, where it is slow and misses some (measured: 0.943 of the ten
nearest for 3,369 matches of 278,000, in five times the time), so matches are counted first, as far as it takes.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Text,
    Uuid,
    bindparam,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import NO_ID
from app.services import match_counts
from app.services.filters import Match
from app.services.searching import graphs

FACTS: Final = text(
    """
    select h.team_id, h.tag_id, h.images, h.tag_id = :whole and coalesce(
      (select indisvalid from pg_index where indexrelid = to_regclass(:graph || replace(h.team_id::text, '-', ''))), false
    ) as has_graph,
    set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_sort', 'off', true),
    set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.max_scan_tuples', '20000', true),
    set_config('hnsw.scan_mem_multiplier', '2', true), set_config('hnsw.ef_search', :breadth, true)
    from (select) settings left join (
      select d.team_id, d.tag_id, sum(d.images)::bigint as images
      from unnest(:teams, :tags) l (team_id, tag_id) join draw_head d using (team_id, tag_id)
      group by 1, 2
    ) h on true
    """
).bindparams(
    bindparam("teams", type_=ARRAY(Uuid())),
    bindparam("tags", type_=ARRAY(Uuid())),
    bindparam("whole", type_=Uuid()),
    bindparam("graph", type_=Text()),
    bindparam("breadth", type_=Text()),
)
"""And how what follows is planned and run: the best plan depends on how many images the filter lets through, and what is decided
is done: nothing but a graph gives its order without sorting. The look itself, which must sort, ends with that."""
STEPS: Final = 200
"""Where tags meet, a graph is followed for 20 / (matches / images) vectors, each of which costs 5 times what a comparison costs; and
for twice as many where what carries the tags lies elsewhere."""
STEP: Final = 24
"""What a step along a graph costs, in comparisons of vectors that lie side by side, as those of a range of dates do."""
LEAST_STEPS: Final = 40
"""Which a graph takes in any case."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`exact`: up to so many matches of a team are compared one by one, in 10 ms; beyond, its graph is faster.

    Without `graphs`, all are.
    """

    exact: int = 5_000
    graphs: bool = True


BOUNDS: Final = Bounds()
NO_GRAPHS: Final = Bounds(graphs=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """`rarest`: in each team the tag of the filter that fewest images carry, where it names tags.

    `tastes`: how many of its nearest the graph of each team is asked for, where there are many; empty where for a whole page.
    """

    scanned: tuple[UUID, ...]
    by_graph: tuple[UUID, ...]
    rarest: Mapping[UUID, UUID]
    tastes: Mapping[UUID, int] = field(default_factory=dict)

    def scanning(self, teams: Iterable[UUID]) -> "Plan":
        """These teams exactly after all."""
        more = frozenset(teams)
        kept = tuple(one for one in self.by_graph if one not in more)
        return Plan((*self.scanned, *more), kept, self.rarest)

    def whole(self) -> "Plan":
        """Each graph for a whole page."""
        return replace(self, tastes={})

    def following(self, teams: Iterable[UUID]) -> "Plan":
        """These graphs for a whole page, and nothing else."""
        return Plan((), tuple(teams), self.rarest)


async def made(
    session: AsyncSession,
    match: Match,
    model_id: int,
    bounds: Bounds,
    *,
    breadth: int,
    page: int | None,
) -> Plan:
    """One statement where the lists' counters decide, which they do for live images of at most one tag; else two.

    `breadth`: hnsw.ef_search of what follows. `page`: how many hits it has, where of many teams each may be tasted first.
    """
    sizes, with_graph = await _facts(session, match, model_id, breadth)
    tags = match.all_tags
    rarest = {
        team: min(tags[team], key=lambda tag: sizes.get((team, tag), 0))
        for team in match.team_ids
        if tags.get(team)
    }
    size_of = {team: sizes.get((team, rarest.get(team, NO_ID)), 0) for team in match.team_ids}
    tastes = _tastes(size_of, page) if page and len(size_of) > 1 else {}
    most_tags = max(map(len, tags.values()), default=0)
    fewest = {
        team: _fewest(
            bounds, tastes.get(team) if most_tags < 2 else None, sizes.get((team, NO_ID), 0)
        )
        for team in size_of
    }
    large = [
        team
        for team in with_graph
        if bounds.graphs and (size_of[team] > fewest[team] or not match.live)
    ]
    if large and not (match.only_tags and all(len(tags.get(one, ())) <= 1 for one in large)):
        of_large = {team: size_of[team] for team in large}
        found = await match_counts.matches(session, match, model_id, of_large, rarest, fewest)
        large = [
            team
            for team in large
            if _by_graph(*found.get(team, (0, 0)), sizes.get((team, NO_ID), 0), fewest[team])
        ]
    by_graph = frozenset(large)
    scanned = tuple(one for one in match.team_ids if one not in by_graph)
    return Plan(scanned, tuple(large), rarest, tastes if large else {})


def _tastes(size_of: Mapping[UUID, int], page: int) -> dict[UUID, int]:
    """What a page has of each team, were it drawn from all of them, and what chance adds to that. Never more than it can have."""
    total = max(sum(size_of.values()), 1)
    shares = {team: page * size / total for team, size in size_of.items()}
    return {
        team: min(math.ceil(share + 2 * math.sqrt(share)) + 2, page + 1)
        for team, share in shares.items()
    }


def _fewest(bounds: Bounds, taste: int | None, images: int) -> int:
    """Up to so many matches are compared one by one. The fewer a graph is asked for, the sooner it is faster: it takes
    taste / (matches / images) steps."""
    if taste is None:
        return bounds.exact
    return min(bounds.exact, max(math.isqrt(STEP * taste * images), STEP * LEAST_STEPS))


def _by_graph(matches: float, read: float, images: int, fewest: int) -> bool:
    """`read`: how many vectors a comparison reads to find them, of so many `images`. Where tags must meet, that is many more."""
    if read <= fewest or matches > fewest:
        return matches > fewest
    return matches > fewest // 2 and matches * read > STEPS * images


async def _facts(
    session: AsyncSession, match: Match, model_id: int, breadth: int
) -> tuple[dict[tuple[UUID, UUID], int], list[UUID]]:
    """How many live images each list of the filter has, and which teams have a graph. Sets how statements are planned."""
    lists = [
        (team, one) for team in match.team_ids for one in (NO_ID, *match.all_tags.get(team, ()))
    ]
    rows = await session.execute(
        FACTS,
        {
            "teams": [team for team, _ in lists],
            "tags": [tag for _, tag in lists],
            "whole": NO_ID,
            "graph": graphs.prefix(model_id),
            "breadth": str(breadth),
        },
    )
    sizes, with_graph = {}, []
    for team, tag, images, is_there, *_ in rows:
        if team is not None:
            sizes[team, tag] = int(images)
        if is_there:
            with_graph.append(team)
    return sizes, with_graph
