"""Patterns of repeated pieces."""

import math

import numpy as np

from app.demo import colors
from app.demo.canvas import Canvas, as_mask
from app.demo.colors import RGB, darker, jitter, lighter, mix
from app.demo.patterns.palette import two_colors


def dots(canvas: Canvas) -> None:
    """Polka dots in staggered rows."""
    rng = canvas.rng
    first, second = two_colors(canvas)
    canvas.fill(first)
    gap = rng.uniform(0.11, 0.28)
    radius = gap * rng.uniform(0.24, 0.36)
    for row in range(-1, round(canvas.h / gap) + 2):
        for column in range(-1, round(canvas.w / gap) + 2):
            canvas.circle((column + 0.5 * (row % 2)) * gap, row * gap, radius, second)
    canvas.shows("dots", "polka dots", "dotted", "circle")


def checks(canvas: Canvas) -> None:
    """A chessboard."""
    first, second = two_colors(canvas)
    canvas.fill(first)
    size = canvas.rng.uniform(0.08, 0.25)
    for row in range(int(canvas.h / size) + 1):
        for column in range(row % 2, int(canvas.w / size) + 1, 2):
            canvas.box(column * size, row * size, (column + 1) * size, (row + 1) * size, second)
    canvas.shows("checks", "checkered", "chessboard", "square")


def triangles(canvas: Canvas) -> None:
    """A low-poly mesh of triangles."""
    rng = canvas.rng
    first, second = two_colors(canvas)
    columns, rows = round(5 * canvas.w) + 1, round(5 * canvas.h) + 1
    points = [
        [
            (
                canvas.w * (c + (rng.uniform(-0.35, 0.35) if 0 < c < columns else 0)) / columns,
                canvas.h * (r + (rng.uniform(-0.35, 0.35) if 0 < r < rows else 0)) / rows,
            )
            for c in range(columns + 1)
        ]
        for r in range(rows + 1)
    ]
    for r in range(rows):
        for c in range(columns):
            base = mix(first, second, (r / rows + c / columns) / 2 + rng.uniform(-0.15, 0.15))
            a, b, d, e = points[r][c], points[r][c + 1], points[r + 1][c], points[r + 1][c + 1]
            canvas.polygon([a, b, d], jitter(rng, base, 10))
            canvas.polygon([b, e, d], darker(jitter(rng, base, 10), 0.08))
    canvas.shows("triangles", "triangle", "abstract", "mosaic")


def honeycomb(canvas: Canvas) -> None:
    """Hexagons side by side."""
    rng = canvas.rng
    first, second = two_colors(canvas)
    canvas.fill(second)
    size = rng.uniform(0.06, 0.11)
    wide = math.sqrt(3) * size
    for row in range(-1, int(canvas.h / (size * 1.5)) + 3):
        for column in range(-1, int(canvas.w / wide) + 3):
            x, y = (column + 0.5 * (row % 2)) * wide, row * size * 1.5
            angles = [math.pi / 3 * i + math.pi / 6 for i in range(6)]
            canvas.polygon(
                [(x + size * 0.9 * math.cos(a), y + size * 0.9 * math.sin(a)) for a in angles],
                jitter(rng, first, 9),
            )
    canvas.shows("honeycomb", "hexagon")


def bricks(canvas: Canvas) -> None:
    """A brick wall."""
    rng = canvas.rng
    kind = rng.choice(["red", "brown", "gray", "white"])
    tone: RGB = {
        "red": (178, 78, 58),
        "brown": (150, 102, 72),
        "gray": (146, 146, 148),
        "white": (232, 228, 222),
    }[kind]
    mortar = lighter(tone, 0.45) if kind != "white" else (200, 196, 190)
    canvas.fill(mortar)
    high = rng.uniform(0.075, 0.12)
    wide, joint = high * 2.6, high * 0.1
    for row in range(int(canvas.h / high) + 1):
        for column in range(-1, int(canvas.w / wide) + 1):
            x, y = (column + 0.5 * (row % 2)) * wide, row * high
            brick = jitter(rng, tone, 16)
            canvas.box(x + joint, y + joint, x + wide, y + high, darker(brick, 0.12))
            canvas.box(x + joint, y + joint, x + wide - joint * 0.5, y + high - joint * 0.7, brick)
    _grain(canvas, 30, 1, 0.16)
    canvas.shows("bricks", "brick wall", "wall")


def confetti(canvas: Canvas) -> None:
    """Small bright pieces all over."""
    rng = canvas.rng
    ground: RGB = rng.choice([(255, 255, 255), (250, 244, 234), (36, 40, 60)])
    canvas.fill(ground)
    for _ in range(round(150 * canvas.w * canvas.h)):
        x, y, size = rng.uniform(0, canvas.w), rng.uniform(0, canvas.h), rng.uniform(0.01, 0.024)
        color = colors.pick(
            rng,
            rng.choice(["red", "orange", "yellow", "green", "blue", "purple", "pink", "turquoise"]),
        )
        if canvas.chance(0.4):
            canvas.circle(x, y, size * 0.7, color)
        else:
            angle = rng.uniform(0, math.pi)
            dx, dy = size * math.cos(angle), size * math.sin(angle)
            canvas.polygon(
                [
                    (x - dx - dy / 2, y - dy + dx / 2),
                    (x + dx - dy / 2, y + dy + dx / 2),
                    (x + dx + dy / 2, y + dy - dx / 2),
                    (x - dx + dy / 2, y - dy - dx / 2),
                ],
                color,
            )
    canvas.shows("confetti", "colorful", "party")


def terrazzo(canvas: Canvas) -> None:
    """Chips of stone in a pale floor."""
    rng = canvas.rng
    canvas.fill(jitter(rng, (240, 234, 226), 5))
    palette = [
        colors.pick(rng, name)
        for name in rng.sample(
            ["red", "orange", "turquoise", "blue", "gray", "brown", "pink", "yellow"], 4
        )
    ]
    for _ in range(round(80 * canvas.w * canvas.h)):
        x, y, size = rng.uniform(0, canvas.w), rng.uniform(0, canvas.h), rng.uniform(0.012, 0.045)
        angles = sorted(rng.uniform(0, 2 * math.pi) for _ in range(6))
        canvas.polygon(
            [
                (
                    x + size * rng.uniform(0.7, 1.1) * math.cos(a),
                    y + size * rng.uniform(0.7, 1.1) * math.sin(a),
                )
                for a in angles
            ],
            mix(rng.choice(palette), (230, 220, 210), 0.25),
        )
    canvas.shows("terrazzo", "stone", "floor")


def _grain(canvas: Canvas, cells: float, stretch: float, opacity: float) -> None:
    field = canvas.noise(cells, stretch=stretch, octaves=2, pixels=160)
    canvas.lay((20, 16, 14), as_mask(field * np.float32(opacity)))
