"""ThumbHash: about 25 bytes that draw a blurred placeholder of a picture.

The algorithm and its format are Evan Wallace's (2023, https://evanw.github.io/thumbhash/).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_SIDE: Final = 100
FLAT: Final = 1e-6
"""Waves weaker than this are rounding noise of a flat picture, and are left out."""

Plane = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Channel:
    """A channel as cosines: the mean, the other terms between 0 and 1, and the largest amplitude."""

    mean: float
    terms: Plane
    scale: float


def thumb_hash(rgba: NDArray[np.uint8]) -> bytes:
    """The hash of a picture uint8[h, w, 4] (alpha not premultiplied), h and w at most MAX_SIDE."""
    height, width = rgba.shape[:2]
    if not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE:
        raise ValueError(f"{width} x {height} does not fit into {MAX_SIDE} x {MAX_SIDE}")
    planes, has_alpha = _lpqa(rgba / 255.0)
    lightness, yellow_blue, red_green, alpha = planes
    most = 5 if has_alpha else 7
    nx = max(1, _round(most * width / max(width, height)))
    ny = max(1, _round(most * height / max(width, height)))
    channels = [
        _cosines(lightness, max(3, nx), max(3, ny)),
        _cosines(yellow_blue, 3, 3),
        _cosines(red_green, 3, 3),
    ]
    if has_alpha:
        channels.append(_cosines(alpha, 5, 5))
    is_landscape = width > height
    header = _header(channels, ny if is_landscape else nx, is_landscape=is_landscape)
    return header + _nibbles(np.concatenate([channel.terms for channel in channels]))


def _lpqa(rgba: Plane) -> tuple[list[Plane], bool]:
    """Lightness, yellow against blue, red against green, and alpha; transparent parts show the mean colour."""
    alpha = rgba[..., 3]
    total = float(alpha.sum())
    mean = (rgba[..., :3] * alpha[..., None]).sum(axis=(0, 1)) / (total or 1.0)
    red, green, blue = np.moveaxis(
        mean * (1 - alpha[..., None]) + rgba[..., :3] * alpha[..., None], 2, 0
    )
    planes = [(red + green + blue) / 3, (red + green) / 2 - blue, red - green, alpha]
    return planes, bool((alpha < 1).any())


def _cosines(channel: Plane, nx: int, ny: int) -> _Channel:
    """The low corner of the cosine transform, in rows, below the diagonal from (nx, 0) to (0, ny)."""
    height, width = channel.shape
    waves = _waves(ny, height) @ channel @ _waves(nx, width).T / (width * height)
    row, column = np.indices((ny, nx))
    terms = waves[column * ny < nx * (ny - row)]
    mean, rest = float(terms[0]), terms[1:]
    scale = float(np.abs(rest).max())
    if scale < FLAT:
        return _Channel(mean, np.full_like(rest, 0.5), 0.0)
    return _Channel(mean, 0.5 + 0.5 / scale * rest, scale)


def _waves(count: int, length: int) -> Plane:
    """float64[count, length]: cosines of 0, 1, 2 … half periods, sampled at the middle of each pixel."""
    waves: Plane = np.cos(np.pi / length * np.outer(np.arange(count), np.arange(length) + 0.5))
    return waves


def _header(channels: list[_Channel], shorter: int, *, is_landscape: bool) -> bytes:
    """Means and scales. `shorter` counts the lightness waves of the shorter side, which gives the aspect ratio."""
    lightness, yellow_blue, red_green, *alpha = channels
    first = (
        _round(63 * lightness.mean)
        | _round(31.5 + 31.5 * yellow_blue.mean) << 6
        | _round(31.5 + 31.5 * red_green.mean) << 12
        | _round(31 * lightness.scale) << 18
        | bool(alpha) << 23
    )
    second = (
        shorter
        | _round(63 * yellow_blue.scale) << 3
        | _round(63 * red_green.scale) << 9
        | is_landscape << 15
    )
    third = bytes(_round(15 * one.mean) | _round(15 * one.scale) << 4 for one in alpha)
    return first.to_bytes(3, "little") + second.to_bytes(2, "little") + third


def _nibbles(terms: Plane) -> bytes:
    """Four bits a term, the first in the lower half of its byte."""
    levels = np.floor(15 * terms + 0.5).astype(np.uint8)
    padded = np.append(levels, np.zeros(len(levels) % 2, np.uint8))
    return (padded[::2] | padded[1::2] << 4).tobytes()


def _round(value: float) -> int:
    """To the nearest, halves up."""
    return int(np.floor(value + 0.5))
