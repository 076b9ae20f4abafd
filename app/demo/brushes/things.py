"""Brushes for things that people sail, fly or put up for shade."""

import math

from app.demo.canvas import Canvas, Point
from app.demo.colors import RGB, darker, lighter


def sailboat(canvas: Canvas, x: float, y: float, size: float, *, shade: RGB | None = None) -> None:
    """A sailing boat on the water at (x, y); a silhouette where `shade` is given."""
    rng = canvas.rng
    hull = shade or rng.choice(
        [(178, 62, 52), (246, 244, 238), (124, 84, 56), (44, 66, 116), (34, 36, 44)]
    )
    sail = shade or rng.choice([(252, 250, 244), (246, 236, 214), (226, 84, 68), (250, 204, 96)])
    mast = x - size * 0.04
    canvas.line(
        [(mast, y - size * 0.1), (mast, y - size)], shade or (96, 74, 54), max(0.003, size * 0.025)
    )
    canvas.polygon(
        [
            (mast + size * 0.03, y - size * 0.96),
            (mast + size * 0.03, y - size * 0.18),
            (mast + size * 0.46, y - size * 0.18),
        ],
        sail,
    )
    canvas.polygon(
        [
            (mast - size * 0.03, y - size * 0.84),
            (mast - size * 0.03, y - size * 0.18),
            (mast - size * 0.34, y - size * 0.18),
        ],
        shade or darker(sail, 0.1),
    )
    canvas.polygon(
        [
            (x - size * 0.5, y - size * 0.12),
            (x + size * 0.52, y - size * 0.13),
            (x + size * 0.34, y + size * 0.06),
            (x - size * 0.36, y + size * 0.06),
        ],
        hull,
    )
    if shade is None:
        canvas.polygon(
            [
                (x - size * 0.5, y - size * 0.12),
                (x + size * 0.52, y - size * 0.13),
                (x + size * 0.5, y - size * 0.085),
                (x - size * 0.47, y - size * 0.08),
            ],
            lighter(hull, 0.3),
        )
    canvas.shows("boat", "sailboat")


def parasol(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A striped beach parasol, its pole in the sand at (x, y)."""
    rng = canvas.rng
    colors = (
        rng.choice([(224, 70, 62), (40, 128, 190), (240, 170, 50), (50, 160, 130)]),
        (250, 248, 242),
    )
    canvas.line([(x, y), (x + size * 0.12, y - size)], (146, 116, 84), size * 0.035)
    cx, cy, segments = x + size * 0.1, y - size * 0.82, 6
    for i in range(segments):
        arch: list[Point] = [(cx, cy - size * 0.5)]
        for k in range(5):
            angle = math.pi * (1 + (i + k / 4) / segments)
            arch.append((cx + size * 0.62 * math.cos(angle), cy + size * 0.5 * math.sin(angle)))
        canvas.polygon(arch, colors[i % 2])
    canvas.shows("umbrella")


def balloon(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A hot air balloon, its middle at (x, y)."""
    rng = canvas.rng
    first = rng.choice(
        [(220, 66, 58), (240, 150, 50), (60, 130, 200), (130, 90, 180), (50, 160, 120)]
    )
    second = rng.choice([(250, 224, 120), (250, 246, 236), (252, 190, 90)])
    for side in (-1, 1):
        canvas.line(
            [(x + side * size * 0.32, y + size * 0.26), (x + side * size * 0.08, y + size * 0.66)],
            (96, 80, 66),
            0.003,
        )
    for i, share in enumerate((1.0, 0.72, 0.44, 0.15)):
        color = first if i % 2 == 0 else second
        canvas.ellipse(x, y, size * 0.5 * share, size * 0.52, color)
        half = size * 0.5 * share
        canvas.polygon(
            [
                (x - half * 0.86, y + size * 0.26),
                (x + half * 0.86, y + size * 0.26),
                (x + half * 0.3, y + size * 0.56),
                (x - half * 0.3, y + size * 0.56),
            ],
            color,
        )
    canvas.rounded(
        (x - size * 0.09, y + size * 0.64, x + size * 0.09, y + size * 0.78),
        size * 0.02,
        (134, 92, 58),
    )
    canvas.shows("hot air balloon", "balloon")
