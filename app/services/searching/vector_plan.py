"""How vectors are looked through: which teams exactly, and which by their graph. The looking is in nearest.

The planner of PostgreSQL would take a graph for too few matches, where it is slow and misses some (measured: 0.943 of the ten
nearest for 3,369 matches of 278,000, in five times the time), so matches are counted first, as far as it takes.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import NO_ID
from app.services import match_counts
from app.services.filters import Match
from app.services.searching.facts import Facts

STEPS: Final = 200
"""Where tags meet, a graph is followed for 20 / (matches / images) vectors, each of which costs 5 times what a comparison costs; and
for twice as many where what carries the tags lies elsewhere."""
STEP: Final = 28
"""What a step along a graph costs, in comparisons of vectors that lie side by side, as those of a range of dates do."""
STEP_OF_TAG: Final = 8
"""And of such as lie anywhere, as those of a tag do."""
LEAST_STEPS: Final = 40
"""Which a graph takes in any case."""
BEYOND: Final = 3
"""Where matches were counted up to a bound, there may be about so many times as many."""
WAY: Final = 500
"""What a graph takes before its first step, in comparisons of neighbours, and what each step takes, as far as its half is to be as
long as the other."""
WAY_STEP: Final = 20
SCATTERED: Final = 5
"""And what it takes to compare one that lies anywhere."""
BREADTH: Final = 0.25
"""hnsw.ef_search for the page of one team, for each root of its images: 128 of 272,000."""
PART: Final = 0.5
"""Of that, where a page is of several teams: what one of them has there are few."""
LEAST_BREADTH: Final = 64
MOST_BREADTH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """`exact`: up to so many matches of a team are compared one by one, in 10 ms; beyond, its graph is faster.

    Without `graphs`, all are. `half`: where a second connection would have so many comparisons to do, a page is looked for on two at
    once; None where the session's own must do.
    """

    exact: int = 5_000
    graphs: bool = True
    half: int | None = None


BOUNDS: Final = Bounds()
FOR_PAGES: Final = Bounds(half=5_000)
"""Of transactions that only read."""
BEGINNING: Final = 3_000
"""What a second transaction takes to begin, in comparisons."""
NO_GRAPHS: Final = Bounds(graphs=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """`rarest`: in each team the tag of the filter that fewest images carry, where it names tags.

    `tastes`: how many of its nearest the graph of each team is asked for, where there are many; empty where for a whole page.
    `images`: how many each team has. `work`: about what each takes, in comparisons.
    """

    scanned: tuple[UUID, ...]
    by_graph: tuple[UUID, ...]
    rarest: Mapping[UUID, UUID]
    images: Mapping[UUID, int]
    tastes: Mapping[UUID, int] = field(default_factory=dict)
    work: Mapping[UUID, float] = field(default_factory=dict)

    def scanning(self, teams: Iterable[UUID]) -> "Plan":
        """These teams exactly after all."""
        more = frozenset(teams)
        kept = tuple(one for one in self.by_graph if one not in more)
        return replace(self.whole(), scanned=(*self.scanned, *more), by_graph=kept)

    def whole(self) -> "Plan":
        """Each graph for a whole page."""
        return replace(self, tastes={})

    def following(self, teams: Iterable[UUID]) -> "Plan":
        """These graphs for a whole page, and nothing else."""
        return replace(self.whole(), scanned=(), by_graph=tuple(teams))

    def halves(self, least: int) -> "tuple[Plan, Plan] | None":
        """Done at the same time, the second of them on a connection that has yet to begin. None where that has less than `least` to do."""
        parts: tuple[set[UUID], set[UUID]] = (set(), set())
        work = {one: self.work.get(one, 0.0) for one in (*self.by_graph, *self.scanned)}
        begun = beginning(sum(work.values()))
        ready = [0.0, begun]
        for team in sorted(work, key=lambda one: work[one], reverse=True):
            earlier = ready.index(min(ready))
            parts[earlier].add(team)
            ready[earlier] += work[team]
        if not parts[1] or ready[1] - begun < least:
            return None
        first, second = (
            replace(
                self,
                scanned=tuple(one for one in self.scanned if one in part),
                by_graph=tuple(one for one in self.by_graph if one in part),
            )
            for part in parts
        )
        return first, second

    def breadth(self, team: UUID, depth: int) -> int:
        """hnsw.ef_search of this team's graph. A larger graph takes more, or misses whole questions."""
        share = 1.0 if len(self.by_graph) == 1 else PART
        least = max(LEAST_BREADTH, BREADTH * math.sqrt(self.images.get(team, 0))) * share
        return min(max(int(least), depth * 4 // 3), MOST_BREADTH)


def beginning(work: float) -> float:
    """How much of this work the first connection does before the second one has begun: never so much that none is left."""
    return min(float(BEGINNING), work / 3)


async def made(
    session: AsyncSession,
    match: Match,
    model_id: int,
    bounds: Bounds,
    known: Facts,
    *,
    page: int | None,
) -> Plan:
    """No statement where the lists' counters decide, which they do for live images of at most one tag; else one.

    `page`: how many hits it has, where of many teams each may be tasted first.
    """
    sizes, tags = known.sizes, match.all_tags
    rarest = {
        team: min(tags[team], key=lambda tag: sizes.get((team, tag), 0))
        for team in match.team_ids
        if tags.get(team)
    }
    size_of = {team: sizes.get((team, rarest.get(team, NO_ID)), 0) for team in match.team_ids}
    tastes = _tastes(size_of, page) if page and len(size_of) > 1 else {}
    most_tags = max(map(len, tags.values()), default=0)
    if most_tags < 2:
        step = STEP_OF_TAG if most_tags else STEP
        fewest = {
            team: _fewest(bounds, tastes.get(team), sizes.get((team, NO_ID), 0), step)
            for team in size_of
        }
    else:
        fewest = dict.fromkeys(size_of, bounds.exact)
    found: match_counts.Counts = {}
    large = [
        team
        for team in known.with_graph
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
    images = {team: sizes.get((team, NO_ID), 0) for team in large}
    plan = Plan(scanned, tuple(large), rarest, images, tastes if large else {})
    each = SCATTERED if most_tags else 1
    work = {one: each * (found[one][1] if one in found else size_of[one]) for one in scanned}
    for team in large:
        matches = found[team][0] * BEYOND if team in found else size_of[team]
        depth = tastes.get(team, page or 1)
        steps = max(plan.breadth(team, depth), depth * images[team] / max(matches, 1))
        work[team] = WAY + WAY_STEP * steps
    return replace(plan, work=work)


def _tastes(size_of: Mapping[UUID, int], page: int) -> dict[UUID, int]:
    """What a page has of each team, were it drawn from all of them, and what chance adds to that. Never more than it can have."""
    total = max(sum(size_of.values()), 1)
    shares = {team: page * size / total for team, size in size_of.items()}
    return {
        team: min(math.ceil(share + 2 * math.sqrt(share)) + 2, page + 1)
        for team, share in shares.items()
    }


def _fewest(bounds: Bounds, taste: int | None, images: int, step: int) -> int:
    """Up to so many matches are compared one by one. The fewer a graph is asked for, the sooner it is faster: it takes
    taste / (matches / images) steps."""
    if taste is None:
        return bounds.exact
    return min(bounds.exact, max(math.isqrt(step * taste * images), step * LEAST_STEPS))


def _by_graph(matches: float, read: float, images: int, fewest: int) -> bool:
    """`read`: how many vectors a comparison reads to find them, of so many `images`. Where tags must meet, that is many more."""
    if read <= fewest or matches > fewest:
        return matches > fewest
    return matches > fewest // 2 and matches * read > STEPS * images
