"""The scene under the sea."""

import math

from app.demo.brushes import land
from app.demo.canvas import Canvas, Point, filled
from app.demo.colors import darker, jitter, lighter, mix


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
