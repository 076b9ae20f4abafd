"""The demo gallery: some hundred drawn pictures with titles, tags, weights and dates."""

import io
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from PIL import Image

from app.demo import glyphs
from app.demo.gallery import compose, stills, subjects
from app.demo.gallery.composition import Composition
from app.demo.gallery.paste import Size
from app.demo.scenes import SCENES

T = TypeVar("T")
_SIZES: tuple[Size, ...] = (
    (1024, 683),
    (960, 640),
    (900, 600),
    (800, 600),
    (720, 720),
    (640, 800),
    (640, 853),
    (1024, 576),
)
_SPAN_DAYS = 730
_EXIF_IFD, _DATE_TIME_ORIGINAL, _OFFSET_TIME_ORIGINAL, _SOFTWARE = 0x8769, 0x9003, 0x9011, 0x0131


@dataclass(frozen=True)
class DemoPicture:
    """One picture as a file and what a person would have written about it.

    `taken_at` is in UTC and, for JPEG files, also in their EXIF data. `created_days_ago` is how
    long it has been in the library; None for those that come in with the demo itself.
    """

    filename: str
    data: bytes
    title: str
    description: str
    tags: tuple[str, ...]
    weight: float
    created_days_ago: float | None
    taken_at: datetime


def gallery(count: int = 300, seed: int = 2026, *, now: datetime) -> Iterator[DemoPicture]:
    """`count` pictures, one by one: the same seed and `now` give the same bytes."""
    rng = random.Random(seed)
    plan = _plan(rng, count)
    try:
        for number, draw in enumerate(plan, start=1):
            one = random.Random(rng.getrandbits(64))
            composition = draw(one, one.choice(_SIZES))
            yield _picture(one, number, composition, now)
    finally:
        glyphs.forget_sheets()


Draw = Callable[[random.Random, Size], Composition]


def _plan(rng: random.Random, count: int) -> list[Draw]:
    """What to draw, in random order, in shares that make a lively first page."""
    pets = [(cat, dog) for cat in subjects.CATS for dog in subjects.DOGS]
    plan = [
        *_series(rng, count * 0.43, compose.scene, tuple(SCENES)),
        *_series(rng, count * 0.06, compose.scene_with, _alone(subjects.CATS)),
        *_series(rng, count * 0.06, compose.scene_with, _alone(subjects.DOGS)),
        *_series(rng, count * 0.015, compose.scene_with, pets),
        *_series(rng, count * 0.145, compose.scene_with, _alone(subjects.ANIMALS)),
        *_series(rng, count * 0.09, compose.scene_with, _alone(subjects.THINGS)),
        *_series(rng, count * 0.04, stills.portrait, subjects.PORTRAITS),
        *_series(rng, count * 0.05, stills.still_life, subjects.STILL_LIFES),
        *_series(rng, count * 0.06, stills.pattern, stills.PATTERN_NAMES),
        *_series(rng, count * 0.06, stills.shapes, (None,)),
    ]
    rng.shuffle(plan)
    return plan[:count]


def _series(
    rng: random.Random,
    count: float,
    maker: Callable[[random.Random, T, Size], Composition],
    choices: Sequence[T],
) -> list[Draw]:
    """`count` drawings (rounded up), each choice as often as any other, in random order."""
    shuffled = rng.sample(choices, len(choices))

    def draw(choice: T) -> Draw:
        return lambda rng, size: maker(rng, choice, size)

    return [draw(shuffled[i % len(shuffled)]) for i in range(math.ceil(count))]


def _alone(cast: Sequence[subjects.Subject]) -> list[tuple[subjects.Subject, ...]]:
    return [(subject,) for subject in cast]


def _picture(
    rng: random.Random, number: int, composition: Composition, now: datetime
) -> DemoPicture:
    taken_at = _taken_at(rng, composition.concepts, now)
    ending, data = _encoded(rng, composition.image, taken_at)
    slug = re.sub(r"[^a-z0-9]+", "-", composition.title.lower()).strip("-")
    age_days = (now - taken_at) / timedelta(days=1)
    return DemoPicture(
        filename=f"{slug}-{number:03d}.{ending}",
        data=data,
        title=composition.title,
        description=composition.description,
        tags=composition.tags,
        weight=_weight(rng),
        created_days_ago=None if rng.random() < 0.03 else round(age_days * rng.random(), 4),
        taken_at=taken_at,
    )


def _weight(rng: random.Random) -> float:
    """Log-normal around 1; one in forty is 0 and so never drawn by chance."""
    if rng.random() < 0.025:
        return 0.0
    return max(0.01, round(rng.lognormvariate(0, 0.8), 2))


def _taken_at(rng: random.Random, concepts: frozenset[str], now: datetime) -> datetime:
    """A moment of the two years before `now`, in the season and the hours that the picture shows."""
    months = next((_MONTHS[name] for name in _MONTHS if name in concepts), range(1, 13))
    hours = next((_HOURS[name] for name in _HOURS if name in concepts), (8, 18))
    for _ in range(100):
        day = now.astimezone(UTC) - timedelta(days=rng.uniform(1, _SPAN_DAYS - 1))
        if day.month in months:
            break
    hour, minute, second = rng.randrange(*hours) % 24, rng.randrange(60), rng.randrange(60)
    return day.replace(hour=hour, minute=minute, second=second, microsecond=0)


_MONTHS: dict[str, Sequence[int]] = {
    "winter": (12, 1, 2),
    "autumn": (9, 10, 11),
    "spring": (3, 4, 5),
    "wheat": (7, 8),
    "lavender": (6, 7),
    "meadow": (5, 6, 7, 8),
}
_HOURS: dict[str, tuple[int, int]] = {"sunset": (18, 22), "night": (21, 28)}


def _encoded(rng: random.Random, image: Image.Image, taken_at: datetime) -> tuple[str, bytes]:
    target = io.BytesIO()
    dice = rng.random()
    if dice < 0.08:
        image.save(target, "PNG", compress_level=6)
        return "png", target.getvalue()
    if dice < 0.18:
        image.save(target, "WEBP", quality=84, method=2)
        return "webp", target.getvalue()
    image.save(target, "JPEG", quality=88, exif=_exif(taken_at))
    return "jpg", target.getvalue()


def _exif(taken_at: datetime) -> Image.Exif:
    exif = Image.Exif()
    exif[_SOFTWARE] = "Pictor demo gallery"
    details = exif.get_ifd(_EXIF_IFD)
    details[_DATE_TIME_ORIGINAL] = taken_at.strftime("%Y:%m:%d %H:%M:%S")
    details[_OFFSET_TIME_ORIGINAL] = "+00:00"
    return exif
