"""Scenes of the night sky."""

import math

import numpy as np

from app.demo.brushes import buildings, land, plants, sky
from app.demo.canvas import Canvas, Point, SoftMask, as_mask
from app.demo.colors import RGB, lighter, mix


def starry_night(canvas: Canvas) -> None:
    """Stars and the milky way over dark land."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.72, 0.85)
    sky.sky(canvas, "night", horizon)
    _milky_way(canvas, (170, 170, 220), 0.5)
    sky.stars(canvas, horizon, 210)
    if canvas.chance(0.45):
        sky.moon(
            canvas,
            canvas.w * rng.uniform(0.12, 0.88),
            canvas.h * rng.uniform(0.12, 0.3),
            rng.uniform(0.045, 0.08),
        )
    if canvas.chance(0.35):
        x, y = canvas.w * rng.uniform(0.2, 0.8), canvas.h * rng.uniform(0.1, 0.3)
        for i in range(12):
            canvas.circle(
                x + 0.012 * i,
                y + 0.006 * i,
                0.0035 * i / 12,
                mix((60, 70, 120), (255, 255, 255), i / 11),
            )
    edge = land.ridge(canvas, horizon + 0.03, 0.14, (16, 20, 38), fade=(10, 12, 24))
    for x, y in edge[::5]:
        if canvas.chance(0.6):
            plants.pine(canvas, x, y + 0.02, rng.uniform(0.06, 0.2), (10, 14, 26))
    canvas.shows("night", "star")


def _milky_way(canvas: Canvas, color: RGB, opacity: float) -> None:
    field = canvas.noise(4, octaves=5)
    rows, columns = field.shape
    slope, offset = canvas.rng.uniform(-0.7, 0.7), canvas.rng.uniform(0.25, 0.6)
    x = np.linspace(-0.5, 0.5, columns, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    band = np.exp(-(((y - offset - slope * x) / 0.16) ** 2))
    canvas.lay(
        color, as_mask((band * np.clip(field * 1.5 - 0.35, 0, 1) * opacity).astype(np.float32))
    )


def aurora(canvas: Canvas) -> None:
    """Northern lights over a winter night."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.7, 0.8)
    sky.sky(canvas, "night", horizon)
    sky.stars(canvas, horizon, 90)
    lower: RGB = rng.choice([(70, 240, 160), (90, 250, 190), (110, 240, 120)])
    for _ in range(rng.randint(2, 3)):
        _curtain(
            canvas, horizon, lower, rng.choice([(150, 90, 220), (60, 140, 220), (220, 90, 170)])
        )
    if canvas.chance(0.5):
        edge = land.ridge(canvas, horizon + 0.02, 0.16, (28, 36, 60), fade=(40, 60, 80))
        for x, y in edge[::6]:
            plants.pine(canvas, x, y + 0.03, rng.uniform(0.08, 0.17), (14, 22, 34))
    else:
        land.ridge(canvas, horizon + 0.02, 0.12, (24, 32, 56), fade=(40, 60, 80))
    if canvas.chance(0.5):
        canvas.mirror(horizon + 0.05, tint=(10, 26, 48), strength=0.35)
        canvas.shows("water", "reflection")
    else:
        land.ground(canvas, horizon + 0.05, (120, 150, 180))
        canvas.shows("snow")
    canvas.shows("aurora", "night")


def _curtain(canvas: Canvas, horizon: float, low: RGB, high: RGB) -> None:
    rng = canvas.rng
    rows, columns = 90, 160
    x = np.linspace(0, 1, columns, dtype=np.float32)
    foot = (
        horizon
        / canvas.h
        * (rng.uniform(0.6, 0.85) + 0.12 * np.sin(x * rng.uniform(4, 8) + rng.uniform(0, 6)))
    )
    dice = np.random.default_rng(rng.getrandbits(64))
    folds = np.interp(x * 44, np.arange(46), dice.random(46)).astype(np.float32)
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    rise = (foot[None, :] - y) / (0.28 + 0.22 * folds[None, :])
    body = np.where(rise > 0, np.exp(-2.4 * rise), np.exp(26 * rise)) * (0.3 + 0.7 * folds[None, :])
    canvas.lay(high, as_mask((np.clip(rise * 1.3, 0, 1) * body * 0.9).astype(np.float32)))
    canvas.lay(low, as_mask((body * np.clip(1.1 - rise, 0, 1) * 0.85).astype(np.float32)))


def fireworks(canvas: Canvas) -> None:
    """Fireworks in the night, perhaps over a town."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.8, 0.9)
    sky.sky(canvas, "night", canvas.h)
    sky.stars(canvas, horizon * 0.8, 30)
    count = rng.randint(3, 6)
    for i in range(count):
        x = canvas.w * (i + rng.uniform(0.2, 0.8)) / count
        _burst(canvas, x, canvas.h * rng.uniform(0.14, 0.55), rng.uniform(0.12, 0.25))
    style = buildings.TowerStyle((16, 18, 34), buildings.NIGHT_TOWERS, 0.3)
    if canvas.chance(0.65):
        buildings.skyline(canvas, canvas.h, 0.24, style)
    else:
        land.water(canvas, horizon, canvas.h, ((40, 40, 86), (10, 14, 36)))
        canvas.shows("water")
    canvas.shows("fireworks", "night")


def _burst(canvas: Canvas, x: float, y: float, radius: float) -> None:
    rng = canvas.rng
    color: RGB = rng.choice(
        [
            (255, 90, 80),
            (255, 200, 80),
            (110, 220, 255),
            (150, 255, 140),
            (255, 130, 220),
            (190, 140, 255),
        ]
    )
    canvas.glow(x, y, radius * 1.5, color, 0.45)
    rays = rng.randint(18, 30)
    for ring in (1.0, 0.62):
        for i in range(rays):
            angle = 2 * math.pi * i / rays + rng.uniform(-0.06, 0.06)
            reach = radius * ring * rng.uniform(0.85, 1.05)
            points: list[Point] = []
            for k in range(5):
                t = 0.25 + 0.75 * k / 4
                points.append(
                    (
                        x + reach * t * math.cos(angle),
                        y + reach * t * math.sin(angle) + radius * 0.16 * t * t,
                    )
                )
            canvas.line(points[:3], mix(color, (60, 40, 70), 0.45), 0.0035)
            canvas.line(points[2:], color, 0.0045)
            canvas.circle(*points[-1], 0.0055, lighter(color, 0.5))
    canvas.circle(x, y, radius * 0.05, (255, 255, 240))


def moonlit_night(canvas: Canvas) -> None:
    """A big moon over the sea or the hills."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.58, 0.7)
    sky.sky(canvas, "night", horizon)
    sky.stars(canvas, horizon, 70)
    x, radius = canvas.w * rng.uniform(0.25, 0.75), rng.uniform(0.09, 0.15)
    sky.moon(canvas, x, horizon * rng.uniform(0.32, 0.55), radius)

    def veil(mask: SoftMask) -> None:
        for _ in range(5):
            mask.ellipse(
                rng.uniform(0, canvas.w),
                horizon * rng.uniform(0.3, 0.8),
                rng.uniform(0.15, 0.4),
                0.012,
            )

    canvas.soft((90, 104, 150), veil, blur=0.012, opacity=0.6)
    if canvas.chance(0.6):
        land.water(
            canvas, horizon, canvas.h, ((40, 58, 104), (8, 14, 36)), light=(x, (214, 222, 240))
        )
        canvas.shows("sea", "water")
    else:
        for i in range(3):
            land.hills(
                canvas,
                horizon + 0.03 + 0.11 * i,
                0.1,
                mix((40, 54, 92), (12, 16, 34), i / 2),
                fade=(10, 12, 26),
            )
        canvas.shows("hill")
    canvas.shows("night", "moon")
