"""Scenes of mountains, canyons and volcanoes."""

import math

from app.demo.brushes import land, plants, sky
from app.demo.canvas import Canvas, Point, SoftMask
from app.demo.colors import RGB, darker, jitter, lighter, mix


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
            green, wood = mix(green, (70, 36, 80), 0.85), mix(wood, (40, 22, 58), 0.8)
        land.grass(canvas, foot, green)
        canvas.shows("grass")
    if canvas.chance(0.75):
        spots = sorted(rng.random() for _ in range(rng.randint(6, 18)))
        for t in spots:
            y = foot + 0.02 + (canvas.h - foot) * t
            plants.pine(canvas, rng.uniform(0, canvas.w), y, 0.08 + 0.2 * t, jitter(rng, wood, 9))


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
    land.ground(canvas, foot - 0.03, (48, 42, 44))
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
