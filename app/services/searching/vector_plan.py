"""How vectors are looked through: which teams exactly, and which by their graph. The looking is in nearest.

The planner of PostgreSQL would take a graph for too few matches, where it is slow and misses some (measured: 0.943 of the ten
nearest for 3,369 matches of 278,000, in five times the time), so matches are counted first, as far as it takes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import NO_ID
from app.services import match_counts
from app.services.filters import Match
from app.services.searching import tastes
from app.services.searching.facts import Facts
from app.services.searching.tastes import FOLLOWED, SCATTERED

STEPS: Final = 200
"""Where tags meet, a graph is followed for 20 / (matches / images) vectors, each of which costs 5 times what a comparison costs; and
for twice as many where what carries the tags lies elsewhere."""


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
FOR_PAGES: Final = Bounds(half=4_000)
"""Of transactions that only read."""
BEGINNING: Final = 2_500
"""What a second transaction takes to begin, in comparisons."""
NO_GRAPHS: Final = Bounds(graphs=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """`rarest`: in each team the tag of the filter that fewest images carry, where it names tags.

    `tastes`: how many of its nearest the graph of each team is asked for, matching or not, where there are many teams; empty where each
    is followed for a whole page. `images`: how many each team with a graph has. `work`: about what each team takes, in comparisons;
    `ways`: what each with a graph would take to compare, and to follow for one hit.
    """

    scanned: tuple[UUID, ...]
    by_graph: tuple[UUID, ...]
    rarest: Mapping[UUID, UUID]
    images: Mapping[UUID, int]
    tastes: Mapping[UUID, int] = field(default_factory=dict)
    work: Mapping[UUID, float] = field(default_factory=dict)
    ways: Mapping[UUID, tuple[float, float]] = field(default_factory=dict)

    def scanning(self, teams: Iterable[UUID]) -> "Plan":
        """These teams exactly after all."""
        more = frozenset(teams)
        kept = tuple(one for one in self.by_graph if one not in more)
        return replace(self.whole(), scanned=(*self.scanned, *more), by_graph=kept)

    def whole(self) -> "Plan":
        """Each graph for a whole page."""
        return replace(self, tastes={})

    def following(self, teams: Iterable[UUID], depth: int) -> "Plan":
        """These teams and nothing else, `depth` hits of each: by their graphs, or exactly after all where that is less work."""
        work: dict[UUID, float] = {}
        scanned: list[UUID] = []
        by_graph: list[UUID] = []
        for team in teams:
            compared, followed = self.ways[team]
            (scanned if compared < depth * followed else by_graph).append(team)
            work[team] = min(compared, depth * followed)
        return replace(self.whole(), scanned=tuple(scanned), by_graph=tuple(by_graph), work=work)

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
        """hnsw.ef_search of this team's graph, for so many of its nearest."""
        return tastes.breadth(self.images.get(team, 0), depth, alone=len(self.by_graph) == 1)


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
    images = {team: sizes.get((team, NO_ID), 0) for team in match.team_ids}
    every, most_tags = sum(images.values()), max(map(len, tags.values()), default=0)
    tasted = page if len(size_of) > 1 else None
    fewest = dict.fromkeys(size_of, bounds.exact)
    if tasted and most_tags < 2:
        for team, its in images.items():
            least = tastes.fewest(tasted, its, every, scattered=most_tags > 0)
            fewest[team] = min(bounds.exact, least)
    found, most = match_counts.Counts(), fewest
    large = [
        team
        for team in known.with_graph
        if bounds.graphs and (size_of[team] > fewest[team] or not match.live)
    ]
    if large and not (match.only_tags and all(len(tags.get(one, ())) <= 1 for one in large)):
        of_large = {team: size_of[team] for team in large}
        # Of the smallest, a little more says what part it is that matches.
        most = fewest | {min(large, key=lambda one: images[one]): bounds.exact}
        found = await match_counts.matches(session, match, model_id, of_large, rarest, most)
        large = [
            team
            for team in large
            if _by_graph(*found.get(team, (0, 0)), images[team], fewest[team])
        ]
    by_graph = frozenset(large)
    scanned = tuple(one for one in match.team_ids if one not in by_graph)
    counted = _counted(size_of, images, found, most)
    plan = Plan(scanned, tuple(large), rarest, {team: images[team] for team in large})
    if tasted and large:
        matches = sum(counted.values())
        plan = replace(
            plan, tastes=tastes.of_teams(tasted, plan.images, every=every, matches=matches)
        )
    each = SCATTERED if most_tags else 1
    compared = {
        team: each * (found[team][1] if team in found else size_of[team]) for team in size_of
    }
    ways, work = {}, {team: compared[team] for team in scanned}
    for team in large:
        step = images[team] / max(counted[team], 1.0)
        depth = plan.tastes.get(team, int((page or 1) * step))
        work[team] = tastes.work(plan.breadth(team, depth))
        ways[team] = max(compared[team], each * counted[team]), FOLLOWED * step
    return replace(plan, work=work, ways=ways)


def _counted(
    size_of: Mapping[UUID, int],
    images: Mapping[UUID, int],
    found: match_counts.Counts,
    most: Mapping[UUID, int],
) -> dict[UUID, float]:
    """About how many images match, of each team. Where they were counted up to a bound, the part is taken that matches in the others."""
    counted = {team: found[team][0] if team in found else float(size_of[team]) for team in size_of}
    cut = [team for team in found if counted[team] > most[team]]
    whole = [team for team in found if counted[team] <= most[team]]
    if cut:
        part = sum(counted[one] for one in whole) / max(sum(images[one] for one in whole), 1)
        if not whole:
            part = max(counted[one] / max(images[one], 1) for one in cut)
        for team in cut:
            counted[team] = min(float(size_of[team]), max(counted[team], part * images[team]))
    return counted


def _by_graph(matches: float, read: float, images: int, fewest: int) -> bool:
    """`read`: how many vectors a comparison reads to find them, of so many `images`. Where tags must meet, that is many more."""
    if read <= fewest or matches > fewest:
        return matches > fewest
    return matches > fewest // 2 and matches * read > STEPS * images
