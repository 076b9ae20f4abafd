"""Images by meaning: what is asked, and the page that answers.

Questions are in directions, ranking by vectors in nearest, by words too in fusion. What is chosen from the best alone,
because it is fused, spread or sorted, is in shortlist.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import Actor, ImageFilter, SearchMode, Window
from app.errors import bad_input, unavailable
from app.services import embedding_models, filters, paging
from app.services.searching import (
    directions,
    facts,
    nearest,
    places,
    ranked,
    relevance,
    shortlist,
)
from app.services.searching.directions import (
    OTHER_MODEL,
    Direction,
    Identity,
    by_image,
    by_images,
    by_picture,
    by_text,
    by_texts,
)
from app.services.searching.nearest import Candidates, Floor
from app.services.searching.places import model_of
from app.services.searching.ranked import Hit, Ranked, Search
from app.services.searching.relevance import Measure
from app.services.searching.vector_plan import FOR_PAGES

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
    match = await filters.resolve(session, actor, asked.wanted)
    known = await facts.read(session, match, asked.query.model)
    if (model := known.model) is None:
        raise unavailable(OTHER_MODEL)
    candidates = Candidates(match, model.id, asked.without, known)
    # Where no team has the filter's tags, relevance is still that of those which were asked.
    teams = match.team_ids or [one for one in actor.team_ids if asked.wanted.team_id in (None, one)]
    measure = relevance.measure_of(asked.query, model, teams)
    asked = replace(asked, floor=await _floor(session, actor, asked, measure))
    found = await _found(session, asked, candidates, window, _key(asked, model.id))
    return Hits(
        found.hits[: window.limit],
        found.cursors[: window.limit],
        has_next=found.has_next,
        has_previous=window.cursor is not None,
        model=model.name,
        near=found.near,
        took_ms=(time.perf_counter() - began) * 1000,
        measure=measure,
    )


def _check(asked: Search) -> None:
    relevance.check_score(asked.min_score)
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
    relevance.check_score(min_score)
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


async def _found(
    session: AsyncSession, asked: Search, candidates: Candidates, window: Window, key: bytes
) -> Ranked:
    if asked.order is not None:
        return await shortlist.page_in_order(session, asked, asked.order, candidates, window, key)
    if asked.mode is SearchMode.HYBRID or asked.diversity:
        return await shortlist.page(session, asked, candidates, window, key)
    return await _by_meaning(session, asked, candidates, window, key)


async def _by_meaning(
    session: AsyncSession, asked: Search, candidates: Candidates, window: Window, key: bytes
) -> Ranked:
    """Every candidate has its place, however deep: a score that no other image changes, then its id."""
    last = places.after(window.cursor, key)
    near = await nearest.best(
        session,
        candidates,
        asked.query.vector,
        window.limit + 1,
        after=last,
        floor=asked.floor,
        has_images=True,
        bounds=FOR_PAGES,
    )
    scores = {one.image_id: one.score for one in near}
    hits = await ranked.hits(session, asked, candidates, scores, near.rows)
    after = [places.After(hit.score, hit.image.id) for hit in hits]
    has_next = ranked.has_next(hits, len(near), window)
    return Ranked(hits, places.after_cursors(key, after), near, has_next)


def _key(asked: Search, model_id: int) -> bytes:
    """What a cursor is bound to: the model, and everything that decides the order. Not the vector's last bits."""
    parts = (
        asked.query.model,
        asked.query.source,
        asked.wanted.canonical(),
        asked.mode,
        asked.words,
        asked.min_score,
        asked.without,
        *((asked.order, asked.diversity) if asked.order or asked.diversity else ()),
        *(("relevance", asked.min_relevance) if asked.min_relevance is not None else ()),
    )
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return places.MODEL.pack(model_id) + digest
