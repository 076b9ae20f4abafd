"""The scene in a living room."""

import math

from app.demo.brushes import land
from app.demo.canvas import Canvas
from app.demo.colors import RGB, darker, jitter, lighter


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
