"""Scenes of the sea: open, stormy, at sunset, with boats."""

import math

from app.demo.brushes import land, sky, things
from app.demo.canvas import Canvas, Point
from app.demo.colors import RGB, darker, jitter, lighter, mix

_BLUES: tuple[tuple[RGB, RGB], ...] = (
    ((116, 190, 220), (22, 94, 156)),
    ((130, 206, 214), (20, 120, 150)),
    ((150, 190, 214), (46, 96, 140)),
)


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
        things.sailboat(
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
        things.sailboat(canvas, x, canvas.h * t, 0.16 + (t - 0.6) * 1.0)


def stormy_sea(canvas: Canvas) -> None:
    """High waves under dark clouds."""
    rng = canvas.rng
    horizon = canvas.h * rng.uniform(0.36, 0.5)
    sky.sky(canvas, "storm", horizon)
    sky.overcast(canvas, horizon * 1.1, (30, 34, 46))
    far, near = (104, 122, 134), jitter(rng, (22, 44, 60), 8)
    canvas.gradient(horizon, canvas.h, [far, near])
    rows = 6
    for row in range(rows):
        t = (row + 1) / rows
        base = horizon + (canvas.h - horizon) * t * 0.95
        _wave(canvas, base, 0.035 + 0.12 * t, mix(far, near, t))
    if canvas.chance(0.5):
        sky.rain(canvas)
    canvas.shows("sea", "water", "wave", "storm")


def _wave(canvas: Canvas, base: float, height: float, color: RGB) -> None:
    rng = canvas.rng
    pitch, phase, swell = height * rng.uniform(4.2, 5.6), rng.uniform(0, 1), rng.uniform(0, 6)
    edge: list[Point] = []
    crests: list[list[Point]] = [[]]
    count = round(160 * canvas.w)
    for i in range(count + 1):
        x = canvas.w * i / count
        turn = (x / pitch + phase) % 1
        lift = (1 - abs(2 * turn - 1) ** 0.9) ** 1.7  # round troughs, pointed crests
        point = (x, base - height * lift * (0.75 + 0.25 * math.sin(3 * x + swell)))
        edge.append(point)
        if lift > 0.62:
            crests[-1].append(point)
        elif crests[-1]:
            crests.append([])
    outline = [*edge, (canvas.w, canvas.h), (0, canvas.h)]
    canvas.gradient(
        base - height,
        base + height * 0.7,
        [lighter(color, 0.34), color, darker(color, 0.34)],
        outline,
    )
    canvas.line(edge, lighter(color, 0.45), 0.002 + height * 0.02)
    for crest in crests:
        if len(crest) > 2:
            _foam(canvas, crest, height, lighter(color, 0.78))


def _foam(canvas: Canvas, crest: list[Point], height: float, color: RGB) -> None:
    rng = canvas.rng
    lower = [(x + height * 0.1, y + height * rng.uniform(0.05, 0.22)) for x, y in reversed(crest)]
    canvas.polygon([*crest, *lower], color)
    for x, y in crest[::3]:
        for _ in range(2):
            spot = (x + rng.gauss(0, height * 0.2), y - rng.uniform(0, height * 0.3))
            canvas.circle(*spot, height * rng.uniform(0.01, 0.03), color)
