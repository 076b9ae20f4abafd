"""Scenes of weather and the night sky."""

import math

import numpy as np

from app.demo import buildings, land, plants, sky
from app.demo.canvas import Canvas, Point, SoftMask, as_mask
from app.demo.colors import RGB, darker, jitter, lighter, mix


def sunset_mountains(canvas: Canvas) -> None:
    """The sun sets behind rows of dark ridges."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.62, 0.74)
    glow = sky.sky(canvas, "sunset", horizon)
    if canvas.chance(0.6):
        sky.streaks(canvas, horizon * 0.2, horizon * 0.7, mix(glow, (220, 80, 90), 0.6))
    sky.sun(
        canvas,
        canvas.w * rng.uniform(0.2, 0.8),
        horizon * rng.uniform(0.62, 0.78),
        rng.uniform(0.06, 0.1),
        low=True,
    )
    dark: RGB = rng.choice([(52, 28, 62), (40, 32, 70), (66, 30, 44)])
    for i in range(4):
        t = i / 3
        color = mix(mix(glow, (170, 70, 90), 0.4), dark, 0.25 + 0.75 * t)
        land.ridge(
            canvas,
            horizon + (canvas.h - horizon) * t * 0.85,
            0.26 - 0.06 * t,
            color,
            fade=mix(color, glow, 0.35),
            hills=2.4,
        )
    if canvas.chance(0.4):
        sky.birds(canvas, horizon * 0.15, horizon * 0.5, dark)
    canvas.shows("sunset", "mountain")


def clouds(canvas: Canvas) -> None:
    """Nothing but sky and clouds."""
    rng = canvas.rng
    sky.sky(canvas, "day", canvas.h)
    if canvas.chance(0.4):
        sky.sun(canvas, canvas.w * rng.uniform(0.1, 0.9), canvas.h * rng.uniform(0.15, 0.5), 0.07)
    sky.clouds(canvas, 0, canvas.h * 0.5)
    sky.clouds(canvas, canvas.h * 0.4, canvas.h * 0.98)
    if canvas.chance(0.4):
        sky.birds(canvas, canvas.h * 0.3, canvas.h * 0.7)


def snow(canvas: Canvas) -> None:
    """A snowy day: firs, perhaps a hut or a snowman, flakes in the air."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.5, 0.62)
    glow = sky.sky(canvas, "winter", horizon)
    land.ridge(canvas, horizon + 0.04, 0.16, mix((150, 170, 194), glow, 0.4), fade=glow)
    land.ground(canvas, horizon + 0.02, (240, 245, 252))
    for t in sorted(rng.random() for _ in range(rng.randint(6, 13))):
        plants.pine(
            canvas,
            rng.uniform(0, canvas.w),
            horizon + 0.05 + (canvas.h - horizon) * 0.75 * t,
            0.14 + 0.24 * t,
            mix((52, 92, 84), glow, 0.3 * (1 - t)),
            snowy=True,
        )
    if canvas.chance(0.45):
        buildings.house(
            canvas,
            canvas.w * rng.uniform(0.2, 0.8),
            horizon + 0.16,
            rng.uniform(0.16, 0.24),
            snowy=True,
        )
    if canvas.chance(0.45):
        _snowman(
            canvas,
            canvas.w * rng.uniform(0.2, 0.8),
            canvas.h * rng.uniform(0.86, 0.95),
            rng.uniform(0.26, 0.36),
        )
    sky.snowfall(canvas)


def _snowman(canvas: Canvas, x: float, y: float, height: float) -> None:
    rng = canvas.rng
    land.shadow(canvas, x, y, height * 0.7, 0.2)
    for level, size in ((0.22, 0.24), (0.56, 0.18), (0.82, 0.13)):
        canvas.circle(x, y - height * level, height * size, (206, 218, 236))
        canvas.circle(
            x - height * 0.015, y - height * (level + 0.012), height * size * 0.94, (252, 253, 255)
        )
    for side in (-1, 1):
        canvas.line(
            [
                (x + side * height * 0.16, y - height * 0.58),
                (x + side * height * 0.36, y - height * 0.74),
            ],
            (100, 72, 52),
            height * 0.025,
        )
        canvas.circle(x + side * height * 0.05, y - height * 0.86, height * 0.016, (30, 32, 38))
    canvas.polygon(
        [(x, y - height * 0.83), (x + height * 0.14, y - height * 0.8), (x, y - height * 0.79)],
        (244, 140, 50),
    )
    scarf = rng.choice([(206, 60, 56), (50, 110, 180), (60, 150, 90)])
    canvas.box(x - height * 0.13, y - height * 0.73, x + height * 0.13, y - height * 0.68, scarf)
    canvas.box(
        x + height * 0.05,
        y - height * 0.7,
        x + height * 0.1,
        y - height * 0.54,
        darker(scarf, 0.12),
    )
    canvas.box(
        x - height * 0.16, y - height * 0.94, x + height * 0.16, y - height * 0.91, (40, 42, 50)
    )
    canvas.box(
        x - height * 0.1, y - height * 1.1, x + height * 0.1, y - height * 0.92, (40, 42, 50)
    )
    for level in (0.5, 0.58, 0.22):
        canvas.circle(x, y - height * level, height * 0.016, (30, 32, 38))
    canvas.shows("snowman")


def rain(canvas: Canvas) -> None:
    """A rainy day over fields or a town, puddles in front."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.52, 0.64)
    glow = sky.sky(canvas, "gray", horizon)
    sky.overcast(canvas, horizon, (104, 114, 128))
    if canvas.chance(0.4):
        style = buildings.TowerStyle((112, 120, 134), ((236, 214, 150), (150, 160, 174)), 0.5)
        buildings.skyline(canvas, horizon + 0.03, 0.3, style)
        land.ground(canvas, horizon + 0.02, (104, 112, 120))
    else:
        land.ridge(canvas, horizon + 0.02, 0.12, mix((96, 120, 116), glow, 0.4), fade=glow)
        land.grass(canvas, horizon, (92, 122, 88))
        for _ in range(rng.randint(1, 4)):
            plants.leafy(
                canvas,
                rng.uniform(0, canvas.w),
                horizon + rng.uniform(0.04, 0.14),
                rng.uniform(0.2, 0.36),
                (74, 106, 76),
            )
    for _ in range(rng.randint(3, 5)):
        x, y, wide = (
            rng.uniform(0, canvas.w),
            canvas.h * rng.uniform(0.8, 0.97),
            rng.uniform(0.1, 0.2),
        )
        canvas.ellipse(x, y, wide, wide * 0.18, mix(glow, (120, 136, 150), 0.4))
        canvas.ellipse(x, y - 0.003, wide * 0.5, wide * 0.08, lighter(glow, 0.15))
    sky.rain(canvas)
    canvas.shows("cloud")


def thunderstorm(canvas: Canvas) -> None:
    """Lightning under black clouds."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.72, 0.84)
    sky.sky(canvas, "storm", horizon)
    for _ in range(rng.choice([1, 1, 2])):
        sky.lightning(canvas, horizon)
    sky.overcast(canvas, horizon * 0.75, (24, 26, 38), 0.92)
    if canvas.chance(0.35):
        style = buildings.TowerStyle((30, 32, 44), buildings.NIGHT_TOWERS, 0.25)
        buildings.skyline(canvas, horizon + 0.05, 0.3, style)
        canvas.gradient(horizon + 0.05, canvas.h, [(26, 28, 38), (16, 18, 26)])
    else:
        land.ridge(canvas, horizon + 0.02, 0.08, (38, 42, 54), fade=(24, 28, 36))
        land.ground(canvas, horizon + 0.03, (34, 42, 44))
        if canvas.chance(0.5):
            plants.bare_tree(
                canvas,
                canvas.w * rng.uniform(0.15, 0.85),
                horizon + 0.08,
                rng.uniform(0.2, 0.34),
                (18, 20, 26),
            )
    if canvas.chance(0.6):
        sky.rain(canvas)
    canvas.shows("storm", "thunderstorm", "lightning", "cloud")


def rainbow(canvas: Canvas) -> None:
    """A rainbow over the land after rain."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.6, 0.72)
    glow = sky.sky(canvas, rng.choice(["day", "day", "gray"]), horizon)
    radius = min(rng.uniform(0.5, 0.75), canvas.h * 0.62, canvas.w * 0.7)
    sky.clouds(canvas, 0, horizon * 0.5)
    sky.rainbow(canvas, canvas.w * rng.uniform(0.35, 0.65), horizon + 0.08, radius)
    if canvas.chance(0.3):
        land.water(canvas, horizon, canvas.h, ((130, 180, 206), (46, 104, 150)))
        canvas.shows("sea", "water")
        return
    land.ridge(canvas, horizon + 0.03, 0.12, mix((104, 140, 124), glow, 0.3), fade=glow)
    land.grass(canvas, horizon + 0.02, jitter(rng, (104, 164, 80), 8))
    for _ in range(rng.randint(0, 4)):
        plants.leafy(
            canvas,
            rng.uniform(0, canvas.w),
            horizon + rng.uniform(0.06, 0.16),
            rng.uniform(0.16, 0.3),
            (70, 134, 66),
        )
    canvas.shows("grass")


def fog(canvas: Canvas) -> None:
    """Hills and bare trees in thick fog."""
    rng = canvas.rng
    pale: RGB = rng.choice([(206, 210, 212), (214, 206, 200), (196, 204, 214)])
    canvas.gradient(0, canvas.h, [lighter(pale, 0.2), pale, darker(pale, 0.08)])
    for i in range(4):
        t = i / 3
        color = mix(pale, (86, 94, 100), 0.16 + 0.5 * t)
        edge = land.hills(canvas, canvas.h * (0.5 + 0.34 * t), 0.12, color, fade=pale)
        for _ in range(rng.randint(1, 3)):
            x, y = rng.choice(edge)
            plants.bare_tree(canvas, x, y + 0.01, 0.12 + 0.22 * t, darker(color, 0.15))
        sky.mist(canvas, canvas.h * (0.42 + 0.34 * t), canvas.h * (0.7 + 0.34 * t), pale, 0.5)
    canvas.shows("fog", "tree", "hill", "sky")


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


def space(canvas: Canvas) -> None:
    """Planets and nebulae among the stars."""
    rng = canvas.rng
    canvas.gradient(0, canvas.h, [(4, 4, 16), jitter(rng, (14, 10, 34), 4), (4, 6, 18)])
    tints: list[RGB] = [(120, 60, 180), (40, 110, 200), (200, 70, 120), (40, 150, 150)]
    for color in rng.sample(tints, 2):
        field = canvas.noise(2.2, octaves=5)
        canvas.lay(color, as_mask((np.clip(field * 1.7 - 0.85, 0, 1) * 0.75).astype(np.float32)))
    sky.stars(canvas, canvas.h, 200)
    for _ in range(rng.randint(1, 3)):
        radius = rng.uniform(0.06, 0.22)
        _planet(
            canvas, canvas.w * rng.uniform(0.12, 0.88), canvas.h * rng.uniform(0.15, 0.85), radius
        )
    canvas.shows("space", "star", "planet", "night")


def _planet(canvas: Canvas, x: float, y: float, radius: float) -> None:
    rng = canvas.rng
    color: RGB = rng.choice(
        [
            (226, 150, 90),
            (110, 160, 220),
            (200, 90, 70),
            (220, 200, 150),
            (130, 200, 180),
            (170, 120, 210),
        ]
    )
    ringed = radius > 0.09 and canvas.chance(0.5)
    canvas.glow(x, y, radius * 1.7, color, 0.35)
    side = max(8, round(radius * 2 * canvas.unit))
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    across, down = np.meshgrid(axis, axis)
    bands = 0.5 + 0.5 * np.sin(
        down * rng.uniform(5, 12) + 0.6 * np.sin(across * 2 + rng.uniform(0, 6))
    )
    light = np.clip(0.85 - 0.5 * across - 0.4 * down - 0.5 * (across**2 + down**2), 0.06, 1.1)
    low, high = np.array(darker(color, 0.22)), np.array(lighter(color, 0.25))
    surface = (low + (high - low) * bands[..., None]) * light[..., None]
    disc = as_mask(((1 - np.sqrt(across**2 + down**2)) * side / 3).astype(np.float32))
    if ringed:
        _rings(canvas, (x, y), radius, lighter(color, 0.4), (180, 360))
    canvas.stamp(np.clip(surface, 0, 255).astype(np.uint8), disc, x, y)
    if ringed:
        _rings(canvas, (x, y), radius, lighter(color, 0.4), (0, 180))


def _rings(
    canvas: Canvas, center: Point, radius: float, color: RGB, degrees: tuple[int, int]
) -> None:
    x, y = center
    for reach, tint in (
        (1.9, color),
        (1.75, darker(color, 0.3)),
        (1.6, darker(color, 0.12)),
        (1.48, darker(color, 0.45)),
    ):
        points: list[Point] = []
        for i in range(41):
            angle = math.radians(degrees[0] + (degrees[1] - degrees[0]) * i / 40)
            points.append(
                (x + radius * reach * math.cos(angle), y + radius * reach * 0.3 * math.sin(angle))
            )
        canvas.line(points, tint, radius * 0.09)


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


def hot_air_balloons(canvas: Canvas) -> None:
    """Hot air balloons over the hills."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.74, 0.84)
    kind = rng.choice(["day", "day", "sunset"])
    glow = sky.sky(canvas, kind, horizon)
    if canvas.chance(0.6) and kind == "day":
        sky.clouds(canvas, 0, horizon * 0.8)
    green: RGB = (110, 160, 90) if kind == "day" else (90, 66, 96)
    land.ridge(canvas, horizon + 0.03, 0.16, mix(green, glow, 0.5), fade=glow)
    land.hills(canvas, horizon + 0.09, 0.08, green, fade=darker(green, 0.2))
    count = rng.randint(2, 5)
    sizes = sorted(rng.uniform(0.08, 0.34) for _ in range(count))
    for i, size in enumerate(sizes):
        x = canvas.w * (((i * 2 + 1) % count) + rng.uniform(0.25, 0.75)) / count
        buildings.balloon(canvas, x, canvas.h * rng.uniform(0.2, 0.55), size)
    canvas.shows("hill")


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
