"""HYBRID: meaning, full text and tag names as one ranking. Rankings by vectors alone are in nearest."""

import re
import string
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.db.models import Image, ImageTag, Tag
from app.domain import JOINERS, tag_key
from app.embedding import Vectors
from app.services import access, full_text
from app.services.searching import nearest
from app.services.searching.nearest import Candidates, Floor

FUSED: Final = 200
"""Of each ranking, so many take part."""
RANK_OFFSET: Final = 60
"""Reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009): 1 / (60 + rank), summed."""
MEANING_WEIGHT: Final = 1.0
WORDS_WEIGHT: Final = 1.0
TAGS_WEIGHT: Final = 1.0
"""A tag that is the whole question counts as much as the first place of a ranking: a person has said so of the
picture. One that is some of its words counts for that share of it, so that `the` lifts next to nothing."""
MOST_RANKED: Final = full_text.MOST_BY_INDEX
"""Of the images that have all the words, the newest so many are ranked by them: a word that more have says little."""
MOST_FOUND: Final = 100
MOST_SHARES: Final = 3
"""Of the tags whose words are in the question, so many are read, and those with the largest shares count."""
MOST_SPOKEN: Final = 100
SEPARATORS: Final = string.punctuation
"""Between the words of a tag's name, besides spaces."""
SPACED: Final = str.maketrans(SEPARATORS, " " * len(SEPARATORS))
UNWANTED: Final = re.compile(r'(?<!\S)-(?=[^\s-])(?:"[^"]*"?|[^\s"]+)')
"""A word, or a phrase, behind a minus that stands before it: what the ranking by words leaves out."""


async def fused(
    session: AsyncSession,
    candidates: Candidates,
    vector: Vectors,
    words: str,
    floor: Floor | None = None,
) -> tuple[dict[UUID, float], nearest.Found]:
    """The first FUSED of each ranking, best first, ties by id, 1 for the first of all; and how the vectors were looked through.

    With a floor, a hit reaches it by meaning, or has all the words, or a tag that says them.
    """
    found = await nearest.best(session, candidates, vector, FUSED, floor=floor)
    near = [one.image_id for one in found]
    worded = await _worded(session, candidates, words, near)
    shares, said = await _tagged(session, candidates, words, near)
    scores: dict[UUID, float] = defaultdict(float)
    # First places add up to whole numbers, so that the first of all has 1, not the number before it.
    first = RANK_OFFSET + 1
    for ranking, weight in ((near, MEANING_WEIGHT), (worded, WORDS_WEIGHT)):
        for rank, image_id in enumerate(ranking, start=1):
            scores[image_id] += weight * first / (RANK_OFFSET + rank)
    for image_id, share in shares.items():
        if floor is not None and share < 1 and image_id not in scores:
            continue
        scores[image_id] += TAGS_WEIGHT * share
    whole = MEANING_WEIGHT + WORDS_WEIGHT + TAGS_WEIGHT * said
    best = sorted(scores, key=lambda one: (-scores[one], one))
    return {one: scores[one] / whole for one in best}, found


async def _worded(
    session: AsyncSession, candidates: Candidates, words: str, near: Sequence[UUID]
) -> list[UUID]:
    """The FUSED candidates whose texts have the words best, best first; of equals those that are near, then by id."""
    if candidates.match.empty:
        return []
    having = (await full_text.has_words(session, candidates.match.team_ids, words)).condition
    spelled_out = full_text.spelled_out(words)
    some = (
        candidates.rows()
        .where(having)
        .add_columns(Image.words)
        .order_by(Image.created_at.desc(), Image.id.desc())
        .limit(MOST_RANKED)
        .subquery()
    )
    rank = func.greatest(
        *(
            func.ts_rank_cd(some.c.words, func.websearch_to_tsquery(config, spelled_out))
            for config in ("simple", "english")
        )
    )
    is_near = _among(some.c.image_id, near)
    rows = select(some.c.image_id).order_by(rank.desc(), is_near.desc(), some.c.image_id)
    return list(await session.scalars(rows.limit(FUSED)))


async def _tagged(
    session: AsyncSession, candidates: Candidates, words: str, near: Sequence[UUID]
) -> tuple[Mapping[UUID, float], float]:
    """The share of the question that each candidate's tags say, and the most that any tag says.

    Of each tag, the candidates that are near and the FUSED newest.
    """
    said = await _said_by(session, candidates.match.team_ids, words)
    if not said:
        return {}, 0.0
    parts = [part for share, ids in said for part in _carrying(candidates, share, ids, near)]
    each = union_all(*parts).subquery()
    share = func.max(each.c.share)
    is_near = _among(each.c.image_id, near)
    best = select(each.c.image_id, share).group_by(each.c.image_id)
    best = best.order_by(share.desc(), is_near.desc(), each.c.image_id.desc()).limit(FUSED)
    rows = await session.execute(best)
    return dict(rows.all()), max(share for share, _ in said)


def _carrying(
    candidates: Candidates, share: float, tag_ids: Sequence[UUID], near: Sequence[UUID]
) -> Iterable[Select[Any]]:
    same = and_(ImageTag.team_id == Image.team_id, ImageTag.image_id == Image.id)
    rows = candidates.rows().join(ImageTag, same).where(ImageTag.tag_id.in_(tag_ids))
    rows = rows.add_columns(literal(share).label("share"))
    yield rows.where(_among(Image.id, near))
    newest = rows.order_by(ImageTag.created_at.desc(), ImageTag.image_id.desc())
    # An image may carry each of them.
    yield select(newest.limit(FUSED * len(tag_ids)).subquery())


async def _said_by(
    session: AsyncSession, team_ids: Sequence[UUID], words: str
) -> list[tuple[float, list[UUID]]]:
    """The tags whose words are all in the question and wanted, by the share of it that they are, the largest first."""
    whole = tag_key(words)
    spoken = _words(whole)[:MOST_SPOKEN]
    if not team_ids or not whole:
        return []
    wanted = UNWANTED.sub(" ", whole)
    forms = {word: set(_forms(word)) for word in _words(wanted)[:MOST_SPOKEN]}
    # Also as the statement takes tags apart, which leaves a dash or an emoji in its word.
    parts = wanted.translate(SPACED).split()[:MOST_SPOKEN]
    allowed = ["", *sorted({*parts}.union(*forms.values()))]
    spaced = func.translate(Tag.key, SEPARATORS, " " * len(SEPARATORS))
    its = func.string_to_array(spaced, " ", type_=ARRAY(Text()))
    is_whole = Tag.key == whole
    query = select(Tag.key, Tag.id).where(
        access.in_teams(Tag.team_id, tuple(team_ids)),
        # The empty one stands between two separators.
        is_whole | its.op("<@")(literal(allowed, ARRAY(Text()))),
    )
    query = query.order_by(is_whole.desc(), func.cardinality(its).desc(), Tag.id).limit(MOST_FOUND)
    found: dict[float, list[UUID]] = defaultdict(list)
    for key, tag_id in await session.execute(query):
        # The whole question may be a sign alone.
        share = 1.0 if key == whole else _said(key, forms) / max(len(spoken), 1)
        if share:
            found[share].append(tag_id)
    return sorted(found.items(), reverse=True)[:MOST_SHARES]


def _said(key: str, forms: Mapping[str, Collection[str]]) -> int:
    """How many words of the question the tag says."""
    its = set(_words(key))
    return sum(not its.isdisjoint(alike) for alike in forms.values())


def _among(
    column: ColumnElement[UUID] | InstrumentedAttribute[UUID], ids: Sequence[UUID]
) -> ColumnElement[bool]:
    """With one text for any number of them, so that the statement is prepared once."""
    return column == any_(literal(list(ids), ARRAY(Uuid())))


def _words(text: str) -> list[str]:
    """Letters and digits, with the marks above, below and between them that many languages write vowels by; then signs
    that stand alone, as an emoji does. Each once."""
    kept = (its if its.isalnum() or _joins(its) else " " for its in text)
    words = [word for word in "".join(kept).split() if any(map(str.isalnum, word))]
    signs = [part for part in text.translate(SPACED).split() if _is_sign(part)]
    return list(dict.fromkeys(words + signs))


def _is_sign(part: str) -> bool:
    return "So" in map(unicodedata.category, part) and not any(map(str.isalnum, part))


def _joins(letter: str) -> bool:
    return letter in JOINERS or unicodedata.category(letter).startswith("M")


def _forms(word: str) -> Iterable[str]:
    """The word, and what it may be in the plural or the singular: `cats` for `cat`, `city` for `cities`."""
    yield word
    yield f"{word}s"
    yield f"{word}es"
    if word.endswith("y"):
        yield f"{word[:-1]}ies"
    if word.endswith("ies"):
        yield f"{word[:-3]}y"
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s"):
        yield word[:-1]
