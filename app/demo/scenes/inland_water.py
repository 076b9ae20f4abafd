"""Scenes of fresh water: lakes, rivers, waterfalls."""

import math

from app.demo.brushes import land, plants, sky
from app.demo.canvas import Canvas, Point, SoftMask
from app.demo.colors import RGB, darker, jitter, lighter, mix


def lake(canvas: Canvas) -> None:
    """A still lake that mirrors the mountains behind it."""
    rng = canvas.rng
    kind = rng.choice(["day", "day", "sunset", "dusk"])
    shore = canvas.h * rng.uniform(0.5, 0.6)
    sky.sky(canvas, kind, shore)
    if kind == "day" and canvas.chance(0.5):
        sky.clouds(canvas, 0, shore * 0.5)
    rock: RGB = (104, 112, 130) if kind == "day" else (84, 64, 100)
    snow = canvas.chance(0.6)
    land.range_of_peaks(
        canvas, shore, shore * rng.uniform(0.6, 0.85), rock, snow=snow, count=rng.randint(2, 4)
    )
    green: RGB = (50, 100, 66) if kind == "day" else (52, 46, 74)
    edge = land.ridge(canvas, shore, 0.06, green, fade=darker(green, 0.2))
    for x, y in edge[:: rng.randint(2, 4)]:
        plants.pine(
            canvas, x, y + 0.012, rng.uniform(0.05, 0.11), jitter(rng, darker(green, 0.15), 8)
        )
    canvas.mirror(shore, tint=(40, 80, 120) if kind == "day" else (50, 40, 90), strength=0.3)
    plants.reeds(
        canvas,
        canvas.w * rng.uniform(0.05, 0.95),
        canvas.h * 1.01,
        0.26,
        (70, 96, 60) if kind == "day" else (40, 34, 52),
    )
    canvas.shows("lake", "water", "mountain", "reflection")


def river(canvas: Canvas) -> None:
    """A river that winds through green land."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.36, 0.48)
    glow = sky.sky(canvas, "day", horizon)
    if canvas.chance(0.7):
        sky.clouds(canvas, 0, horizon * 0.7)
    far = mix((96, 150, 100), glow, 0.4)
    land.ridge(canvas, horizon + 0.02, 0.16, mix(far, (90, 120, 150), 0.3), fade=glow)
    land.hills(canvas, horizon + 0.03, 0.07, far, fade=(90, 150, 80))
    green = jitter(rng, (98, 164, 76), 10)
    land.grass(canvas, horizon + 0.05, green)
    _winding(canvas, horizon + 0.045, rng.choice([(70, 150, 200), (84, 166, 206), (60, 134, 180)]))
    for _ in range(rng.randint(4, 8)):
        t = rng.random()
        y = horizon + 0.07 + (canvas.h - horizon) * 0.5 * t
        x = canvas.w * rng.choice([rng.uniform(0, 0.25), rng.uniform(0.75, 1)])
        plants.leafy(canvas, x, y, 0.12 + 0.3 * t, jitter(rng, (66, 132, 62), 12))
    canvas.shows("river", "water", "grass")


def _winding(canvas: Canvas, top: float, color: RGB) -> None:
    rng = canvas.rng
    start, bend, phase = (
        canvas.w * rng.uniform(0.35, 0.65),
        rng.uniform(0.12, 0.2),
        rng.uniform(0, 6),
    )
    banks: tuple[list[Point], list[Point]] = ([], [])
    for i in range(41):
        t = i / 40
        y = top + (canvas.h * 1.02 - top) * t**1.4
        cx = start + (canvas.w / 2 - start) * t + bend * math.sin(phase + 7.0 * t**0.8) * t**0.7
        half = 0.008 + 0.2 * t**1.6
        banks[0].append((cx - half, y))
        banks[1].append((cx + half, y))
    rim = [(x - 0.008, y) for x, y in banks[0]], [(x + 0.008, y) for x, y in banks[1]]
    canvas.polygon([*rim[0], *reversed(rim[1])], (150, 140, 96))
    canvas.gradient(
        top,
        canvas.h,
        [lighter(color, 0.4), color, darker(color, 0.15)],
        [*banks[0], *reversed(banks[1])],
    )
    for (x0, y), (x1, _) in list(zip(*banks, strict=True))[8::2]:
        x = x0 + (x1 - x0) * rng.uniform(0.25, 0.75)
        length = (x1 - x0) * 0.15
        canvas.polygon(
            [(x - length, y), (x, y - 0.003), (x + length, y), (x, y + 0.003)], lighter(color, 0.45)
        )


def waterfall(canvas: Canvas) -> None:
    """Water falls over a cliff into a pool."""
    rng = canvas.rng
    glow = sky.sky(canvas, rng.choice(["day", "gray"]), canvas.h * 0.5)
    cliff = jitter(rng, rng.choice([(92, 98, 92), (110, 96, 84), (84, 92, 104)]), 8)
    lip, pool = canvas.h * rng.uniform(0.22, 0.32), canvas.h * rng.uniform(0.76, 0.84)
    land.ridge(canvas, lip + 0.02, 0.1, mix(cliff, glow, 0.5), fade=glow)
    edge = land.ridge(canvas, lip + 0.04, 0.07, (74, 130, 70), fade=cliff)
    canvas.gradient(lip + 0.04, pool, [lighter(cliff, 0.1), darker(cliff, 0.35)])
    _pillars(canvas, (lip + 0.03, pool), cliff)
    x, half = canvas.w * rng.uniform(0.35, 0.65), rng.uniform(0.08, 0.15)
    canvas.gradient(
        lip,
        pool,
        [(214, 236, 244), (170, 212, 232)],
        [
            (x - half, lip + 0.03),
            (x + half, lip + 0.03),
            (x + half * 1.25, pool),
            (x - half * 1.25, pool),
        ],
    )
    for _ in range(46):
        t = rng.uniform(-1, 1)
        y0 = rng.uniform(lip + 0.02, pool - 0.1)
        tint = rng.choice([(255, 255, 255), (236, 248, 252), (140, 192, 218)])
        canvas.line(
            [(x + half * t, y0), (x + half * t * 1.12, y0 + rng.uniform(0.06, 0.24))],
            tint,
            rng.uniform(0.003, 0.009),
        )
    land.water(canvas, pool, canvas.h, ((120, 190, 206), (34, 104, 128)))

    def spray(mask: SoftMask) -> None:
        for _ in range(16):
            mask.ellipse(
                x + rng.gauss(0, half * 0.9),
                pool + rng.gauss(0, 0.02),
                rng.uniform(0.03, 0.08),
                rng.uniform(0.02, 0.05),
            )

    canvas.soft((246, 252, 255), spray, blur=0.02, opacity=0.8)
    for ex, ey in edge[::7]:
        if abs(ex - x) > half * 1.4:
            plants.pine(
                canvas, ex, ey + 0.02, rng.uniform(0.09, 0.18), jitter(rng, (46, 96, 58), 10)
            )
    for side in (0.04, 0.96):
        plants.bush(canvas, canvas.w * side, canvas.h * 1.0, 0.12, jitter(rng, (64, 124, 66), 8))
    canvas.shows("waterfall", "water")


def _pillars(canvas: Canvas, span: tuple[float, float], cliff: RGB) -> None:
    """Columns of rock beside each other, as basalt breaks."""
    rng = canvas.rng
    top, foot = span
    x = -0.02
    while x < canvas.w:
        wide = rng.uniform(0.03, 0.075)
        tone, y = jitter(rng, cliff, 14), top + rng.uniform(-0.02, 0.015)
        base = foot - max(0.0, rng.gauss(0, 0.03))
        for left, right, shade in ((0.0, 0.35, 0.0), (0.35, 0.8, 0.14), (0.8, 1.0, 0.34)):
            column = [
                (x + wide * left, y),
                (x + wide * right, y),
                (x + wide * right, foot),
                (x + wide * left, foot),
            ]
            canvas.gradient(y, foot, [darker(tone, shade), darker(tone, shade + 0.3)], column)
        canvas.polygon(
            [
                (x, y),
                (x + wide * 0.5, y - wide * 0.22),
                (x + wide, y),
                (x + wide * 0.5, y + wide * 0.16),
            ],
            lighter(tone, 0.22),
        )
        if canvas.chance(0.4):
            crack = top + (foot - top) * rng.uniform(0.2, 0.8)
            canvas.line([(x, crack), (x + wide * 0.8, crack + 0.01)], darker(tone, 0.45), 0.004)
        canvas.ellipse(x + wide / 2, base, wide * 0.8, wide * 0.3, darker(tone, 0.42))
        x += wide
