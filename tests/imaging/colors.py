"""Pictures of one colour, and what is seen of it."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.imaging import make_thumbnails, rgb_picture
from tests.imaging import make

COLOR = (180, 90, 60)


def flat(mode: str = "RGB", color: object = COLOR) -> Image.Image:
    return Image.new(mode, (200, 100), color)  # type: ignore[arg-type]  # of any mode


def seen(path: Path, data: bytes) -> list[int]:
    """The colour in the middle of what a model sees, once the thumbnails have been found to be of the same."""
    make.written(path, data)
    pixels = rgb_picture(path, 50)
    for one in make_thumbnails(path).values():
        small = np.asarray(Image.open(io.BytesIO(one.data)).convert("RGB"))
        middle = small[one.height // 2, one.width // 2].tolist()
        assert middle == pytest.approx(pixels[12, 25].tolist(), abs=6)
    levels: list[int] = pixels[12, 25].tolist()
    return levels
