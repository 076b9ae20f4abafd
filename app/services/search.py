"""Images by meaning: what is asked, and the page that answers.

Questions are in directions, ranking by vectors in nearest, by words too in fusion, what repeats itself in diversity.
"""

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image
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
    relevance,
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
from app.services.nearest import Candidates, Floor
from app.services.places import model_of
from app.services.relevance import Measure

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

BY_ID: Final = select(Image).where(Image.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))


@dataclass(frozen=True, slots=True)
class Search:
    """`words` is what HYBRID looks for in the images' texts; `without` leaves one image out.

    `order` sorts the relevant ones by something else than their score. `diversity`: 0 to 1, how much more it counts
    that a hit is unlike those before it.
    `min_relevance`: of a hit, or in HYBRID all of the words. `floor`: what that and `min_score` come to, worked out by `page`.
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
class Hits:
    """Best first, with the cursor of each. `model`: whose vectors ranked them.

    `near`: how the vectors were looked through. `took_ms`: in the service. `measure`: what their cosines are worth.
    """

    hits: Sequence[Hit]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool
    model: str
    near: nearest.Found = field(default_factory=nearest.Found)
    took_ms: float = 0.0
    measure: Measure = relevance.NOTHING


async def page(session: AsyncSession, actor: Actor, asked: Search, window: Window) -> Hits:
    """The images nearest to the question, each compared by a vector of the question's own model.

    UNAVAILABLE where not all images have one; BAD_USER_INPUT for a cursor of another search.
    """
    began = time.perf_counter()
    paging.check(window)
    _check(asked)
    model = await embedding_models.answering(session, *asked.query.model)
    if model is None:
        raise unavailable(OTHER_MODEL)
    match = await filters.resolve(session, actor, asked.wanted)
    candidates = Candidates(match, model.id, asked.without)
    modality = relevance.modality(of_text=asked.query.of_text)
    measure = Measure(model.id, model.name, modality, match.team_ids)
    asked = replace(asked, floor=await _floor(session, actor, asked, measure))
    found = await _found(session, asked, candidates, window, _key(asked, model.id))
    return Hits(
        found.hits[: window.limit],
        found.cursors[: window.limit],
        has_next=found.has_next or len(found.hits) > window.limit,
        has_previous=window.cursor is not None,
        model=model.name,
        near=found.near,
        took_ms=(time.perf_counter() - began) * 1000,
        measure=measure,
    )


def _check(asked: Search) -> None:
    relevance.check(asked.min_relevance)
    if asked.mode is SearchMode.HYBRID and asked.words is None:
        raise bad_input("mode", "HYBRID needs a text to look for.")
    if not 0 <= asked.diversity <= 1:
        raise bad_input("diversity", "A diversity lies between 0 and 1.")
    if asked.diversity and asked.order:
        raise bad_input("diversity", "An order leaves diversity no choice: give one of the two.")


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
    stored = (
        {} if model is None else await directions.stored(session, actor, {"id": image_id}, model)
    )
    if not stored:
        name = "" if model is None else model.name
        return Hits([], [], has_next=False, has_previous=False, model=name)
    asked = Search(
        stored["id"], wanted, min_score=min_score, min_relevance=min_relevance, without=image_id
    )
    return await page(session, actor, asked, window)


async def candidate_count(session: AsyncSession, actor: Actor, asked: Search) -> int:
    """How many images the search ranks: those that the filter lets through and that have a vector."""
    model = await embedding_models.answering(session, *asked.query.model)
    return await _count(session, actor, asked.wanted, asked.without, model.id if model else None)


async def similar_count(
    session: AsyncSession,
    actor: Actor,
    image_id: UUID,
    wanted: ImageFilter,
    cursor: str | None = None,
) -> int:
    model = await embedding_models.of_page(session, model_of(cursor))
    return await _count(session, actor, wanted, image_id, model.id if model else None)


async def _count(
    session: AsyncSession,
    actor: Actor,
    wanted: ImageFilter,
    without: UUID | None,
    model_id: int | None,
) -> int:
    match = await filters.resolve(session, actor, wanted)
    if model_id is None or match.empty:
        return 0
    return await paging.count(session, Candidates(match, model_id, without).rows())


@dataclass(frozen=True, slots=True)
class _Found:
    """A page, or a page and the hit behind it. `has_next`: what is known of more without that one."""

    hits: Sequence[Hit]
    cursors: Sequence[str]
    near: nearest.Found
    has_next: bool = False


@dataclass(frozen=True, slots=True)
class _Shortlist:
    """Scores, best first; the newest image that had a chance, and how the vectors were looked through."""

    scores: Mapping[UUID, float]
    newest: UUID | None
    near: nearest.Found


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
        floor=asked.floor,
    )
    scores = {one.image_id: one.score for one in near}
    hits = await _hits(session, scores, scores)
    after = [places.After(hit.score, hit.image.id) for hit in hits]
    return _Found(hits, places.after_cursors(key, after), near)


async def _of_shortlist(
    session: AsyncSession, asked: Search, candidates: Candidates, window: Window, key: bytes
) -> _Found:
    """Places in it move when images come and go: a cursor tells what was seen, not where it was."""
    seen = places.seen(window.cursor, key)
    found = await _shortlist(session, asked, candidates, SHORTLIST, seen.newest)
    scores, shown = found.scores, set(seen.images)
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
    hits = await _scored(session, asked, candidates, {one: scores[one] for one in ids})
    seen = replace(seen, newest=found.newest)
    return _Found(hits, places.seen_cursors(key, seen, [hit.image.id for hit in hits]), found.near)


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
    has_cut = asked.min_score is not None or asked.min_relevance is not None
    most = RELEVANT if has_cut else SHORTLIST
    short = await _shortlist(session, asked, candidates, most, newest)
    rows = select(Image).where(Image.id == any_(literal(list(short.scores), ARRAY(Uuid()))))
    part = replace(window, cursor=place)
    found = await paging.page(session, rows, images.keyset(order), part)
    scores = {image.id: short.scores[image.id] for image in found.rows}
    cosines = await _cosines(session, asked, candidates, scores)
    hits = [Hit(one, scores[one.id], cosines.get(one.id, -1.0)) for one in found.rows]
    cursors = places.sorted_cursors(key, short.newest, found.cursors)
    return _Found(hits, cursors, short.near, has_next=found.has_next)


async def _shortlist(
    session: AsyncSession, asked: Search, candidates: Candidates, most: int, newest: UUID | None
) -> _Shortlist:
    """The best that reach the score, best first, without what came after `newest`; and the newest there is among them."""
    if newest is not None:
        candidates = _until(candidates, newest)
    if asked.mode is SearchMode.HYBRID:
        every, near = await fusion.fused(
            session, candidates, asked.query.vector, asked.words or "", asked.floor
        )
        least = -math.inf if asked.min_score is None else asked.min_score
        scores = {one: score for one, score in every.items() if score >= least}
    else:
        near = await nearest.best(session, candidates, asked.query.vector, most, floor=asked.floor)
        every = scores = {one.image_id: one.score for one in near}
    return _Shortlist(scores, newest or max(every, default=None), near)


def _until(candidates: Candidates, newest: UUID) -> Candidates:
    match = candidates.match
    rest = (*match.rest, Image.id <= newest)
    narrowed = replace(match, rest=rest, only_tags=False, beside=False)
    return replace(candidates, match=narrowed)


async def _scored(
    session: AsyncSession, asked: Search, candidates: Candidates, scores: Mapping[UUID, float]
) -> list[Hit]:
    return await _hits(session, scores, await _cosines(session, asked, candidates, scores))


async def _cosines(
    session: AsyncSession, asked: Search, candidates: Candidates, scores: Mapping[UUID, float]
) -> Mapping[UUID, float]:
    """How near the hits are: their scores, unless those say something else."""
    if asked.mode is not SearchMode.HYBRID:
        return scores
    return await relevance.cosines(session, candidates, asked.query.vector, list(scores))


async def _hits(
    session: AsyncSession, scores: Mapping[UUID, float], cosines: Mapping[UUID, float]
) -> list[Hit]:
    """The images with their scores, in that order; one that is gone by now is left out."""
    if not scores:
        return []
    rows = await session.scalars(BY_ID, {"ids": list(scores)})
    images = {image.id: image for image in rows}
    return [
        Hit(images[one], score, cosines[one])
        for one, score in scores.items()
        if one in images and one in cosines
    ]


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
        *(("relevance", asked.min_relevance) if asked.min_relevance is not None else ()),
    )
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=8).digest()
    return places.MODEL.pack(model_id) + digest
