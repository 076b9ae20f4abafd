"""Pictures of charts, tables and maps."""

import math

from app.demo.brushes import printing
from app.demo.canvas import Canvas, Point
from app.demo.colors import RGB, darker, lighter


def _page(canvas: Canvas) -> tuple[float, float, float, float]:
    rng = canvas.rng
    paper: RGB = rng.choice([(255, 255, 255), (252, 250, 244), (246, 248, 252)])
    canvas.gradient(0, canvas.h, [paper, darker(paper, 0.02)])
    margin = rng.uniform(0.08, 0.13)
    return margin, margin, canvas.w - margin, canvas.h - margin


def bar_chart(canvas: Canvas) -> None:
    """Bars over an axis."""
    rng = canvas.rng
    left, top, right, bottom = _page(canvas)
    printing.words(canvas, (left, top), left + (right - left) * 0.5, 0.026)
    top += 0.1
    _axes(canvas, (left, top, right, bottom))
    count = rng.randint(4, 8)
    one = rng.choice(printing.CHART_COLORS) if canvas.chance(0.5) else None
    step = (right - left) / count
    for i in range(count):
        color = one or printing.CHART_COLORS[i % len(printing.CHART_COLORS)]
        x, y = left + step * (i + 0.18), bottom - (bottom - top) * rng.uniform(0.15, 0.95)
        canvas.gradient(
            y,
            bottom,
            [lighter(color, 0.12), color],
            [(x, y), (x + step * 0.64, y), (x + step * 0.64, bottom), (x, bottom)],
        )
        canvas.rounded(
            (x + step * 0.12, bottom + 0.02, x + step * 0.5, bottom + 0.034), 0.005, (150, 154, 162)
        )
    canvas.shows("chart", "bar chart", "diagram")


def line_chart(canvas: Canvas) -> None:
    """Lines over time."""
    rng = canvas.rng
    left, top, right, bottom = _page(canvas)
    printing.words(canvas, (left, top), left + (right - left) * 0.45, 0.026)
    top += 0.1
    _axes(canvas, (left, top, right, bottom))
    count = rng.randint(7, 13)
    for color in rng.sample(printing.CHART_COLORS, rng.randint(1, 3)):
        level, slope = rng.uniform(0.2, 0.6), rng.uniform(-0.03, 0.06)
        points: list[Point] = []
        for i in range(count):
            level = min(0.97, max(0.04, level + slope + rng.uniform(-0.13, 0.13)))
            points.append(
                (left + (right - left) * i / (count - 1), bottom - (bottom - top) * level)
            )
        canvas.line(points, color, 0.011)
        for x, y in points:
            canvas.circle(x, y, 0.013, color)
            canvas.circle(x, y, 0.007, (255, 255, 255))
    canvas.shows("chart", "line chart", "diagram")


def _axes(canvas: Canvas, box: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = box
    for i in range(5):
        y = top + (bottom - top) * i / 5
        canvas.line([(left, y), (right, y)], (226, 229, 234), 0.004)
    canvas.line([(left, top - 0.02), (left, bottom), (right, bottom)], (110, 114, 124), 0.006)


def pie_chart(canvas: Canvas) -> None:
    """A pie or a doughnut with its legend."""
    rng = canvas.rng
    left, top, right, bottom = _page(canvas)
    shares = [rng.uniform(0.5, 2.5) for _ in range(rng.randint(3, 6))]
    total, start = sum(shares), -math.pi / 2
    radius = min(right - left, bottom - top) * 0.46
    x, y = left + radius + 0.02, (top + bottom) / 2
    palette = rng.sample(printing.CHART_COLORS, len(shares))
    for share, color in zip(shares, palette, strict=True):
        end = start + 2 * math.pi * share / total
        steps = [start + (end - start) * i / 30 for i in range(31)]
        canvas.polygon(
            [(x, y), *((x + radius * math.cos(a), y + radius * math.sin(a)) for a in steps)], color
        )
        canvas.line(
            [(x, y), (x + radius * math.cos(start), y + radius * math.sin(start))],
            (255, 255, 255),
            0.008,
        )
        start = end
    if canvas.chance(0.4):
        canvas.circle(x, y, radius * 0.52, (255, 255, 255))
    for i, color in enumerate(palette):
        row = top + 0.08 + 0.09 * i
        if x + radius + 0.1 < right:
            canvas.rounded((x + radius + 0.05, row, x + radius + 0.09, row + 0.04), 0.008, color)
            printing.words(canvas, (x + radius + 0.11, row + 0.01), right, 0.02, (130, 134, 142))
    canvas.shows("chart", "pie chart", "diagram")


def table(canvas: Canvas) -> None:
    """A table with a coloured head row."""
    rng = canvas.rng
    left, top, right, bottom = _page(canvas)
    rows, columns = rng.randint(6, 10), rng.randint(3, 5)
    color = rng.choice(printing.CHART_COLORS)
    high, wide = (bottom - top) / rows, (right - left) / columns
    for row in range(rows):
        y = top + high * row
        if row == 0:
            canvas.box(left, y, right, y + high, color)
        elif row % 2 == 0:
            canvas.box(left, y, right, y + high, lighter(color, 0.86))
        for column in range(columns):
            x = left + wide * column + 0.018
            ink: RGB = (255, 255, 255) if row == 0 else (120, 124, 132)
            printing.words(
                canvas, (x, y + high * 0.38), x + wide * rng.uniform(0.35, 0.75), high * 0.24, ink
            )
    for column in range(columns + 1):
        canvas.line(
            [(left + wide * column, top), (left + wide * column, bottom)], (206, 210, 216), 0.004
        )
    for row in range(rows + 1):
        canvas.line([(left, top + high * row), (right, top + high * row)], (206, 210, 216), 0.004)
    canvas.shows("table", "spreadsheet", "document")


def city_map(canvas: Canvas) -> None:
    """A map: blocks, streets, a park, a river and a pin."""
    rng = canvas.rng
    canvas.gradient(0, canvas.h, [(240, 236, 226), (236, 232, 222)])
    for _ in range(rng.randint(2, 3)):
        x, y, size = rng.uniform(0, canvas.w), rng.uniform(0, canvas.h), rng.uniform(0.14, 0.26)
        points = [
            (
                x + size * rng.uniform(0.8, 1.2) * math.cos(a),
                y + size * rng.uniform(0.8, 1.2) * math.sin(a),
            )
            for a in (2 * math.pi * i / 9 for i in range(9))
        ]
        canvas.polygon(points, (196, 226, 178))
    flow = rng.uniform(0.2, 0.8) * canvas.h
    bend, phase = rng.uniform(0.05, 0.16), rng.uniform(0, 6)
    stream = [(canvas.w * i / 40, flow + bend * math.sin(phase + i / 7)) for i in range(41)]
    canvas.line(
        [(-0.05, stream[0][1]), *stream, (canvas.w + 0.05, stream[-1][1])],
        (158, 204, 232),
        rng.uniform(0.05, 0.09),
    )
    tilt = rng.uniform(-0.3, 0.3)
    for thick, gap, color in (
        (0.009, 0.085, (255, 255, 255)),
        (0.022, 0.31, (255, 255, 255)),
        (0.03, 0.62, (252, 214, 112)),
    ):
        _streets(canvas, tilt, (thick, gap), color)
    x, y = canvas.w * rng.uniform(0.3, 0.7), canvas.h * rng.uniform(0.35, 0.65)
    pin: RGB = rng.choice([(222, 60, 54), (222, 60, 54), (52, 112, 210)])
    canvas.polygon([(x - 0.046, y - 0.09), (x, y), (x + 0.046, y - 0.09)], pin)
    canvas.circle(x, y - 0.11, 0.055, pin)
    canvas.circle(x, y - 0.11, 0.022, (255, 255, 255))
    canvas.shows("map", "city map", "street")


def _streets(canvas: Canvas, tilt: float, grid: tuple[float, float], color: RGB) -> None:
    thick, gap = grid
    rng = canvas.rng
    reach = canvas.w + canvas.h
    for turn in (tilt, tilt + math.pi / 2):
        along, across = (math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))
        offset = -reach + rng.uniform(0, gap)
        while offset < reach:
            cx, cy = canvas.w / 2 + offset * across[0], canvas.h / 2 + offset * across[1]
            canvas.line(
                [
                    (cx - reach * along[0], cy - reach * along[1]),
                    (cx + reach * along[0], cy + reach * along[1]),
                ],
                color,
                thick,
            )
            offset += gap * rng.uniform(0.7, 1.4)
