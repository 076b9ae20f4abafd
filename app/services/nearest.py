"""The images nearest to a direction, among those that a filter lets through. What is made of them is in search."""

import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, overload
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    Subquery,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image, ImageTag, ImageVector
from app.domain import SearchStrategy
from app.embedding import Vectors
from app.services import access, filters, vector_plan
from app.services.filters import Match
from app.services.places import After
from app.services.vector_plan import BOUNDS, NO_GRAPHS, Bounds, Plan

Floor: TypeAlias = float | Mapping[UUID, float]
"""The least score of a hit: one for all, or for each team its own. A team that is not there has no hits."""

SPARE: Final = 20
"""Beside a page, so many more are taken from the vectors alone: some of them may be in the trash."""
DEEPER: Final = 400
"""Pages behind the first are found among so many more; those behind them by comparing every vector."""
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


@dataclass(frozen=True, slots=True)
class Candidates:
    """The images that a filter lets through and that have a vector of this model; `without` leaves one out."""

    match: Match
    model_id: int
    without: UUID | None = None

    def rows(self) -> Select[Any]:
        """Their image_id, with Image and ImageVector joined."""
        return self.of(self.match.team_ids)

    def of(self, teams: tuple[UUID, ...]) -> Select[Any]:
        """Those of these teams."""
        same = and_(Image.team_id == ImageVector.team_id, Image.id == ImageVector.image_id)
        return self._of(teams).join(Image, same).where(*self.match.where)

    def vectors(self, teams: tuple[UUID, ...]) -> Select[Any]:
        """Without a look at Image: those in the trash are among them. For filters that are `beside`."""
        dates = filters.in_range(ImageVector.created_at, self.match.created_at)
        return self._of(teams).where(*dates)

    def _of(self, teams: tuple[UUID, ...]) -> Select[Any]:
        rows = select(ImageVector.image_id).where(
            access.in_teams(ImageVector.team_id, teams), ImageVector.model_id == self.model_id
        )
        return rows if self.without is None else rows.where(ImageVector.image_id != self.without)


@dataclass(frozen=True, slots=True)
class Near:
    """`score`: cosine similarity, -1 to 1."""

    image_id: UUID
    team_id: UUID
    score: float


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
    look = _Look(candidates, vector, limit, after, floor)
    return await _found(session, look, bounds)


async def _found(session: AsyncSession, look: "_Look", bounds: Bounds) -> Found:
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


async def _settle(session: AsyncSession, plan: Plan, look: "_Look") -> None:
    breadth = max(BREADTH // len(plan.by_graph), 2 * look.depth(plan), LEAST_BREADTH)
    settings = GRAPH_SETTINGS | {"hnsw.ef_search": str(min(breadth, MOST_BREADTH))}
    await session.execute(
        select(*(func.set_config(name, value, True) for name, value in settings.items()))
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """`open_teams`: whose graph may have left something out that belongs to the rows. `too_few`: the trash had the rest."""

    rows: Sequence[Near]
    open_teams: Sequence[UUID]
    too_few: bool


@dataclass(frozen=True, slots=True)
class _Look:
    """One question, and how it is asked."""

    candidates: Candidates
    vector: Vectors
    limit: int
    after: After | None
    floor: Floor | None

    def depth(self, plan: Plan) -> int:
        """How many of the nearest each branch of the statement finds at most."""
        deeper = 0 if self.after is None else DEEPER // max(len(plan.by_graph), 1)
        return self.limit + SPARE + deeper

    async def through(self, session: AsyncSession, plan: Plan, *, alone: bool) -> _Seen:
        """The vectors, in one statement. `alone`: without Image, where then only the best are looked at."""
        most = self.depth(plan)
        found = union_all(*self._branches(plan, most, alone=alone)).cte("found")
        found = found.prefix_with("materialized")
        columns = found.c
        top = (
            select(columns.image_id, columns.team_id, columns.score)
            .where(*self._wanted(columns))
            .order_by(columns.score.desc(), columns.image_id)
            .limit(most)
            .subquery("top")
        )
        is_match = self._is_match(top) if alone else true()
        rows = select(top.c.image_id, top.c.team_id, top.c.score, is_match, literal(0))
        # How far each graph was followed.
        extents = (
            select(null(), columns.team_id, func.min(columns.score), true(), func.count())
            .where(columns.team_id.in_(plan.by_graph))
            .group_by(columns.team_id)
        )
        both = rows if not plan.by_graph else union_all(rows, extents)
        return self._seen(plan, most, (await session.execute(both)).all(), alone=alone)

    def _seen(self, plan: Plan, most: int, rows: Sequence[Any], *, alone: bool) -> _Seen:
        near = [Near(*row[:3]) for row in rows if row[0] is not None and row[3]]
        near.sort(key=lambda one: (-one.score, one.image_id))
        extents = {row[1]: (row[2], row[4]) for row in rows if row[0] is None}
        cut = sum(row[0] is not None for row in rows) >= most
        least = near[self.limit - 1].score if len(near) >= self.limit else None
        open_teams = []
        for team in plan.by_graph:
            farthest, count = extents.get(team, (math.inf, 0))
            if self._is_closed(team, farthest, least):
                continue
            # Where a first page was cut, it is the trash that had its place.
            by_trash = alone and cut and least is None and self.after is None and count == most
            if not by_trash:
                open_teams.append(team)
        return _Seen(near[: self.limit], open_teams, too_few=least is None and cut)

    def _is_closed(self, team: UUID, farthest: float, least: float | None) -> bool:
        """Whether all that the graph did not reach is worse than the page, or than what is wanted.

        What is as near as the farthest may not all have been reached.
        """
        floor = self.floor.get(team, math.inf) if isinstance(self.floor, Mapping) else self.floor
        worst = max((one for one in (floor, least) if one is not None), default=-math.inf)
        return farthest < worst

    def _branches(self, plan: Plan, most: int, *, alone: bool) -> Iterator[Select[Any]]:
        for team in plan.by_graph:
            yield self._by_graph(team, most, alone=alone)
        if not plan.scanned:
            return
        if not alone:
            yield self._scanned(self.candidates.of(plan.scanned), most)
        elif not plan.rarest:
            yield self._scanned(self.candidates.vectors(plan.scanned), most)
        else:
            for team in plan.scanned:
                yield self._scanned(self._tagged(team, plan.rarest[team]), most)

    def _by_graph(self, team: UUID, most: int, *, alone: bool) -> Select[Any]:
        candidates = self.candidates
        rows = candidates.vectors((team,)) if alone else candidates.of((team,))
        if tags := candidates.match.all_tags.get(team):
            rows = rows.where(ImageVector.tag_ids.contains(tags))
        # As the index has it, see graphs.
        embedding = cast(ImageVector.embedding, HALFVEC(len(self.vector)))
        distance = self._distance(embedding)
        near = rows.add_columns(ImageVector.team_id, distance.label("distance"))
        near_ = near.order_by(distance).limit(most).subquery()
        return select(near_.c.image_id, near_.c.team_id, _score(near_.c.distance).label("score"))

    def _tagged(self, team: UUID, rarest: UUID) -> Select[Any]:
        """The team's vectors by the tag that fewest have."""
        match = self.candidates.match
        same = and_(
            ImageTag.team_id == ImageVector.team_id, ImageTag.image_id == ImageVector.image_id
        )
        rows = self.candidates.vectors((team,)).join(ImageTag, same)
        rows = rows.where(
            ImageTag.team_id == team,
            ImageTag.tag_id == rarest,
            *filters.in_range(ImageTag.created_at, match.created_at),
        )
        others = [tag for tag in match.all_tags[team] if tag != rarest]
        return rows.where(ImageVector.tag_ids.contains(others)) if others else rows

    def _scanned(self, rows: Select[Any], most: int) -> Select[Any]:
        """Each of them compared. The offset is a fence: no condition on the score is ever tried on a vector of another
        model, which may have another length."""
        score = _score(self._distance(ImageVector.embedding)).label("score")
        all_ = rows.add_columns(ImageVector.team_id, score).offset(0).subquery()
        columns = all_.c
        near = (
            select(columns.image_id, columns.team_id, columns.score)
            .where(*self._wanted(columns))
            .order_by(columns.score.desc(), columns.image_id)
            .limit(most)
            .subquery()
        )
        return select(near)

    def _distance(self, embedding: Any) -> ColumnElement[float]:
        distance: ColumnElement[float] = embedding.op("<#>", return_type=Float())(
            cast(self.vector, ImageVector.embedding.type)
        )
        return distance

    def _wanted(self, columns: Any) -> Iterator[ColumnElement[bool]]:
        """Behind the cursor, and near enough."""
        if isinstance(self.floor, Mapping):
            least = case(self.floor, value=columns.team_id, else_=literal(math.inf))
            yield columns.score >= least
        elif self.floor is not None:
            yield columns.score >= self.floor
        if (last := self.after) is not None:
            worse = and_(columns.score == last.score, columns.image_id > last.image_id)
            yield or_(columns.score < last.score, worse)

    def _is_match(self, top: Subquery) -> ColumnElement[bool]:
        """Not EXISTS, for which PostgreSQL may make a table of all matches first."""
        its = select(literal(True)).where(
            Image.id == top.c.image_id,
            Image.team_id == top.c.team_id,
            *self.candidates.match.where,
        )
        return func.coalesce(its.scalar_subquery(), false())


def _score(distance: Any) -> ColumnElement[float]:
    """Half precision makes lengths of 1.0002."""
    return func.greatest(-1.0, func.least(1.0, -distance), type_=Float())
