"""The best of a ranking in an order that repeats itself less: near-copies do not follow each other."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

import numpy as np
from sqlalchemy import Uuid, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import ImageVector
from app.embedding import Vectors
from app.services import access
from app.services.searching.nearest import Candidates

SPREAD: Final = 0.5
"""How much the best of the candidates is better than the last, where 1 is how much a copy is worse than what is
new: with a diversity from a third on, whatever is new comes before an exact copy of what was shown."""
SHARPNESS: Final = 8
"""Likeness is the cosine to this power. Two pictures of the demo gallery have a cosine of 0.4 anyway, two of one
motif of 0.8: those count 0.17, and only near-copies nearly 1. Measured by python -m benchmarks.questions."""
HEADER_BYTES: Final = 4
"""Of a halfvec in PostgreSQL's binary form, before its big-endian half-precision numbers."""


async def following(
    session: AsyncSession,
    candidates: Candidates,
    scores: Mapping[UUID, float],
    is_shown: Sequence[bool],
    *,
    diversity: float,
    count: int,
) -> list[UUID]:
    """The next `count` of these candidates, best first with their scores, which repeat least what was shown of them."""
    rows = await vectors(session, candidates, scores)
    known = [(one, shown) for one, shown in zip(scores, is_shown, strict=True) if one in rows]
    order = ordered(
        [scores[one] for one, _ in known],
        [rows[one] for one, _ in known],
        [at for at, (_, shown) in enumerate(known) if shown],
        diversity=diversity,
        count=count,
    )
    return [known[at][0] for at in order]


async def vectors(
    session: AsyncSession, candidates: Candidates, images: Collection[UUID]
) -> dict[UUID, Vectors]:
    """The vectors that rank these candidates, float32[dimension] of length 1, in one statement."""
    if not images:
        return {}
    binary = func.halfvec_send(ImageVector.embedding, type_=BYTEA())
    rows = await session.execute(
        select(ImageVector.image_id, binary).where(
            access.in_teams(ImageVector.team_id, candidates.match.team_ids),
            ImageVector.model_id == candidates.model_id,
            ImageVector.image_id == any_(literal(list(images), ARRAY(Uuid()))),
        )
    )
    found = {}
    for image_id, packed in rows:
        vector = np.frombuffer(packed, ">f2", offset=HEADER_BYTES).astype(np.float32)
        found[image_id] = np.asarray(vector / np.linalg.norm(vector), np.float32)
    return found


def ordered(
    scores: Sequence[float],
    rows: Sequence[Vectors],
    shown: Sequence[int],
    *,
    diversity: float,
    count: int,
) -> list[int]:
    """The next `count` of the candidates behind those `shown`: maximal marginal relevance (Carbonell and Goldstein, 1998).

    `scores`: best first, with as many rows float32[dimension] of length 1. Each next one has the most of its own score,
    less its likeness to the nearest of those before it; of equals, the better one.
    """
    total = len(scores)
    if not total:
        return []
    every = np.stack(rows)
    likeness = np.clip(every @ every.T, 0, 1) ** SHARPNESS
    own = np.asarray(scores, np.float64)
    width = own.max() - own.min()
    own = (1 - diversity) * SPREAD * ((own - own.min()) / width if width else np.ones(total))
    seen = list(shown)
    nearest = likeness[seen].max(axis=0) if seen else np.zeros(total)
    taken = np.zeros(total, bool)
    taken[seen] = True
    picked: list[int] = []
    for _ in range(min(count, total - len(seen))):
        gain = np.where(taken, -np.inf, own - diversity * nearest)
        # Products of other matrices differ in their last bits: what is equal is to stay so.
        best = int(np.argmax(np.round(gain, 6)))
        picked.append(best)
        taken[best] = True
        nearest = np.maximum(nearest, likeness[best])
    return picked
