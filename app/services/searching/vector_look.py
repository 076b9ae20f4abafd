"""One look through vectors, as a plan has it, in one statement; and what the look leaves open. Whether to look again is in nearest."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Float,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import ImageVector
from app.db.prepared import IMAGES
from app.embedding import Vectors
from app.services.searching import facts, two, vector_text
from app.services.searching.candidates import Candidates, Floor, Near
from app.services.searching.kept_plans import GRAPHS, PLANS
from app.services.searching.places import After
from app.services.searching.two import Half, Rows
from app.services.searching.vector_plan import Plan
from app.services.searching.vector_text import Shape

SPARE: Final = 6
"""Beside a page and an eighth of it, so many more are taken from the vectors alone: some of them may be in the trash."""
ITS_IMAGE: Final = 4
"""Where the columns of its image begin in a row."""
DEEPER: Final = 400
"""Pages behind the first are found among so many more; those behind them by comparing every vector."""


@dataclass(frozen=True, slots=True)
class Seen:
    """`open_teams`: whose graph may have left something out that belongs to the rows. `too_few`: the trash had the rest."""

    rows: Sequence[Near]
    open_teams: Sequence[UUID]
    too_few: bool


@dataclass(frozen=True, slots=True)
class Look:
    """One question, and how it is asked. `has_images`: what is found brings its images along, where that costs nothing more.

    `kept`: by a plan that PostgreSQL keeps. `half`: another connection may help where there is so much for it to do, as Bounds has it; None where none may.
    """

    candidates: Candidates
    vector: Vectors
    limit: int
    after: After | None
    floor: Floor | None
    has_images: bool = False
    half: int | None = None
    kept: bool = False

    def depth(self, graphs: int) -> int:
        """How many of the nearest each branch of the statement finds at most, where so many are by graphs."""
        deeper = 0 if self.after is None else DEEPER // max(graphs, 1)
        return self.limit + self.limit // 8 + SPARE + deeper

    async def through(
        self, session: AsyncSession, plan: Plan, *, alone: bool, known: Sequence[Near] = ()
    ) -> Seen:
        """The vectors, in one statement. `alone`: without Image, where then only the best are looked at.

        `known`: what an earlier look found, of other teams too.
        """
        most = self.depth(len(plan.by_graph))
        if alone:
            rows = await self._rows(session, plan, most)
        else:
            rows = (await session.execute(self._with_images(plan, most))).all()
        return self._seen(plan, most, rows, known, alone=alone)

    async def _rows(self, session: AsyncSession, plan: Plan, most: int) -> Rows:
        kept = self.kept and bool(plan.tastes)

        async def ask(session: AsyncSession, half: Half) -> Rows:
            shape = self._shape(half)
            if kept:
                asked = vector_text.kept(shape, half.plan.by_graph)
            else:
                asked = vector_text.statement(shape)
            return await asked.rows(session, self._values(half, most))

        whole = Half(plan, self.candidates.match.created_at)
        halves = await two.rows(
            session,
            whole,
            least=self.half,
            settings=facts.settings(kept=kept),
            is_cut=partial(self._is_cut, most),
            ask=ask,
        )
        return await ask(session, whole) if halves is None else halves

    def keeps(self, plan: Plan) -> bool:
        """Whether PostgreSQL keeps the plan of this look."""
        if not plan.tastes or plan.scanned or len(plan.by_graph) not in GRAPHS:
            return False
        shape = self._shape(Half(plan, self.candidates.match.created_at))
        return PLANS.keeps((shape, plan.by_graph))

    def _is_cut(self, most: int, rows: Rows) -> bool:
        """Whether more of them may belong to the page, for the trash had some: one row, of no team, says how many there were."""
        chosen_from = next(row[3] for row in rows if row[1] is None)
        return chosen_from >= most and sum(row[0] is not None for row in rows) < self.limit

    def _shape(self, part: Half) -> Shape:
        match, plan, dates = self.candidates.match, part.plan, part.dates
        floors = isinstance(self.floor, Mapping)
        return Shape(
            model_id=self.candidates.model_id,
            dimension=len(self.vector),
            by_graph=len(plan.by_graph),
            tasted=bool(plan.tastes),
            scanned=len(plan.scanned) if plan.rarest else min(1, len(plan.scanned)),
            tags=max(map(len, match.all_tags.values()), default=0),
            has_start=dates.start is not None,
            has_end=dates.end is not None,
            has_without=self.candidates.without is not None,
            floor="each" if floors else "none" if self.floor is None else "one",
            has_after=self.after is not None,
            has_images=self.has_images,
        )

    def _values(self, part: Half, most: int) -> dict[str, Any]:
        """Of all that a shape may ask for."""
        match, plan, dates = self.candidates.match, part.plan, part.dates
        values: dict[str, Any] = {
            "vector": self.vector.tolist(),
            "most": most,
            "page": self.limit,
            "by_graph": list(plan.by_graph),
            "scanned": list(plan.scanned),
            "start": dates.start,
            "end": dates.end,
            "without": self.candidates.without,
        }
        if isinstance(self.floor, Mapping):
            values |= {"floor_teams": list(self.floor), "floors": list(self.floor.values())}
        elif self.floor is not None:
            values["floor"] = self.floor
        if self.after is not None:
            values |= {"last_score": self.after.score, "last_id": self.after.image_id}
        for n, team in enumerate(plan.by_graph):
            tags = list(match.all_tags.get(team, ()))
            depth = plan.tastes.get(team, most)
            breadth = str(plan.breadth(team, depth))
            values |= {f"by_graph_{n}": team, f"tags_{n}": tags}
            values |= {f"depth_{n}": depth, f"breadth_{n}": breadth}
        if plan.rarest:
            for n, team in enumerate(plan.scanned):
                rarest = plan.rarest[team]
                others = [tag for tag in match.all_tags[team] if tag != rarest]
                values |= {f"scanned_{n}": team, f"rarest_{n}": rarest, f"others_{n}": others}
        return values

    def _with_images(self, plan: Plan, most: int) -> CompoundSelect[Any]:
        """What vector_text says in text, for any filter."""
        found = union_all(*self._branches(plan, most)).cte("found")
        found = found.prefix_with("materialized")
        columns = found.c
        top = (
            select(columns.image_id, columns.team_id, columns.score)
            .where(*self._wanted(columns))
            .order_by(columns.score.desc(), columns.image_id)
            .limit(most)
            .cte("top")
        )
        rows = select(top.c.image_id, top.c.team_id, top.c.score, literal(0))
        # How far each graph was followed.
        extents = (
            select(null(), columns.team_id, func.min(columns.score), func.count())
            .where(columns.team_id.in_(plan.by_graph))
            .group_by(columns.team_id)
        )
        # What comes after this statement may sort.
        chosen_from = select(func.count()).select_from(top).scalar_subquery()
        again = select(null(), null(), null(), chosen_from).where(
            func.set_config("enable_sort", "on", True) == "on"
        )
        return union_all(rows, extents, again) if plan.by_graph else union_all(rows, again)

    def _seen(
        self, plan: Plan, most: int, rows: Sequence[Any], known: Sequence[Near], *, alone: bool
    ) -> Seen:
        before = {one.image_id: one for one in known}
        found = {row[0]: row for row in rows if row[0] is not None}
        score_of = {one: its.score for one, its in before.items()}
        score_of |= {one: row[2] for one, row in found.items()}
        best = sorted(score_of, key=lambda one: (-score_of[one], one))
        least = score_of[best[self.limit - 1]] if len(best) >= self.limit else None
        extents = {row[1]: (row[2], row[3]) for row in rows if row[0] is None}
        cut = extents[None][1] >= most
        open_teams = []
        for team in plan.by_graph:
            farthest, count = extents.get(team, (math.inf, 0))
            if self._is_closed(team, farthest, least):
                continue
            # Where a first page was cut, it is the trash that had its place.
            by_trash = alone and cut and least is None and self.after is None and count == most
            if not by_trash:
                open_teams.append(team)
        near = [_near(found[one]) if one in found else before[one] for one in best[: self.limit]]
        return Seen(near, open_teams, too_few=least is None and cut)

    def _is_closed(self, team: UUID, farthest: float, least: float | None) -> bool:
        """Whether all that the graph did not reach is worse than the page, or than what is wanted.

        What is as near as the farthest may not all have been reached.
        """
        floor = self.floor.get(team, math.inf) if isinstance(self.floor, Mapping) else self.floor
        worst = max((one for one in (floor, least) if one is not None), default=-math.inf)
        return farthest < worst

    def _branches(self, plan: Plan, most: int) -> Iterator[Select[Any]]:
        for team in plan.by_graph:
            yield self._by_graph(team, most, plan.breadth(team, most))
        if plan.scanned:
            yield self._scanned(self.candidates.of(plan.scanned), most)

    def _by_graph(self, team: UUID, most: int, breadth: int) -> Select[Any]:
        """The nearest of those that match in every respect, one image after the other."""
        rows = self.candidates.of((team,))
        if tags := self.candidates.match.all_tags.get(team):
            rows = rows.where(ImageVector.tag_ids.contains(tags))
        # As the index has it, see graphs.
        embedding = cast(ImageVector.embedding, HALFVEC(len(self.vector)))
        distance = self._distance(embedding)
        set_ = func.set_config("hnsw.ef_search", str(breadth), True).label("breadth")
        its = select(set_).offset(0).subquery()
        near = (
            rows.add_columns(ImageVector.team_id, distance.label("distance"))
            .where(its.c.breadth.is_not(None))
            .order_by(distance)
            .limit(most)
            .lateral()
        )
        score = _score(near.c.distance).label("score")
        return select(near.c.image_id, near.c.team_id, score).select_from(its).join(near, true())

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


def _near(row: Sequence[Any]) -> Near:
    image = IMAGES.of(row, ITS_IMAGE) if len(row) > ITS_IMAGE else None
    return Near(row[0], row[1], row[2], image)


def _score(distance: Any) -> ColumnElement[float]:
    """Half precision makes lengths of 1.0002."""
    return func.greatest(-1.0, func.least(1.0, -distance), type_=Float())
