"""Grounds, shadows and pasting, on pictures of the final size."""

import math

from PIL import Image, ImageDraw, ImageFilter

from app.demo import colors
from app.demo.colors import RGB

Size = tuple[int, int]


def ground(size: Size, color: RGB) -> Image.Image:
    """A plain ground, a little lighter above than below."""
    column = Image.new("RGB", (1, 2), colors.lighter(color, 0.12))
    column.putpixel((0, 1), colors.darker(color, 0.06))
    return column.resize(size, Image.Resampling.BILINEAR)


def shaded(image: Image.Image, picture: Image.Image, middle: tuple[float, float]) -> None:
    """Paste a picture around its middle with the soft shadow it throws."""
    shift = picture.width * 0.02
    small = picture.getchannel("A").reduce(4).filter(ImageFilter.GaussianBlur(picture.width / 160))
    mask = small.resize(picture.size, Image.Resampling.BILINEAR).point(
        [i * 60 // 255 for i in range(256)]
    )
    left, top = _corner(picture, (middle[0] + shift, middle[1] + shift * 1.6))
    image.paste((20, 24, 40), (left, top), mask)
    paste(image, picture, middle)


def shadow(image: Image.Image, middle: tuple[float, float], width: float, flatness: float) -> None:
    """A soft round shadow; `flatness` is its height in parts of its width."""
    wide, high = max(8, round(width * 1.3)), max(4, round(width * 1.3 * flatness))
    small = Image.new("L", (64, 64))
    ImageDraw.Draw(small).ellipse((10, 10, 53, 53), fill=82)
    mask = small.filter(ImageFilter.GaussianBlur(5)).resize((wide, high), Image.Resampling.BILINEAR)
    image.paste((14, 18, 30), (round(middle[0] - wide / 2), round(middle[1] - high / 2)), mask)


def paste(image: Image.Image, picture: Image.Image, middle: tuple[float, float]) -> None:
    """Paste a picture (RGBA) around its middle."""
    image.paste(picture, _corner(picture, middle), picture)


def _corner(picture: Image.Image, middle: tuple[float, float]) -> tuple[int, int]:
    return math.floor(middle[0] - picture.width / 2), math.floor(middle[1] - picture.height / 2)
