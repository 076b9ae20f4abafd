"""Scenes of meadows, hills and fields."""

import math

from app.demo.brushes import buildings, land, plants, sky
from app.demo.canvas import Canvas, Point, as_mask
from app.demo.colors import RGB, darker, jitter, lighter, mix

_FLOWERS: tuple[tuple[RGB, ...], ...] = (
    ((226, 56, 52),),
    ((252, 214, 60),),
    ((250, 250, 246), (252, 236, 180)),
    ((150, 96, 204), (190, 120, 220)),
    ((244, 130, 170), (250, 190, 210)),
    ((226, 56, 52), (252, 214, 60), (250, 250, 246), (150, 96, 204)),
)


def meadow(canvas: Canvas) -> None:
    """A meadow full of flowers."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.38, 0.55)
    glow = sky.sky(canvas, "day", horizon)
    if canvas.chance(0.5):
        sky.sun(canvas, canvas.w * rng.uniform(0.1, 0.9), horizon * 0.4, 0.06)
    if canvas.chance(0.7):
        sky.clouds(canvas, 0, horizon * 0.75)
    green = jitter(rng, (106, 170, 72), 10)
    land.ridge(canvas, horizon + 0.03, 0.12, mix(green, glow, 0.55), fade=glow, hills=2)
    land.grass(canvas, horizon, green)
    plants.flowers(canvas, horizon + 0.05, rng.choice(_FLOWERS), round(90 * canvas.w))


def green_hills(canvas: Canvas) -> None:
    """Rolling green hills with a tree or two."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.45, 0.58)
    glow = sky.sky(canvas, "day", horizon)
    if canvas.chance(0.6):
        sky.sun(canvas, canvas.w * rng.uniform(0.1, 0.9), horizon * 0.35, 0.06)
    if canvas.chance(0.7):
        sky.clouds(canvas, 0, horizon * 0.7)
    green = jitter(rng, rng.choice([(96, 164, 72), (120, 178, 84), (80, 150, 84)]), 8)
    for i in range(4):
        t = i / 3
        color = mix(glow, jitter(rng, green, 8), 0.45 + 0.55 * t)
        edge = land.hills(
            canvas,
            horizon + (canvas.h - horizon) * (0.1 + 0.7 * t),
            0.16,
            color,
            fade=darker(green, 0.25),
        )
        if canvas.chance(0.7):
            x, y = rng.choice(edge[4:-4])
            plants.leafy(canvas, x, y + 0.008, 0.07 + 0.2 * t, jitter(rng, darker(green, 0.25), 8))
    canvas.shows("hill", "grass")


def wheat_field(canvas: Canvas) -> None:
    """A golden field of wheat."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.42, 0.55)
    kind = rng.choice(["day", "day", "sunset"])
    glow = sky.sky(canvas, kind, horizon)
    if kind == "sunset":
        sky.sun(canvas, canvas.w * rng.uniform(0.2, 0.8), horizon - 0.05, 0.08, low=True)
    elif canvas.chance(0.7):
        sky.clouds(canvas, 0, horizon * 0.7)
    land.ridge(canvas, horizon + 0.02, 0.05, mix((90, 130, 80), glow, 0.35), fade=glow, hills=5)
    gold = jitter(rng, rng.choice([(228, 188, 80), (218, 174, 70), (238, 204, 104)]), 8)
    canvas.gradient(horizon, canvas.h, [lighter(gold, 0.15), gold, darker(gold, 0.3)])
    if canvas.chance(0.4):
        _windmill(
            canvas, canvas.w * rng.uniform(0.15, 0.85), horizon + 0.03, rng.uniform(0.22, 0.3)
        )
    rows = sorted(rng.random() for _ in range(round(210 * canvas.w)))
    for t in rows:
        x, y = rng.uniform(0, canvas.w), horizon + 0.02 + (canvas.h * 1.08 - horizon) * t
        _ear(
            canvas,
            x,
            y,
            0.035 + 0.17 * t,
            jitter(rng, mix(lighter(gold, 0.2), darker(gold, 0.25), rng.random()), 8),
        )
    canvas.shows("wheat", "field")


def _ear(canvas: Canvas, x: float, y: float, height: float, color: RGB) -> None:
    lean = canvas.rng.uniform(-0.08, 0.26) * height
    tip_x, tip_y = x + lean, y - height
    canvas.line([(x, y), (tip_x, tip_y)], darker(color, 0.18), max(0.0015, height * 0.022))
    for i in range(4):
        grain_x = tip_x + lean * 0.1 * i
        grain_y = tip_y - height * 0.075 * i
        size = height * (0.05 - 0.006 * i)
        canvas.ellipse(grain_x - size * 0.55, grain_y, size * 0.6, size, color)
        canvas.ellipse(grain_x + size * 0.55, grain_y, size * 0.6, size, darker(color, 0.1))
    canvas.ellipse(tip_x + lean * 0.4, tip_y - height * 0.31, height * 0.022, height * 0.06, color)


def _windmill(canvas: Canvas, x: float, y: float, height: float) -> None:
    rng = canvas.rng
    canvas.polygon(
        [
            (x - height * 0.2, y),
            (x + height * 0.2, y),
            (x + height * 0.12, y - height * 0.75),
            (x - height * 0.12, y - height * 0.75),
        ],
        (236, 228, 214),
    )
    canvas.polygon(
        [
            (x - height * 0.15, y - height * 0.75),
            (x + height * 0.15, y - height * 0.75),
            (x, y - height * 0.95),
        ],
        (150, 66, 54),
    )
    canvas.box(x - height * 0.045, y - height * 0.2, x + height * 0.045, y, (110, 76, 54))
    hub_y, turn = y - height * 0.74, rng.uniform(0, 1.5)
    for i in range(4):
        angle = turn + math.pi / 2 * i
        along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
        blade: list[Point] = []
        for reach, side in ((0.1, 0.0), (0.55, 0.0), (0.55, 0.13), (0.16, 0.13)):
            blade.append(
                (
                    x + height * (reach * along[0] + side * across[0]),
                    hub_y + height * (reach * along[1] + side * across[1]),
                )
            )
        canvas.polygon(blade, (250, 246, 236))
        canvas.line([(x, hub_y), blade[1]], (110, 84, 64), height * 0.02)
    canvas.circle(x, hub_y, height * 0.035, (90, 70, 54))
    canvas.shows("windmill", "building")


def lavender_field(canvas: Canvas) -> None:
    """Rows of lavender that run to the horizon."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.36, 0.46)
    kind = rng.choice(["day", "sunset"])
    glow = sky.sky(canvas, kind, horizon)
    if kind == "sunset":
        sky.sun(canvas, canvas.w * rng.uniform(0.2, 0.8), horizon - 0.04, 0.07, low=True)
    land.ridge(canvas, horizon + 0.01, 0.1, mix((110, 120, 150), glow, 0.4), fade=glow)
    soil, bloom = (170, 140, 110), jitter(rng, (138, 92, 190), 8)
    canvas.gradient(horizon, canvas.h, [mix(bloom, glow, 0.3), soil])
    vanish = canvas.w * rng.uniform(0.35, 0.65)
    rows = 9
    for i in range(-rows, rows + 1):
        foot = vanish + i * 0.26
        canvas.polygon(
            [
                (vanish + i * 0.012, horizon),
                (foot - 0.085, canvas.h * 1.02),
                (foot + 0.085, canvas.h * 1.02),
            ],
            bloom,
        )
        canvas.polygon(
            [
                (vanish + i * 0.012, horizon),
                (foot - 0.085, canvas.h * 1.02),
                (foot - 0.02, canvas.h * 1.02),
            ],
            lighter(bloom, 0.16),
        )
    field = canvas.noise(26, octaves=2)
    shown = (field > 0.62).astype("float32") * 0.3
    shown[: round(horizon / canvas.h * len(shown))] = 0
    canvas.lay(lighter(bloom, 0.5), as_mask(shown))
    if canvas.chance(0.5):
        buildings.house(canvas, canvas.w * rng.uniform(0.15, 0.85), horizon + 0.02, 0.12)
    canvas.shows("lavender", "field", "flower")
