"""What a ranking by vectors ranks: the images that a filter lets through, one model's vectors, and what is found of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Select, and_, select

from app.db.models import Image, ImageVector
from app.services import access
from app.services.filters import Match
from app.services.searching.facts import Facts

Floor: TypeAlias = float | Mapping[UUID, float]
"""The least score of a hit: one for all, or for each team its own. A team that is not there has no hits."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The images that a filter lets through and that have a vector of this model; `without` leaves one out.

    `known`: what was asked of them already, by the statement that comes before they are ranked.
    """

    match: Match
    model_id: int
    without: UUID | None = None
    known: Facts | None = None

    def rows(self) -> Select[Any]:
        """Their image_id, with Image and ImageVector joined."""
        return self.of(self.match.team_ids)

    def of(self, teams: tuple[UUID, ...]) -> Select[Any]:
        """Those of these teams."""
        same = and_(Image.team_id == ImageVector.team_id, Image.id == ImageVector.image_id)
        rows = (
            select(ImageVector.image_id)
            .join(Image, same)
            .where(
                access.in_teams(ImageVector.team_id, teams),
                ImageVector.model_id == self.model_id,
                *self.match.within(teams).where,
            )
        )
        return rows if self.without is None else rows.where(ImageVector.image_id != self.without)


@dataclass(frozen=True, slots=True)
class Near:
    """`score`: cosine similarity, -1 to 1. `image`: where the search brought it along."""

    image_id: UUID
    team_id: UUID
    score: float
    image: Image | None = field(default=None, repr=False, compare=False)
