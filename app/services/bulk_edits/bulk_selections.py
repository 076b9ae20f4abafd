"""Which images a bulk job is for: what a filter finds, or what a search finds within it, as a set with a known end."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, func, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image
from app.domain import Actor, ImageFilter, RelevanceBasis
from app.errors import bad_input, unavailable
from app.services import embedding_models, filters
from app.services.searching import directions, nearest, relevance
from app.services.searching.directions import Direction
from app.services.searching.nearest import Candidates

MAX_IMAGES: Final = 1_000_000
MAX_FOUND: Final = 10_000
"""Of a search: its hits are ranked one by one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Hits of a question with at least this score and this relevance: one of them is there, or every image would be a hit."""

    query: Direction
    min_score: float | None = None
    min_relevance: float | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What the filter lets through, and of that what the search finds, if there is one."""

    wanted: ImageFilter = field(default_factory=ImageFilter)
    search: Wish | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Ids of images with their places from 1; None where there are none. `basis`: what their relevance stands on."""

    images: Select[UUID, int] | None
    basis: RelevanceBasis | None = None


async def images(session: AsyncSession, actor: Actor, team_id: UUID, selection: Selection) -> Found:
    """The team's images: newest first, of a search best first.

    BAD_USER_INPUT for a search that finds more than MAX_FOUND.
    """
    if selection.search is not None:
        _check(selection.search)
    match = await filters.resolve(session, actor, selection.wanted.within(team_id=team_id))
    if match.empty:
        return Found(None)
    if selection.search is not None:
        return await _found(session, actor, match, selection.search)
    newest = (Image.created_at.desc(), Image.id.desc())
    place = func.row_number().over(order_by=newest)
    return Found(match.images().with_only_columns(Image.id, place))


def _check(wish: Wish) -> None:
    """Whatever the filter lets through."""
    if wish.min_score is None and wish.min_relevance is None:
        raise bad_input("input.search.minRelevance", "Say from which relevance or score on.")
    relevance.check_score(wish.min_score, "input.search.minScore")
    relevance.check(wish.min_relevance, "input.search.minRelevance")


async def _found(session: AsyncSession, actor: Actor, match: filters.Match, wish: Wish) -> Found:
    """All hits, best first."""
    floor, basis = wish.min_score, None
    model = await embedding_models.answering(session, *wish.query.model)
    if model is None:
        raise unavailable(directions.OTHER_MODEL)
    if wish.min_relevance is not None:
        measure = relevance.measure_of(wish.query, model, match.team_ids)
        ((known,),) = (await relevance.chances(session, actor, measure)).values()
        basis = RelevanceBasis.TEAM if known else RelevanceBasis.PRIOR
        least = measure.chance([known]).score(wish.min_relevance)
        floor = least if floor is None else max(least, floor)
    near = await nearest.best(
        session,
        Candidates(match, model.id),
        wish.query.vector,
        MAX_FOUND + 1,
        floor=floor,
    )
    if len(near) > MAX_FOUND:
        name, what = (
            ("minScore", "score") if wish.min_relevance is None else ("minRelevance", "relevance")
        )
        raise bad_input(
            f"input.search.{name}",
            f"This finds more than {MAX_FOUND} images: ask for a higher {what}.",
            limit=MAX_FOUND,
        )
    return Found(_listed([one.image_id for one in near]) if near else None, basis)


def _listed(ids: list[UUID]) -> Select[UUID, int]:
    listed = (
        func.unnest(literal(ids, ARRAY(Uuid())))
        .table_valued(literal_column("id", Uuid()), with_ordinality="place")
        .render_derived()
    )
    return select(listed.c.id, listed.c.place)
