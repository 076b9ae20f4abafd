"""The scene among the planets."""

import math

import numpy as np

from app.demo.brushes import sky
from app.demo.canvas import Canvas, Point, as_mask
from app.demo.colors import RGB, darker, jitter, lighter


def space(canvas: Canvas) -> None:
    """Planets and nebulae among the stars."""
    rng = canvas.rng
    canvas.gradient(0, canvas.h, [(4, 4, 16), jitter(rng, (14, 10, 34), 4), (4, 6, 18)])
    tints: list[RGB] = [(120, 60, 180), (40, 110, 200), (200, 70, 120), (40, 150, 150)]
    for color in rng.sample(tints, 2):
        field = canvas.noise(2.2, octaves=5)
        canvas.lay(color, as_mask((np.clip(field * 1.7 - 0.85, 0, 1) * 0.75).astype(np.float32)))
    sky.stars(canvas, canvas.h, 200)
    for _ in range(rng.randint(1, 3)):
        radius = rng.uniform(0.06, 0.22)
        _planet(
            canvas, canvas.w * rng.uniform(0.12, 0.88), canvas.h * rng.uniform(0.15, 0.85), radius
        )
    canvas.shows("space", "star", "planet", "night")


def _planet(canvas: Canvas, x: float, y: float, radius: float) -> None:
    rng = canvas.rng
    color: RGB = rng.choice(
        [
            (226, 150, 90),
            (110, 160, 220),
            (200, 90, 70),
            (220, 200, 150),
            (130, 200, 180),
            (170, 120, 210),
        ]
    )
    ringed = radius > 0.09 and canvas.chance(0.5)
    canvas.glow(x, y, radius * 1.7, color, 0.35)
    side = max(8, round(radius * 2 * canvas.unit))
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    across, down = np.meshgrid(axis, axis)
    bands = 0.5 + 0.5 * np.sin(
        down * rng.uniform(5, 12) + 0.6 * np.sin(across * 2 + rng.uniform(0, 6))
    )
    light = np.clip(0.85 - 0.5 * across - 0.4 * down - 0.5 * (across**2 + down**2), 0.06, 1.1)
    low, high = np.array(darker(color, 0.22)), np.array(lighter(color, 0.25))
    surface = (low + (high - low) * bands[..., None]) * light[..., None]
    disc = as_mask(((1 - np.sqrt(across**2 + down**2)) * side / 3).astype(np.float32))
    if ringed:
        _rings(canvas, (x, y), radius, lighter(color, 0.4), (180, 360))
    canvas.stamp(np.clip(surface, 0, 255).astype(np.uint8), disc, x, y)
    if ringed:
        _rings(canvas, (x, y), radius, lighter(color, 0.4), (0, 180))


def _rings(
    canvas: Canvas, center: Point, radius: float, color: RGB, degrees: tuple[int, int]
) -> None:
    x, y = center
    for reach, tint in (
        (1.9, color),
        (1.75, darker(color, 0.3)),
        (1.6, darker(color, 0.12)),
        (1.48, darker(color, 0.45)),
    ):
        points: list[Point] = []
        for i in range(41):
            angle = math.radians(degrees[0] + (degrees[1] - degrees[0]) * i / 40)
            points.append(
                (x + radius * reach * math.cos(angle), y + radius * reach * 0.3 * math.sin(angle))
            )
        canvas.line(points, tint, radius * 0.09)
