"""The images nearest to a direction, among those that a filter lets through. What is made of them is in search."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, overload

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import SearchStrategy
from app.embedding import Vectors
from app.services.searching import facts, vector_plan
from app.services.searching.candidates import Candidates, Floor, Near
from app.services.searching.places import After
from app.services.searching.vector_look import Look, Seen
from app.services.searching.vector_plan import BOUNDS, NO_GRAPHS, Bounds, Plan

__all__ = ["Candidates", "Floor", "Found", "Near", "best"]

MOST_TEAMS: Final = 50
"""Of teams whose tags are looked up one by one."""


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
    has_images: bool = False,
) -> Found:
    """The `limit` candidates nearest to vector float32[dimension], best first, ties by id; behind `after`.

    As many as there are, whatever the graphs of large teams give: what they leave open is compared vector by vector.
    `has_images`: with their images, as far as that is no statement more.
    """
    match = candidates.match
    if match.empty or floor == {}:
        return Found()
    look = Look(candidates, vector, limit, after, floor, has_images, bounds.half)
    return await _found(session, look, bounds)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A look to take, through the teams of `plan`: all of them, as in `whole`, or those that may better what is `known`."""

    whole: Plan
    plan: Plan
    alone: bool
    known: Sequence[Near] = ()

    @property
    def by_graph(self) -> bool:
        """Whether a graph may have missed something."""
        exactly = frozenset(self.plan.scanned)
        return any(team not in exactly for team in self.whole.by_graph)

    def after(self, seen: Seen, look: Look) -> "_Turn | None":
        """What is left to look at."""
        if self.plan.tastes and seen.open_teams and not seen.too_few:
            depth = look.depth(len(seen.open_teams))
            following = self.plan.following(seen.open_teams, depth)
            return replace(self, plan=following, known=seen.rows)
        if seen.open_teams and not self.plan.tastes:
            plan = self.whole.scanning(seen.open_teams)
            return _Turn(plan, plan, self.alone)
        if seen.too_few and self.alone:
            # For whole pages first, where those were tastes; then with a look at each image.
            return _Turn(self.whole, self.whole, alone=bool(self.plan.tastes))
        return None


async def _found(session: AsyncSession, look: Look, bounds: Bounds) -> Found:
    match, model_id = look.candidates.match, look.candidates.model_id
    known = look.candidates.known or await facts.read(session, match, model_id)
    page = look.limit if match.beside and look.after is None else None
    plan = await vector_plan.made(session, match, model_id, bounds, known, page=page)
    alone = match.beside and not (plan.rarest and len(plan.scanned) > MOST_TEAMS)
    kept = alone and look.keeps(plan)
    await facts.plan(session, match, known, kept=kept)
    look = replace(look, kept=kept)
    turn: _Turn | None = _Turn(plan.whole(), plan if alone else plan.whole(), alone)
    sorts = False
    while turn:
        now, by_graph = turn.plan, turn.by_graph
        if sorts and (now.by_graph or now.rarest):
            await session.execute(facts.NO_SORTS)
        seen = await look.through(session, now, alone=turn.alone, known=turn.known)
        # A look ends with what comes after it being sorted.
        sorts = True
        turn = turn.after(seen, look)
    strategy = SearchStrategy.INDEX if by_graph else SearchStrategy.EXACT
    again = replace(
        look, candidates=replace(look.candidates, known=None), has_images=False, half=None
    )
    return Found(
        seen.rows,
        strategy,
        complete=not by_graph,
        exactly=lambda other: _found(other, again, NO_GRAPHS),
    )
