"""How near chance alone brings an unrelated question to some picture: the statistics of it. No SQL, no model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.float32]
Scores: TypeAlias = NDArray[np.float64]

NORMAL: Final = NormalDist()
SURE: Final = 0.9999
"""What lies beyond this share of the unrelated questions is told from them by nothing: its relevance is 1."""
MICRO: Final = 1_000_000
"""Relevance is told in millionths."""
LOWEST: Final = 0.25
HIGHEST: Final = 0.95
"""The line is laid through the best scores between these shares. Above are the questions that a picture answers
after all, below those that are more unlike every picture than a question in earnest is."""
ANCHOR: Final = 0.95
SAME: Final = 0.9995
"""The cosine of a picture and itself, but for how vectors are rounded: no chance comes nearer. The law of a library of few
motifs, or of one alone, goes on beyond it."""
LEAST_SPREAD: Final = 1e-4
"""Where all questions score alike, one that scores better is still told from them."""


@dataclass(frozen=True, slots=True)
class Chance:
    """Best scores of unrelated questions: normal, `location` their median, `spread` their standard deviation."""

    location: float
    spread: float

    def relevance(self, score: float) -> float:
        """The share of unrelated questions whose best score stays below this one, 0 to 1."""
        share = NORMAL.cdf((score - self.location) / self.spread)
        # Down: a hit is to reach the relevance that is told of it, whoever asks for that as the least.
        told = math.floor(share * MICRO + 1 / MICRO) / MICRO
        return 1.0 if share >= SURE or score >= SAME else told

    def beside(self, other: "Chance", its: float, theirs: float) -> "Chance":
        """Of a question that is so much of this kind and so much of the other. The best sum is at most the sum of the bests."""
        return Chance(
            its * self.location + theirs * other.location,
            math.hypot(its * self.spread, theirs * other.spread),
        )

    def score(self, relevance: float) -> float:
        """The least score of that relevance; -1 where every score has it."""
        if relevance <= 0:
            return -1.0
        score = self.location + self.spread * NORMAL.inv_cdf(min(relevance, SURE))
        return max(min(score, SAME), -1.0)


@dataclass(frozen=True, slots=True)
class Bests:
    """Best scores of one kind of questions: among all pictures of a sample, and among one half of it."""

    whole: Scores
    half: Scores


def fit(kinds: Sequence[Bests], *, sampled: int, images: float) -> Chance:
    """The chance among so many `images`, told from a sample, for whichever kind of questions comes nearest.

    The best score grows with the logarithm of the images, as extremes do: by what the second half of the sample
    has added to it.
    """
    doublings = math.log2(max(images, 1) / max(sampled, 1))
    lines = []
    for kind in kinds:
        location, spread = _line(kind.whole)
        lines.append((location + doublings * float(np.mean(kind.whole - kind.half)), spread))
    location = max(one for one, _ in lines)
    at_anchor = max(one + spread * NORMAL.inv_cdf(ANCHOR) for one, spread in lines)
    return Chance(location, max((at_anchor - location) / NORMAL.inv_cdf(ANCHOR), LEAST_SPREAD))


def _line(scores: Scores) -> tuple[float, float]:
    """Median and standard deviation, from the middle of a normal plot: the ends may be of another make."""
    ordered = np.sort(scores)
    shares = (np.arange(len(ordered)) + 0.5) / len(ordered)
    kept = (shares >= LOWEST) & (shares <= HIGHEST)
    deviates = np.array([NORMAL.inv_cdf(share) for share in shares[kept]])
    spread, location = np.polyfit(deviates, ordered[kept], 1)
    return float(location), float(spread)


def phantoms(pictures: Rows, count: int) -> Rows:
    """Pictures of nothing that look like these in general: float32[count, dimension], rows of length 1.

    Along each main direction of the pictures a phantom lies where some one of them lies, each time another one:
    what makes the pictures of this library alike stays, and what they show is torn apart. The same ones every time.
    """
    random = np.random.default_rng(len(pictures))
    middle = pictures.mean(axis=0)
    places, scale, directions = np.linalg.svd(pictures - middle, full_matrices=False)
    chosen = random.integers(0, len(pictures), (count, len(scale)))
    torn = np.take_along_axis(places, chosen, axis=0) * scale
    rows = middle + torn @ directions
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
