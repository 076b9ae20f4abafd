"""The images nearest to a direction, among those that a filter lets through. What is made of them is in search."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, overload
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image, ImageVector
from app.domain import SearchStrategy
from app.embedding import Vectors
from app.services import access
from app.services.filters import Match
from app.services.places import After

ANY_PLAN: Final = text("set local plan_cache_mode = 'force_custom_plan'")
"""The best plan depends on how many images the filter lets through."""


Floor: TypeAlias = float | Mapping[UUID, float]
"""The least score of a hit: one for all, or for each team its own. A team that is not there has no hits."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The images that a filter lets through and that have a vector of this model; `without` leaves one out."""

    match: Match
    model_id: int
    without: UUID | None = None

    def rows(self) -> Select[Any]:
        """Their image_id, with Image and ImageVector joined."""
        same = and_(Image.team_id == ImageVector.team_id, Image.id == ImageVector.image_id)
        rows = (
            select(ImageVector.image_id)
            .join(Image, same)
            .where(
                access.in_teams(ImageVector.team_id, self.match.team_ids),
                ImageVector.model_id == self.model_id,
                *self.match.where,
            )
        )
        return rows if self.without is None else rows.where(Image.id != self.without)


@dataclass(frozen=True, slots=True)
class Near:
    """`score`: cosine similarity, -1 to 1."""

    image_id: UUID
    team_id: UUID
    score: float


@dataclass(frozen=True, slots=True)
class Found(Sequence[Near]):
    """The nearest, best first, and how they were found.

    `complete`: they certainly are the nearest. An index may miss one, though never returns fewer than there are.
    """

    rows: Sequence[Near] = ()
    strategy: SearchStrategy = SearchStrategy.EXACT
    complete: bool = True

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
) -> Found:
    """The `limit` candidates nearest to vector float32[dimension], best first, ties by id; behind `after`."""
    if candidates.match.empty or floor == {}:
        return Found()
    await session.execute(ANY_PLAN)
    scored = _scored(candidates, vector)
    columns = scored.c
    rows = select(scored).order_by(columns.score.desc(), columns.image_id).limit(limit)
    if floor is not None:
        rows = rows.where(_reaches(scored, floor))
    if after is not None:
        worse = and_(columns.score == after.score, columns.image_id > after.image_id)
        rows = rows.where(or_(columns.score < after.score, worse))
    return Found([Near(*row) for row in await session.execute(rows)])


def _reaches(scored: CTE, floor: Floor) -> ColumnElement[bool]:
    if isinstance(floor, float | int):
        return scored.c.score >= floor
    least = case(floor, value=scored.c.team_id, else_=literal(math.inf))
    return scored.c.score >= least


def _scored(candidates: Candidates, vector: Vectors) -> CTE:
    """Every candidate with its cosine similarity.

    Materialized: no condition on the score is ever tried on a vector of another model, which may have
    another length. The exact scan, whatever indexes there are.
    """
    distance = ImageVector.embedding.op("<#>", return_type=Float())(
        cast(vector, ImageVector.embedding.type)
    )
    # Half precision makes lengths of 1.0002.
    score = func.greatest(-1.0, func.least(1.0, -distance), type_=Float())
    rows = candidates.rows().add_columns(ImageVector.team_id, score.label("score"))
    return rows.cte("scored").prefix_with("materialized")
