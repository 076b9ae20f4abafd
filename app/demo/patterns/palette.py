"""The colours a pattern is made of."""

from app.demo import colors
from app.demo.canvas import Canvas
from app.demo.colors import COLOR_NAMES, RGB


def two_colors(canvas: Canvas) -> tuple[RGB, RGB]:
    """Two colours that differ by name; the canvas says both."""
    first, second = canvas.rng.sample(COLOR_NAMES, 2)
    canvas.shows(first, second)
    return colors.pick(canvas.rng, first), colors.pick(canvas.rng, second)
