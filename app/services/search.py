"""Images by meaning: one statement ranks them by how near they are to a direction. Questions are in directions."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    Select,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import EmbeddingModel, Image, ImageVector
from app.domain import Actor, ImageFilter, SearchMode, Window
from app.errors import bad_input, unavailable
from app.services import access, directions, embedding_models, filters, paging, places
from app.services.directions import (
    OTHER_MODEL,
    Direction,
    Identity,
    away_from,
    by_image,
    by_picture,
    by_text,
)
from app.services.places import model_of

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
ANY_PLAN = text("set local plan_cache_mode = 'force_custom_plan'")
"""The best plan depends on how many images the filter lets through."""


@dataclass(frozen=True, slots=True)
class Search:
    """`words` is what HYBRID looks for in the images' texts; `without` leaves one image out."""

    query: Direction
    wanted: ImageFilter = field(default_factory=ImageFilter)
    mode: SearchMode = SearchMode.SEMANTIC
    words: str | None = None
    min_score: float | None = None
    without: UUID | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """`score`: cosine similarity, -1 to 1; for HYBRID the fused score, 0 to 1."""

    image: Image
    score: float


@dataclass(frozen=True, slots=True)
class Hits:
    """Best first, with the cursor of each. `model`: whose vectors ranked them."""

    hits: Sequence[Hit]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool
    model: str


async def page(session: AsyncSession, actor: Actor, asked: Search, window: Window) -> Hits:
    """The images nearest to the question, each compared by a vector of the question's own model.

    UNAVAILABLE where not all images have one; BAD_USER_INPUT for a cursor of another search.
    """
    paging.check(window)
    if asked.mode is SearchMode.HYBRID and asked.words is None:
        raise bad_input("mode", "HYBRID needs a text to look for.")
    model = await embedding_models.answering(session, *asked.query.model)
    if model is None:
        raise unavailable(OTHER_MODEL)
    match = await filters.resolve(session, actor, asked.wanted)
    await session.execute(ANY_PLAN)
    scored = None if match.empty else _scored(asked, match, model.id)
    rank = _by_meaning if asked.mode is SearchMode.SEMANTIC else _by_both
    found, cursors = await rank(session, asked, scored, window, _key(asked, model.id))
    return Hits(
        found[: window.limit],
        cursors[: window.limit],
        has_next=len(found) > window.limit,
        has_previous=window.cursor is not None,
        model=model.name,
    )


async def similar(
    session: AsyncSession,
    actor: Actor,
    image_id: UUID,
    wanted: ImageFilter,
    min_score: float | None,
    window: Window,
) -> Hits:
    """The images that look most like this one, without it; empty until it has a vector."""
    paging.check(window)
    model = await embedding_models.of_page(session, model_of(window.cursor))
    query = None if model is None else await directions.stored(session, actor, image_id, model)
    if query is None:
        name = "" if model is None else model.name
        return Hits([], [], has_next=False, has_previous=False, model=name)
    asked = Search(query, wanted, min_score=min_score, without=image_id)
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
    return await paging.count(session, _candidates(match, model.id, without))


def _candidates(match: filters.Match, model_id: int, without: UUID | None) -> Select[Any]:
    rows = (
        select(ImageVector.image_id)
        .join(Image, and_(Image.team_id == ImageVector.team_id, Image.id == ImageVector.image_id))
        .where(
            access.in_teams(ImageVector.team_id, match.team_ids),
            ImageVector.model_id == model_id,
            *match.where,
        )
    )
    return rows if without is None else rows.where(Image.id != without)


def _scored(asked: Search, match: filters.Match, model_id: int) -> CTE:
    """Every candidate with its cosine similarity.

    Materialized: no condition on the score is ever tried on a vector of another model, which may have
    another length. The exact scan, whatever indexes there are.
    """
    vector = cast(asked.query.vector, ImageVector.embedding.type)
    distance = ImageVector.embedding.op("<#>", return_type=Float())(vector)
    # Half precision makes lengths of 1.0002.
    score = func.greatest(-1.0, func.least(1.0, -distance), type_=Float())
    rows = _candidates(match, model_id, asked.without).add_columns(score.label("score"))
    return rows.cte("scored").prefix_with("materialized")


async def _by_meaning(
    session: AsyncSession, asked: Search, scored: CTE | None, window: Window, key: bytes
) -> tuple[list[Hit], list[str]]:
    """The page and one hit more, with cursors."""
    last = places.after(window.cursor, key)
    if scored is None:
        return [], []
    columns = scored.c
    best = select(scored).order_by(columns.score.desc(), columns.image_id).limit(window.limit + 1)
    if asked.min_score is not None:
        best = best.where(columns.score >= asked.min_score)
    if last is not None:
        worse = and_(columns.score == last.score, columns.image_id > last.image_id)
        best = best.where(or_(columns.score < last.score, worse))
    top = best.subquery()
    rows = await session.execute(
        select(Image, top.c.score)
        .join(top, top.c.image_id == Image.id)
        .order_by(top.c.score.desc(), Image.id)
    )
    hits = [Hit(image, score) for image, score in rows]
    return hits, places.after_cursors(key, [places.After(hit.score, hit.image.id) for hit in hits])


async def _by_both(
    session: AsyncSession, asked: Search, scored: CTE | None, window: Window, key: bytes
) -> tuple[list[Hit], list[str]]:
    """As `_by_meaning`. Ranks move when images come and go: a cursor tells what was seen, not where it was."""
    seen = places.seen(window.cursor, key)
    if scored is None:
        return [], []
    least = -math.inf if asked.min_score is None else asked.min_score
    fused = await session.execute(_fused(scored, asked.words or ""))
    ranking = [(one, score) for one, score in fused if score >= least]
    best = dict(
        [row for row in ranking if places.short(row[0]) not in set(seen)][: window.limit + 1]
    )
    rows = await session.scalars(select(Image).where(Image.id.in_(best)))
    images = {image.id: image for image in rows}
    hits = [Hit(images[one], score) for one, score in best.items() if one in images]
    return hits, places.seen_cursors(key, seen, [hit.image.id for hit in hits])


def _fused(scored: CTE, words: str) -> Select[Any, Any]:
    """image_id and score, best first: the reciprocal ranks by meaning and by words, 1 for the first of both."""
    near = _ranked(select(scored.c.image_id), scored.c.score).subquery("near")
    rank = func.greatest(
        *(
            func.ts_rank_cd(Image.words, func.websearch_to_tsquery(config, words))
            for config in ("simple", "english")
        )
    )
    worded = _ranked(
        select(scored.c.image_id)
        .join(Image, Image.id == scored.c.image_id)
        .where(filters.words_match(words)),
        rank,
    ).subquery("worded")
    score = func.coalesce(MEANING_WEIGHT / (RANK_OFFSET + near.c.rank), 0) + func.coalesce(
        WORDS_WEIGHT / (RANK_OFFSET + worded.c.rank), 0
    )
    whole = (RANK_OFFSET + 1) / (MEANING_WEIGHT + WORDS_WEIGHT)
    image_id = func.coalesce(near.c.image_id, worded.c.image_id)
    fused = (score * literal(whole, Float())).label("score")
    return (
        select(image_id, fused)
        .select_from(near.join(worded, near.c.image_id == worded.c.image_id, full=True))
        .order_by(fused.desc(), image_id)
    )


def _ranked(rows: Select[Any], score: ColumnElement[Any]) -> Select[Any]:
    """The best FUSED of the rows, with the rank of each from 1; ties by id."""
    image_id = rows.selected_columns[0]
    order = (score.desc(), image_id)
    rank = cast(func.row_number().over(order_by=order), Float()).label("rank")
    return rows.add_columns(rank).order_by(*order).limit(FUSED)


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
    )
    return (
        places.MODEL.pack(model_id) + hashlib.blake2b(repr(facts).encode(), digest_size=8).digest()
    )
