"""The images nearest to a direction, among those that a filter lets through. What is made of them is in search."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, overload

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import SearchStrategy
from app.embedding import Vectors
from app.services import vector_plan
from app.services.candidates import Candidates, Floor, Near
from app.services.places import After
from app.services.vector_look import Look
from app.services.vector_plan import BOUNDS, NO_GRAPHS, Bounds

__all__ = ["Candidates", "Floor", "Found", "Near", "best"]

MOST_TEAMS: Final = 50
"""Of teams whose tags are looked up one by one."""
BREADTH: Final = 200
"""hnsw.ef_search of a page of one team. Of many teams, each has a smaller part in the page."""
LEAST_BREADTH: Final = 40
MOST_BREADTH: Final = 1_000
SETTLE: Final = text(
    "select set_config('hnsw.ef_search', :breadth, true), set_config('enable_sort', 'off', true)"
)


async def _nothing(_session: AsyncSession) -> "Found":
    return Found()


@dataclass(frozen=True, slots=True)
class Found(Sequence[Near]):
    """The nearest, best first, and how they were found.

    `complete`: they certainly are the nearest. An index may miss one, though never returns fewer than there are.
    `exactly`: the same question again, vector by vector, in another transaction.
    """

    rows: Sequence[Near] = ()
    strategy: SearchStrategy = SearchStrategy.EXACT
    complete: bool = True
    exactly: Callable[[AsyncSession], Awaitable["Found"]] = field(
        default=_nothing, repr=False, compare=False
    )

    @overload
    def __getitem__(self, at: int) -> Near: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Near]: ...
    def __getitem__(self, at: int | slice) -> Near | Sequence[Near]:
        return self.rows[at]

    def __len__(self) -> int:
        return len(self.rows)


async def best(
    session: AsyncSession,
    candidates: Candidates,
    vector: Vectors,
    limit: int,
    *,
    after: After | None = None,
    floor: Floor | None = None,
    bounds: Bounds = BOUNDS,
) -> Found:
    """The `limit` candidates nearest to vector float32[dimension], best first, ties by id; behind `after`.

    As many as there are, whatever the graphs of large teams give: what they leave open is compared vector by vector.
    """
    match = candidates.match
    if match.empty or floor == {}:
        return Found()
    look = Look(candidates, vector, limit, after, floor)
    return await _found(session, look, bounds)


async def _found(session: AsyncSession, look: Look, bounds: Bounds) -> Found:
    match = look.candidates.match
    # A graph for each team, as far as is known before the plan.
    settled = _breadth(look, len(match.team_ids))
    plan = await vector_plan.made(session, match, look.candidates.model_id, bounds, settled)
    alone = match.beside and not (plan.rarest and len(plan.scanned) > MOST_TEAMS)
    while True:
        if plan.by_graph and (breadth := _breadth(look, len(plan.by_graph))) != settled:
            await session.execute(SETTLE, {"breadth": str(breadth)})
        seen = await look.through(session, plan, alone=alone)
        # A look ends with what comes after it being sorted.
        settled = 0
        if seen.open_teams:
            plan = plan.scanning(seen.open_teams)
        elif alone and seen.too_few:
            alone = False
        else:
            strategy = SearchStrategy.INDEX if plan.by_graph else SearchStrategy.EXACT
            return Found(
                seen.rows,
                strategy,
                complete=not plan.by_graph,
                exactly=lambda other: _found(other, look, NO_GRAPHS),
            )


def _breadth(look: Look, graphs: int) -> int:
    depth = look.depth(graphs)
    return min(max(BREADTH // graphs, depth + depth // 3, LEAST_BREADTH), MOST_BREADTH)
