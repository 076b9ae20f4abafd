"""Composes still lifes, portraits, shapes and patterns."""

import random
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from app.demo import colors, glyphs, objects
from app.demo.colors import RGB
from app.demo.gallery import captions, paste
from app.demo.gallery.composition import Composition
from app.demo.gallery.paste import Size
from app.demo.gallery.subjects import Item
from app.demo.patterns import PATTERNS, paint_pattern

PATTERN_NAMES: tuple[str, ...] = tuple(name for name in PATTERNS if name not in ("static", "plain"))
_TAG_COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "turquoise")
_GROUNDS: tuple[tuple[str, RGB], ...] = (
    ("white", (250, 250, 248)),
    ("cream", (250, 242, 224)),
    ("pale blue", (220, 234, 246)),
    ("pale pink", (250, 228, 230)),
    ("dark blue", (32, 40, 70)),
)


def still_life(rng: random.Random, item: Item, size: Size) -> Composition:
    """A few of the same thing in rows on a plain pale ground."""
    ground_name = rng.choice(["yellow", "turquoise", "pink", "blue", "orange", "green", "purple"])
    ground = colors.lighter(colors.pick(rng, ground_name), rng.uniform(0.45, 0.7))
    image = paste.ground(size, ground)
    columns, rows = rng.choice([(1, 1), (2, 1), (3, 2), (4, 3)])
    if size[1] > size[0]:
        columns, rows = rows, columns
    cell = min(size[0] / (columns + 0.4), size[1] / (rows + 0.4))
    side = round(cell * 0.72)
    picture = glyphs.glyph(item.glyph, side)
    for row in range(rows):
        for column in range(columns):
            x = size[0] / 2 + (column - (columns - 1) / 2) * cell
            y = size[1] / 2 + (row - (rows - 1) / 2) * cell
            paste.paste(
                image, picture.rotate(rng.uniform(-14, 14), Image.Resampling.BICUBIC), (x, y)
            )
    words = {1: item.one, 2: f"two {item.many}"}.get(columns * rows, item.many)
    return Composition(
        image,
        captions.capital(words if columns * rows > 1 else captions.bare(words)),
        f"{captions.capital(words)} on a pale {ground_name} ground.",
        item.tags,
    )


def portrait(rng: random.Random, item: Item, size: Size) -> Composition:
    """A face, large, on a coloured pattern or ground."""
    ground_name = rng.choice(["blue", "green", "turquoise", "purple", "pink"])
    tone = colors.pick(rng, ground_name)
    image = paste.ground(size, colors.lighter(tone, 0.3))
    draw = ImageDraw.Draw(image)
    rays, reach = 14, max(size)
    for i in range(rays):
        start = 360 / rays * i
        box = (size[0] / 2 - reach, size[1] / 2 - reach, size[0] / 2 + reach, size[1] / 2 + reach)
        draw.pieslice(box, start, start + 180 / rays, fill=colors.lighter(tone, 0.22))
    picture = glyphs.glyph(item.glyph, round(min(size) * rng.uniform(0.5, 0.62)))
    paste.shadow(
        image, (size[0] / 2, size[1] / 2 + picture.height * 0.04), picture.width * 1.02, 1.0
    )
    paste.paste(image, picture, (size[0] / 2, size[1] / 2))
    return Composition(
        image,
        f"Portrait of {item.one}",
        f"The face of {item.one} on a {ground_name} ground.",
        (*item.tags, "portrait", ground_name),
    )


def shapes(rng: random.Random, _: None, size: Size) -> Composition:
    """One shape, two shapes, or many of one kind, in plain colours."""
    layout: Callable[[random.Random, Size], Composition]
    layout = rng.choice([_one_shape, _two_shapes, _many_shapes])
    return layout(rng, size)


def pattern(rng: random.Random, name: str, size: Size) -> Composition:
    """A pattern."""
    image, concepts = paint_pattern(rng, name, *size)
    named = sorted(concepts & colors.COLORS.keys())[:2]
    words = captions.listing(named) if named else ""
    title = f"{words} {name}".strip().capitalize()
    tags = dict.fromkeys(["pattern", *(color for color in named if color in _TAG_COLORS)])
    return Composition(
        image, title, f"A pattern of {words} {name}.".replace("  ", " "), tuple(tags)
    )


def _one_shape(rng: random.Random, size: Size) -> Composition:
    shape, color = rng.choice(objects.SHAPES), rng.choice(_TAG_COLORS)
    ground_name, ground = _contrast(rng, color)
    image = paste.ground(size, ground)
    side = round(min(size) * rng.uniform(0.5, 0.7))
    paste.shaded(image, objects.paint_shape(rng, shape, color, side), (size[0] / 2, size[1] / 2))
    text = f"{color} {shape}"
    return Composition(
        image,
        text.capitalize(),
        f"{captions.article(text).capitalize()} on a {ground_name} ground.",
        _shape_tags([shape], [color]),
    )


def _two_shapes(rng: random.Random, size: Size) -> Composition:
    first, second = rng.sample(objects.SHAPES, 2)
    tones = rng.sample(_TAG_COLORS, 2)
    image = paste.ground(size, (248, 247, 243))
    wide = size[0] >= size[1]
    side = round(min(min(size) * 0.6, max(size) * 0.4))
    for name, color, share in ((first, tones[0], 0.28), (second, tones[1], 0.72)):
        place = (size[0] * share, size[1] / 2) if wide else (size[0] / 2, size[1] * share)
        paste.shaded(image, objects.paint_shape(rng, name, color, side), place)
    pair = [f"{tones[0]} {first}", f"{tones[1]} {second}"]
    told = captions.listing([captions.article(text) for text in pair])
    return Composition(
        image,
        captions.listing(pair).capitalize(),
        f"{told.capitalize()} side by side.",
        _shape_tags([first, second], tones),
    )


def _many_shapes(rng: random.Random, size: Size) -> Composition:
    shape, color = (
        rng.choice(["star", "heart", "circle", "diamond", "hexagon"]),
        rng.choice(_TAG_COLORS),
    )
    ground_name, ground = _contrast(rng, color)
    image = paste.ground(size, ground)
    cell = min(size) / rng.randint(3, 4)
    columns, rows = int(size[0] / cell), int(size[1] / cell)
    for row in range(rows):
        for column in range(columns):
            x = size[0] / 2 + (column - (columns - 1) / 2) * cell
            y = size[1] / 2 + (row - (rows - 1) / 2) * cell
            picture = objects.paint_shape(rng, shape, color, round(cell * rng.uniform(0.45, 0.75)))
            paste.shaded(
                image,
                picture,
                (x + rng.uniform(-0.1, 0.1) * cell, y + rng.uniform(-0.1, 0.1) * cell),
            )
    tags = _shape_tags([shape], [color])
    plural = "hexagons" if shape == "hexagon" else f"{shape}s"
    return Composition(
        image,
        f"{color} {plural}".capitalize(),
        f"Many {color} {plural} on a {ground_name} ground.",
        tags,
    )


def _shape_tags(names: Sequence[str], tones: Sequence[str]) -> tuple[str, ...]:
    return ("shape", *tones, *(name for name in names if name == "heart"))


def _contrast(rng: random.Random, color: str) -> tuple[str, RGB]:
    choices = [item for item in _GROUNDS if not item[0].endswith(color)]
    if color in ("yellow", "turquoise", "pink", "orange"):
        choices = [item for item in choices if item[0] != "cream"]
    return rng.choice(choices)
