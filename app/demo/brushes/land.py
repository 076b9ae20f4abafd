"""Brushes for land and water: ridges, peaks, meadows, lakes and seas."""

import itertools
import math
from collections.abc import Sequence

from app.demo.canvas import Canvas, Point, SoftMask, profile
from app.demo.colors import RGB, darker, jitter, lighter, mix


def ridge(
    canvas: Canvas, base: float, height: float, color: RGB, *, fade: RGB, hills: float = 3
) -> list[Point]:
    """A row of hills from side to side that fades into `fade` at its foot.

    Answers its upper edge, so that trees can stand on it.
    """
    count = max(24, round(90 * canvas.w))
    levels = profile(canvas.rng, count, hills * canvas.w)
    edge = [(canvas.w * i / (count - 1), base - height * level) for i, level in enumerate(levels)]
    outline = [*edge, (canvas.w, canvas.h), (0.0, canvas.h)]
    canvas.gradient(base - height, base + height * 0.4, [color, mix(color, fade, 0.55)], outline)
    return edge


def hills(canvas: Canvas, base: float, height: float, color: RGB, *, fade: RGB) -> list[Point]:
    """Smooth rolling hills; answers the upper edge."""
    rng = canvas.rng
    waves = [
        (rng.uniform(1.2, 2.6), rng.uniform(0, 6.3), 0.6),
        (rng.uniform(3, 5), rng.uniform(0, 6.3), 0.25),
    ]
    count = 60
    edge: list[Point] = []
    for i in range(count + 1):
        x = canvas.w * i / count
        level = 0.5 + 0.5 * sum(a * math.sin(f * x + p) for f, p, a in waves)
        edge.append((x, base - height * level))
    outline = [*edge, (canvas.w, canvas.h), (0.0, canvas.h)]
    canvas.gradient(base - height, canvas.h, [color, mix(color, fade, 0.5)], outline)
    return edge


def peak(
    canvas: Canvas, x: float, base: float, size: tuple[float, float], rock: RGB, *, snow: bool
) -> None:
    """One mountain (width, height) with a sunlit and a shaded face, perhaps a cap of snow."""
    rng = canvas.rng
    width, height = size
    top = base - height
    left, right = x - width / 2 * rng.uniform(0.8, 1.2), x + width / 2 * rng.uniform(0.8, 1.2)
    crest = _crest(canvas, x, top, base, width)
    left_edge = _flank(canvas, (x, top), (left, base))
    right_edge = _flank(canvas, (x, top), (right, base))
    canvas.gradient(
        top, base, [lighter(rock, 0.16), lighter(rock, 0.05)], [*left_edge, *reversed(crest)]
    )
    canvas.gradient(
        top, base, [darker(rock, 0.22), darker(rock, 0.08)], [*right_edge, *reversed(crest)]
    )
    if snow:
        _snow_cap(canvas, (left_edge, crest, right_edge), rng.uniform(0.32, 0.55))
    canvas.shows("mountain")


def _crest(canvas: Canvas, x: float, top: float, base: float, width: float) -> list[Point]:
    points: list[Point] = [(x, top)]
    for i in range(1, 7):
        swing = width * 0.07 * (1 if i % 2 else -1) * canvas.rng.uniform(0.3, 1)
        points.append((x + swing + width * 0.02 * i, top + (base - top) * i / 6))
    return points


def _flank(canvas: Canvas, start: Point, end: Point) -> list[Point]:
    points, steps = [start], 8
    for i in range(1, steps):
        share = i / steps
        wobble = (end[0] - start[0]) * canvas.rng.uniform(-0.035, 0.035)
        x = start[0] + (end[0] - start[0]) * share**1.06 + wobble
        points.append((x, start[1] + (end[1] - start[1]) * share))
    return [*points, end]


def _snow_cap(canvas: Canvas, edges: tuple[list[Point], ...], share: float) -> None:
    rng = canvas.rng
    left, crest, right = edges
    top, base = left[0][1], left[-1][1]
    limit = top + (base - top) * share
    left_part, right_part = _above(left, limit), _above(right, limit)
    middle_part = _above(crest, limit * 0.98 + base * 0.02)

    def teeth(start: Point, end: Point) -> list[Point]:
        count = 5
        points: list[Point] = []
        for i in range(1, count):
            t = i / count
            drop = (base - top) * (0.07 if i % 2 else -0.07) * rng.uniform(0.4, 1.2)
            points.append(
                (start[0] + (end[0] - start[0]) * t, start[1] + (end[1] - start[1]) * t + drop)
            )
        return points

    lit = [*left_part, *teeth(left_part[-1], middle_part[-1]), *reversed(middle_part)]
    shaded = [*right_part, *teeth(right_part[-1], middle_part[-1]), *reversed(middle_part)]
    canvas.polygon(lit, (250, 252, 255))
    canvas.polygon(shaded, (202, 216, 236))
    canvas.shows("snow")


def _above(edge: Sequence[Point], limit: float) -> list[Point]:
    kept = [edge[0]]
    for (x0, y0), (x1, y1) in itertools.pairwise(edge):
        if y1 > limit:
            share = (limit - y0) / max(y1 - y0, 1e-6)
            return [*kept, (x0 + (x1 - x0) * share, limit)]
        kept.append((x1, y1))
    return kept


def range_of_peaks(
    canvas: Canvas, base: float, height: float, rock: RGB, *, snow: bool, count: int
) -> None:
    """Several peaks side by side, the tallest last, so that it stands in front."""
    rng = canvas.rng
    spots = [canvas.w * (i + rng.uniform(0.2, 0.8)) / count for i in range(count)]
    rng.shuffle(spots)
    for i, x in enumerate(spots):
        tall = height * (0.6 + 0.4 * (i + 1) / count) * rng.uniform(0.85, 1.0)
        peak(canvas, x, base, (tall * rng.uniform(1.3, 1.9), tall), jitter(rng, rock, 8), snow=snow)


def water(
    canvas: Canvas,
    top: float,
    bottom: float,
    colors: tuple[RGB, RGB],
    *,
    light: tuple[float, RGB] | None = None,
) -> None:
    """Water from the horizon (colour 0) to the front (colour 1), with ripples.

    `light` is a low sun or moon at x: its glitter lies on the water below it.
    """
    rng = canvas.rng
    far, near = colors
    canvas.gradient(top, bottom, [far, mix(far, near, 0.6), near])
    depth = bottom - top
    for _ in range(round(70 * canvas.w * min(1, depth * 2))):
        t = rng.uniform(0.02, 1) ** 1.2
        y = top + depth * t
        tint = rng.choice([lighter(mix(far, near, t), 0.16), darker(mix(far, near, t), 0.12)])
        _ripple(
            canvas,
            rng.uniform(0, canvas.w),
            y,
            0.015 + 0.07 * t * rng.random(),
            0.0012 + 0.004 * t,
            tint,
        )
    if light is not None:
        _glitter(canvas, (top, bottom), light)


def _ripple(canvas: Canvas, x: float, y: float, length: float, thick: float, color: RGB) -> None:
    canvas.polygon([(x - length, y), (x, y - thick), (x + length, y), (x, y + thick)], color)


def _glitter(canvas: Canvas, span: tuple[float, float], light: tuple[float, RGB]) -> None:
    (top, bottom), (x, color) = span, light
    rng = canvas.rng
    depth = bottom - top

    def column(mask: SoftMask) -> None:
        mask.polygon([(x - 0.05, top), (x + 0.05, top), (x + 0.16, bottom), (x - 0.16, bottom)])

    canvas.soft(color, column, blur=0.03, opacity=0.32)
    for i in range(46):
        t = (i / 46) ** 1.25
        wide = 0.05 + 0.13 * t
        length = wide * rng.uniform(0.25, 0.95)
        tint = lighter(color, rng.uniform(0, 0.45))
        _ripple(
            canvas,
            x + rng.gauss(0, wide * 0.4),
            top + depth * (t + 0.01),
            length,
            0.0018 + 0.0055 * t,
            tint,
        )


def grass(canvas: Canvas, top: float, color: RGB, *, blades: bool = True) -> None:
    """A meadow from `top` to the front, darker towards the viewer, with tufts of grass."""
    rng = canvas.rng
    hills(canvas, top, 0.03, lighter(color, 0.12), fade=darker(color, 0.3))
    if not blades:
        return
    for _ in range(round(110 * canvas.w)):
        t = rng.random()
        x, y = rng.uniform(0, canvas.w), top + 0.03 + (canvas.h - top) * t
        tall = 0.008 + 0.028 * t
        tint = jitter(rng, mix(lighter(color, 0.14), darker(color, 0.3), rng.random()), 10)
        lean = rng.uniform(-0.4, 0.4) * tall
        half = 0.0015 + 0.0025 * t
        canvas.polygon([(x - half, y), (x + lean, y - tall), (x + half, y)], tint)


def ground(canvas: Canvas, top: float, color: RGB, *, wobble: float = 0.015) -> None:
    """Bare ground (sand, snow, earth) from `top` to the front."""
    hills(canvas, top + wobble, wobble * 2, lighter(color, 0.06), fade=darker(color, 0.22))


def speckles(canvas: Canvas, top: float, color: RGB, count: int) -> None:
    """Small stones or shells on the ground, bigger towards the front."""
    rng = canvas.rng
    for _ in range(count):
        t = rng.random()
        x, y = rng.uniform(0, canvas.w), top + (canvas.h - top) * t
        canvas.ellipse(x, y, 0.002 + 0.005 * t, 0.0015 + 0.003 * t, jitter(rng, color, 16))


def shadow(canvas: Canvas, x: float, y: float, width: float, opacity: float = 0.3) -> None:
    """The soft shadow under something that stands on the ground."""

    def paint(mask: SoftMask) -> None:
        mask.ellipse(x, y, width / 2, width / 9)

    canvas.soft((20, 24, 30), paint, blur=0.008, opacity=opacity)
