"""Scenes made by the weather."""

from app.demo.brushes import buildings, land, plants, sky
from app.demo.canvas import Canvas
from app.demo.colors import RGB, darker, jitter, lighter, mix


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
        canvas.ellipse(x, y, wide, wide * 0.18, mix(glow, (120, 136, 150), 0.6))
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
