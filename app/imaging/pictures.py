"""Pictures decoded, described and made small, in this process: call it through a Decoder. The only module that decodes."""

import io
import mmap
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from app.domain import ImageFormat, ThumbnailSize
from app.errors import AppError, UploadProblem
from app.imaging import colors, metadata, thumbhash, transparency
from app.imaging.formats import HEAD, foreign_name, sniff
from app.imaging.outline import outline
from app.imaging.refusals import foreign, refusal, too_many_pixels

THUMBNAIL_BOXES: Final[Mapping[str, int]] = {size.value: size.box for size in ThumbnailSize}
DEFAULT_MAX_PIXELS: Final = 100_000_000
QUALITY: Final = 80
FAST_FROM: Final = 800
"""Sides from which WebP's quick method (2) is used: at 1600 px the thorough one (4) costs twice the time for 3 % of the bytes."""

# Pillow loads every plugin it has (43) when a format it is asked for is not there yet.
_PLUGINS: Final = (
    AvifImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file's bytes say. Width and height are those one sees: orientation is applied."""

    format: ImageFormat
    width: int
    height: int
    taken_at: datetime | None
    exif: tuple[tuple[str, str], ...]
    thumb_hash: bytes


@dataclass(frozen=True, slots=True)
class Derivative:
    """A WebP without metadata."""

    data: bytes
    width: int
    height: int


def inspect(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Inspection:
    """Decodes the whole first frame. AppError with an UploadProblem for whatever is wrong with the bytes."""
    with _opened(path, max_pixels) as (format, picture):
        picture.load()
        turn = metadata.orientation(picture)
        taken_at, exif = metadata.describe(picture)
        width, height = picture.size if turn < 5 else picture.size[::-1]
        small = _turned(_small(picture, thumbhash.MAX_SIDE), turn).convert("RGBA")
        return Inspection(
            format, width, height, taken_at, exif, thumbhash.thumb_hash(np.asarray(small))
        )


def make_thumbnails(
    path: Path,
    boxes: Mapping[str, int] = THUMBNAIL_BOXES,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> dict[str, Derivative]:
    """By name, the picture fitted into squares of so many pixels, upright, never enlarged. Errors as of `inspect`."""
    names = sorted(boxes, key=lambda name: -boxes[name])
    derivatives = {}
    with _opened(path, max_pixels) as (_, picture):
        current = _upright(picture, boxes[names[0]])
        for name in names:
            current = _shrunk(current, boxes[name])
            derivatives[name] = Derivative(_webp(current), current.width, current.height)
    return derivatives


def rgb_picture(
    path: Path, max_side: int, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> NDArray[np.uint8]:
    """uint8[h, w, 3]: the picture upright, h and w at most `max_side`, white behind what is transparent. Errors as of `inspect`."""
    with _opened(path, max_pixels) as (_, picture):
        small = _upright(picture, max_side)
        if small.mode == "RGBA":
            white = Image.new("RGBA", small.size, "white")
            small = Image.alpha_composite(white, small).convert("RGB")
        return np.array(small)


@contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[tuple[ImageFormat, Image.Image]]:
    """The picture, not decoded yet, checked; what goes wrong while it is used is its own fault."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        format = _format(head)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            plan = outline(data, format)
        _check_pixels(plan.width, plan.height, max_pixels)
        if not plan.is_whole:
            raise refusal(UploadProblem.TRUNCATED)
        # Pillow's own check, a second one: it sees frames that grow a picture, and refuses from twice the limit.
        file.seek(0)
        with (
            _at_most(max_pixels),
            _blamed(max_pixels),
            Image.open(file, formats=(format.value,)) as picture,
        ):
            _check_pixels(*picture.size, max_pixels)
            transparency.scale(picture)
            yield format, picture


@contextmanager
def _at_most(max_pixels: int) -> Iterator[None]:
    """Pillow has one limit for the whole process: whatever else opens pictures there keeps its own."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _format(head: bytes) -> ImageFormat:
    if not head:
        raise refusal(UploadProblem.EMPTY_FILE)
    format = sniff(head)
    if format is None:
        name = foreign_name(head)
        raise foreign(name) if name else refusal(UploadProblem.NOT_AN_IMAGE)
    return format


def _check_pixels(width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise too_many_pixels(limit)


@contextmanager
def _blamed(max_pixels: int) -> Iterator[None]:
    """Pillow answers damaged bytes with errors of many classes; here they all become what is wrong with the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except AppError:
        raise
    except MemoryError as error:
        raise refusal(UploadProblem.TOO_EXPENSIVE) from error
    except Image.DecompressionBombError as error:
        raise too_many_pixels(max_pixels) from error
    except Exception as error:
        # The first bytes were those of a picture: what follows is cut off or damaged.
        raise refusal(UploadProblem.TRUNCATED) from error


def _upright(picture: Image.Image, box: int) -> Image.Image:
    """The picture decoded no finer than needed (JPEG), shrunk and turned; RGB, or RGBA where it is transparent."""
    picture.draft(None, _fitted(picture.size, box))
    picture.load()
    return _turned(_small(picture, box), metadata.orientation(picture))


def _turned(picture: Image.Image, orientation: int) -> Image.Image:
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def _small(picture: Image.Image, box: int) -> Image.Image:
    """RGB or RGBA, within the box, in sRGB. It is shrunk in its own colours first, for a tenth of the pixels cost a tenth."""
    transform = colors.transform(picture)
    if transform is None:
        levels, small = colors.of_gamma(picture), _shrunk(picture, box)
        return small if levels is None else colors.relit(levels, small)
    match transform.input_mode:
        case "RGB":
            picture = _rgb(picture)
        case "L":
            picture = _grey(picture)
    return colors.applied(transform, _resized(picture, box))


def _shrunk(picture: Image.Image, box: int) -> Image.Image:
    """RGB or RGBA, within the box."""
    return _resized(_rgb(picture), box)


def _resized(picture: Image.Image, box: int) -> Image.Image:
    """By Lanczos."""
    size = _fitted(picture.size, box)
    if size == picture.size:
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _fitted(size: tuple[int, int], box: int) -> tuple[int, int]:
    width, height = size
    scale = min(1.0, box / max(size))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in ("RGB", "RGBA") and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith("I;16"):
        picture = _grey(picture)
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _grey(picture: Image.Image) -> Image.Image:
    """L or LA of a picture that is grey."""
    if picture.mode.startswith("I;16"):
        return transparency.grey(picture)
    return picture.convert("LA") if picture.has_transparency_data else picture


def _webp(picture: Image.Image) -> bytes:
    # Pillow writes into the file what it finds here: EXIF, XMP, the colour profile.
    picture.info.clear()
    buffer = io.BytesIO()
    method = 2 if max(picture.size) >= FAST_FROM else 4
    picture.save(buffer, "WEBP", quality=QUALITY, method=method)
    return buffer.getvalue()
