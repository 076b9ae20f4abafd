"""Images by meaning: what is asked, and the page that answers. Questions are in directions, ranking by vectors in nearest."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import EmbeddingModel, Image
from app.domain import Actor, ImageFilter, SearchMode, Window
from app.errors import bad_input, unavailable
from app.services import (
    directions,
    embedding_models,
    filters,
    nearest,
    paging,
    places,
    relevance,
)
from app.services.directions import (
    OTHER_MODEL,
    Direction,
    Identity,
    away_from,
    by_image,
    by_picture,
    by_text,
)
from app.services.nearest import Candidates, Floor
from app.services.places import model_of
from app.services.relevance import Measure

__all__ = [
    "Direction",
    "Hit",
    "Hits",
    "Identity",
    "Search",
    "away_from",
    "by_image",
    "by_picture",
    "by_text",
    "candidate_count",
    "model_of",
    "page",
    "similar",
    "similar_count",
]

FUSED: Final = 200
"""Of each ranking, so many take part in a HYBRID search."""
RANK_OFFSET: Final = 60
"""Reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009): 1 / (60 + rank), summed."""
MEANING_WEIGHT: Final = 1.0
WORDS_WEIGHT: Final = 1.0


@dataclass(frozen=True, slots=True)
class Search:
    """`words` is what HYBRID looks for in the images' texts; `without` leaves one image out.

    `min_relevance`: of a hit, or in HYBRID all of the words. `floor`: what that and `min_score` come to, worked out by `page`.
    """

    query: Direction
    wanted: ImageFilter = field(default_factory=ImageFilter)
    mode: SearchMode = SearchMode.SEMANTIC
    words: str | None = None
    min_score: float | None = None
    without: UUID | None = None
    min_relevance: float | None = None
    floor: Floor | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """`score`: `cosine`, the similarity, -1 to 1; for HYBRID the fused score, 0 to 1."""

    image: Image
    score: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Hits:
    """Best first, with the cursor of each. `model`: whose vectors ranked them. `measure`: what their cosines are worth."""

    hits: Sequence[Hit]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool
    model: str
    measure: Measure = relevance.NOTHING


async def page(session: AsyncSession, actor: Actor, asked: Search, window: Window) -> Hits:
    """The images nearest to the question, each compared by a vector of the question's own model.

    UNAVAILABLE where not all images have one; BAD_USER_INPUT for a cursor of another search.
    """
    paging.check(window)
    relevance.check(asked.min_relevance)
    if asked.mode is SearchMode.HYBRID and asked.words is None:
        raise bad_input("mode", "HYBRID needs a text to look for.")
    model = await embedding_models.answering(session, *asked.query.model)
    if model is None:
        raise unavailable(OTHER_MODEL)
    match = await filters.resolve(session, actor, asked.wanted)
    candidates = Candidates(match, model.id, asked.without)
    modality = relevance.modality(of_text=asked.query.of_text)
    measure = Measure(model.id, model.name, modality, match.team_ids)
    asked = replace(asked, floor=await _floor(session, actor, asked, measure))
    rank = _by_meaning if asked.mode is SearchMode.SEMANTIC else _by_both
    found, cursors = await rank(session, asked, candidates, window, _key(asked, model.id))
    return Hits(
        found[: window.limit],
        cursors[: window.limit],
        has_next=len(found) > window.limit,
        has_previous=window.cursor is not None,
        model=model.name,
        measure=measure,
    )


async def _floor(
    session: AsyncSession, actor: Actor, asked: Search, measure: Measure
) -> Floor | None:
    """A plain score where one will do: it is the quicker comparison. HYBRID holds its fused score against min_score later."""
    least = None if asked.mode is SearchMode.HYBRID else asked.min_score
    if asked.min_relevance is None:
        return least
    floors = await relevance.floors(session, actor, measure, asked.min_relevance, least)
    return next(iter(floors.values())) if len(set(floors.values())) == 1 else floors


async def similar(
    session: AsyncSession,
    actor: Actor,
    image_id: UUID,
    wanted: ImageFilter,
    min_score: float | None,
    window: Window,
    min_relevance: float | None = None,
) -> Hits:
    """The images that look most like this one, without it; empty until it has a vector."""
    paging.check(window)
    relevance.check(min_relevance)
    model = await embedding_models.of_page(session, model_of(window.cursor))
    query = None if model is None else await directions.stored(session, actor, image_id, model)
    if query is None:
        name = "" if model is None else model.name
        return Hits([], [], has_next=False, has_previous=False, model=name)
    asked = Search(
        query, wanted, min_score=min_score, min_relevance=min_relevance, without=image_id
    )
    return await page(session, actor, asked, window)


async def candidate_count(session: AsyncSession, actor: Actor, asked: Search) -> int:
    """How many images the search ranks: those that the filter lets through and that have a vector."""
    model = await embedding_models.answering(session, *asked.query.model)
    return await _count(session, actor, asked.wanted, asked.without, model)


async def similar_count(
    session: AsyncSession,
    actor: Actor,
    image_id: UUID,
    wanted: ImageFilter,
    cursor: str | None = None,
) -> int:
    model = await embedding_models.of_page(session, model_of(cursor))
    return await _count(session, actor, wanted, image_id, model)


async def _count(
    session: AsyncSession,
    actor: Actor,
    wanted: ImageFilter,
    without: UUID | None,
    model: EmbeddingModel | None,
) -> int:
    match = await filters.resolve(session, actor, wanted)
    if model is None or match.empty:
        return 0
    return await paging.count(session, Candidates(match, model.id, without).rows())


async def _by_meaning(
    session: AsyncSession, asked: Search, candidates: Candidates, window: Window, key: bytes
) -> tuple[list[Hit], list[str]]:
    """The page and one hit more, with cursors."""
    last = places.after(window.cursor, key)
    near = await nearest.best(
        session,
        candidates,
        asked.query.vector,
        window.limit + 1,
        after=last,
        floor=asked.floor,
    )
    scores = {one.image_id: one.score for one in near}
    hits = await _hits(session, scores, scores)
    return hits, places.after_cursors(key, [places.After(hit.score, hit.image.id) for hit in hits])


async def _by_both(
    session: AsyncSession, asked: Search, candidates: Candidates, window: Window, key: bytes
) -> tuple[list[Hit], list[str]]:
    """As `_by_meaning`. Ranks move when images come and go: a cursor tells what was seen, not where it was."""
    seen = places.seen(window.cursor, key)
    near = await nearest.best(session, candidates, asked.query.vector, FUSED, floor=asked.floor)
    worded = await _worded(session, candidates, asked.words or "")
    fused = _fused([one.image_id for one in near], worded)
    least = -math.inf if asked.min_score is None else asked.min_score
    unseen = [one for one in fused if places.short(one) not in set(seen) and fused[one] >= least]
    scores = {one: fused[one] for one in unseen[: window.limit + 1]}
    cosines = await relevance.cosines(session, candidates, asked.query.vector, list(scores))
    hits = await _hits(session, scores, cosines)
    return hits, places.seen_cursors(key, seen, [hit.image.id for hit in hits])


async def _hits(
    session: AsyncSession, scores: Mapping[UUID, float], cosines: Mapping[UUID, float]
) -> list[Hit]:
    """The images with their scores, in that order; one that is gone by now is left out."""
    if not scores:
        return []
    rows = await session.scalars(select(Image).where(Image.id.in_(scores)))
    images = {image.id: image for image in rows}
    return [
        Hit(images[one], score, cosines[one])
        for one, score in scores.items()
        if one in images and one in cosines
    ]


async def _worded(session: AsyncSession, candidates: Candidates, words: str) -> list[UUID]:
    """The FUSED candidates whose texts have the words best, best first; ties by id."""
    if candidates.match.empty:
        return []
    rank = func.greatest(
        *(
            func.ts_rank_cd(Image.words, func.websearch_to_tsquery(config, words))
            for config in ("simple", "english")
        )
    )
    rows = candidates.rows().where(filters.words_match(words))
    return list(await session.scalars(rows.order_by(rank.desc(), Image.id).limit(FUSED)))


def _fused(near: Sequence[UUID], worded: Sequence[UUID]) -> dict[UUID, float]:
    """Best first: the sums of the reciprocal ranks, scaled so that the first of both rankings has 1."""
    scores: dict[UUID, float] = defaultdict(float)
    for ranking, weight in ((near, MEANING_WEIGHT), (worded, WORDS_WEIGHT)):
        for rank, image_id in enumerate(ranking, start=1):
            scores[image_id] += weight / (RANK_OFFSET + rank)
    whole = (RANK_OFFSET + 1) / (MEANING_WEIGHT + WORDS_WEIGHT)
    best = sorted(scores, key=lambda one: (-scores[one], one))
    return {one: scores[one] * whole for one in best}


def _key(asked: Search, model_id: int) -> bytes:
    """What a cursor is bound to: the model, and everything that decides the order. Not the vector's last bits."""
    facts = (
        asked.query.model,
        asked.query.source,
        asked.wanted,
        asked.mode,
        asked.words,
        asked.min_score,
        asked.without,
        *(("relevance", asked.min_relevance) if asked.min_relevance is not None else ()),
    )
    return (
        places.MODEL.pack(model_id) + hashlib.blake2b(repr(facts).encode(), digest_size=8).digest()
    )
