"""Patterns that fill the picture, by name, and the one door to them: `paint_pattern`."""

import random
from collections.abc import Callable

from PIL import Image

from app.demo.canvas import Canvas
from app.demo.colors import dominant_colors
from app.demo.patterns import bands, surfaces, tiles

PatternPainter = Callable[[Canvas], None]

PATTERNS: dict[str, PatternPainter] = {
    "stripes": bands.stripes,
    "dots": tiles.dots,
    "checks": tiles.checks,
    "zigzag": bands.zigzag,
    "waves": bands.waves,
    "grid": bands.grid,
    "plaid": bands.plaid,
    "rings": bands.rings,
    "spiral": bands.spiral,
    "rays": bands.rays,
    "triangles": tiles.triangles,
    "honeycomb": tiles.honeycomb,
    "bricks": tiles.bricks,
    "wood": surfaces.wood,
    "marble": surfaces.marble,
    "gradient": surfaces.gradient,
    "plain": surfaces.plain,
    "bokeh": surfaces.bokeh,
    "static": surfaces.static,
    "confetti": tiles.confetti,
    "camouflage": surfaces.camouflage,
    "terrazzo": tiles.terrazzo,
}


def paint_pattern(
    rng: random.Random, name: str, width: int, height: int
) -> tuple[Image.Image, frozenset[str]]:
    """A picture (RGB, width x height) of a pattern of PATTERNS, and the plain words true of it.

    The same state of `rng` gives the same pixels. KeyError: unknown name.
    """
    canvas = Canvas(rng, width, height)
    canvas.shows("pattern")
    PATTERNS[name](canvas)
    image = canvas.finished()
    return image, frozenset(canvas.concepts) | dominant_colors(image)
