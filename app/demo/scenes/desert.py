"""The scene among sand dunes."""

import math

from app.demo.brushes import land, plants, sky
from app.demo.canvas import Canvas, Point
from app.demo.colors import RGB, darker, jitter, lighter, mix


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
