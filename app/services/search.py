"""Images by meaning: what is asked, and the page that answers.

Questions are in directions, ranking by vectors in nearest, by words too in fusion, what repeats itself in diversity.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import EmbeddingModel, Image
from app.domain import Actor, ImageFilter, ImageOrder, SearchMode, Window
from app.errors import bad_input, unavailable
from app.services import (
    directions,
    diversity,
    embedding_models,
    filters,
    fusion,
    images,
    nearest,
    paging,
    places,
)
from app.services.directions import (
    OTHER_MODEL,
    Direction,
    Identity,
    by_image,
    by_images,
    by_picture,
    by_text,
    by_texts,
)
from app.services.nearest import Candidates
from app.services.places import model_of

__all__ = [
    "Direction",
    "Hit",
    "Hits",
    "Identity",
    "Search",
    "by_image",
    "by_images",
    "by_picture",
    "by_text",
    "by_texts",
    "candidate_count",
    "model_of",
    "page",
    "similar",
    "similar_count",
]

SHORTLIST: Final = 200
"""The best so many are what diversity and an order choose from."""
RELEVANT: Final = 1_000
"""What an order chooses from where `min_score` says what belongs to it."""


@dataclass(frozen=True, slots=True)
class Search:
    """`words` is what HYBRID looks for in the images' texts; `without` leaves one image out.

    `order` sorts the relevant ones by something else than their score. `diversity`: 0 to 1, how much more it counts
    that a hit is unlike those before it.
    """

    query: Direction
    wanted: ImageFilter = field(default_factory=ImageFilter)
    mode: SearchMode = SearchMode.SEMANTIC
    words: str | None = None
    min_score: float | None = None
    without: UUID | None = None
    order: ImageOrder | None = None
    diversity: float = 0.0


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
    _check(asked)
    model = await embedding_models.answering(session, *asked.query.model)
    if model is None:
        raise unavailable(OTHER_MODEL)
    match = await filters.resolve(session, actor, asked.wanted)
    candidates = Candidates(match, model.id, asked.without)
    found = await _found(session, asked, candidates, window, _key(asked, model.id))
    return Hits(
        found.hits[: window.limit],
        found.cursors[: window.limit],
        has_next=found.has_next or len(found.hits) > window.limit,
        has_previous=window.cursor is not None,
        model=model.name,
    )


def _check(asked: Search) -> None:
    if asked.mode is SearchMode.HYBRID and asked.words is None:
        raise bad_input("mode", "HYBRID needs a text to look for.")
    if not 0 <= asked.diversity <= 1:
        raise bad_input("diversity", "A diversity lies between 0 and 1.")
    if asked.diversity and asked.order:
        raise bad_input("diversity", "An order leaves diversity no choice: give one of the two.")


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
    stored = (
        {} if model is None else await directions.stored(session, actor, {"id": image_id}, model)
    )
    if not stored:
        name = "" if model is None else model.name
        return Hits([], [], has_next=False, has_previous=False, model=name)
    asked = Search(stored["id"], wanted, min_score=min_score, without=image_id)
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


@dataclass(frozen=True, slots=True)
class _Found:
    """A page, or a page and the hit behind it. `has_next`: what is known of more without that one."""

    hits: Sequence[Hit]
    cursors: Sequence[str]
    has_next: bool = False


async def _found(
    session: AsyncSession, asked: Search, candidates: Candidates, window: Window, key: bytes
) -> _Found:
    if asked.order is not None:
        return await _sorted(session, asked, asked.order, candidates, window, key)
    if asked.mode is SearchMode.HYBRID or asked.diversity:
        return await _of_shortlist(session, asked, candidates, window, key)
    return await _by_meaning(session, asked, candidates, window, key)


async def _by_meaning(
    session: AsyncSession, asked: Search, candidates: Candidates, window: Window, key: bytes
) -> _Found:
    """Every candidate has its place, however deep: a score that no other image changes, then its id."""
    last = places.after(window.cursor, key)
    near = await nearest.best(
        session,
        candidates,
        asked.query.vector,
        window.limit + 1,
        after=last,
        floor=asked.min_score,
    )
    hits = await _hits(session, {one.image_id: one.score for one in near})
    after = [places.After(hit.score, hit.image.id) for hit in hits]
    return _Found(hits, places.after_cursors(key, after))


async def _of_shortlist(
    session: AsyncSession, asked: Search, candidates: Candidates, window: Window, key: bytes
) -> _Found:
    """Places in it move when images come and go: a cursor tells what was seen, not where it was."""
    seen = places.seen(window.cursor, key)
    scores, newest = await _shortlist(session, asked, candidates, SHORTLIST, seen.newest)
    shown = set(seen.images)
    if asked.diversity:
        best = dict(islice(scores.items(), SHORTLIST))
        is_shown = [places.short(one) in shown for one in best]
        ids = await diversity.following(
            session,
            candidates,
            best,
            is_shown,
            diversity=asked.diversity,
            count=window.limit + 1,
        )
    else:
        ids = [one for one in scores if places.short(one) not in shown][: window.limit + 1]
    hits = await _hits(session, {one: scores[one] for one in ids})
    seen = replace(seen, newest=newest)
    return _Found(hits, places.seen_cursors(key, seen, [hit.image.id for hit in hits]))


async def _sorted(
    session: AsyncSession,
    asked: Search,
    order: ImageOrder,
    candidates: Candidates,
    window: Window,
    key: bytes,
) -> _Found:
    """The relevant ones in another order."""
    newest, place = places.sorted_place(window.cursor, key)
    most = SHORTLIST if asked.min_score is None else RELEVANT
    scores, newest = await _shortlist(session, asked, candidates, most, newest)
    rows = select(Image).where(Image.id == any_(literal(list(scores), ARRAY(Uuid()))))
    part = replace(window, cursor=place)
    found = await paging.page(session, rows, images.keyset(order), part)
    hits = [Hit(image, scores[image.id]) for image in found.rows]
    cursors = places.sorted_cursors(key, newest, found.cursors)
    return _Found(hits, cursors, has_next=found.has_next)


async def _shortlist(
    session: AsyncSession, asked: Search, candidates: Candidates, most: int, newest: UUID | None
) -> tuple[dict[UUID, float], UUID | None]:
    """The best that reach the score, best first, without what came after `newest`; and the newest there is among them."""
    if newest is not None:
        candidates = _until(candidates, newest)
    if asked.mode is SearchMode.HYBRID:
        every = await fusion.fused(session, candidates, asked.query.vector, asked.words or "")
        least = -math.inf if asked.min_score is None else asked.min_score
        scores = {one: score for one, score in every.items() if score >= least}
    else:
        near = await nearest.best(
            session, candidates, asked.query.vector, most, floor=asked.min_score
        )
        every = scores = {one.image_id: one.score for one in near}
    return scores, newest or max(every, default=None)


def _until(candidates: Candidates, newest: UUID) -> Candidates:
    match = candidates.match
    return replace(
        candidates,
        match=replace(match, where=(*match.where, Image.id <= newest), only_tags=False),
    )


async def _hits(session: AsyncSession, scores: Mapping[UUID, float]) -> list[Hit]:
    """The images with their scores, in that order; one that is gone by now is left out."""
    if not scores:
        return []
    rows = await session.scalars(select(Image).where(Image.id.in_(scores)))
    images = {image.id: image for image in rows}
    return [Hit(images[one], score) for one, score in scores.items() if one in images]


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
        *((asked.order, asked.diversity) if asked.order or asked.diversity else ()),
    )
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=8).digest()
    return places.MODEL.pack(model_id) + digest
