"""Brushes for printed matter: the palette of charts and lines of words as bars."""

from app.demo.canvas import Canvas, Point
from app.demo.colors import RGB

CHART_COLORS: tuple[RGB, ...] = (
    (66, 133, 214),
    (240, 132, 60),
    (80, 176, 110),
    (214, 76, 84),
    (150, 104, 190),
    (244, 194, 70),
    (70, 176, 190),
)
INK: RGB = (62, 66, 76)


def words(canvas: Canvas, start: Point, right: float, height: float, color: RGB = INK) -> None:
    """Words as round bars of that height, from `start` to `right` at most."""
    x, y = start
    while x < right - height:
        width = min(canvas.rng.uniform(1.2, 5.5) * height, right - x)
        canvas.rounded((x, y, x + width, y + height), height * 0.3, color)
        x += width + height * 0.8
