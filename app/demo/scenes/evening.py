"""Scenes of the sky with the sun low or balloons aloft."""

from app.demo.brushes import land, sky, things
from app.demo.canvas import Canvas
from app.demo.colors import RGB, darker, mix


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
        things.balloon(canvas, x, canvas.h * rng.uniform(0.2, 0.55), size)
    canvas.shows("hill")
