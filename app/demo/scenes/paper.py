"""Pictures of written paper, printed codes and screens."""

import math
from collections.abc import Sequence

from app.demo import colors
from app.demo.brushes import printing
from app.demo.canvas import Canvas, Point
from app.demo.colors import RGB, darker, jitter, lighter


def document(canvas: Canvas) -> None:
    """A printed page on a desk."""
    rng = canvas.rng
    desk = jitter(
        rng, rng.choice([(120, 128, 140), (176, 140, 104), (206, 210, 214), (84, 96, 112)]), 8
    )
    canvas.gradient(0, canvas.h, [desk, darker(desk, 0.12)])
    half = min(canvas.w * 0.42, 0.42)
    x, top = canvas.w / 2, canvas.h * 0.06
    bottom = canvas.h * 0.98 if canvas.chance(0.5) else min(canvas.h * 0.95, top + half * 2.8)
    canvas.box(x - half + 0.012, top + 0.014, x + half + 0.012, bottom + 0.014, darker(desk, 0.35))
    canvas.box(x - half, top, x + half, bottom, (253, 252, 249))
    inner, y = half * 0.8, top + 0.07
    printing.words(canvas, (x - inner, y), x + inner * rng.uniform(0.1, 0.6), 0.034)
    y += 0.085
    while y < bottom - 0.07:
        for _ in range(rng.randint(3, 6)):
            if y < bottom - 0.06:
                printing.words(
                    canvas, (x - inner, y), x + inner * rng.uniform(0.92, 1), 0.014, (128, 132, 140)
                )
                y += 0.032
        y += 0.03
        if canvas.chance(0.2) and y < bottom - 0.26:
            canvas.box(
                x - inner,
                y,
                x + inner * 0.1,
                y + 0.16,
                lighter(rng.choice(printing.CHART_COLORS), 0.4),
            )
            y += 0.2
    canvas.shows("document", "paper", "text", "page")


def qr_code(canvas: Canvas) -> None:
    """A square two-dimensional code."""
    rng = canvas.rng
    canvas.gradient(0, canvas.h, [(255, 255, 255), (250, 250, 250)])
    cells = rng.choice([21, 25, 29])
    side = 0.82
    step, left, top = side / cells, (canvas.w - side) / 2, (canvas.h - side) / 2
    ink: RGB = rng.choice([(16, 18, 22), (16, 18, 22), (24, 44, 92)])
    for row in range(cells):
        for column in range(cells):
            if canvas.chance(0.48):
                x, y = left + column * step, top + row * step
                canvas.box(x, y, x + step, y + step, ink)
    for row, column in ((0, 0), (0, cells - 7), (cells - 7, 0)):
        x, y = left + column * step, top + row * step
        for grow, color in (
            (1.0, (255, 255, 255)),
            (0.0, ink),
            (-1.0, (255, 255, 255)),
            (-2.0, ink),
        ):
            canvas.box(
                x - grow * step,
                y - grow * step,
                x + (7 + grow) * step,
                y + (7 + grow) * step,
                color,
            )
    canvas.shows("qr code", "code")


def barcode(canvas: Canvas) -> None:
    """A bar code on a label."""
    rng = canvas.rng
    paper: RGB = rng.choice([(255, 255, 255), (250, 246, 236), (252, 236, 190)])
    canvas.gradient(0, canvas.h, [paper, darker(paper, 0.03)])
    x, right = canvas.w * 0.12, canvas.w * 0.88
    top, bottom = canvas.h * 0.2, canvas.h * 0.7
    while x < right:
        width = rng.choice([1, 1, 2, 3]) * canvas.w * 0.0065
        canvas.box(x, top, x + width, bottom, (18, 18, 20))
        x += width + rng.choice([1, 1, 2, 3]) * canvas.w * 0.0065
    for i in range(12):
        digit = canvas.w * (0.15 + 0.06 * i)
        canvas.rounded((digit, bottom + 0.04, digit + 0.025, bottom + 0.09), 0.008, (40, 40, 44))
    canvas.shows("barcode", "code")


def handwriting(canvas: Canvas) -> None:
    """A handwritten note on lined paper."""
    rng = canvas.rng
    paper: RGB = rng.choice([(255, 253, 244), (254, 244, 170), (250, 250, 252), (250, 222, 222)])
    canvas.gradient(0, canvas.h, [paper, darker(paper, 0.04)])
    ink: RGB = rng.choice([(36, 50, 120), (30, 32, 40), (140, 40, 46)])
    gap = rng.uniform(0.085, 0.11)
    rows = int((canvas.h - 0.12) / gap)
    for row in range(rows):
        y = 0.12 + gap * row
        canvas.line([(0, y), (canvas.w, y)], (178, 200, 222), 0.003)
        if row and canvas.chance(0.9):
            _scribble(canvas, (0.16, y), canvas.w * rng.uniform(0.55, 0.93), (gap * 0.42, ink))
    canvas.line([(0.11, 0), (0.11, canvas.h)], (232, 130, 130), 0.004)
    canvas.shows("handwriting", "note", "paper", "text")


def _scribble(canvas: Canvas, start: Point, right: float, pen: tuple[float, RGB]) -> None:
    """Words in a running hand: loops along the line, now and then a tall or a hanging one."""
    rng = canvas.rng
    (x, y), (height, ink) = start, pen
    pitch = height * 0.42
    while x + pitch * 2 < right:
        points: list[Point] = []
        for _ in range(rng.randint(2, 8)):
            tall = rng.choice([0.5, 0.5, 0.5, 0.6, 1.15])
            drop = 0.45 if tall < 0.6 and canvas.chance(0.12) else 0.0
            for k in range(9):
                turn = 2 * math.pi * k / 8
                lift = (1 - math.cos(turn)) / 2 * tall - drop * max(0.0, -math.sin(turn))
                across = x + pitch * (k / 8 + 0.34 * math.sin(turn)) + lift * height * 0.22
                points.append((across, y - 0.006 - height * lift))
            x += pitch
            if x + pitch > right:
                break
        canvas.line(points, ink, 0.005)
        x += height * 0.55


def sheet_music(canvas: Canvas) -> None:
    """Staves with notes."""
    rng = canvas.rng
    paper: RGB = rng.choice([(255, 254, 248), (250, 244, 226)])
    canvas.gradient(0, canvas.h, [paper, darker(paper, 0.03)])
    gap = 0.02
    staff = 0.2
    rows = max(1, int((canvas.h - 0.1) / staff))
    ink: RGB = (26, 26, 30)
    for row in range(rows):
        y = 0.09 + row * staff
        for i in range(5):
            canvas.line([(0.06, y + i * gap), (canvas.w - 0.06, y + i * gap)], (90, 90, 96), 0.003)
        for x in (0.06, canvas.w / 2, canvas.w - 0.06):
            canvas.line([(x, y), (x, y + 4 * gap)], ink, 0.005)
        _clef(canvas, 0.112, y + gap * 3, gap, ink)
        _notes(canvas, y, gap, ink)
    canvas.shows("sheet music", "music", "note", "paper")


def _clef(canvas: Canvas, x: float, y: float, gap: float, ink: RGB) -> None:
    """A treble clef that curls around the line at y."""
    curl: list[Point] = []
    for i in range(40):
        angle, reach = math.pi * 0.5 + i * 0.26, gap * (0.35 + 0.024 * i)
        curl.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    end_x, end_y = curl[-1]
    top: list[Point] = [
        (end_x, end_y),
        (x + gap * 0.2, y - gap * 2.2),
        (x + gap * 0.75, y - gap * 3.3),
        (x + gap * 0.35, y - gap * 4.1),
        (x - gap * 0.05, y - gap * 3.0),
        (x + gap * 0.35, y + gap * 1.7),
        (x - gap * 0.1, y + gap * 2.2),
    ]
    canvas.line([*curl, *top], ink, gap * 0.2)
    canvas.circle(x - gap * 0.2, y + gap * 2.0, gap * 0.28, ink)


def _notes(canvas: Canvas, y: float, gap: float, ink: RGB) -> None:
    rng = canvas.rng
    x = 0.18
    while x < canvas.w - 0.1:
        level = y + gap * rng.randint(0, 8) / 2
        stem = -gap * 3.2 if level > y + gap * 2 else gap * 3.2
        side = gap * 0.55 if stem < 0 else -gap * 0.55
        canvas.ellipse(x, level, gap * 0.66, gap * 0.5, ink)
        if canvas.chance(0.25):
            canvas.ellipse(x, level, gap * 0.36, gap * 0.26, (255, 254, 248))
        canvas.line([(x + side, level), (x + side, level + stem)], ink, 0.004)
        if canvas.chance(0.3):
            canvas.line(
                [(x + side, level + stem), (x + side + gap, level + stem * 0.55)], ink, 0.006
            )
        x += rng.uniform(0.045, 0.09)


def screenshot(canvas: Canvas) -> None:
    """A program's window: title bar, side bar, cards."""
    rng = canvas.rng
    dark = canvas.chance(0.35)
    ground: RGB = (30, 33, 42) if dark else (246, 247, 250)
    ink: RGB = (196, 202, 214) if dark else (90, 96, 108)
    accent = colors.pick(rng, rng.choice(["blue", "green", "purple", "orange", "turquoise"]))
    canvas.gradient(0, canvas.h, [ground, ground])
    canvas.box(0, 0, canvas.w, 0.075, darker(ground, 0.3) if dark else (226, 229, 235))
    for i, light in enumerate(((236, 94, 86), (245, 190, 78), (98, 196, 92))):
        canvas.circle(0.045 + 0.045 * i, 0.0375, 0.014, light)
    _sidebar(canvas, (ground, ink, accent), dark=dark)
    left, columns = canvas.w * 0.25, 2 if canvas.w < 1.3 else 3
    gap = 0.035
    wide = (canvas.w - left - gap * (columns + 1)) / columns
    canvas.rounded(
        (left + gap, 0.11, canvas.w - gap, 0.17),
        0.02,
        lighter(ground, 0.1) if dark else (255, 255, 255),
    )
    printing.words(canvas, (left + gap * 2, 0.13), left + wide, 0.02, ink)
    row = 0.21
    while row < canvas.h:
        for column in range(columns):
            x = left + gap + (wide + gap) * column
            card = (x, row, x + wide, row + wide * 0.8)
            _card(canvas, card, (lighter(ground, 0.08) if dark else (255, 255, 255), ink, accent))
        row += wide * 0.8 + gap
    canvas.shows("screenshot", "computer", "window", "screen")


def _sidebar(canvas: Canvas, palette: Sequence[RGB], *, dark: bool) -> None:
    ground, ink, accent = palette
    canvas.box(
        0, 0.075, canvas.w * 0.25, canvas.h, lighter(ground, 0.05) if dark else (236, 239, 244)
    )
    for i in range(int((canvas.h - 0.15) / 0.085)):
        y = 0.13 + 0.085 * i
        if i == 1:
            canvas.rounded((0.02, y - 0.025, canvas.w * 0.235, y + 0.045), 0.015, accent)
        canvas.circle(0.06, y + 0.01, 0.014, (255, 255, 255) if i == 1 else ink)
        printing.words(
            canvas,
            (0.095, y),
            canvas.w * canvas.rng.uniform(0.16, 0.22),
            0.018,
            (255, 255, 255) if i == 1 else ink,
        )


def _card(canvas: Canvas, box: tuple[float, float, float, float], palette: Sequence[RGB]) -> None:
    left, top, right, bottom = box
    ground, ink, accent = palette
    canvas.rounded(box, 0.018, ground)
    middle = top + (bottom - top) * 0.6
    tint = lighter(canvas.rng.choice([accent, *printing.CHART_COLORS]), 0.3)
    canvas.rounded((left + 0.014, top + 0.014, right - 0.014, middle), 0.012, tint)
    canvas.circle((left + right) / 2, (top + middle) / 2, (middle - top) * 0.2, lighter(tint, 0.5))
    printing.words(canvas, (left + 0.02, middle + 0.022), right - 0.05, 0.016, ink)
    printing.words(
        canvas, (left + 0.02, middle + 0.056), left + (right - left) * 0.6, 0.012, (160, 165, 175)
    )
