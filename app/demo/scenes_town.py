"""Scenes of towns, roads and rooms."""

import math

from app.demo import buildings, land, plants, sky
from app.demo.buildings import NIGHT_TOWERS, TowerStyle
from app.demo.canvas import Canvas, Point
from app.demo.colors import RGB, darker, jitter, lighter, mix


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


def road(canvas: Canvas) -> None:
    """A straight road to the horizon by day."""
    _drive(canvas, canvas.rng.choice(["day", "day", "sunset", "gray"]))


def night_road(canvas: Canvas) -> None:
    """A road at night, under street lamps."""
    _drive(canvas, "night")


def _drive(canvas: Canvas, kind: str) -> None:
    rng = canvas.rng
    night = kind == "night"
    horizon = canvas.h * rng.uniform(0.44, 0.56)
    glow = sky.sky(canvas, kind, horizon)
    vanish = canvas.w * rng.uniform(0.35, 0.65)
    if night:
        sky.stars(canvas, horizon * 0.9, 70)
    elif kind == "sunset":
        sky.sun(canvas, vanish, horizon - 0.03, 0.08, low=True)
    elif kind == "day":
        sky.clouds(canvas, 0, horizon * 0.7)
    side: RGB = {
        "day": (124, 166, 84),
        "gray": (120, 140, 100),
        "sunset": (110, 76, 70),
        "night": (20, 28, 36),
    }[kind]
    land.ridge(
        canvas, horizon + 0.01, 0.17, mix(mix(side, (90, 100, 130), 0.5), glow, 0.25), fade=glow
    )
    land.grass(canvas, horizon + 0.01, jitter(rng, side, 5))
    asphalt: RGB = (44, 46, 58) if night else (104, 104, 110)
    half = rng.uniform(0.5, 0.75)
    canvas.polygon(
        [
            (vanish - 0.012, horizon),
            (vanish + 0.012, horizon),
            (vanish + half * 1.08, canvas.h),
            (vanish - half * 1.08, canvas.h),
        ],
        lighter(side, 0.25),
    )
    canvas.gradient(
        horizon,
        canvas.h,
        [lighter(asphalt, 0.14), asphalt],
        [
            (vanish - 0.01, horizon),
            (vanish + 0.01, horizon),
            (vanish + half, canvas.h),
            (vanish - half, canvas.h),
        ],
    )
    paint: RGB = (250, 214, 90) if canvas.chance(0.4) else (244, 244, 238)
    _road_marks(canvas, (vanish, horizon), half, paint)
    if night:
        _lamps(canvas, (vanish, horizon), half)
    else:
        for i in range(rng.randint(3, 6)):
            t = (i + 1) / 6
            where = vanish + rng.choice([-1, 1]) * (half * t + 0.12 + 0.2 * t)
            plants.leafy(
                canvas,
                where,
                horizon + (canvas.h - horizon) * t * 0.8,
                0.08 + 0.36 * t,
                mix(jitter(rng, (74, 130, 64), 10), side, 0.3),
            )
    canvas.shows("road", "street")


def _road_marks(canvas: Canvas, vanish: Point, half: float, paint: RGB) -> None:
    x, horizon = vanish
    depth = canvas.h - horizon
    for side in (-0.93, 0.93):
        canvas.polygon(
            [
                (x, horizon),
                (x + half * (side - 0.02), canvas.h),
                (x + half * (side + 0.02), canvas.h),
            ],
            (238, 238, 232),
        )
    for i in range(9):
        near, far = ((i + 1) / 9) ** 2, ((i + 0.5) / 9) ** 2
        wide_near, wide_far = half * 0.03 * near, half * 0.03 * far
        y_near, y_far = horizon + depth * near, horizon + depth * far
        canvas.polygon(
            [
                (x - wide_far, y_far),
                (x + wide_far, y_far),
                (x + wide_near, y_near),
                (x - wide_near, y_near),
            ],
            paint,
        )


def _lamps(canvas: Canvas, vanish: Point, half: float) -> None:
    x, horizon = vanish
    for t in (0.05, 0.12, 0.24, 0.45, 0.8):
        y = horizon + (canvas.h - horizon) * t
        for side in (-1, 1):
            foot = x + side * half * t * 1.2
            head = (foot - side * 0.12 * t, y - 0.62 * t - 0.02)
            canvas.line([(foot, y), (foot, head[1]), head], (70, 74, 88), 0.003 + 0.012 * t)
            canvas.glow(*head, 0.05 + 0.3 * t, (255, 214, 130), 0.85)
            canvas.ellipse(*head, 0.004 + 0.03 * t, 0.003 + 0.012 * t, (255, 240, 204))
    canvas.shows("lamp", "night")


def bridge(canvas: Canvas) -> None:
    """A suspension bridge over the water."""
    rng = canvas.rng
    kind = rng.choice(["day", "sunset", "gray", "dusk"])
    horizon = canvas.h * rng.uniform(0.62, 0.7)
    glow = sky.sky(canvas, kind, horizon)
    if kind == "day":
        sky.clouds(canvas, 0, horizon * 0.5)
    if kind == "sunset":
        sky.sun(canvas, canvas.w * rng.uniform(0.3, 0.7), horizon - 0.06, 0.08, low=True)
    dark = kind in ("sunset", "dusk")
    land.ridge(canvas, horizon, 0.14, mix((90, 110, 120), glow, 0.5), fade=glow)
    deep: RGB = (60, 46, 90) if dark else (60, 110, 146)
    land.water(canvas, horizon, canvas.h, (mix(glow, deep, 0.4), deep))
    steel: RGB = mix(
        rng.choice([(196, 74, 54), (110, 120, 132), (226, 226, 220)]),
        (40, 24, 50),
        0.5 if dark else 0,
    )
    deck, top, thick = horizon - 0.03, horizon - canvas.h * rng.uniform(0.36, 0.44), 0.02
    towers = (canvas.w * 0.25, canvas.w * 0.75)
    _cables(canvas, towers, (top, deck), steel)
    canvas.box(0, deck, canvas.w, deck + 0.03, darker(steel, 0.15))
    for x in towers:
        canvas.box(x - thick, top - 0.01, x - thick * 0.2, horizon + 0.09, steel)
        canvas.box(x + thick * 0.2, top - 0.01, x + thick, horizon + 0.09, darker(steel, 0.2))
        for level in (0.08, 0.3, 0.55):
            y = top + (deck - top) * level
            canvas.box(x - thick, y, x + thick, y + 0.014, steel)
        canvas.ellipse(x, horizon + 0.1, 0.06, 0.014, mix(deep, (0, 0, 0), 0.2))
    canvas.shows("bridge", "water")


def _cables(
    canvas: Canvas, towers: tuple[float, float], span: tuple[float, float], steel: RGB
) -> None:
    top, deck = span

    def cable(start: float, end: float) -> None:
        points: list[Point] = []
        for i in range(31):
            t = i / 30
            points.append(
                (start + (end - start) * t, top + (deck - top - 0.015) * (1 - (2 * t - 1) ** 2))
            )
        canvas.line(points, darker(steel, 0.1), 0.008)
        for x, y in points[1:-1]:
            canvas.line([(x, y), (x, deck)], darker(steel, 0.1), 0.0025)

    gap = towers[1] - towers[0]
    for start in (towers[0] - gap, towers[0], towers[1]):
        cable(start, start + gap)


def living_room(canvas: Canvas) -> None:
    """A living room: couch, picture, lamp, plant and a window."""
    rng = canvas.rng
    floor = canvas.h * rng.uniform(0.7, 0.78)
    wall = jitter(
        rng,
        rng.choice(
            [(232, 222, 204), (200, 216, 214), (226, 206, 200), (190, 204, 190), (236, 232, 226)]
        ),
        6,
    )
    canvas.gradient(0, floor, [wall, darker(wall, 0.07)])
    boards = jitter(rng, rng.choice([(176, 126, 84), (200, 160, 116), (130, 92, 66)]), 6)
    canvas.gradient(floor, canvas.h, [darker(boards, 0.12), boards])
    for i in range(5):
        y = floor + (canvas.h - floor) * (i / 5) ** 1.4
        canvas.line([(0, y), (canvas.w, y)], darker(boards, 0.2), 0.003)
    canvas.box(0, floor - 0.025, canvas.w, floor, lighter(wall, 0.5))
    left = canvas.chance(0.5)
    _window(canvas, canvas.w * (0.2 if left else 0.8), floor - 0.4, 0.32)
    _picture(canvas, canvas.w * (0.62 if left else 0.38), floor - 0.48, rng.uniform(0.16, 0.22))
    rug = jitter(rng, rng.choice([(190, 90, 80), (90, 120, 150), (214, 190, 150)]), 8)
    canvas.ellipse(
        canvas.w / 2, (floor + canvas.h) / 2 + 0.05, canvas.w * 0.38, (canvas.h - floor) * 0.3, rug
    )
    canvas.ellipse(
        canvas.w / 2,
        (floor + canvas.h) / 2 + 0.05,
        canvas.w * 0.32,
        (canvas.h - floor) * 0.23,
        lighter(rug, 0.2),
    )
    _couch(canvas, canvas.w * (0.6 if left else 0.4), floor + 0.09, rng.uniform(0.56, 0.66))
    _floor_lamp(canvas, canvas.w * (0.94 if left else 0.06), floor + 0.08, 0.6)
    _pot_plant(canvas, canvas.w * (0.14 if left else 0.86), floor + 0.1, 0.3)
    canvas.shows("living room", "room", "couch", "window", "lamp", "plant", "furniture")


def _window(canvas: Canvas, x: float, y: float, size: float) -> None:
    frame: RGB = (248, 246, 240)
    half = size / 2
    canvas.box(x - half * 1.12, y - half * 1.32, x + half * 1.12, y + half * 1.32, frame)
    canvas.gradient(
        y - half * 1.2,
        y + half * 1.2,
        canvas.rng.choice(
            [
                [(120, 186, 230), (214, 236, 246)],
                [(90, 60, 120), (250, 170, 110)],
                [(16, 22, 54), (44, 52, 96)],
            ]
        ),
        [
            (x - half, y - half * 1.2),
            (x + half, y - half * 1.2),
            (x + half, y + half * 1.2),
            (x - half, y + half * 1.2),
        ],
    )
    canvas.box(x - 0.008, y - half * 1.2, x + 0.008, y + half * 1.2, frame)
    canvas.box(x - half, y - 0.008, x + half, y + 0.008, frame)
    canvas.box(x - half * 1.2, y + half * 1.3, x + half * 1.2, y + half * 1.42, darker(frame, 0.1))


def _picture(canvas: Canvas, x: float, y: float, size: float) -> None:
    rng = canvas.rng
    canvas.box(x - size * 0.68, y - size * 0.52, x + size * 0.68, y + size * 0.52, (88, 66, 50))
    canvas.box(x - size * 0.6, y - size * 0.44, x + size * 0.6, y + size * 0.44, (250, 248, 240))
    tone = rng.choice([(214, 110, 80), (80, 130, 160), (120, 150, 100)])
    canvas.box(
        x - size * 0.5, y - size * 0.34, x + size * 0.5, y + size * 0.34, lighter(tone, 0.55)
    )
    canvas.circle(x + size * 0.2, y - size * 0.1, size * 0.12, (250, 206, 110))
    canvas.polygon(
        [
            (x - size * 0.5, y + size * 0.34),
            (x - size * 0.2, y - size * 0.08),
            (x + size * 0.05, y + size * 0.2),
            (x + size * 0.25, y + size * 0.02),
            (x + size * 0.5, y + size * 0.34),
        ],
        tone,
    )


def _couch(canvas: Canvas, x: float, y: float, width: float) -> None:
    color = jitter(
        canvas.rng,
        canvas.rng.choice(
            [(66, 110, 130), (180, 84, 70), (110, 130, 92), (120, 116, 128), (208, 160, 84)]
        ),
        8,
    )
    half, tall = width / 2, width * 0.4
    land.shadow(canvas, x, y + 0.01, width * 1.1, 0.3)
    for side in (-0.85, 0.85):
        canvas.box(
            x + side * half - 0.012, y - 0.03, x + side * half + 0.012, y + 0.015, (70, 50, 40)
        )
    canvas.rounded(
        (x - half * 0.92, y - tall, x + half * 0.92, y - tall * 0.2), 0.03, darker(color, 0.1)
    )
    for side in (-1, 1):
        lo, hi = sorted((x + side * half * 0.02, x + side * half * 0.8))
        canvas.rounded((lo, y - tall * 0.9, hi, y - tall * 0.35), 0.025, lighter(color, 0.06))
        canvas.rounded((lo, y - tall * 0.48, hi, y - tall * 0.2), 0.02, lighter(color, 0.14))
        lo, hi = sorted((x + side * half * 0.8, x + side * half))
        canvas.rounded((lo, y - tall * 0.68, hi, y - 0.02), 0.025, color)
    canvas.box(x - half * 0.82, y - tall * 0.22, x + half * 0.82, y - 0.02, darker(color, 0.06))
    accent = canvas.rng.choice([(244, 196, 90), (236, 236, 228), (210, 110, 90)])
    canvas.rounded(
        (x - half * 0.7, y - tall * 0.72, x - half * 0.42, y - tall * 0.42), 0.02, accent
    )


def _floor_lamp(canvas: Canvas, x: float, y: float, height: float) -> None:
    top = y - height
    canvas.glow(x, top + 0.06, 0.36, (255, 232, 170), 0.8)
    canvas.line([(x, y), (x, top + 0.1)], (84, 78, 74), 0.009)
    canvas.ellipse(x, y, 0.06, 0.013, (84, 78, 74))
    canvas.polygon(
        [(x - 0.05, top), (x + 0.05, top), (x + 0.085, top + 0.12), (x - 0.085, top + 0.12)],
        (255, 238, 192),
    )


def _pot_plant(canvas: Canvas, x: float, y: float, height: float) -> None:
    green = jitter(canvas.rng, (66, 134, 84), 10)
    for i in range(9):
        angle = -math.pi / 2 + (i - 4) * 0.28
        tip = (
            x + height * 0.8 * math.cos(angle) * 0.8,
            y - height * 0.3 + height * 0.75 * math.sin(angle),
        )
        side = 0.02
        middle = ((x + tip[0]) / 2, (y - height * 0.3 + tip[1]) / 2)
        canvas.polygon(
            [
                (x, y - height * 0.3),
                (middle[0] - side, middle[1]),
                tip,
                (middle[0] + side, middle[1]),
            ],
            jitter(canvas.rng, green, 14),
        )
    pot: RGB = (196, 116, 80)
    canvas.polygon(
        [
            (x - height * 0.2, y - height * 0.36),
            (x + height * 0.2, y - height * 0.36),
            (x + height * 0.14, y),
            (x - height * 0.14, y),
        ],
        pot,
    )
    canvas.box(
        x - height * 0.22, y - height * 0.4, x + height * 0.22, y - height * 0.33, darker(pot, 0.1)
    )
