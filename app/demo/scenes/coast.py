"""Scenes where land meets the sea: beaches, islands, lighthouses."""

import math

from app.demo.brushes import buildings, land, plants, sky, things
from app.demo.canvas import Canvas, Point, profile
from app.demo.colors import RGB, darker, jitter, lighter, mix

_SAND: tuple[RGB, ...] = ((240, 216, 164), (248, 228, 184), (228, 200, 148))


def beach(canvas: Canvas) -> None:
    """A beach with palms, perhaps a parasol."""
    rng = canvas.rng
    horizon, shore = canvas.h * rng.uniform(0.32, 0.44), canvas.h * rng.uniform(0.54, 0.66)
    sunset = canvas.chance(0.2)
    glow = sky.sky(canvas, "sunset" if sunset else "day", horizon)
    x = canvas.w * rng.uniform(0.15, 0.85)
    if sunset:
        sky.sun(canvas, x, horizon - 0.04, 0.07, low=True)
        colors = (mix(glow, (80, 60, 100), 0.3), (70, 60, 110))
        land.water(canvas, horizon, shore + 0.06, colors, light=(x, (255, 206, 130)))
    else:
        if canvas.chance(0.6):
            sky.clouds(canvas, 0, horizon * 0.8)
        if canvas.chance(0.5):
            sky.sun(canvas, x, horizon * 0.35, 0.06)
        land.water(canvas, horizon, shore + 0.06, ((64, 160, 200), (96, 206, 206)))
    sand = jitter(rng, rng.choice(_SAND), 6)
    _shore(canvas, shore, mix(sand, (170, 110, 110), 0.35) if sunset else sand)
    if canvas.chance(0.7):
        side = rng.choice([rng.uniform(0.06, 0.25), rng.uniform(0.75, 0.94)])
        foot = canvas.h * rng.uniform(0.78, 0.95)
        land.shadow(canvas, canvas.w * side, foot, 0.3, 0.2)
        plants.palm(canvas, canvas.w * side, foot, rng.uniform(0.5, 0.68))
    if canvas.chance(0.5):
        px, py = canvas.w * rng.uniform(0.3, 0.7), canvas.h * rng.uniform(0.78, 0.92)
        land.shadow(canvas, px + 0.08, py, 0.24, 0.2)
        things.parasol(canvas, px, py, rng.uniform(0.26, 0.36))
    canvas.shows("beach", "sand", "sea", "water")


def _shore(canvas: Canvas, y: float, sand: RGB) -> None:
    rng = canvas.rng
    phase, slope = rng.uniform(0, 6), rng.uniform(-0.05, 0.05)

    def edge(shift: float) -> list[Point]:
        points: list[Point] = []
        for i in range(41):
            x = canvas.w * i / 40
            points.append(
                (x, y + shift + slope * (x - canvas.w / 2) + 0.016 * math.sin(5 * x + phase))
            )
        return points

    corners: list[Point] = [(canvas.w, canvas.h), (0, canvas.h)]
    canvas.polygon([*edge(-0.022), *corners], (244, 250, 250))
    canvas.polygon([*edge(0.0), *corners], darker(sand, 0.16))
    canvas.gradient(y, canvas.h, [sand, darker(sand, 0.06)], [*edge(0.03), *corners])
    land.speckles(canvas, y + 0.07, darker(sand, 0.22), 50)


def island(canvas: Canvas) -> None:
    """A small island with palms."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.44, 0.56)
    sunset = canvas.chance(0.25)
    glow = sky.sky(canvas, "sunset" if sunset else "day", horizon)
    sun_x = canvas.w * rng.uniform(0.12, 0.88)
    if sunset:
        sky.sun(canvas, sun_x, horizon - 0.05, 0.08, low=True)
        land.water(
            canvas,
            horizon,
            canvas.h,
            (mix(glow, (70, 60, 110), 0.3), (60, 50, 96)),
            light=(sun_x, (255, 206, 130)),
        )
    else:
        if canvas.chance(0.6):
            sky.clouds(canvas, 0, horizon * 0.8)
        if canvas.chance(0.5):
            sky.sun(canvas, sun_x, horizon * 0.3, 0.06)
        land.water(canvas, horizon, canvas.h, ((64, 176, 206), (24, 122, 160)))
    x, y = (
        canvas.w * rng.uniform(0.35, 0.65),
        horizon + (canvas.h - horizon) * rng.uniform(0.3, 0.55),
    )
    half = rng.uniform(0.26, 0.4)
    sand = jitter(rng, rng.choice(_SAND), 6)
    canvas.ellipse(x, y + 0.02, half * 1.2, 0.055, mix((130, 220, 214), sand, 0.2))
    canvas.ellipse(x, y, half, 0.052, darker(sand, 0.14))
    canvas.ellipse(x, y - 0.014, half * 0.97, 0.05, sand)
    plants.bush(canvas, x + half * 0.4, y - 0.03, 0.04, (70, 140, 70))
    for _ in range(rng.randint(1, 3)):
        plants.palm(canvas, x + rng.uniform(-0.45, 0.45) * half, y - 0.02, rng.uniform(0.3, 0.46))
    canvas.shows("island", "sand", "sea", "water")


def lighthouse(canvas: Canvas) -> None:
    """A lighthouse on a rock by the sea, by day, at sunset or at night."""
    rng = canvas.rng
    kind = rng.choice(["day", "day", "dusk", "night", "sunset"])
    horizon = canvas.h * rng.uniform(0.58, 0.7)
    glow = sky.sky(canvas, kind, horizon)
    lit = kind in ("dusk", "night")
    if kind == "night":
        sky.stars(canvas, horizon * 0.9, 70)
    elif kind == "day" and canvas.chance(0.7):
        sky.clouds(canvas, 0, horizon * 0.7)
    deep = {
        "day": (34, 104, 156),
        "sunset": (66, 48, 92),
        "dusk": (34, 44, 88),
        "night": (8, 18, 44),
    }[kind]
    land.water(canvas, horizon, canvas.h, (mix(glow, deep, 0.4), deep))
    rock = {
        "day": (112, 104, 98),
        "sunset": (84, 58, 66),
        "dusk": (52, 50, 70),
        "night": (26, 30, 48),
    }[kind]
    x = canvas.w * rng.uniform(0.25, 0.75)
    top = canvas.h * 0.82
    buildings.lighthouse(canvas, x, top + 0.02, rng.uniform(0.62, 0.72), lit=lit)
    _rock(canvas, x, top, rng.uniform(0.3, 0.42), rock)
    canvas.shows("sea", "water")


def _rock(canvas: Canvas, x: float, top: float, half: float, color: RGB) -> None:
    levels = profile(canvas.rng, 17, 6, 4)
    edge: list[Point] = []
    for i, level in enumerate(levels):
        t = i / 8 - 1
        edge.append(
            (
                x + half * 1.5 * t,
                top + (canvas.h - top) * (1.02 * abs(t) ** 1.6) + 0.04 * (level - 0.5),
            )
        )
    canvas.gradient(
        top,
        canvas.h,
        [lighter(color, 0.12), darker(color, 0.35)],
        [*edge, (x + half * 1.6, canvas.h), (x - half * 1.6, canvas.h)],
    )
    for (x0, y0), (x1, y1) in zip(edge[2:-2:3], edge[4::3], strict=False):
        canvas.polygon(
            [(x0, y0 + 0.02), (x1, y1 + 0.02), ((x0 + x1) / 2 + 0.02, (y0 + y1) / 2 + 0.08)],
            lighter(color, 0.08),
        )
