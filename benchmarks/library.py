"""A made-up library of any size, the same for the same seed: teams, tags, dates, weights, texts and vectors. No database.

Teams and tags are as unequal as Zipf's law has them, and there are more pictures of late than of long ago. Vectors lie
as a picture model's do: clusters within themes, few directions that matter, all in one cone. One of an image's three
tags follows its theme half of the time, so that tags and vectors know of each other. Questions that are texts stand
apart from all pictures by the same step, the modality gap (Liang et al., 2022).
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TEAMS: Final = 20
TAGS: Final = 200
TAGS_OF_IMAGE: Final = 3
THEMES: Final = 80
CLUSTERS: Final = 4_000
DIMENSION: Final = 512
UPLOADERS: Final = 5
"""In each team, beside the one who is in all of them."""
COLLECTIONS: Final = {"Half": 0.5, "A tenth": 0.1, "A hundredth": 0.01, "A few": 0.001}
"""Name, and the share of the team's images."""

END: Final = np.datetime64("2026-01-01T00:00:00", "us")
YEARS: Final = np.timedelta64(5 * 365, "D").astype("timedelta64[us]")

# Shares of what a vector is made of; the common mean alone makes two strangers' cosine 0.34.
MEAN: Final = 0.515
THEME, CLUSTER, OWN = 0.35, 0.40, 0.25
GAP: Final = 0.8
"""Of a text: its squared length beside the vector's 1.515. The nearest picture's cosine falls from 0.89 to 0.72."""

ADJECTIVES: Final = [
    "quiet",
    "golden",
    "broken",
    "narrow",
    "misty",
    "crowded",
    "empty",
    "ancient",
    "crooked",
    "bright",
    "wooden",
    "distant",
    "frozen",
    "painted",
    "hidden",
    "windy",
    "rusty",
    "gentle",
    "steep",
    "northern",
]
NOUNS: Final = [
    "harbour",
    "street",
    "bridge",
    "garden",
    "window",
    "market",
    "tower",
    "valley",
    "station",
    "orchard",
    "lighthouse",
    "staircase",
    "meadow",
    "workshop",
    "rooftop",
    "island",
    "chapel",
    "tunnel",
    "fountain",
    "library",
]
MOMENTS: Final = [
    "at dusk",
    "at dawn",
    "in the rain",
    "in winter",
    "after the storm",
    "by night",
    "in spring",
    "at noon",
]
SENTENCES: Final = (
    "",
    "",
    "",
    "Taken on the way back from the mountains.",
    "The second of a series; the others are darker.",
    "Cropped, colours as they were.",
    "Scanned from a slide, with the dust removed.",
    "For the catalogue of next year, not yet released.",
)
FORMATS: Final = {"JPEG": 0.8, "PNG": 0.1, "WEBP": 0.06, "AVIF": 0.03, "GIF": 0.01}
SIDES: Final = ((4032, 3024), (6000, 4000), (1920, 1080), (1080, 1350), (640, 480))
PROCESSING: Final = {"READY": 0.996, "PENDING": 0.002, "FAILED": 0.001, "PROCESSING": 0.001}
DAMAGE: Final = {None: 0.9994, "MISSING": 0.0003, "WRONG_BYTES": 0.0003}

Ints = NDArray[np.int64]
Bytes16 = NDArray[np.uint8]
"""uint8[n, 16]: ids as PostgreSQL has them."""
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Library:
    """Everything of the images but texts and vectors; row i is image i, the oldest first.

    `tags` int[n, 3] are distinct tags by rank, 0 the commonest; of tag t in team g, `tag_ids[g, t]` is the id.
    """

    seed: int
    team_ids: Bytes16
    tag_ids: Bytes16
    uploader_ids: Bytes16
    collection_ids: Bytes16
    ids: Bytes16
    team: Ints
    tags: Ints
    uploader: Ints
    cluster: Ints
    created: NDArray[np.datetime64]
    weight: Ints

    @property
    def size(self) -> int:
        return len(self.ids)


def zipf(count: int) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = 1 / np.arange(1, count + 1)
    return shares / shares.sum()


def generate(size: int, seed: int = 1) -> Library:
    rng = np.random.default_rng([seed, 0])
    clusters = max(2 * THEMES, min(CLUSTERS, size // 25))
    span = YEARS.astype(np.int64)
    # Density rises from nothing, in a straight line.
    since = np.sort((span * np.sqrt(rng.random(size))).astype(np.int64))
    created = END - YEARS + since.astype("timedelta64[us]")
    cluster = rng.integers(0, clusters, size)
    # Whatever the size, each team has some.
    team = rng.permutation(
        np.r_[np.arange(TEAMS), rng.choice(TEAMS, max(size - TEAMS, 0), p=zipf(TEAMS))][:size]
    )
    weight = np.exp(rng.normal(0, 1, size)) * 1_000_000
    weight[rng.random(size) < 0.005] = 0
    return Library(
        seed=seed,
        team_ids=_random_ids(rng, (TEAMS,)),
        tag_ids=_random_ids(rng, (TEAMS, TAGS)),
        uploader_ids=_random_ids(rng, (TEAMS, UPLOADERS)),
        collection_ids=_random_ids(rng, (TEAMS, len(COLLECTIONS))),
        ids=_dated_ids(rng, created),
        team=team,
        tags=_tags(rng, cluster % THEMES),
        uploader=rng.choice(UPLOADERS, size, p=zipf(UPLOADERS)),
        cluster=cluster,
        created=created,
        weight=weight.astype(np.int64),
    )


def _random_ids(rng: np.random.Generator, shape: tuple[int, ...]) -> Bytes16:
    """Version 4 (RFC 9562)."""
    made = rng.integers(0, 256, (*shape, 16), dtype=np.uint8)
    made[..., 6] = made[..., 6] & 0x0F | 0x40
    made[..., 8] = made[..., 8] & 0x3F | 0x80
    return made


def _dated_ids(rng: np.random.Generator, created: NDArray[np.datetime64]) -> Bytes16:
    """Version 7: milliseconds before random bits."""
    made = _random_ids(rng, created.shape)
    milliseconds = created.astype("datetime64[ms]").astype(np.int64).astype(">u8")
    made[:, :6] = milliseconds.view(np.uint8).reshape(-1, 8)[:, 2:]
    made[:, 6] = made[:, 6] & 0x0F | 0x70
    return made


def _tags(rng: np.random.Generator, theme: Ints) -> Ints:
    """int[n, 3], distinct in a row."""
    shares = zipf(TAGS)
    tags = rng.choice(TAGS, (len(theme), TAGS_OF_IMAGE), p=shares)
    of_theme = rng.permutation(TAGS)[:THEMES]
    follows = rng.random(len(theme)) < 0.5
    tags[follows, 0] = of_theme[theme[follows]]
    while True:
        a, b, c = tags.T
        again = (a == b) | (a == c) | (b == c)
        if not again.any():
            return tags
        tags[again, 1:] = rng.choice(TAGS, (int(again.sum()), TAGS_OF_IMAGE - 1), p=shares)


@dataclass(frozen=True)
class Texts:
    """What is written about a run of images, and the rest of their columns."""

    title: list[str]
    description: list[str]
    filename: list[str]
    format: list[str]
    side: list[tuple[int, int]]
    size_bytes: Ints
    processing: list[str]
    damage: list[str | None]
    taken: NDArray[np.datetime64]
    """NaT where nobody knows."""
    trashed: NDArray[np.datetime64]
    sha256: bytes
    """32 bytes an image."""


def texts(library: Library, start: int, stop: int) -> Texts:
    """Of images start to stop - 1."""
    rng, count = np.random.default_rng([library.seed, 1, start]), stop - start
    created = library.created[start:stop]
    hours = rng.integers(1, 24 * 400, count)
    # One clock in a hundred is ahead.
    hours = np.where(hours % 97 == 0, -hours, hours).astype("timedelta64[h]")
    days = rng.integers(1, 30, count).astype("timedelta64[D]").astype("timedelta64[us]")
    titles = zip(*(_pick(rng, of, count) for of in (ADJECTIVES, NOUNS, MOMENTS)), strict=True)
    never = np.datetime64("NaT", "us")
    return Texts(
        title=[
            f"{a.capitalize()} {noun} {when} {number}"
            for (a, noun, when), number in zip(titles, rng.integers(1, 1000, count), strict=True)
        ],
        description=_pick(rng, SENTENCES, count),
        filename=[f"DSC_{one:07d}.jpg" for one in range(start, stop)],
        format=_pick(rng, list(FORMATS), count, list(FORMATS.values())),
        side=_pick(rng, SIDES, count),
        size_bytes=np.exp(rng.normal(14.5, 0.8, count)).astype(np.int64),
        processing=_pick(rng, list(PROCESSING), count, list(PROCESSING.values())),
        damage=_pick(rng, list(DAMAGE), count, list(DAMAGE.values())),
        taken=np.where(rng.random(count) < 0.7, created - hours, never),
        trashed=np.where(rng.random(count) < 0.02, created + days, never),
        sha256=rng.bytes(32 * count),
    )


def _pick(rng: np.random.Generator, of: Any, count: int, shares: Any = None) -> list[Any]:
    return [of[one] for one in rng.choice(len(of), count, p=shares).tolist()]


class Space:
    """Where the clusters lie. Of one seed and one number of clusters there is one space."""

    def __init__(self, seed: int, clusters: int) -> None:
        rng = np.random.default_rng([seed, 2])
        # Variances fall as 1/i: about 28 directions matter (participation ratio).
        variance = zipf(DIMENSION)
        self._scale = np.sqrt(variance).astype(np.float32)
        turn, _ = np.linalg.qr(rng.standard_normal((DIMENSION, DIMENSION)))
        self._turn: Floats = turn.astype(np.float32)
        self._mean = self._direction(rng) * np.float32(np.sqrt(MEAN))
        self._gap = self._direction(rng) * np.float32(np.sqrt(GAP))
        themes = self._scatter(rng, THEMES, THEME)
        offsets = self._scatter(rng, clusters, CLUSTER)
        self._centres: Floats = self._mean + themes[np.arange(clusters) % THEMES] + offsets
        self.seed, self.clusters = seed, clusters

    def vectors(self, library: Library, start: int, stop: int) -> Floats:
        """float32[stop - start, 512] of length 1."""
        rng = np.random.default_rng([self.seed, 3, start])
        return self._around(rng, library.cluster[start:stop])

    def questions(self, count: int, *, texts: bool) -> Floats:
        """float32[count, 512] of length 1, of no image of the library: like its pictures, or like texts about them."""
        rng = np.random.default_rng([self.seed, 4])
        cluster = rng.integers(0, self.clusters, count)
        return self._around(rng, cluster, self._gap if texts else None)

    def _around(
        self, rng: np.random.Generator, cluster: Ints, shift: Floats | None = None
    ) -> Floats:
        found = self._centres[cluster] + self._scatter(rng, len(cluster), OWN)
        if shift is not None:
            found += shift
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found @ self._turn

    def _scatter(self, rng: np.random.Generator, count: int, share: float) -> Floats:
        drawn = rng.standard_normal((count, DIMENSION), dtype=np.float32)
        return drawn * (self._scale * np.float32(np.sqrt(share)))

    def _direction(self, rng: np.random.Generator) -> Floats:
        drawn = rng.standard_normal(DIMENSION).astype(np.float32)
        return drawn / np.linalg.norm(drawn)


def space_of(library: Library) -> Space:
    return Space(library.seed, max(2 * THEMES, min(CLUSTERS, library.size // 25)))


def spans(size: int, step: int) -> Iterator[tuple[int, int]]:
    for start in range(0, size, step):
        yield start, min(start + step, size)


def as_uuid(raw: NDArray[np.uint8]) -> uuid.UUID:
    return uuid.UUID(bytes=raw.tobytes())
