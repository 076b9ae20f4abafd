"""Scenes among trees."""

import math

from app.demo.brushes import land, plants, sky
from app.demo.canvas import Canvas, Point
from app.demo.colors import RGB, darker, jitter, lighter, mix

_AUTUMN: tuple[RGB, ...] = (
    (214, 110, 40),
    (232, 168, 54),
    (190, 66, 42),
    (222, 140, 44),
    (170, 84, 44),
)


def forest(canvas: Canvas) -> None:
    """A green forest."""
    rng = canvas.rng
    needles = canvas.chance(0.5)
    base: RGB = (44, 96, 60) if needles else rng.choice([(76, 142, 62), (96, 156, 70)])
    _wood(canvas, "day", [base], (86, 140, 66), needles=needles)


def autumn_forest(canvas: Canvas) -> None:
    """A forest in red and gold."""
    rng = canvas.rng
    horizon = _wood(
        canvas, rng.choice(["day", "gray", "winter"]), list(_AUTUMN), (178, 130, 66), needles=False
    )
    plants.leaves_on_ground(canvas, horizon + 0.1, _AUTUMN, 70)
    canvas.shows("autumn", "leaf")


def misty_forest(canvas: Canvas) -> None:
    """Firs in the mist, row behind row."""
    rng = canvas.rng
    pale: RGB = rng.choice([(208, 220, 226), (226, 216, 206), (196, 214, 220), (214, 206, 222)])
    dark: RGB = rng.choice([(30, 62, 54), (38, 54, 70), (26, 60, 72), (56, 50, 74)])
    canvas.gradient(0, canvas.h, [lighter(pale, 0.4), pale])
    if canvas.chance(0.5):
        canvas.glow(canvas.w * rng.uniform(0.2, 0.8), canvas.h * 0.2, 0.5, (255, 248, 226), 0.9)
    rows = 5
    for row in range(rows):
        t = row / (rows - 1)
        color = mix(pale, dark, 0.14 + 0.8 * t**1.2)
        base = canvas.h * (0.46 + 0.52 * t)
        edge = land.ridge(canvas, base, 0.16, color, fade=pale, hills=1.6)
        for x, y in edge[:: 4 + 2 * row]:
            tall = (0.1 + 0.26 * t) * rng.uniform(0.6, 1.25)
            silhouette(canvas, x + rng.uniform(-0.02, 0.02), y + 0.02, tall, color)
        sky.mist(canvas, base - 0.02, base + 0.26, lighter(pale, 0.2), 0.85 * (1 - 0.6 * t))
    canvas.shows("forest", "tree", "fog", "sky")


def silhouette(canvas: Canvas, x: float, y: float, height: float, color: RGB) -> None:
    """A fir far away: one flat jagged outline."""
    rng = canvas.rng
    left: list[Point] = []
    right: list[Point] = []
    tiers = 7
    for i in range(tiers):
        low = y - height * (1 - (i + 1) / tiers)
        half = height * 0.22 * ((i + 1) / tiers) ** 0.9
        left += [(x - half * rng.uniform(0.9, 1.1), low), (x - half * 0.55, low)]
        right += [(x + half * rng.uniform(0.9, 1.1), low), (x + half * 0.55, low)]
    canvas.polygon([(x, y - height), *left, *reversed(right)], color)


def _wood(canvas: Canvas, light: str, palette: list[RGB], floor: RGB, *, needles: bool) -> float:
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.42, 0.55)
    glow = sky.sky(canvas, light, horizon)
    for step in (0.16, 0.08):
        tint = mix(rng.choice(palette), glow, 0.3 + step * 2.5)
        edge = land.ridge(canvas, horizon + 0.04, step, tint, fade=tint, hills=7)
        for x, y in edge[::3]:
            if needles:
                plants.pine(canvas, x, y + 0.03, rng.uniform(0.1, 0.16), tint)
            else:
                canvas.circle(x, y + 0.01, rng.uniform(0.03, 0.05), jitter(rng, tint, 8))
    land.grass(canvas, horizon + 0.04, floor)
    count = rng.randint(11, 17)
    for i in range(count):
        t = (i + rng.random()) / count
        y = horizon + 0.05 + (canvas.h * 1.02 - horizon) * t**1.3
        x = canvas.w * ((i * 0.618 + rng.uniform(-0.06, 0.06)) % 1)
        color = mix(jitter(rng, rng.choice(palette), 12), glow, 0.3 * (1 - t))
        tall = (0.2 + 0.42 * t) * rng.uniform(0.85, 1.15)
        if needles:
            plants.pine(canvas, x, y, tall * 1.1, color)
        else:
            plants.leafy(canvas, x, y, tall, color)
    canvas.shows("forest", "tree")
    return horizon


def campfire(canvas: Canvas) -> None:
    """A campfire at night, perhaps with a tent."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.6, 0.68)
    sky.sky(canvas, "night", horizon)
    sky.stars(canvas, horizon * 0.8)
    if canvas.chance(0.4):
        sky.moon(canvas, canvas.w * rng.uniform(0.1, 0.9), canvas.h * 0.16, 0.05)
    edge = land.ridge(canvas, horizon, 0.1, (18, 30, 40), fade=(14, 22, 30))
    for x, y in edge[::4]:
        plants.pine(canvas, x, y + 0.03, rng.uniform(0.14, 0.3), (16, 30, 36))
    land.ground(canvas, horizon, (40, 44, 40))
    x, y = canvas.w * rng.uniform(0.35, 0.65), canvas.h * rng.uniform(0.82, 0.9)
    canvas.glow(x, y - 0.06, 0.62, (255, 140, 50), 0.75)
    if canvas.chance(0.55):
        _tent(canvas, x + rng.choice([-1, 1]) * rng.uniform(0.36, 0.42), y - 0.04, 0.3)
    _fire(canvas, x, y, rng.uniform(0.2, 0.28))
    canvas.shows("campfire", "fire", "night", "tree")


def _fire(canvas: Canvas, x: float, y: float, size: float) -> None:
    rng = canvas.rng
    for turn in (-1, 1):
        canvas.line(
            [(x - turn * size * 0.5, y + size * 0.06), (x + turn * size * 0.5, y - size * 0.1)],
            (92, 60, 40),
            size * 0.13,
        )
    layers: tuple[tuple[RGB, float], ...] = (
        ((226, 70, 30), 1.0),
        ((250, 136, 36), 0.74),
        ((255, 204, 70), 0.48),
        ((255, 244, 190), 0.22),
    )
    for color, share in layers:
        flame: list[Point] = []
        for i in range(25):
            t = i / 24
            wide = math.sin(math.pi * t) ** 0.7
            tongue = 0.55 + 0.45 * abs(math.sin(3 * math.pi * t)) + rng.uniform(-0.05, 0.05)
            flame.append(
                (
                    x + size * 0.42 * share * (2 * t - 1),
                    y - size * 1.15 * share * wide * tongue * (1 - abs(2 * t - 1) ** 2 * 0.5),
                )
            )
        canvas.polygon([*flame, (x, y + size * 0.03)], color)
    for _ in range(18):
        canvas.circle(
            x + rng.gauss(0, size * 0.3),
            y - size * rng.uniform(0.8, 2.2),
            rng.uniform(0.002, 0.004),
            (255, 190, 90),
        )


def _tent(canvas: Canvas, x: float, y: float, size: float) -> None:
    color = canvas.rng.choice([(200, 110, 50), (70, 120, 130), (150, 60, 60)])
    canvas.polygon([(x - size * 0.6, y), (x, y - size * 0.7), (x + size * 0.6, y)], color)
    canvas.polygon(
        [(x, y - size * 0.7), (x + size * 0.6, y), (x + size * 0.24, y)], darker(color, 0.25)
    )
    canvas.polygon(
        [(x - size * 0.16, y), (x, y - size * 0.5), (x + size * 0.16, y)], darker(color, 0.6)
    )
    canvas.shows("tent")


def cherry_blossom(canvas: Canvas) -> None:
    """Cherry trees in pink blossom."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.55, 0.66)
    sky.sky(canvas, "day", horizon)
    land.grass(canvas, horizon, (120, 178, 92))
    pink: tuple[RGB, ...] = ((248, 178, 204), (244, 150, 186), (252, 206, 222))
    for i in range(rng.randint(2, 4)):
        plants.leafy(
            canvas,
            canvas.w * rng.uniform(0.05, 0.95),
            horizon + 0.04 + 0.08 * i,
            rng.uniform(0.42, 0.6) + 0.06 * i,
            rng.choice(pink),
        )
    for _ in range(70):
        x, y = rng.uniform(0, canvas.w), rng.uniform(0.2, 1) * canvas.h
        canvas.ellipse(x, y, 0.006, 0.004, rng.choice(pink))
    canvas.shows("cherry blossom", "blossom", "spring", "tree", "grass")
