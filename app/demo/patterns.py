"""Patterns that fill the picture: stripes, dots, bricks, wood and the like."""

import math
import random
from collections.abc import Callable

import numpy as np
from PIL import Image

from app.demo import colors
from app.demo.canvas import Canvas, Point, SoftMask, as_mask, noise_field
from app.demo.colors import COLOR_NAMES, RGB, darker, dominant_colors, jitter, lighter, mix

PatternPainter = Callable[[Canvas], None]


def _two(canvas: Canvas) -> tuple[RGB, RGB]:
    """Two colours that differ by name; the canvas says both."""
    first, second = canvas.rng.sample(COLOR_NAMES, 2)
    canvas.shows(first, second)
    return colors.pick(canvas.rng, first), colors.pick(canvas.rng, second)


def _fill(canvas: Canvas, color: RGB) -> None:
    canvas.gradient(0, canvas.h, [color, color])


def stripes(canvas: Canvas) -> None:
    """Straight stripes: upright, level or aslant."""
    rng = canvas.rng
    first, second = _two(canvas)
    _fill(canvas, first)
    kind = rng.choice(["vertical", "horizontal", "diagonal"])
    angle = {
        "vertical": 0.0,
        "horizontal": math.pi / 2,
        "diagonal": rng.choice([-1, 1]) * math.pi / 4,
    }[kind]
    gap, reach = rng.uniform(0.07, 0.24), canvas.w + canvas.h
    share = rng.choice([0.5, 0.5, rng.uniform(0.3, 0.6)])
    along, across = (-math.sin(angle), math.cos(angle)), (math.cos(angle), math.sin(angle))
    offset = -reach + rng.uniform(0, gap)
    while offset < reach:
        band: list[Point] = []
        for shift, way in ((0.0, -1), (0.0, 1), (gap * share, 1), (gap * share, -1)):
            cx = canvas.w / 2 + (offset + shift) * across[0] + way * reach * along[0]
            cy = canvas.h / 2 + (offset + shift) * across[1] + way * reach * along[1]
            band.append((cx, cy))
        canvas.polygon(band, second)
        offset += gap
    canvas.shows("stripes", "striped", kind)


def dots(canvas: Canvas) -> None:
    """Polka dots in staggered rows."""
    rng = canvas.rng
    first, second = _two(canvas)
    _fill(canvas, first)
    gap = rng.uniform(0.11, 0.28)
    radius = gap * rng.uniform(0.24, 0.36)
    for row in range(-1, round(canvas.h / gap) + 2):
        for column in range(-1, round(canvas.w / gap) + 2):
            canvas.circle((column + 0.5 * (row % 2)) * gap, row * gap, radius, second)
    canvas.shows("dots", "polka dots", "dotted", "circle")


def checks(canvas: Canvas) -> None:
    """A chessboard."""
    first, second = _two(canvas)
    _fill(canvas, first)
    size = canvas.rng.uniform(0.08, 0.25)
    for row in range(int(canvas.h / size) + 1):
        for column in range(row % 2, int(canvas.w / size) + 1, 2):
            canvas.box(column * size, row * size, (column + 1) * size, (row + 1) * size, second)
    canvas.shows("checks", "checkered", "chessboard", "square")


def zigzag(canvas: Canvas) -> None:
    """Zigzag bands."""
    rng = canvas.rng
    first, second = _two(canvas)
    _fill(canvas, first)
    pitch, gap = rng.uniform(0.08, 0.16), rng.uniform(0.12, 0.22)
    for row in range(-1, int(canvas.h / gap) + 3):
        points = [
            (i * pitch, row * gap + (pitch if i % 2 else 0))
            for i in range(int(canvas.w / pitch) + 2)
        ]
        canvas.polygon([*points, *((x, y + gap * 0.5) for x, y in reversed(points))], second)
    canvas.shows("zigzag")


def waves(canvas: Canvas) -> None:
    """Wavy bands."""
    rng = canvas.rng
    first, second = _two(canvas)
    _fill(canvas, first)
    gap, height, length = rng.uniform(0.11, 0.2), rng.uniform(0.02, 0.05), rng.uniform(0.2, 0.5)
    for row in range(-1, int(canvas.h / gap) + 2):
        points = [
            (
                canvas.w * i / 60,
                row * gap + height * math.sin(2 * math.pi * canvas.w * i / 60 / length),
            )
            for i in range(61)
        ]
        canvas.polygon([*points, *((x, y + gap * 0.5) for x, y in reversed(points))], second)
    canvas.shows("waves", "wavy")


def grid(canvas: Canvas) -> None:
    """Thin crossing lines."""
    rng = canvas.rng
    first, second = _two(canvas)
    _fill(canvas, first)
    gap, thick = rng.uniform(0.08, 0.2), rng.uniform(0.008, 0.022)
    for i in range(int(canvas.w / gap) + 2):
        canvas.line([(i * gap, 0), (i * gap, canvas.h)], second, thick)
    for i in range(int(canvas.h / gap) + 2):
        canvas.line([(0, i * gap), (canvas.w, i * gap)], second, thick)
    canvas.shows("grid", "lines", "square")


def plaid(canvas: Canvas) -> None:
    """A woven tartan."""
    rng = canvas.rng
    first, second = _two(canvas)
    _fill(canvas, first)
    gap = rng.uniform(0.2, 0.34)
    bands = (
        (0.0, 0.4, second, 0.5),
        (0.15, 0.08, lighter(second, 0.6), 0.7),
        (0.62, 0.1, darker(first, 0.4), 0.5),
    )
    for start, wide, color, opacity in bands:
        for level in (True, False):

            def paint(
                mask: SoftMask, level: bool = level, start: float = start, wide: float = wide
            ) -> None:
                for i in range(-1, int(max(canvas.w, canvas.h) / gap) + 2):
                    low, high = (i + start) * gap, (i + start + wide) * gap
                    box = [(0, low), (canvas.w, low), (canvas.w, high), (0, high)]
                    mask.polygon(
                        box
                        if level
                        else [
                            (y, x)
                            for x, y in [(0, low), (canvas.h, low), (canvas.h, high), (0, high)]
                        ]
                    )

            canvas.sharp(color, paint, opacity=opacity)
    canvas.shows("plaid", "tartan", "fabric")


def rings(canvas: Canvas) -> None:
    """Rings around one point, like a target."""
    rng = canvas.rng
    first, second = _two(canvas)
    _fill(canvas, first)
    x, y, gap = (
        canvas.w * rng.uniform(0.35, 0.65),
        canvas.h * rng.uniform(0.35, 0.65),
        rng.uniform(0.05, 0.11),
    )
    count = int((canvas.w + canvas.h) * 0.75 / gap)
    for i in range(count, 0, -1):
        canvas.circle(x, y, i * gap, first if i % 2 else second)
    canvas.shows("rings", "circle", "target")


def spiral(canvas: Canvas) -> None:
    """One spiral from the middle outwards."""
    rng = canvas.rng
    first, second = _two(canvas)
    _fill(canvas, first)
    x, y, pitch, turn = canvas.w / 2, canvas.h / 2, rng.uniform(0.1, 0.18), rng.uniform(0, 6.3)
    way = rng.choice([-1, 1])
    turns = math.hypot(canvas.w, canvas.h) / 2 / pitch + 0.5
    edges: list[list[Point]] = [[], []]
    for i in range(round(turns * 48)):
        angle = 2 * math.pi * i / 48
        for edge, shift in zip(edges, (0.0, 0.5), strict=True):
            reach = pitch * (angle / (2 * math.pi) + shift)
            edge.append(
                (x + reach * math.cos(way * angle + turn), y + reach * math.sin(way * angle + turn))
            )
    for (a, b), (c, d) in zip(
        zip(edges[0], edges[0][1:], strict=False),
        zip(edges[1], edges[1][1:], strict=False),
        strict=True,
    ):
        canvas.polygon([a, b, d, c], second)
    canvas.shows("spiral")


def rays(canvas: Canvas) -> None:
    """Rays that run out from one point."""
    rng = canvas.rng
    first, second = _two(canvas)
    _fill(canvas, first)
    x, y = canvas.w * rng.uniform(0.3, 0.7), canvas.h * rng.uniform(0.3, 1.0)
    count, reach, turn = rng.randint(9, 18), (canvas.w + canvas.h) * 1.2, rng.uniform(0, 1)
    for i in range(count):
        start = turn + 2 * math.pi * i / count
        end = start + math.pi / count
        canvas.polygon(
            [
                (x, y),
                (x + reach * math.cos(start), y + reach * math.sin(start)),
                (x + reach * math.cos(end), y + reach * math.sin(end)),
            ],
            second,
        )
    canvas.shows("rays", "sunburst")


def triangles(canvas: Canvas) -> None:
    """A low-poly mesh of triangles."""
    rng = canvas.rng
    first, second = _two(canvas)
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
    first, second = _two(canvas)
    _fill(canvas, second)
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
    _fill(canvas, mortar)
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


def wood(canvas: Canvas) -> None:
    """Planks with their grain."""
    rng = canvas.rng
    tone = jitter(
        rng, rng.choice([(176, 124, 78), (150, 100, 62), (206, 164, 116), (110, 74, 50)]), 8
    )
    planks = rng.randint(3, 6)
    level = canvas.chance(0.6)
    rows, columns = 200, max(2, round(200 * canvas.w / canvas.h))
    field = np.zeros((rows, columns), dtype=np.float32)
    tint = np.zeros((rows, columns), dtype=np.float32)
    length = columns if level else rows
    breadth = rows if level else columns
    for i in range(planks):
        low, high = breadth * i // planks, breadth * (i + 1) // planks
        grain = noise_field(rng, (high - low, length), (3, 1.6), 3)
        lines = 0.5 + 0.5 * np.sin(grain * rng.uniform(26, 40))
        fine = noise_field(rng, (high - low, length), (24, 2), 2)
        block = (0.55 * lines + 0.45 * fine).astype(np.float32)
        shade = np.full_like(block, rng.uniform(-0.12, 0.12))
        shade[:2] = 0.9
        if level:
            field[low:high], tint[low:high] = block, shade
        else:
            field[:, low:high], tint[:, low:high] = block.T, shade.T
    _fill(canvas, tone)
    canvas.lay(darker(tone, 0.45), as_mask(field * 0.6 + tint))
    canvas.shows("wood", "planks", "wooden", "brown")


def marble(canvas: Canvas) -> None:
    """Polished marble with veins."""
    rng = canvas.rng
    stone, vein = rng.choice(
        [
            ((244, 242, 238), (120, 122, 130)),
            ((40, 42, 48), (200, 196, 186)),
            ((150, 186, 166), (60, 96, 84)),
            ((238, 222, 206), (166, 120, 90)),
        ]
    )
    _fill(canvas, stone)
    field = canvas.noise(2.4, octaves=6, pixels=220)
    veins = np.clip(1 - np.abs(field - 0.5) * 22, 0, 1) + 0.6 * np.clip(
        1 - np.abs(field - 0.66) * 40, 0, 1
    )
    canvas.lay(vein, as_mask((0.25 * np.abs(field - 0.5) * 2 + 0.6 * veins).astype(np.float32)))
    canvas.shows("marble", "stone")


def gradient(canvas: Canvas) -> None:
    """One colour flows into another."""
    first, second = _two(canvas)
    if canvas.chance(0.5):
        canvas.gradient(0, canvas.h, [first, second])
    else:
        _fill(canvas, first)
        ramp = np.linspace(0, 1, 128, dtype=np.float32)
        canvas.lay(
            second,
            as_mask(np.tile(ramp, (4, 1)) if canvas.chance(0.5) else np.add.outer(ramp, ramp) / 2),
        )
    canvas.shows("gradient")


def plain(canvas: Canvas) -> None:
    """One colour and nothing else."""
    name = canvas.rng.choice(COLOR_NAMES)
    _fill(canvas, colors.pick(canvas.rng, name))
    canvas.shows("plain", name)


def bokeh(canvas: Canvas) -> None:
    """Blurred lights in the dark."""
    rng = canvas.rng
    name = rng.choice(["blue", "purple", "orange", "green", "pink", "red"])
    tone = colors.pick(rng, name)
    canvas.gradient(0, canvas.h, [darker(tone, 0.8), darker(tone, 0.6)])
    for _ in range(round(26 * canvas.w * canvas.h)):
        x, y, radius = rng.uniform(0, canvas.w), rng.uniform(0, canvas.h), rng.uniform(0.03, 0.1)
        tint = mix(tone, rng.choice([(255, 220, 150), (255, 255, 255), tone]), 0.5)
        canvas.soft(
            tint,
            _disc(x, y, radius),
            blur=0.005,
            opacity=rng.uniform(0.2, 0.6),
        )
    canvas.shows("bokeh", "lights", "blurred")


def _disc(x: float, y: float, radius: float) -> Callable[[SoftMask], None]:
    return lambda mask: mask.ellipse(x, y, radius, radius)


def static(canvas: Canvas) -> None:
    """The snow of a television without a signal."""
    side = canvas.rng.choice([90, 130, 180])
    dice = np.random.default_rng(canvas.rng.getrandbits(64))
    field = dice.random((round(side * canvas.h), round(side * canvas.w)), dtype=np.float32)
    _fill(canvas, (12, 12, 12))
    canvas.lay((244, 244, 244), as_mask(field))
    canvas.shows("static", "noise")


def confetti(canvas: Canvas) -> None:
    """Small bright pieces all over."""
    rng = canvas.rng
    ground: RGB = rng.choice([(255, 255, 255), (250, 244, 234), (36, 40, 60)])
    _fill(canvas, ground)
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


def blobs(canvas: Canvas) -> None:
    """Camouflage-like patches in tones of one colour."""
    rng = canvas.rng
    name = rng.choice(["green", "blue", "brown", "pink", "orange", "purple", "gray"])
    tone = colors.pick(rng, name)
    _fill(canvas, lighter(tone, 0.35))
    for shade in (tone, darker(tone, 0.3), lighter(tone, 0.1)):
        field = canvas.noise(4, octaves=2, pixels=200)
        canvas.lay(shade, as_mask(((field - 0.55) * 60).astype(np.float32)))
    canvas.shows("camouflage", "abstract", name)


def terrazzo(canvas: Canvas) -> None:
    """Chips of stone in a pale floor."""
    rng = canvas.rng
    _fill(canvas, jitter(rng, (240, 234, 226), 5))
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


PATTERNS: dict[str, PatternPainter] = {
    "stripes": stripes,
    "dots": dots,
    "checks": checks,
    "zigzag": zigzag,
    "waves": waves,
    "grid": grid,
    "plaid": plaid,
    "rings": rings,
    "spiral": spiral,
    "rays": rays,
    "triangles": triangles,
    "honeycomb": honeycomb,
    "bricks": bricks,
    "wood": wood,
    "marble": marble,
    "gradient": gradient,
    "plain": plain,
    "bokeh": bokeh,
    "static": static,
    "confetti": confetti,
    "camouflage": blobs,
    "terrazzo": terrazzo,
}


def paint_pattern(
    rng: random.Random, name: str, width: int, height: int
) -> tuple[Image.Image, frozenset[str]]:
    """A picture (RGB, width x height) of a pattern of PATTERNS, and the plain words true of it.

    The same state of `rng` gives the same pixels. KeyError: unknown name.
    """
    canvas = Canvas(rng, width, height)
    canvas.shows("pattern")
    PATTERNS[name](canvas)
    image = canvas.finished()
    return image, frozenset(canvas.concepts) | dominant_colors(image)
