"""Pages of a search for which the best have to be chosen first: fused ones, spread ones, and those in another order."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image
from app.domain import ImageOrder, SearchMode, Window
from app.services import images, paging
from app.services.searching import diversity, fusion, nearest, places, ranked
from app.services.searching.nearest import Candidates
from app.services.searching.ranked import Hit, Ranked, Search
from app.services.searching.vector_plan import FOR_PAGES

SHORTLIST: Final = 200
"""The best so many are what diversity and an order choose from."""
RELEVANT: Final = 1_000
"""What an order chooses from where `min_score` says what belongs to it."""


@dataclass(frozen=True, slots=True)
class _Shortlist:
    """Scores, best first; the newest image that had a chance, and how the vectors were looked through."""

    scores: Mapping[UUID, float]
    newest: UUID | None
    near: nearest.Found


async def page(
    session: AsyncSession, asked: Search, candidates: Candidates, window: Window, key: bytes
) -> Ranked:
    """Best first. Places move when images come and go: a cursor tells what was seen, not where it was."""
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
    hits = await ranked.hits(session, asked, candidates, {one: scores[one] for one in ids})
    seen = replace(seen, newest=found.newest)
    cursors = places.seen_cursors(key, seen, [hit.image.id for hit in hits])
    has_next = ranked.has_next(hits, len(ids), window)
    return Ranked(hits, cursors, found.near, has_next)


async def page_in_order(
    session: AsyncSession,
    asked: Search,
    order: ImageOrder,
    candidates: Candidates,
    window: Window,
    key: bytes,
) -> Ranked:
    """The relevant ones in another order."""
    newest, place = places.sorted_place(window.cursor, key)
    has_cut = asked.min_score is not None or asked.min_relevance is not None
    most = RELEVANT if has_cut else SHORTLIST
    short = await _shortlist(session, asked, candidates, most, newest)
    rows = select(Image).where(Image.id == any_(literal(list(short.scores), ARRAY(Uuid()))))
    part = replace(window, cursor=place)
    found = await paging.page(session, rows, images.keyset(order), part)
    scores = {image.id: short.scores[image.id] for image in found.rows}
    cosines = await ranked.cosines(session, asked, candidates, scores)
    hits = [Hit(one, scores[one.id], cosines.get(one.id, -1.0)) for one in found.rows]
    cursors = places.sorted_cursors(key, short.newest, found.cursors)
    return Ranked(hits, cursors, short.near, has_next=found.has_next)


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
        near = await nearest.best(
            session, candidates, asked.query.vector, most, floor=asked.floor, bounds=FOR_PAGES
        )
        every = scores = {one.image_id: one.score for one in near}
    return _Shortlist(scores, newest or max(every, default=None), near)


def _until(candidates: Candidates, newest: UUID) -> Candidates:
    match = candidates.match
    rest = (*match.rest, Image.id <= newest)
    narrowed = replace(match, rest=rest, only_tags=False, beside=False)
    return replace(candidates, match=narrowed)
