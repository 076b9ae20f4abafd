"""Pictures that training never saw, painted at full size and pasted by Pillow, with what is true.

Their seeds begin with "held out", those of the training bank never do.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from PIL import Image

from app.demo import colors
from app.demo.colors import COLOR_NAMES
from app.demo.glyphs import glyph, glyph_names
from app.demo.objects import SHAPES, paint_shape
from app.demo.patterns import PATTERNS, paint_pattern
from app.demo.scenes import SCENES, paint_scene
from tools.builtin_model.bank import SHAPE_GROUP, color_of
from tools.builtin_model.truth import HELD_OUT_BACKGROUNDS, Subject, Truth, without_colors
from tools.builtin_model.vocabulary import concepts_of_glyph, things

_FORMATS = ((320, 240), (360, 240), (256, 256), (240, 320))
_NO_PROTOTYPE = -1


@dataclass(frozen=True, slots=True)
class Picture:
    """An RGB picture and what is true of it."""

    image: Image.Image
    truth: Truth


def scenes(per_kind: int, kinds: Iterable[str] = tuple(SCENES)) -> Iterator[Picture]:
    """New pictures of each kind of scene."""
    for kind in kinds:
        for i in range(per_kind):
            yield _scene(random.Random(f"held out/{kind}/{i}"), kind)


def patterns(per_kind: int) -> Iterator[Picture]:
    """New pictures of each pattern."""
    for kind in PATTERNS:
        for i in range(per_kind):
            rng = random.Random(f"held out/{kind}/{i}")
            image, concepts = paint_pattern(rng, kind, *rng.choice(_FORMATS))
            yield Picture(image, _shown(kind, concepts))


def shapes(
    per_pair: int, names: Iterable[str] = tuple(SHAPES), shades: Iterable[str] = COLOR_NAMES
) -> Iterator[Picture]:
    """Each shape in each colour, on a plain ground of another colour."""
    for name in names:
        for shade in shades:
            for i in range(per_pair):
                rng = random.Random(f"held out/{shade} {name}/{i}")
                size = rng.randint(110, 230)
                subject = Subject((name, SHAPE_GROUP), shade, is_thing=True)
                yield _on_plain(rng, paint_shape(rng, name, shade, size), subject)


def things_on_scenes(per_word: int, words: Iterable[str]) -> Iterator[Picture]:
    """Each thing on kinds of scenes that in training never had a thing on them."""
    grounds = sorted(HELD_OUT_BACKGROUNDS)
    for word in words:
        for i in range(per_word):
            rng = random.Random(f"held out/{word} on a scene/{i}")
            cutout, subject = _thing(rng, rng.choice(_glyphs_of(word)))
            below = _scene(rng, rng.choice(grounds))
            below.truth.show(subject, prototype=_NO_PROTOTYPE)
            yield Picture(_pasted(rng, below.image, cutout), below.truth)


def things_on_plain(per_word: int, words: Iterable[str]) -> Iterator[Picture]:
    """Each thing on a plain ground."""
    for word in words:
        for i in range(per_word):
            rng = random.Random(f"held out/{word} on plain/{i}")
            yield _on_plain(rng, *_thing(rng, rng.choice(_glyphs_of(word))))


def glyphs(names: Iterable[str]) -> Iterator[Picture]:
    """Each glyph once, on a plain ground."""
    for name in names:
        rng = random.Random(f"held out/glyph {name}")
        yield _on_plain(rng, *_thing(rng, name))


def _scene(rng: random.Random, kind: str) -> Picture:
    image, concepts = paint_scene(rng, kind, *rng.choice(_FORMATS))
    return Picture(image, _shown(kind, concepts))


def _shown(kind: str, concepts: frozenset[str]) -> Truth:
    truth = Truth()
    known = without_colors(tuple(sorted({kind, *concepts})))
    truth.show(Subject(known, None, is_thing=False), prototype=_NO_PROTOTYPE)
    return truth


def _glyphs_of(word: str) -> tuple[str, ...]:
    drawn = frozenset(glyph_names())
    shown = next(thing.glyphs for thing in things() if thing.word == word)
    return tuple(name for name in shown if name in drawn)


def _thing(rng: random.Random, name: str) -> tuple[Image.Image, Subject]:
    cutout = glyph(name, rng.randint(110, 200))
    turned = cutout.rotate(rng.gauss(0, 8), Image.Resampling.BICUBIC, expand=True)
    return turned, Subject(concepts_of_glyph(name), color_of(cutout), is_thing=True)


def _on_plain(rng: random.Random, cutout: Image.Image, subject: Subject) -> Picture:
    truth = Truth()
    ground = rng.choice([name for name in COLOR_NAMES if name != subject.color])
    truth.show(subject, prototype=_NO_PROTOTYPE)
    truth.stand_on(ground)
    below = Image.new("RGB", rng.choice(_FORMATS), colors.pick(rng, ground))
    return Picture(_pasted(rng, below, cutout), truth)


def _pasted(rng: random.Random, below: Image.Image, cutout: Image.Image) -> Image.Image:
    left = rng.randint(0, max(0, below.width - cutout.width))
    top = rng.randint(0, max(0, below.height - cutout.height))
    below.paste(cutout, (left, top), cutout)
    return below
