"""ThumbHash against its author's implementation, and against what it promises."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from app.imaging.thumbhash import thumb_hash

Alpha = Callable[[int, int], int]


def opaque(x: int, y: int) -> int:
    return 255


def drawn(width: int, height: int, alpha: Alpha) -> NDArray[np.uint8]:
    """A picture by formula, without the symmetries whose zeros would round either way."""
    pixels = [
        [
            (x * x * 7 + y * 13 + x * y * 3, x * 5 + y * y * 11, x * y * y + x * 29, alpha(x, y))
            for x in range(width)
        ]
        for y in range(height)
    ]
    return (np.array(pixels) % 256).astype(np.uint8)


# Hashes of the same pictures from the author's JavaScript (npm thumbhash 0.1.1).
REFERENCES: list[tuple[int, int, Alpha, str]] = [
    (100, 60, opaque, "1f080204803190676a57825a7848fe36f5ab78"),
    (31, 97, opaque, "1e08021202033866722b23a3cf6607447e"),
    (64, 64, lambda x, y: x * 3 + y * x, "1ff881050007a1feba32e745f8e7a390d88010214655567665"),
    (100, 7, opaque, "1ff805098241305739086566a509a7f05c"),
    (20, 90, lambda x, y: y * y + x, "9e0882090017658a76c707af64076a9977777477740777"),
    (100, 100, opaque, "1f0802070031b06677678469679377988546fb6e85ffb10f"),
]


@pytest.mark.parametrize(("width", "height", "alpha", "expected"), REFERENCES)
def test_references(width: int, height: int, alpha: Alpha, expected: str) -> None:
    assert thumb_hash(drawn(width, height, alpha)).hex() == expected


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (10, 200, 30), (255, 0, 128)])
def test_a_flat_picture_is_its_color_and_nothing_else(color: tuple[int, int, int]) -> None:
    data = thumb_hash(np.full((16, 16, 4), (*color, 255), np.uint8))
    assert mean_color(data) == pytest.approx(color, abs=6)
    assert set(data[5:]) <= {0x88, 0x08}


def test_what_is_transparent_has_no_color() -> None:
    data = thumb_hash(np.zeros((20, 20, 4), np.uint8))
    assert data[2] & 0x80
    assert data[5] & 15 == 0


@pytest.mark.parametrize("shape", [(0, 5, 4), (101, 5, 4), (5, 101, 4)])
def test_sizes(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="fit"):
        thumb_hash(np.zeros(shape, np.uint8))


def mean_color(data: bytes) -> tuple[float, float, float]:
    """From the header's first three bytes: lightness, yellow against blue, red against green."""
    bits = int.from_bytes(data[:3], "little")
    light = (bits & 63) / 63
    yellow, red = (bits >> 6 & 63) / 31.5 - 1, (bits >> 12 & 63) / 31.5 - 1
    blue = light - 2 / 3 * yellow
    first = (3 * light - blue + red) / 2
    return first * 255, (first - red) * 255, blue * 255
