"""What is asked of a search, and its hits: images with their scores. How they are ranked is in search and shortlist."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image
from app.domain import ImageFilter, ImageOrder, SearchMode, Window
from app.services.searching import nearest, relevance
from app.services.searching.directions import Direction
from app.services.searching.nearest import Candidates, Floor, Near

BY_ID: Final = select(Image).where(Image.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))


@dataclass(frozen=True, slots=True)
class Search:
    """`words` is what HYBRID looks for in the images' texts; `without` leaves one image out.

    `order` sorts the relevant ones by something else than their score. `diversity`: 0 to 1, how much more it counts
    that a hit is unlike those before it.
    `min_relevance`: of a hit, or in HYBRID all of the words. `floor`: what that and `min_score` come to, worked out by `search.page`.
    """

    query: Direction
    wanted: ImageFilter = field(default_factory=ImageFilter)
    mode: SearchMode = SearchMode.SEMANTIC
    words: str | None = None
    min_score: float | None = None
    without: UUID | None = None
    order: ImageOrder | None = None
    diversity: float = 0.0
    min_relevance: float | None = None
    floor: Floor | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """`score`: `cosine`, the similarity, -1 to 1; for HYBRID the fused score, 0 to 1."""

    image: Image
    score: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """A page, or a page and the hit behind it."""

    hits: Sequence[Hit]
    cursors: Sequence[str]
    near: nearest.Found
    has_next: bool


def has_next(hits: Sequence[Hit], ranked: int, window: Window) -> bool:
    """Whether more follow where so many were ranked for a page and one more. Of those, some may be gone by now; of a page
    on which nothing is left, there is no cursor to go on from."""
    return bool(hits) and ranked > window.limit


async def cosines(
    session: AsyncSession, asked: Search, candidates: Candidates, scores: Mapping[UUID, float]
) -> Mapping[UUID, float]:
    """How near the hits are: their scores, unless those say something else."""
    if asked.mode is not SearchMode.HYBRID:
        return scores
    return await relevance.cosines(session, candidates, asked.query.vector, list(scores))


async def hits(
    session: AsyncSession,
    asked: Search,
    candidates: Candidates,
    scores: Mapping[UUID, float],
    known: Sequence[Near] = (),
) -> list[Hit]:
    """The images with their scores, in that order; one that is gone by now is left out. `known`: may have some of them."""
    if not scores:
        return []
    near = await cosines(session, asked, candidates, scores)
    images = {one.image_id: one.image for one in known if one.image}
    if missing := [one for one in scores if one not in images]:
        rows = await session.scalars(BY_ID, {"ids": missing})
        images |= {image.id: image for image in rows}
    return [
        Hit(images[one], score, near[one])
        for one, score in scores.items()
        if one in images and one in near
    ]
