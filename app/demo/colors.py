"""Colours with names: ranges in hue, saturation and value, mixing, and which colour dominates."""

import colorsys
import random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RGB = tuple[int, int, int]


class ColorRange(NamedTuple):
    """A box in HSV: hue in degrees (may pass 360), saturation and value in 0..1."""

    hue: tuple[float, float]
    saturation: tuple[float, float]
    value: tuple[float, float]


COLORS: dict[str, ColorRange] = {
    "red": ColorRange((352, 368), (0.72, 0.95), (0.72, 0.95)),
    "orange": ColorRange((20, 34), (0.80, 1.00), (0.92, 1.00)),
    "yellow": ColorRange((46, 57), (0.68, 0.95), (0.93, 1.00)),
    "green": ColorRange((100, 145), (0.50, 0.85), (0.45, 0.78)),
    "turquoise": ColorRange((168, 186), (0.55, 0.90), (0.65, 0.88)),
    "blue": ColorRange((208, 232), (0.65, 0.95), (0.60, 0.95)),
    "purple": ColorRange((264, 288), (0.50, 0.80), (0.50, 0.80)),
    "pink": ColorRange((325, 345), (0.30, 0.58), (0.93, 1.00)),
    "brown": ColorRange((18, 32), (0.50, 0.75), (0.34, 0.55)),
    "black": ColorRange((0, 360), (0.00, 0.25), (0.05, 0.15)),
    "gray": ColorRange((0, 360), (0.00, 0.08), (0.42, 0.66)),
    "white": ColorRange((0, 360), (0.00, 0.04), (0.95, 1.00)),
}

COLOR_NAMES: tuple[str, ...] = tuple(COLORS)
_UNNAMED = -1
_BORDERS_DEGREES = (  # where one hue's name ends and the next begins
    (14, "red"),
    (40, "orange"),
    (68, "yellow"),
    (158, "green"),
    (194, "turquoise"),
    (252, "blue"),
    (304, "purple"),
    (346, "pink"),
    (361, "red"),
)


def from_hsv(hue: float, saturation: float, value: float) -> RGB:
    """The RGB colour (0..255) of a hue in degrees and saturation and value in 0..1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def pick(rng: random.Random, name: str) -> RGB:
    """A random shade that everybody would call `name`, one of COLORS; KeyError otherwise."""
    hue, saturation, value = COLORS[name]
    return from_hsv(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """`first` at share 0, `second` at share 1, straight between them in RGB."""
    share = min(1.0, max(0.0, share))
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def lighter(color: RGB, share: float) -> RGB:
    """The colour moved towards white by `share`."""
    return mix(color, (255, 255, 255), share)


def darker(color: RGB, share: float) -> RGB:
    """The colour moved towards black by `share`."""
    return mix(color, (0, 0, 0), share)


def jitter(rng: random.Random, color: RGB, amount: float = 12) -> RGB:
    """The colour, a little lighter or darker and each channel a little off, kept in 0..255."""
    shift = rng.uniform(-amount, amount)
    red, green, blue = (
        min(255, max(0, round(channel + shift + rng.uniform(-amount, amount) * 0.4)))
        for channel in color
    )
    return red, green, blue


def color_shares(image: Image.Image) -> dict[str, float]:
    """The share of the picture (0..1) that each named colour covers; shares sum to at most 1."""
    small = image.convert("RGB").resize((24, 24), Image.Resampling.BOX)
    hsv = np.asarray(small.convert("HSV"), dtype=np.float32).reshape(-1, 3)
    names = _classify(hsv[:, 0] * (360 / 255), hsv[:, 1] / 255, hsv[:, 2] / 255)
    counts = np.bincount(names[names != _UNNAMED], minlength=len(COLOR_NAMES))
    return {name: float(counts[i]) / len(names) for i, name in enumerate(COLOR_NAMES)}


def dominant_colors(image: Image.Image, share: float = 0.5) -> frozenset[str]:
    """The colours that cover at least `share` of the picture."""
    return frozenset(name for name, part in color_shares(image).items() if part >= share)


def _classify(
    hue: NDArray[np.floating[Any]],
    saturation: NDArray[np.floating[Any]],
    value: NDArray[np.floating[Any]],
) -> NDArray[np.int64]:
    index = {name: i for i, name in enumerate(COLOR_NAMES)}
    borders = np.array([degrees for degrees, _ in _BORDERS_DEGREES], dtype=np.float32)
    by_hue = np.array([index[name] for _, name in _BORDERS_DEGREES])
    names = by_hue[np.searchsorted(borders, hue, side="right")]
    vague = (saturation < 0.30) | (value < 0.28)
    brown = (hue >= 12) & (hue < 45) & (value < 0.66)
    pink = ((hue >= 335) | (hue < 14)) & (saturation < 0.55) & (value > 0.85)
    names = np.where(brown, index["brown"], names)
    names = np.where(pink, index["pink"], names)
    names = np.where(vague, _UNNAMED, names)
    names = np.where((saturation < 0.12) & (value > 0.28), index["gray"], names)
    names = np.where((saturation < 0.12) & (value > 0.87), index["white"], names)
    return np.where(value < 0.18, index["black"], names)
