"""Brushes for plants: firs, leafy trees, palms, bushes, cacti, flowers."""

import itertools
import math
from collections.abc import Sequence

from app.demo.canvas import Canvas, Point
from app.demo.colors import RGB, darker, jitter, lighter, mix


def pine(
    canvas: Canvas, x: float, y: float, height: float, color: RGB, *, snowy: bool = False
) -> None:
    """A fir that stands at (x, y): tiers of branches, the left side in the light."""
    rng = canvas.rng
    trunk = height * 0.035
    canvas.box(
        x - trunk, y - height * 0.16, x + trunk, y, mix(darker(color, 0.3), (84, 60, 42), 0.4)
    )
    tiers = 5
    for i in range(tiers):
        low = y - height * (0.1 + 0.17 * i)
        high = low - height * 0.34
        half = height * (0.25 - 0.042 * i) * rng.uniform(0.92, 1.08)
        canvas.polygon([(x, high), (x + half, low), (x, low + half * 0.18)], darker(color, 0.2))
        canvas.polygon([(x, high), (x - half, low), (x, low + half * 0.18)], lighter(color, 0.06))
        if snowy:
            canvas.polygon(
                [
                    (x, high),
                    (x - half * 0.8, low - height * 0.035),
                    (x - half * 0.15, low - height * 0.1),
                    (x + half * 0.6, low - height * 0.05),
                ],
                (240, 245, 252),
            )
    canvas.shows("tree")


def leafy(canvas: Canvas, x: float, y: float, height: float, color: RGB) -> None:
    """A broad tree that stands at (x, y): trunk, boughs and a crown in three tones."""
    rng = canvas.rng
    bark = jitter(rng, (96, 70, 50), 8)
    half = height * 0.04
    canvas.polygon(
        [
            (x - half * 1.5, y),
            (x - half * 0.7, y - height * 0.5),
            (x + half * 0.7, y - height * 0.5),
            (x + half * 1.5, y),
        ],
        bark,
    )
    for side in (-1, 1):
        canvas.line(
            [(x, y - height * 0.3), (x + side * height * 0.16, y - height * 0.52)], bark, half * 0.9
        )
    blobs: list[tuple[float, float, float]] = []
    for i in range(9):
        angle = 2 * math.pi * i / 9 + rng.uniform(-0.2, 0.2)
        reach = height * 0.2 * (0 if i == 0 else 1)
        size = height * rng.uniform(0.13, 0.18)
        blobs.append(
            (x + reach * 1.15 * math.cos(angle), y - height * 0.66 + reach * math.sin(angle), size)
        )
    for bx, by, size in blobs:
        canvas.circle(bx, by + size * 0.12, size, darker(color, 0.24))
    for bx, by, size in blobs:
        canvas.circle(bx - size * 0.1, by - size * 0.08, size * 0.88, color)
    for bx, by, size in blobs:
        if by < y - height * 0.6:
            canvas.circle(bx - size * 0.24, by - size * 0.26, size * 0.5, lighter(color, 0.16))
    canvas.shows("tree")


def bare_tree(canvas: Canvas, x: float, y: float, height: float, color: RGB) -> None:
    """A leafless tree that branches three times."""

    def grow(start: Point, angle: float, length: float, thick: float) -> None:
        end = (start[0] + length * math.cos(angle), start[1] + length * math.sin(angle))
        canvas.line([start, end], color, thick)
        if thick > height * 0.008:
            for turn in (-0.5, 0.1, 0.55):
                grow(
                    end, angle + turn + canvas.rng.uniform(-0.15, 0.15), length * 0.66, thick * 0.58
                )

    grow((x, y), -math.pi / 2, height * 0.38, height * 0.05)
    canvas.shows("tree")


def palm(canvas: Canvas, x: float, y: float, height: float, *, shade: RGB | None = None) -> None:
    """A palm that stands at (x, y) and leans; all in one colour where `shade` is given."""
    rng = canvas.rng
    lean = rng.choice([-1, 1]) * rng.uniform(0.08, 0.24) * height
    trunk = [(x + lean * t * t, y - height * t) for t in (i / 10 for i in range(11))]
    bark = shade or jitter(rng, (136, 104, 72), 8)
    for i, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(trunk)):
        thick = height * (0.042 - 0.0022 * i)
        canvas.line([(x0, y0), (x1, y1)], bark if i % 2 or shade else darker(bark, 0.12), thick)
    tx, ty = trunk[-1]
    green = shade or jitter(rng, (56, 134, 66), 12)
    for i in range(9):
        angle = -math.pi * (0.04 + 0.92 * i / 8) + rng.uniform(-0.08, 0.08)
        tint = green if shade else mix(darker(green, 0.25), lighter(green, 0.18), (i * 5 % 9) / 8)
        _frond(canvas, (tx, ty), angle, height * rng.uniform(0.36, 0.46), tint)
    if shade is None and canvas.chance(0.6):
        for dx in (-0.03, 0.005, 0.035):
            canvas.circle(tx + dx * height, ty + 0.03 * height, 0.022 * height, (104, 70, 44))
    canvas.shows("palm tree", "tree")


def _frond(canvas: Canvas, start: Point, angle: float, length: float, color: RGB) -> None:
    upper: list[Point] = []
    lower: list[Point] = []
    for i in range(9):
        t = i / 8
        cx = start[0] + length * t * math.cos(angle)
        cy = start[1] + length * (0.75 * t * math.sin(angle) + 0.62 * t * t)
        half = length * 0.085 * math.sin(math.pi * min(1, t * 0.92 + 0.08))
        upper.append((cx, cy - half))
        lower.append((cx, cy + half * (0.5 if i % 2 else 1.3)))
    canvas.polygon([*upper, *reversed(lower)], color)


def bush(canvas: Canvas, x: float, y: float, size: float, color: RGB) -> None:
    """A round bush on the ground."""
    for dx, dy, part in ((-0.5, -0.3, 0.5), (0.5, -0.3, 0.5), (0, -0.5, 0.65)):
        canvas.circle(x + dx * size, y + dy * size, part * size, darker(color, 0.15))
    for dx, dy, part in ((-0.5, -0.4, 0.36), (0.4, -0.42, 0.36), (-0.08, -0.64, 0.45)):
        canvas.circle(x + dx * size, y + dy * size, part * size, color)
    canvas.box(x - size, y - size * 0.1, x + size, y, darker(color, 0.15))


def cactus(canvas: Canvas, x: float, y: float, height: float) -> None:
    """A tall cactus with one or two arms."""
    rng = canvas.rng
    green = jitter(rng, (66, 128, 82), 12)
    thick = height * 0.15

    def limb(points: Sequence[Point], width: float) -> None:
        for color, shift, share in (
            (darker(green, 0.18), 0.0, 1.0),
            (lighter(green, 0.08), -0.18, 0.4),
        ):
            moved = [(px + shift * width, py) for px, py in points]
            canvas.line(moved, color, width * share)
            for px, py in (moved[0], moved[-1]):
                canvas.circle(px, py, width * share / 2, color)

    for side in rng.choice([(-1, 1), (1,), (-1,)]):
        low = y - height * rng.uniform(0.3, 0.5)
        reach = x + side * height * 0.24
        limb([(x, low), (reach, low), (reach, low - height * rng.uniform(0.2, 0.34))], thick * 0.7)
    limb([(x, y), (x, y - height)], thick)
    canvas.shows("cactus")


def flowers(canvas: Canvas, top: float, palette: Sequence[RGB], count: int) -> None:
    """Flowers all over a meadow, small dots far away, five petals near by."""
    rng = canvas.rng
    rows = sorted(rng.random() ** 0.8 for _ in range(count))
    for t in rows:
        x, y = rng.uniform(0, canvas.w), top + (canvas.h - top) * t
        size, color = 0.004 + 0.016 * t, jitter(rng, rng.choice(palette), 12)
        if size < 0.009:
            canvas.circle(x, y, size, color)
        else:
            flower(canvas, x, y, size, color)
    canvas.shows("flower", "meadow", "grass")


def flower(canvas: Canvas, x: float, y: float, size: float, color: RGB) -> None:
    """One open flower: a stem, five petals and a yellow heart."""
    canvas.line([(x, y), (x, y + size * 3)], (64, 124, 58), max(0.002, size * 0.18))
    turn = canvas.rng.uniform(0, 1)
    for i in range(5):
        angle = turn + 2 * math.pi * i / 5
        canvas.circle(
            x + size * 0.62 * math.cos(angle), y + size * 0.62 * math.sin(angle), size * 0.52, color
        )
    canvas.circle(x, y, size * 0.38, (250, 206, 70))


def leaves_on_ground(canvas: Canvas, top: float, palette: Sequence[RGB], count: int) -> None:
    """Fallen leaves."""
    rng = canvas.rng
    for _ in range(count):
        t = rng.random()
        x, y, size = rng.uniform(0, canvas.w), top + (canvas.h - top) * t, 0.004 + 0.009 * t
        canvas.ellipse(x, y, size, size * 0.55, jitter(rng, rng.choice(palette), 14))


def reeds(canvas: Canvas, x: float, y: float, height: float, color: RGB) -> None:
    """A tuft of reeds at the water's edge."""
    rng = canvas.rng
    for _ in range(9):
        lean, tall = rng.uniform(-0.2, 0.2) * height, height * rng.uniform(0.6, 1)
        foot = x + rng.uniform(-0.12, 0.12) * height
        canvas.line(
            [(foot, y), (foot + lean * 0.4, y - tall * 0.6), (foot + lean, y - tall)],
            jitter(rng, color, 10),
            0.005,
        )
