"""Brushes for things that people sail, fly or put up for shade."""

import math

from app.demo.canvas import Canvas, Point, filled
from app.demo.colors import RGB, darker, lighter


def sailboat(canvas: Canvas, x: float, y: float, size: float, *, shade: RGB | None = None) -> None:
    """A sailing boat on the water at (x, y); a silhouette where `shade` is given."""
    rng = canvas.rng
    hull = shade or rng.choice(
        [(178, 62, 52), (246, 244, 238), (124, 84, 56), (44, 66, 116), (34, 36, 44)]
    )
    cloth = shade or rng.choice([(252, 250, 244), (246, 236, 214), (226, 84, 68), (250, 204, 96)])
    mast, boom = x - size * 0.04, y - size * 0.17
    canvas.line([(mast, y - size * 0.1), (mast, y - size)], shade or (96, 74, 54), size * 0.022)
    main = _sail((mast + size * 0.025, y - size * 0.96), (mast + size * 0.47, boom), size * 0.07)
    jib = _sail((mast - size * 0.02, y - size * 0.84), (mast - size * 0.36, boom), size * 0.06)
    canvas.polygon([*main, (mast + size * 0.025, boom)], cloth)
    canvas.polygon([*jib, (mast - size * 0.02, boom)], shade or darker(cloth, 0.1))
    bow, stern, deck, keel = x + size * 0.54, x - size * 0.48, y - size * 0.12, y + size * 0.05
    side: list[Point] = [(stern, deck), (bow, deck - size * 0.02)]
    canvas.polygon([*side, (x + size * 0.34, keel), (x - size * 0.38, keel)], hull)
    if shade is None:
        rim: list[Point] = [
            (bow - size * 0.05, deck + size * 0.03),
            (stern + size * 0.03, deck + size * 0.035),
        ]
        canvas.polygon([*side, *rim], lighter(hull, 0.35))
        fold = (mast + size * 0.025, y - size * 0.55)
        canvas.line([fold, (mast + size * 0.33, y - size * 0.52)], darker(cloth, 0.12), size * 0.01)
        canvas.sharp(
            darker(hull, 0.3),
            filled(
                [
                    (x - size * 0.38, keel),
                    (x + size * 0.34, keel),
                    (x + size * 0.2, keel + size * 0.09),
                    (x - size * 0.26, keel + size * 0.09),
                ]
            ),
            opacity=0.35,
        )
    canvas.shows("boat", "sailboat")


def _sail(top: Point, clew: Point, belly: float) -> list[Point]:
    """The free edge of a sail from its top to its lower corner, filled by the wind."""
    side = 1 if clew[0] > top[0] else -1
    points: list[Point] = []
    for i in range(13):
        t = i / 12
        bulge = belly * math.sin(math.pi * t)
        points.append(
            (top[0] + (clew[0] - top[0]) * t**1.15 + side * bulge, top[1] + (clew[1] - top[1]) * t)
        )
    return points


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
