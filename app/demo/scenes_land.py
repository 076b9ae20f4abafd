"""Scenes of the land: mountains, woods, meadows, deserts."""

import math

from app.demo import buildings, land, plants, sky
from app.demo.canvas import Canvas, Point, SoftMask, as_mask
from app.demo.colors import RGB, darker, jitter, lighter, mix

_AUTUMN: tuple[RGB, ...] = (
    (214, 110, 40),
    (232, 168, 54),
    (190, 66, 42),
    (222, 140, 44),
    (170, 84, 44),
)
_FLOWERS: tuple[tuple[RGB, ...], ...] = (
    ((226, 56, 52),),
    ((252, 214, 60),),
    ((250, 250, 246), (252, 236, 180)),
    ((150, 96, 204), (190, 120, 220)),
    ((244, 130, 170), (250, 190, 210)),
    ((226, 56, 52), (252, 214, 60), (250, 250, 246), (150, 96, 204)),
)


def mountains(canvas: Canvas) -> None:
    """Bare mountains over a green valley."""
    _mountain_view(canvas, snow=False)


def snowy_mountains(canvas: Canvas) -> None:
    """Snow-capped mountains."""
    _mountain_view(canvas, snow=True)


def _mountain_view(canvas: Canvas, *, snow: bool) -> None:
    rng = canvas.rng
    kind = rng.choice(["day", "day", "day", "sunset", "dusk", "winter" if snow else "gray"])
    foot = canvas.h * rng.uniform(0.68, 0.8)
    glow = sky.sky(canvas, kind, foot)
    warm = kind in ("sunset", "dusk")
    if kind == "day":
        if canvas.chance(0.5):
            sky.sun(canvas, canvas.w * rng.uniform(0.1, 0.9), canvas.h * 0.16, 0.055)
        if canvas.chance(0.6):
            sky.clouds(canvas, 0, canvas.h * 0.3)
    elif warm and canvas.chance(0.6):
        sky.sun(canvas, canvas.w * rng.uniform(0.2, 0.8), foot * 0.5, 0.08, low=True)
    rock: RGB = rng.choice([(98, 106, 126), (116, 104, 98), (88, 98, 110)])
    if warm:
        rock = mix(rock, (90, 52, 96), 0.55)
    land.ridge(canvas, foot - 0.03, canvas.h * 0.34, mix(rock, glow, 0.6), fade=glow, hills=4)
    land.range_of_peaks(
        canvas, foot, canvas.h * rng.uniform(0.42, 0.58), rock, snow=snow, count=rng.randint(2, 4)
    )
    sky.mist(canvas, foot - 0.12, foot + 0.06, glow, 0.5)
    _valley(canvas, foot, snow=snow, warm=warm)
    canvas.shows("mountain")


def _valley(canvas: Canvas, foot: float, *, snow: bool, warm: bool) -> None:
    rng = canvas.rng
    if snow and canvas.chance(0.5):
        land.ground(canvas, foot, (236, 242, 250) if not warm else (196, 180, 210))
        wood: RGB = (60, 84, 84)
        canvas.shows("winter")
    else:
        green: RGB = rng.choice([(94, 150, 74), (120, 156, 80), (84, 134, 84)])
        wood = (42, 88, 58)
        if warm:
            green, wood = mix(green, (64, 40, 74), 0.6), mix(wood, (44, 26, 60), 0.7)
        land.grass(canvas, foot, green)
        canvas.shows("grass")
    if canvas.chance(0.75):
        spots = sorted(rng.random() for _ in range(rng.randint(6, 18)))
        for t in spots:
            y = foot + 0.02 + (canvas.h - foot) * t
            plants.pine(canvas, rng.uniform(0, canvas.w), y, 0.08 + 0.2 * t, jitter(rng, wood, 9))


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
    pale: RGB = rng.choice([(214, 222, 224), (222, 214, 208), (198, 212, 222)])
    dark: RGB = rng.choice([(34, 62, 56), (40, 54, 66), (30, 60, 70)])
    canvas.gradient(0, canvas.h, [lighter(pale, 0.3), pale])
    rows = 5
    for row in range(rows):
        t = row / (rows - 1)
        color = mix(pale, dark, 0.18 + 0.8 * t)
        base = canvas.h * (0.46 + 0.5 * t)
        edge = land.ridge(canvas, base, 0.1, color, fade=pale, hills=2)
        for x, y in edge[:: max(3, 4 + row)]:
            plants.pine(
                canvas,
                x + rng.uniform(-0.01, 0.01),
                y + 0.03,
                (0.13 + 0.2 * t) * rng.uniform(0.7, 1.2),
                color,
            )
        sky.mist(canvas, base - 0.04, base + 0.2, pale, 0.55 * (1 - 0.5 * t))
    canvas.shows("forest", "tree", "fog", "sky")


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
    rows = sorted(rng.random() for _ in range(round(230 * canvas.w)))
    for t in rows:
        x, y = rng.uniform(0, canvas.w), horizon + 0.02 + (canvas.h * 1.08 - horizon) * t
        _ear(
            canvas,
            x,
            y,
            0.03 + 0.14 * t,
            jitter(rng, mix(lighter(gold, 0.2), darker(gold, 0.25), rng.random()), 8),
        )
    canvas.shows("wheat", "field")


def _ear(canvas: Canvas, x: float, y: float, height: float, color: RGB) -> None:
    lean = canvas.rng.uniform(-0.12, 0.22) * height
    tip_x, tip_y = x + lean, y - height
    canvas.line([(x, y), (tip_x, tip_y)], darker(color, 0.14), max(0.0015, height * 0.025))
    canvas.ellipse(tip_x, tip_y, height * 0.05, height * 0.16, color)
    if height > 0.09:
        canvas.line([(tip_x, tip_y), (tip_x + lean * 0.3, tip_y - height * 0.28)], color, 0.002)


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


def desert(canvas: Canvas) -> None:
    """Sand dunes under a hot sun, perhaps cacti."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.42, 0.58)
    sunset = canvas.chance(0.3)
    glow = sky.sky(canvas, "sunset" if sunset else "day", horizon)
    x = canvas.w * rng.uniform(0.15, 0.85)
    sky.sun(
        canvas, x, horizon - 0.06 if sunset else horizon * rng.uniform(0.25, 0.5), 0.075, low=sunset
    )
    sand = jitter(rng, rng.choice([(236, 190, 120), (226, 168, 100), (240, 204, 140)]), 8)
    if sunset:
        sand = mix(sand, (200, 90, 60), 0.3)
    rows = 4
    for i in range(rows):
        t = i / (rows - 1)
        _dune(
            canvas,
            horizon + (canvas.h - horizon) * (0.02 + 0.75 * t),
            0.09 + 0.14 * t,
            mix(mix(sand, glow, 0.35), sand, t),
        )
    if canvas.chance(0.5):
        for _ in range(rng.randint(1, 3)):
            t = rng.uniform(0.3, 1)
            cx, cy = (
                rng.uniform(0.08, 0.92) * canvas.w,
                horizon + (canvas.h - horizon) * (0.35 + 0.55 * t),
            )
            land.shadow(canvas, cx + 0.03, cy, 0.14 * t, 0.25)
            plants.cactus(canvas, cx, cy, 0.14 + 0.2 * t)
    canvas.shows("desert", "sand")


def _dune(canvas: Canvas, base: float, height: float, sand: RGB) -> None:
    rng = canvas.rng
    top_x = canvas.w * rng.uniform(0.1, 0.9)
    crest_y = base - height
    lit: list[Point] = []
    dark: list[Point] = []
    for i in range(21):
        t = i / 20
        left_x = -0.2 + (top_x + 0.2) * t
        lit.append((left_x, base - height * (math.sin(math.pi / 2 * t) ** 1.6)))
        right_x = top_x + (canvas.w + 0.2 - top_x) * t
        dark.append((right_x, crest_y + height * 1.1 * (math.sin(math.pi / 2 * t) ** 0.9)))
    sweep = [
        (top_x + 0.1 * math.sin(3 * t) + 0.25 * t, crest_y + (canvas.h - crest_y) * t)
        for t in (i / 10 for i in range(11))
    ]
    canvas.gradient(
        crest_y, canvas.h, [lighter(sand, 0.16), sand], [*lit, *sweep, (-0.2, canvas.h)]
    )
    canvas.gradient(
        crest_y,
        canvas.h,
        [darker(sand, 0.2), darker(sand, 0.06)],
        [*dark, (canvas.w + 0.2, canvas.h), *reversed(sweep)],
    )


def volcano(canvas: Canvas) -> None:
    """A volcano that throws out lava and smoke."""
    rng = canvas.rng
    foot = canvas.h * 0.86
    sky.sky(canvas, rng.choice(["dusk", "storm", "night", "sunset"]), foot)
    x, top, half = (
        canvas.w * rng.uniform(0.4, 0.6),
        canvas.h * rng.uniform(0.32, 0.42),
        rng.uniform(0.5, 0.65),
    )
    mouth = 0.07

    def smoke(mask: SoftMask) -> None:
        for i in range(22):
            t = i / 21
            mask.ellipse(
                x + 0.16 * t + rng.gauss(0, 0.03 + 0.07 * t),
                top - top * 1.05 * t,
                0.05 + 0.13 * t,
                0.04 + 0.08 * t,
            )

    canvas.soft((74, 68, 72), smoke, blur=0.02, opacity=0.9)
    canvas.glow(x, top, 0.5, (255, 110, 40), 0.9)
    for _ in range(60):
        angle, reach = rng.gauss(-math.pi / 2, 0.45), rng.uniform(0.03, 0.26)
        size = rng.uniform(0.003, 0.009)
        canvas.circle(
            x + reach * math.cos(angle),
            top + reach * math.sin(angle),
            size,
            rng.choice([(255, 196, 70), (255, 130, 40), (255, 90, 30)]),
        )
    rock = jitter(rng, (62, 50, 52), 6)
    slope: list[Point] = [
        (x - half, foot),
        (x - half * 0.4, top + (foot - top) * 0.45),
        (x - mouth, top),
        (x + mouth, top),
        (x + half * 0.4, top + (foot - top) * 0.45),
        (x + half, foot),
    ]
    canvas.gradient(top, foot, [lighter(rock, 0.12), darker(rock, 0.25)], slope)
    canvas.polygon(
        [
            (x + mouth, top),
            slope[4],
            slope[5],
            (x + half * 0.2, foot),
            (x + mouth * 0.6, top + 0.1),
        ],
        darker(rock, 0.25),
    )
    canvas.ellipse(x, top, mouth, 0.018, (255, 170, 60))
    for _ in range(rng.randint(3, 5)):
        lava = [(x + rng.uniform(-0.7, 0.7) * mouth, top)]
        drift = rng.uniform(-0.5, 0.5)
        for i in range(1, 7):
            t = i / 6
            lava.append(
                (
                    lava[0][0] + drift * half * 0.75 * t + rng.uniform(-0.018, 0.018),
                    top + (foot - top) * t * rng.uniform(0.85, 1),
                )
            )
        canvas.line(lava, (236, 70, 30), 0.026)
        canvas.line(lava, (255, 190, 70), 0.011)
    land.ground(canvas, foot, (48, 42, 44))
    canvas.shows("volcano", "mountain", "lava", "smoke", "fire")


def canyon(canvas: Canvas) -> None:
    """Red table mountains and rock pillars."""
    rng = canvas.rng
    foot = canvas.h * rng.uniform(0.62, 0.72)
    kind = rng.choice(["day", "sunset"])
    glow = sky.sky(canvas, kind, foot)
    if kind == "day":
        sky.clouds(canvas, 0, canvas.h * 0.3)
    red = jitter(rng, (190, 96, 62), 8)
    for row in range(3):
        t = row / 2
        for _ in range(3 - row):
            _mesa(
                canvas,
                rng.uniform(0, 1) * canvas.w,
                foot + 0.06 * t,
                (rng.uniform(0.2, 0.5), rng.uniform(0.16, 0.3) + 0.14 * t),
                mix(glow, red, 0.45 + 0.55 * t),
            )
    land.ground(canvas, foot + 0.02, mix(red, (230, 170, 110), 0.4))
    land.speckles(canvas, foot + 0.08, darker(red, 0.2), 60)
    for _ in range(rng.randint(2, 5)):
        plants.bush(
            canvas,
            rng.uniform(0, canvas.w),
            canvas.h * rng.uniform(0.8, 0.98),
            rng.uniform(0.02, 0.045),
            (120, 130, 80),
        )
    canvas.shows("canyon", "desert", "rock")


def _mesa(canvas: Canvas, x: float, y: float, size: tuple[float, float], color: RGB) -> None:
    wide, tall = size
    rng = canvas.rng
    left, right, top = x - wide / 2, x + wide / 2, y - tall
    canvas.polygon(
        [
            (left - wide * 0.3, y),
            (left, y - tall * 0.4),
            (left + 0.01, top),
            (right - 0.01, top + rng.uniform(0, 0.012)),
            (right, y - tall * 0.4),
            (right + wide * 0.3, y),
        ],
        color,
    )
    canvas.polygon(
        [
            (right - wide * 0.25, top),
            (right - 0.01, top),
            (right, y - tall * 0.4),
            (right + wide * 0.3, y),
            (right - wide * 0.05, y),
        ],
        darker(color, 0.18),
    )
    for share in (0.16, 0.26, 0.5, 0.7):
        reach = 0.3 * max(0, share - 0.6) / 0.4 * wide
        canvas.line(
            [
                (left - reach + 0.006, top + tall * share),
                (right + reach - 0.006, top + tall * share),
            ],
            darker(color, 0.12),
            0.006,
        )


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
