"""The images nearest to a direction, among those that a filter lets through. What is made of them is in search."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, overload
from uuid import UUID

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
    """A look to take: by the whole plan, or along the graphs of `only` these teams, to better the full page that is `known`."""

    plan: Plan
    alone: bool
    only: Sequence[UUID] = ()
    known: Sequence[Near] = ()

    @property
    def now(self) -> Plan:
        return self.plan.following(self.only) if self.only else self.plan

    def after(self, seen: Seen, limit: int) -> "_Turn | None":
        """What is left to look at."""
        if self.plan.tastes and not self.only and (seen.open_teams or seen.too_few):
            if len(seen.rows) < limit:
                return _Turn(self.plan.whole(), self.alone)
            return _Turn(self.plan, self.alone, seen.open_teams, seen.rows)
        if seen.open_teams:
            return _Turn(self.plan.whole().scanning(seen.open_teams), self.alone)
        if self.alone and seen.too_few:
            return _Turn(self.plan.whole(), alone=False)
        return None


async def _found(session: AsyncSession, look: Look, bounds: Bounds) -> Found:
    match, model_id = look.candidates.match, look.candidates.model_id
    known = look.candidates.known or await facts.read(session, match, model_id)
    page = look.limit if match.beside and look.after is None else None
    plan = await vector_plan.made(session, match, model_id, bounds, known, page=page)
    alone = match.beside and not (plan.rarest and len(plan.scanned) > MOST_TEAMS)
    turn: _Turn | None = _Turn(plan if alone else plan.whole(), alone)
    sorts = False
    while turn:
        now = turn.now
        if sorts and (now.by_graph or now.rarest):
            await session.execute(facts.NO_SORTS)
        seen = await look.through(session, now, alone=turn.alone, known=turn.known)
        # A look ends with what comes after it being sorted.
        sorts = True
        turn = turn.after(seen, look.limit)
    strategy = SearchStrategy.INDEX if now.by_graph else SearchStrategy.EXACT
    again = replace(
        look, candidates=replace(look.candidates, known=None), has_images=False, half=None
    )
    return Found(
        seen.rows,
        strategy,
        complete=not now.by_graph,
        exactly=lambda other: _found(other, again, NO_GRAPHS),
    )
