"""The one colour that a PNG makes transparent (tRNS): Pillow keeps it in the file's own bits, and compares it with levels of 8."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from PIL import Image, ImageFile

KEY: Final = "transparency"

_SCALES: Final[Mapping[object, Callable[[Any], Any]]] = {
    "L;2": lambda key: key * 85,
    "L;4": lambda key: key * 17,
    "RGB;16B": lambda key: tuple(level >> 8 for level in key),
}
"""By how the pixels lie in the file. Of 16 bits in three channels Pillow keeps the upper 8, of pixels as of the colour."""


def scale(picture: ImageFile.ImageFile) -> None:
    """Gives a picture that is not decoded yet the colour in the levels that its pixels will have."""
    ways = {tile[3] for tile in picture.tile if isinstance(tile[3], str)}
    for way in ways & _SCALES.keys():
        if KEY in picture.info:
            picture.info[KEY] = _SCALES[way](picture.info[KEY])


def grey(picture: Image.Image) -> Image.Image:
    """L of a picture of 16 bits, LA where a level is transparent. Pillow's own conversion clips at 255 instead of scaling."""
    levels = np.asarray(picture).astype(np.uint16)
    small = Image.fromarray((levels >> 8).astype(np.uint8))
    if KEY in picture.info:
        alpha = (levels != picture.info[KEY]).view(np.uint8)
        alpha *= 255
        small.putalpha(Image.fromarray(alpha))
    return small
