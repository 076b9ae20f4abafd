"""The images nearest to a direction, among those that a filter lets through. What is made of them is in search."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, overload

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import SearchStrategy
from app.embedding import Vectors
from app.services import vector_plan
from app.services.candidates import Candidates, Floor, Near
from app.services.places import After
from app.services.vector_look import Look
from app.services.vector_plan import BOUNDS, NO_GRAPHS, Bounds, Plan

__all__ = ["Candidates", "Floor", "Found", "Near", "best"]

MOST_TEAMS: Final = 50
"""Of teams whose tags are looked up one by one."""
BREADTH: Final = 200
"""hnsw.ef_search of a page of one team. Of many teams, each has a smaller part in the page."""
LEAST_BREADTH: Final = 40
MOST_BREADTH: Final = 1_000
GRAPH_SETTINGS: Final = {
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.max_scan_tuples": "20000",
    "hnsw.scan_mem_multiplier": "2",
    # What is decided is done: nothing but the graph gives this order without sorting.
    "enable_sort": "off",
}


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
    plan = await vector_plan.made(session, match, look.candidates.model_id, bounds)
    alone = match.beside and not (plan.rarest and len(plan.scanned) > MOST_TEAMS)
    while True:
        if plan.by_graph:
            await _settle(session, plan, look)
        seen = await look.through(session, plan, alone=alone)
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


async def _settle(session: AsyncSession, plan: Plan, look: Look) -> None:
    depth = look.depth(plan)
    breadth = max(BREADTH // len(plan.by_graph), depth + depth // 3, LEAST_BREADTH)
    settings = GRAPH_SETTINGS | {"hnsw.ef_search": str(min(breadth, MOST_BREADTH))}
    await session.execute(
        select(*(func.set_config(name, value, True) for name, value in settings.items()))
    )
