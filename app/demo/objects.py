"""Plain shapes in plain colours, on a transparent ground."""

import math
import random
from collections.abc import Callable

from PIL import Image, ImageDraw

from app.demo import colors
from app.demo.colors import COLORS, RGB

__all__ = ["COLORS", "SHAPES", "paint_shape"]

Point = tuple[float, float]
_OVERSAMPLING = 4


class _Ink:
    """A one-colour mask to draw on; coordinates run from -1 to 1."""

    def __init__(self, rng: random.Random, pixels: int) -> None:
        self.rng = rng
        self.pixels = pixels
        self.mask = Image.new("L", (pixels, pixels))
        self._draw = ImageDraw.Draw(self.mask)

    def _at(self, x: float, y: float) -> Point:
        return (x + 1) / 2 * self.pixels, (y + 1) / 2 * self.pixels

    def polygon(self, points: list[Point]) -> None:
        self._draw.polygon([self._at(x, y) for x, y in points], fill=255)

    def box(self, left: float, top: float, right: float, bottom: float) -> None:
        self._draw.rectangle([self._at(left, top), self._at(right, bottom)], fill=255)

    def disc(self, x: float, y: float, rx: float, ry: float, *, erase: bool = False) -> None:
        corners = [self._at(x - rx, y - ry), self._at(x + rx, y + ry)]
        self._draw.ellipse(corners, fill=0 if erase else 255)


def _regular(corners: int, radius: float = 0.95, turn: float = 0) -> list[Point]:
    angles = [turn + 2 * math.pi * i / corners for i in range(corners)]
    return [(radius * math.sin(a), -radius * math.cos(a)) for a in angles]


def _star(ink: _Ink) -> None:
    inner = ink.rng.uniform(0.38, 0.48)
    outer, hollow = _regular(5), _regular(5, 0.95 * inner, math.pi / 5)
    ink.polygon([point for pair in zip(outer, hollow, strict=True) for point in pair])


def _heart(ink: _Ink) -> None:
    # The well-known heart curve: x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t.
    def point(t: float) -> Point:
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        return math.sin(t) ** 3 * 0.95, -(y + 2.5) / 15.5

    ink.polygon([point(2 * math.pi * i / 90) for i in range(90)])


def _circle(ink: _Ink) -> None:
    ink.disc(0, 0, 0.93, 0.93)


def _oval(ink: _Ink) -> None:
    ink.disc(0, 0, 0.95, ink.rng.uniform(0.5, 0.65))


def _square(ink: _Ink) -> None:
    ink.box(-0.84, -0.84, 0.84, 0.84)


def _rectangle(ink: _Ink) -> None:
    half = ink.rng.uniform(0.38, 0.55)
    ink.box(-0.95, -half, 0.95, half)


def _triangle(ink: _Ink) -> None:
    ink.polygon([(0, -0.85), (0.95, 0.8), (-0.95, 0.8)])


def _diamond(ink: _Ink) -> None:
    half = ink.rng.uniform(0.55, 0.72)
    ink.polygon([(0, -0.95), (half, 0), (0, 0.95), (-half, 0)])


def _cross(ink: _Ink) -> None:
    half = ink.rng.uniform(0.24, 0.34)
    ink.box(-half, -0.92, half, 0.92)
    ink.box(-0.92, -half, 0.92, half)


def _ring(ink: _Ink) -> None:
    hole = ink.rng.uniform(0.5, 0.66)
    ink.disc(0, 0, 0.93, 0.93)
    ink.disc(0, 0, hole, hole, erase=True)


def _crescent(ink: _Ink) -> None:
    shift = ink.rng.uniform(0.38, 0.5)
    ink.disc(-0.05, 0, 0.92, 0.92)
    ink.disc(-0.05 + shift, -0.12, 0.74, 0.74, erase=True)


def _arrow(ink: _Ink) -> None:
    half = ink.rng.uniform(0.18, 0.28)
    upper: list[Point] = [(-0.95, -half), (0.15, -half), (0.15, -0.68), (0.95, 0)]
    ink.polygon([*upper, *((x, -y) for x, y in reversed(upper[:3]))])


def _semicircle(ink: _Ink) -> None:
    ink.disc(0, 0.45, 0.95, 0.95)
    ink.mask.paste(0, (0, round(ink.pixels * 0.725), ink.pixels, ink.pixels))


_PAINTERS: dict[str, Callable[[_Ink], None]] = {
    "circle": _circle,
    "oval": _oval,
    "square": _square,
    "rectangle": _rectangle,
    "triangle": _triangle,
    "pentagon": lambda ink: ink.polygon(_regular(5)),
    "hexagon": lambda ink: ink.polygon(_regular(6, 0.97, math.pi / 6)),
    "octagon": lambda ink: ink.polygon(_regular(8, 0.97, math.pi / 8)),
    "star": _star,
    "heart": _heart,
    "diamond": _diamond,
    "cross": _cross,
    "ring": _ring,
    "crescent": _crescent,
    "arrow": _arrow,
    "semicircle": _semicircle,
}
SHAPES: tuple[str, ...] = tuple(_PAINTERS)


def paint_shape(rng: random.Random, shape: str, color: str, size: int) -> Image.Image:
    """One shape (of SHAPES) in a shade of the colour (of COLORS): RGBA, size x size pixels.

    About half are flat, the others lit from above. KeyError for an unknown shape or colour.
    """
    ink = _Ink(rng, size * _OVERSAMPLING)
    _PAINTERS[shape](ink)
    shade = colors.pick(rng, color)
    mask = ink.mask.reduce(_OVERSAMPLING)
    body = _lit(shade, size) if rng.random() < 0.5 else Image.new("RGB", (size, size), shade)
    body.putalpha(mask)
    return body


def _lit(shade: RGB, size: int) -> Image.Image:
    column = Image.new("RGB", (1, 2))
    column.putpixel((0, 0), colors.lighter(shade, 0.16))
    column.putpixel((0, 1), colors.darker(shade, 0.16))
    return column.resize((size, size), Image.Resampling.BILINEAR)
