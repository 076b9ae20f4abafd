"""Scenes by and under the water."""

import math

from app.demo import buildings, land, plants, sky
from app.demo.canvas import Canvas, Point, SoftMask, filled, profile
from app.demo.colors import RGB, darker, jitter, lighter, mix

_BLUES: tuple[tuple[RGB, RGB], ...] = (
    ((116, 190, 220), (22, 94, 156)),
    ((130, 206, 214), (20, 120, 150)),
    ((150, 190, 214), (46, 96, 140)),
)
_SAND: tuple[RGB, ...] = ((240, 216, 164), (248, 228, 184), (228, 200, 148))


def sunset_sea(canvas: Canvas) -> None:
    """The sun goes down over the open sea."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.48, 0.66)
    glow = sky.sky(canvas, "sunset", horizon)
    if canvas.chance(0.7):
        sky.streaks(canvas, horizon * 0.25, horizon * 0.85, mix(glow, (226, 84, 90), 0.7))
    x, radius = canvas.w * rng.uniform(0.2, 0.8), rng.uniform(0.06, 0.12)
    sky.sun(canvas, x, horizon - radius * rng.uniform(-0.3, 1.3), radius, low=True)
    deep = rng.choice([(60, 40, 84), (40, 44, 92), (96, 44, 64)])
    land.water(canvas, horizon, canvas.h, (mix(glow, deep, 0.35), deep), light=(x, (255, 206, 130)))
    if canvas.chance(0.45):
        y = horizon + (canvas.h - horizon) * rng.uniform(0.12, 0.4)
        buildings.sailboat(
            canvas,
            canvas.w * rng.uniform(0.15, 0.85),
            y,
            rng.uniform(0.14, 0.26),
            shade=(44, 28, 50),
        )
    if canvas.chance(0.5):
        sky.birds(canvas, horizon * 0.2, horizon * 0.6, (60, 36, 60))
    canvas.shows("sunset", "sea", "water")


def sea(canvas: Canvas) -> None:
    """The open sea by day."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.36, 0.58)
    sky.sky(canvas, "day", horizon)
    if canvas.chance(0.5):
        sky.sun(
            canvas,
            canvas.w * rng.uniform(0.1, 0.9),
            horizon * rng.uniform(0.2, 0.5),
            rng.uniform(0.05, 0.08),
        )
    if canvas.chance(0.7):
        sky.clouds(canvas, 0, horizon * 0.85)
    land.water(canvas, horizon, canvas.h, rng.choice(_BLUES))
    if canvas.chance(0.4):
        sky.birds(canvas, horizon * 0.2, horizon * 0.7)
    canvas.shows("sea", "water")


def sailing(canvas: Canvas) -> None:
    """Sailing boats on the sea."""
    sea(canvas)
    rng = canvas.rng
    spots = sorted(rng.uniform(0.62, 0.86) for _ in range(rng.randint(1, 3)))
    for i, t in enumerate(spots):
        x = canvas.w * (i + rng.uniform(0.3, 0.7)) / len(spots)
        buildings.sailboat(canvas, x, canvas.h * t, 0.16 + (t - 0.6) * 1.0)


def stormy_sea(canvas: Canvas) -> None:
    """High waves under dark clouds."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.36, 0.5)
    sky.sky(canvas, "storm", horizon)
    sky.overcast(canvas, horizon * 1.1, (30, 34, 46))
    far, near = (104, 122, 134), jitter(rng, (22, 44, 60), 8)
    canvas.gradient(horizon, canvas.h, [far, near])
    rows = 7
    for row in range(rows):
        t = (row + 1) / rows
        base = horizon + (canvas.h - horizon) * t * 0.95
        _wave(canvas, base, 0.03 + 0.09 * t, mix(far, near, t))
    if canvas.chance(0.5):
        sky.rain(canvas)
    canvas.shows("sea", "water", "wave", "storm")


def _wave(canvas: Canvas, base: float, height: float, color: RGB) -> None:
    rng = canvas.rng
    pitch, phase = height * rng.uniform(3.4, 4.6), rng.uniform(0, 1)
    edge: list[Point] = []
    count = round(90 * canvas.w)
    for i in range(count + 1):
        x = canvas.w * i / count
        turn = (x / pitch + phase) % 1
        edge.append((x, base - height * (turn**2.2 if turn < 0.8 else 0.612 * (1 - turn) / 0.2)))
    canvas.gradient(
        base - height,
        base + height * 1.4,
        [lighter(color, 0.1), darker(color, 0.12)],
        [*edge, (canvas.w, canvas.h), (0, canvas.h)],
    )
    canvas.line(edge, lighter(color, 0.55), 0.004 + height * 0.06)


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
        buildings.parasol(canvas, px, py, rng.uniform(0.26, 0.36))
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


def underwater(canvas: Canvas) -> None:
    """Under the sea: rays of light, plants, corals, fish and bubbles."""
    rng = canvas.rng
    canvas.gradient(
        0,
        canvas.h,
        rng.choice(
            [
                [(92, 206, 226), (24, 116, 176), (8, 44, 96)],
                [(110, 214, 206), (22, 126, 150), (6, 56, 84)],
                [(96, 176, 236), (30, 90, 180), (12, 32, 92)],
            ]
        ),
    )
    for _ in range(6):
        x, wide = rng.uniform(-0.1, 1.0) * canvas.w, rng.uniform(0.03, 0.09)
        ray = [
            (x, -0.05),
            (x + wide, -0.05),
            (x + wide * 3 + 0.25, canvas.h * 0.9),
            (x + 0.25, canvas.h * 0.9),
        ]
        canvas.soft((220, 250, 255), filled(ray), blur=0.02, opacity=0.16)
    floor = canvas.h * rng.uniform(0.82, 0.9)
    land.hills(
        canvas, floor + 0.03, 0.08, mix((214, 196, 150), (20, 90, 140), 0.35), fade=(40, 80, 110)
    )
    for _ in range(rng.randint(5, 9)):
        _seaweed(
            canvas,
            rng.uniform(0, canvas.w),
            canvas.h * rng.uniform(0.9, 1.0),
            rng.uniform(0.15, 0.36),
        )
    for _ in range(rng.randint(2, 5)):
        _coral(
            canvas,
            rng.uniform(0, canvas.w),
            canvas.h * rng.uniform(0.92, 1.0),
            rng.uniform(0.08, 0.16),
        )
    if canvas.chance(0.75):
        for _ in range(rng.randint(2, 7)):
            _fish(
                canvas,
                canvas.w * rng.uniform(0.1, 0.9),
                canvas.h * rng.uniform(0.15, 0.75),
                rng.uniform(0.05, 0.11),
            )
        canvas.shows("fish")
    for _ in range(rng.randint(2, 4)):
        x, y = rng.uniform(0.1, 0.9) * canvas.w, rng.uniform(0.3, 0.8) * canvas.h
        for i in range(5):
            size = rng.uniform(0.005, 0.014)
            cx, cy = x + rng.uniform(-0.02, 0.02), y - 0.045 * i
            canvas.arc((cx, cy), size, (0, 360), (214, 244, 250), 0.003)
            canvas.circle(cx - size * 0.35, cy - size * 0.35, size * 0.22, (240, 252, 255))
    canvas.shows("underwater", "sea", "water")


def _seaweed(canvas: Canvas, x: float, y: float, height: float) -> None:
    rng = canvas.rng
    green = mix(
        rng.choice([(60, 150, 90), (110, 160, 60), (40, 120, 110)]),
        (10, 60, 90),
        rng.uniform(0.1, 0.4),
    )
    phase = rng.uniform(0, 6)
    left: list[Point] = []
    right: list[Point] = []
    for i in range(13):
        t = i / 12
        cx = x + 0.025 * math.sin(phase + t * 7) * (0.4 + t)
        half = 0.014 * (1 - t) ** 0.6
        left.append((cx - half, y - height * t))
        right.append((cx + half, y - height * t))
    canvas.polygon([*left, *reversed(right)], green)


def _coral(canvas: Canvas, x: float, y: float, size: float) -> None:
    rng = canvas.rng
    color = jitter(
        rng, rng.choice([(236, 110, 110), (246, 150, 90), (220, 120, 190), (250, 200, 110)]), 10
    )
    for i in range(7):
        angle = -math.pi / 2 + (i - 3) * 0.32 + rng.uniform(-0.08, 0.08)
        ex, ey = x + size * math.cos(angle), y - size * 0.25 + size * math.sin(angle)
        canvas.line([(x, y), ((x + ex) / 2, (y + ey) / 2), (ex, ey)], color, size * 0.16)
        canvas.circle(ex, ey, size * 0.11, lighter(color, 0.12))


def _fish(canvas: Canvas, x: float, y: float, size: float) -> None:
    rng = canvas.rng
    way = rng.choice([-1, 1])
    body = jitter(
        rng,
        rng.choice(
            [(255, 150, 50), (250, 210, 70), (236, 90, 90), (120, 220, 220), (250, 250, 250)]
        ),
        8,
    )
    canvas.polygon(
        [
            (x - way * size * 0.6, y),
            (x - way * size * 1.25, y - size * 0.46),
            (x - way * size * 1.1, y),
            (x - way * size * 1.25, y + size * 0.46),
        ],
        darker(body, 0.15),
    )
    canvas.polygon(
        [
            (x - way * size * 0.3, y - size * 0.3),
            (x + way * size * 0.2, y - size * 0.66),
            (x + way * size * 0.4, y - size * 0.2),
        ],
        darker(body, 0.15),
    )
    canvas.ellipse(x, y, size * 0.85, size * 0.45, body)
    canvas.ellipse(x, y + size * 0.14, size * 0.6, size * 0.24, lighter(body, 0.3))
    stripe = lighter(body, 0.65)
    canvas.polygon(
        [
            (x - size * 0.08, y - size * 0.44),
            (x + size * 0.1, y - size * 0.44),
            (x + size * 0.1, y + size * 0.44),
            (x - size * 0.08, y + size * 0.44),
        ],
        stripe,
    )
    canvas.circle(x + way * size * 0.5, y - size * 0.1, size * 0.12, (255, 255, 255))
    canvas.circle(x + way * size * 0.53, y - size * 0.1, size * 0.065, (20, 24, 30))


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
    for _ in range(round(46 * canvas.w)):
        x, y = rng.uniform(0, canvas.w), rng.uniform(lip + 0.04, pool)
        wide, tall = rng.uniform(0.02, 0.08), rng.uniform(0.03, 0.12)
        canvas.polygon(
            [
                (x, y),
                (x + wide, y + tall * 0.3),
                (x + wide * 0.7, y + tall),
                (x - wide * 0.3, y + tall * 0.8),
            ],
            mix(jitter(rng, cliff, 12), (20, 24, 30), 0.4 * (y - lip) / (pool - lip)),
        )
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
