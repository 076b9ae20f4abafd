"""Patterns of bands and lines."""

import math

from app.demo.canvas import Canvas, Point, SoftMask
from app.demo.colors import darker, lighter
from app.demo.patterns.palette import two_colors


def stripes(canvas: Canvas) -> None:
    """Straight stripes: upright, level or aslant."""
    rng = canvas.rng
    first, second = two_colors(canvas)
    canvas.fill(first)
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


def zigzag(canvas: Canvas) -> None:
    """Zigzag bands."""
    rng = canvas.rng
    first, second = two_colors(canvas)
    canvas.fill(first)
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
    first, second = two_colors(canvas)
    canvas.fill(first)
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
    first, second = two_colors(canvas)
    canvas.fill(first)
    gap, thick = rng.uniform(0.08, 0.2), rng.uniform(0.008, 0.022)
    for i in range(int(canvas.w / gap) + 2):
        canvas.line([(i * gap, 0), (i * gap, canvas.h)], second, thick)
    for i in range(int(canvas.h / gap) + 2):
        canvas.line([(0, i * gap), (canvas.w, i * gap)], second, thick)
    canvas.shows("grid", "lines", "square")


def plaid(canvas: Canvas) -> None:
    """A woven tartan."""
    rng = canvas.rng
    first, second = two_colors(canvas)
    canvas.fill(first)
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
    first, second = two_colors(canvas)
    canvas.fill(first)
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
    first, second = two_colors(canvas)
    canvas.fill(first)
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
    first, second = two_colors(canvas)
    canvas.fill(first)
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
