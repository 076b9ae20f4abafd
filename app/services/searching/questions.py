"""Several directions as one question: more of this, less of that. Arithmetic alone; what they are made from is in directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.embedding import Vectors
from app.errors import bad_input, unavailable
from app.services.searching.directions import OTHER_MODEL, Blend, Direction

MAX_TERMS: Final = 10
MAX_WEIGHT: Final = 10.0
# Measured with the built-in model on the demo gallery, whose tags are the truth (python -m benchmarks.questions).
# A picture counts less than a text, for it lies nearer to every other picture.
PULL_OF_TEXT: Final = 1.0
PULL_OF_PICTURE: Final = 0.5
PUSH_OF_TEXT: Final = 0.3
PUSH_OF_PICTURE: Final = 0.2
MOST_PUSH: Final = 0.75
"""All that is less wanted together. More of it, and the question is no longer about what is wanted."""
SHORTEST: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Term:
    """What there should be more of, or less. `weight`: 0 to MAX_WEIGHT."""

    direction: Direction
    weight: float = 1.0


def combined(query: Direction, more: Sequence[Term] = (), less: Sequence[Term] = ()) -> Direction:
    """The question, drawn to each of `more` and pushed away from each of `less`.

    UNAVAILABLE where two models read them, BAD_USER_INPUT where they cancel each other.
    """
    if any(one.direction.model != query.model for one in (*more, *less)):
        raise unavailable(OTHER_MODEL)
    if not more and not less:
        return query
    wanted = query.vector + _sum(more, PULL_OF_TEXT, PULL_OF_PICTURE)
    if np.linalg.norm(wanted) < SHORTEST:
        raise bad_input("more", "Nothing is left of the question: its parts cancel each other.")
    unwanted = _sum(less, PUSH_OF_TEXT, PUSH_OF_PICTURE)
    pushed = sum(_share(one, PUSH_OF_TEXT, PUSH_OF_PICTURE) for one in less)
    vector = _unit(wanted) - unwanted * np.float32(min(1.0, MOST_PUSH / (pushed or 1.0)))
    source, blend = _source(query, more, less), _blend(query, more, wanted)
    return Direction(_unit(vector), query.model, source, query.of_text, blend)


def _blend(query: Direction, more: Sequence[Term], wanted: Vectors) -> Blend | None:
    """None where all that is wanted is words, or all of it pictures."""
    others = _sum(
        [one for one in more if one.direction.of_text is not query.of_text],
        PULL_OF_TEXT,
        PULL_OF_PICTURE,
    )
    length = float(np.linalg.norm(wanted))
    theirs = float(np.linalg.norm(others)) / length
    its = float(np.linalg.norm(wanted - others)) / length
    if not theirs:
        return None
    return Blend(its, theirs) if query.of_text else Blend(theirs, its)


def _share(term: Term, of_text: float, of_picture: float) -> float:
    return term.weight * (of_text if term.direction.of_text else of_picture)


def _sum(terms: Sequence[Term], of_text: float, of_picture: float) -> Vectors:
    parts = [one.direction.vector * _share(one, of_text, of_picture) for one in terms]
    return np.asarray(sum(parts, np.float32(0)), np.float32)


def _unit(vector: Vectors) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _source(query: Direction, more: Sequence[Term], less: Sequence[Term]) -> str:
    """Tells apart what is asked differently: each part with its length, for a text may hold anything."""
    parts = [query.source]
    for sign, terms in (("more", more), ("less", less)):
        parts += [f"{sign} {one.weight} {one.direction.source}" for one in terms]
    return repr(parts)
