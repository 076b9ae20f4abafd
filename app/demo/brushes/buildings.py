"""Brushes for what people build: houses, towers, skylines, boats, roads, furniture."""

import math
from typing import NamedTuple

from app.demo.canvas import Canvas, Point, filled
from app.demo.colors import RGB, darker, jitter, lighter, mix

_WALLS = (
    (238, 224, 196),
    (242, 240, 234),
    (214, 140, 106),
    (232, 206, 132),
    (176, 196, 214),
    (226, 178, 170),
)
_ROOFS = ((176, 74, 54), (126, 70, 52), (84, 86, 100), (150, 50, 46), (70, 96, 92))
LIT: RGB = (255, 222, 132)


def house(
    canvas: Canvas, x: float, y: float, size: float, *, night: bool = False, snowy: bool = False
) -> None:
    """A small house that stands at (x, y), `size` high without its chimney."""
    rng = canvas.rng
    wall, roof = jitter(rng, rng.choice(_WALLS), 6), jitter(rng, rng.choice(_ROOFS), 6)
    glass: RGB = LIT if night else rng.choice([(126, 178, 208), (150, 196, 220)])
    if night:
        wall, roof = mix(wall, (30, 36, 74), 0.6), mix(roof, (20, 24, 54), 0.6)
    half, tall = size * rng.uniform(0.42, 0.6), size * 0.55
    top = y - tall
    canvas.box(x + half * 0.45, top - size * 0.44, x + half * 0.66, top, darker(roof, 0.25))
    canvas.box(x - half, top, x + half, y, wall)
    canvas.box(x + half * 0.5, top, x + half, y, darker(wall, 0.08))
    ridge = top - size * 0.45
    canvas.polygon([(x - half * 1.18, top), (x, ridge), (x + half * 1.18, top)], roof)
    canvas.polygon([(x, ridge), (x + half * 1.18, top), (x + half * 0.5, top)], darker(roof, 0.12))
    if snowy:
        eave = size * 0.07
        canvas.polygon(
            [
                (x - half * 1.24, top),
                (x, ridge - eave),
                (x + half * 1.24, top),
                (x + half * 0.9, top - eave * 0.4),
                (x, ridge + eave * 2),
                (x - half * 0.9, top - eave * 0.4),
            ],
            (246, 249, 255),
        )
    canvas.box(x - half * 0.16, y - tall * 0.55, x + half * 0.16, y, darker(roof, 0.3))
    for side in (-0.58, 0.58):
        cx, cy, w, h = x + side * half, top + tall * 0.4, half * 0.2, tall * 0.17
        if night:
            canvas.glow(cx, cy, size * 0.28, LIT, 0.5)
        canvas.box(cx - w * 1.25, cy - h * 1.25, cx + w * 1.25, cy + h * 1.25, lighter(wall, 0.4))
        canvas.box(cx - w, cy - h, cx + w, cy + h, glass)
        canvas.line([(cx, cy - h), (cx, cy + h)], lighter(wall, 0.4), size * 0.012)
    canvas.shows("house", "building")


class TowerStyle(NamedTuple):
    """How a row of towers looks: body, window colours and the share of windows that show."""

    body: RGB
    windows: tuple[RGB, ...]
    lit: float


NIGHT_TOWERS = ((255, 222, 130), (255, 206, 104), (255, 240, 196), (190, 220, 255))


def skyline(canvas: Canvas, ground: float, height: float, style: TowerStyle) -> None:
    """A row of towers from side to side that stand on `ground`."""
    rng = canvas.rng
    x = -rng.uniform(0, 0.05)
    while x < canvas.w:
        wide = rng.uniform(0.07, 0.15)
        swell = 0.7 + 0.5 * math.sin(math.pi * (x + wide / 2) / canvas.w)
        tower(canvas, (x, ground), (wide, height * swell * rng.uniform(0.5, 1.05)), style)
        x += wide + rng.choice([0.0, 0.0, 0.006, 0.012])
    canvas.shows("city", "building", "skyscraper")


def tower(canvas: Canvas, foot: Point, size: tuple[float, float], style: TowerStyle) -> None:
    """One tower (left, ground) x (width, height) with its windows."""
    rng = canvas.rng
    (left, ground), (wide, tall) = foot, size
    top, body = ground - tall, jitter(rng, style.body, 9)
    kind = rng.random()
    if kind < 0.15:
        canvas.line([(left + wide / 2, top), (left + wide / 2, top - tall * 0.18)], body, 0.006)
    elif kind < 0.3:
        canvas.polygon(
            [(left, top), (left + wide, top), (left + wide * 0.5, top - wide * 0.7)], body
        )
    elif kind < 0.45:
        canvas.box(left + wide * 0.2, top - 0.03, left + wide * 0.8, top, body)
    canvas.gradient(
        top,
        ground,
        [body, mix(body, style.windows[0], 0.1)],
        [(left, top), (left + wide, top), (left + wide, ground), (left, ground)],
    )
    canvas.box(left + wide * 0.78, top, left + wide, ground, darker(body, 0.14))
    columns, rows = max(2, round(wide / 0.024)), max(2, round(tall / 0.034))
    for row in range(rows):
        for column in range(columns):
            if rng.random() < style.lit:
                x0 = left + wide * (column + 0.28) / columns
                y0 = top + tall * (row + 0.3) / rows
                color = rng.choice(style.windows)
                canvas.box(x0, y0, x0 + wide * 0.46 / columns, y0 + tall * 0.5 / rows, color)


def lighthouse(canvas: Canvas, x: float, y: float, height: float, *, lit: bool) -> None:
    """A striped lighthouse that stands at (x, y), with beams where it is lit."""
    rng = canvas.rng
    stripe = rng.choice([(206, 52, 48), (206, 52, 48), (44, 66, 110), (40, 44, 50)])
    foot, neck = height * 0.11, height * 0.07
    top = y - height * 0.8
    lamp_y = top - height * 0.065
    if lit:
        for side in (-1, 1):
            points = [
                (x, lamp_y - 0.01),
                (x + side * 1.2, lamp_y - 0.16),
                (x + side * 1.2, lamp_y + 0.1),
                (x, lamp_y + 0.01),
            ]
            canvas.soft(
                (255, 240, 180),
                filled(points),
                blur=0.02,
                opacity=0.3,
            )
        canvas.glow(x, lamp_y, height * 0.4, (255, 236, 170), 0.9)
    bands = 5
    for i in range(bands):
        high, low = i / bands, (i + 1) / bands
        wide_high, wide_low = neck + (foot - neck) * high, neck + (foot - neck) * low
        y0, y1 = top + (y - top) * high, top + (y - top) * low
        color = stripe if i % 2 == 0 else (246, 244, 238)
        canvas.polygon(
            [(x - wide_high, y0), (x + wide_high, y0), (x + wide_low, y1), (x - wide_low, y1)],
            color,
        )
        canvas.polygon(
            [
                (x + wide_high * 0.35, y0),
                (x + wide_high, y0),
                (x + wide_low, y1),
                (x + wide_low * 0.35, y1),
            ],
            darker(color, 0.16),
        )
    canvas.box(
        x - neck * 1.5, top - height * 0.012, x + neck * 1.5, top + height * 0.008, (58, 60, 66)
    )
    canvas.box(
        x - neck * 0.8,
        top - height * 0.12,
        x + neck * 0.8,
        top - height * 0.012,
        (255, 238, 160) if lit else (214, 226, 228),
    )
    for dx in (-0.8, -0.05, 0.7):
        canvas.box(
            x + neck * dx,
            top - height * 0.12,
            x + neck * (dx + 0.12),
            top - height * 0.012,
            (58, 60, 66),
        )
    canvas.polygon(
        [
            (x - neck * 1.15, top - height * 0.118),
            (x, top - height * 0.2),
            (x + neck * 1.15, top - height * 0.118),
        ],
        stripe,
    )
    canvas.box(x - foot * 0.22, y - height * 0.1, x + foot * 0.22, y, (74, 60, 54))
    canvas.shows("lighthouse", "building")
