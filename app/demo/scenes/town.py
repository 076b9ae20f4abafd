"""Scenes of towns and villages."""

from app.demo.brushes import buildings, land, plants, sky
from app.demo.brushes.buildings import NIGHT_TOWERS, TowerStyle
from app.demo.canvas import Canvas
from app.demo.colors import RGB, jitter, mix


def night_city(canvas: Canvas) -> None:
    """A skyline full of lights at night, often mirrored in water."""
    rng = canvas.rng
    ground = canvas.h * rng.uniform(0.72, 0.86)
    glow = sky.sky(canvas, "night", ground)
    sky.stars(canvas, ground * 0.6, 40)
    if canvas.chance(0.55):
        sky.moon(
            canvas,
            canvas.w * rng.uniform(0.1, 0.9),
            canvas.h * rng.uniform(0.1, 0.22),
            rng.uniform(0.04, 0.07),
        )
    canvas.glow(canvas.w / 2, ground, 0.8, (150, 110, 150), 0.5)
    buildings.skyline(
        canvas, ground, canvas.h * 0.5, TowerStyle(mix((34, 40, 74), glow, 0.4), NIGHT_TOWERS, 0.3)
    )
    buildings.skyline(canvas, ground, canvas.h * 0.36, TowerStyle((20, 24, 46), NIGHT_TOWERS, 0.5))
    if canvas.chance(0.6):
        canvas.mirror(ground, tint=(10, 18, 48), strength=0.4)
        canvas.shows("water", "reflection")
    else:
        canvas.gradient(ground, canvas.h, [(40, 40, 56), (22, 22, 34)])
        for i in range(round(10 * canvas.w)):
            x = (i + 0.5) / 10
            canvas.line([(x, canvas.h * 0.97), (x, ground - 0.03)], (50, 52, 64), 0.005)
            canvas.glow(x, ground - 0.03, 0.06, (255, 214, 130), 0.9)
            canvas.circle(x, ground - 0.03, 0.007, (255, 240, 200))
        canvas.shows("street")
    canvas.shows("city", "night")


def city(canvas: Canvas) -> None:
    """A city of towers by day or in the evening."""
    rng = canvas.rng
    ground = canvas.h * rng.uniform(0.78, 0.88)
    kind = rng.choice(["day", "day", "gray", "sunset"])
    glow = sky.sky(canvas, kind, ground)
    if kind == "day" and canvas.chance(0.7):
        sky.clouds(canvas, 0, ground * 0.5)
    if kind == "sunset":
        sky.sun(canvas, canvas.w * rng.uniform(0.2, 0.8), ground * 0.55, 0.09, low=True)
    body: RGB = (
        (84, 58, 84)
        if kind == "sunset"
        else rng.choice([(128, 142, 160), (166, 152, 142), (110, 126, 140)])
    )
    glass: tuple[RGB, ...] = (
        ((255, 214, 140), (70, 50, 80))
        if kind == "sunset"
        else ((88, 116, 148), (190, 214, 230), (70, 96, 126))
    )
    buildings.skyline(
        canvas,
        ground,
        canvas.h * 0.52,
        TowerStyle(mix(body, glow, 0.55), (mix(body, glow, 0.3),), 0.8),
    )
    buildings.skyline(canvas, ground, canvas.h * 0.4, TowerStyle(body, glass, 0.85))
    canvas.gradient(ground, canvas.h, [(118, 122, 126), (92, 96, 102)])
    for i in range(round(9 * canvas.w) + 1):
        plants.bush(
            canvas,
            i / 9 + rng.uniform(-0.02, 0.02),
            ground + 0.015,
            rng.uniform(0.03, 0.05),
            jitter(rng, (84, 138, 76), 10) if kind != "sunset" else (60, 60, 60),
        )
    y = (ground + canvas.h) / 2 + 0.01
    for i in range(round(8 * canvas.w) + 1):
        canvas.box(i / 8, y, i / 8 + 0.07, y + 0.008, (232, 228, 214))
    canvas.shows("city", "street")


def village(canvas: Canvas) -> None:
    """Little houses among the hills."""
    _houses(canvas, "day", snowy=False)


def winter_village(canvas: Canvas) -> None:
    """A village under snow, its windows lit in the evening."""
    _houses(canvas, "winter", snowy=True)
    sky.snowfall(canvas, 70)


def _houses(canvas: Canvas, kind: str, *, snowy: bool) -> None:
    rng = canvas.rng
    night = snowy and canvas.chance(0.5)
    horizon = canvas.h * rng.uniform(0.48, 0.58)
    glow = sky.sky(canvas, "night" if night else kind, horizon)
    if not snowy and canvas.chance(0.7):
        sky.clouds(canvas, 0, horizon * 0.6)
    if night:
        sky.stars(canvas, horizon, 50)
    field: RGB = (240, 245, 252) if snowy else jitter(rng, (116, 172, 84), 8)
    if night:
        field = (120, 140, 184)
    land.ridge(canvas, horizon + 0.02, 0.2, mix(field, (100, 120, 150), 0.5), fade=glow)
    land.hills(canvas, horizon + 0.06, 0.08, mix(field, glow, 0.3), fade=field)
    land.ground(canvas, horizon + 0.1, field)
    rows = sorted((rng.random(), rng.random()) for _ in range(rng.randint(6, 10)))
    for i, (t, place) in enumerate(rows):
        y = horizon + 0.1 + (canvas.h * 0.9 - horizon) * t * 0.85
        x = canvas.w * ((i * 0.618 + place * 0.15) % 1)
        if i % 3 == 2:
            wood: RGB = mix((44, 92, 66), (20, 26, 50), 0.5) if night else (56, 106, 66)
            plants.pine(canvas, x, y, 0.14 + 0.22 * t, wood, snowy=snowy)
        else:
            buildings.house(canvas, x, y, 0.13 + 0.16 * t, night=night, snowy=snowy)
    canvas.shows("village", "house")
    if not snowy:
        canvas.shows("grass")
