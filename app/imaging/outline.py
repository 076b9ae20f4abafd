"""A walk over a file's markers, chunks or blocks: its size in pixels and what decoding would cost. Decodes nothing.

Every bound here stops a file that is small and takes a decoder long: empty scans, floods of tiny chunks.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap
from typing import Final

from app.domain import ImageFormat
from app.errors import UploadProblem
from app.imaging.refusals import refusal

MAX_SCANS: Final = 100
MAX_SCANNED_PIXELS: Final = 4_000_000_000
"""Scans times pixels of a JPEG; an empty scan costs about a nanosecond a pixel."""
MAX_FILL: Final = 65_536
"""Bytes between the parts of a JPEG's head that belong to none. Pillow reads them one by one, a microsecond each."""
MAX_PARTS: Final = 10_000
HONEST_PART: Final = 1024
"""A large file may have one more part for each so many bytes: an honest writer's are larger (PNG 8 KiB, WebP far more)."""
MAX_ANCILLARY_BYTES: Final = 8_000_000
MAX_FRAMES: Final = 10_000
GIF_BLOCK: Final = 64
"""The same for a GIF's data blocks, which hold up to 255 bytes."""
MAX_AVIF_TABLE: Final = 32_768
"""Bytes of each table of items. A grid has an item for each tile: 48 in a phone's picture, a thousand fit. 22,500 tiles in 1 MB
took a decoder 17 s on a busy machine, and 65,000 more than its limit of 20 s, before it had the size in pixels: each is sought among all."""

_JPEG_MARKER: Final = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""Its last two bytes: before them may come any number of 0xFF. An expression that takes those in too looks at every run of them that
leads nowhere once from each of its bytes: 20 kB took 12 s."""
_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE: Final = 0xD9
_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH: Final = frozenset({0x01, 0xD8})

_AVIF_TABLES: Final = frozenset({b"iinf", b"iloc", b"iref", b"ipma"})
_AVIF_CONTAINERS: Final = {b"meta": 4} | dict.fromkeys(
    (b"iprp", b"ipco", b"moov", b"trak", b"mdia", b"minf", b"stbl"), 0
)
"""Boxes of boxes, with the bytes before the first of them (ISO/IEC 14496-12)."""
_AVIF_DEPTH: Final = 5


@dataclass(frozen=True, slots=True)
class Outline:
    """The size in pixels that the headers tell (0 x 0 where they are for the decoder to read), and whether the file is whole."""

    width: int
    height: int
    is_whole: bool


def outline(data: mmap, format: ImageFormat) -> Outline:
    """AppError(TOO_EXPENSIVE) where a bound is passed; a file that makes no sense is one that is not whole."""
    try:
        return _WALKS[format](data)
    except struct.error:
        return Outline(0, 0, is_whole=False)


class _Budget:
    """Counts what a decoder would have to walk through."""

    def __init__(self, data: mmap, *, honest_part: int = HONEST_PART) -> None:
        self._parts = MAX_PARTS + len(data) // honest_part
        self._frames = MAX_FRAMES
        self._ancillary = MAX_ANCILLARY_BYTES

    def part(self, *, ancillary_bytes: int = 0) -> None:
        self._parts -= 1
        self._ancillary -= ancillary_bytes
        if self._parts < 0 or self._ancillary < 0:
            raise refusal(UploadProblem.TOO_EXPENSIVE)

    def frame(self) -> None:
        self._frames -= 1
        if self._frames < 0:
            raise refusal(UploadProblem.TOO_EXPENSIVE)


def _jpeg(data: mmap) -> Outline:
    budget = _Budget(data)
    at = scans = fill = width = height = 0
    while found := _JPEG_MARKER.search(data, at):
        budget.part()
        fill += 0 if scans else found.start() - at
        if fill > MAX_FILL:
            raise refusal(UploadProblem.TOO_EXPENSIVE)
        marker, at = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            return Outline(width, height, is_whole=True)
        if marker in _WITHOUT_LENGTH:
            continue
        if marker in _FRAME_HEADERS:
            rows, columns = struct.unpack_from(">HH", data, at + 3)
            width, height = max(width, columns), max(height, rows)
        if marker == _START_OF_SCAN:
            scans += 1
            is_heavy = scans > 1 and scans * width * height > MAX_SCANNED_PIXELS
            if scans > MAX_SCANS or is_heavy:
                raise refusal(UploadProblem.TOO_EXPENSIVE)
        at += struct.unpack_from(">H", data, at)[0]
    return Outline(width, height, is_whole=False)


def _png(data: mmap) -> Outline:
    budget = _Budget(data)
    width, height = struct.unpack_from(">II", data, 16)
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        # Lower case marks what a decoder may skip; an animation's frames (fdAT) are skipped unread.
        is_ancillary = kind[:1].islower() and kind != b"fdAT"
        at += 12 + length
        budget.part(ancillary_bytes=min(length, len(data)) if is_ancillary else 0)
        if kind == b"fcTL":
            budget.frame()
        if kind == b"IEND":
            return Outline(width, height, is_whole=at <= len(data))
    return Outline(width, height, is_whole=False)


def _webp(data: mmap) -> Outline:
    budget = _Budget(data)
    width, height = _webp_size(data)
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    at = 12
    while at + 8 <= min(end, len(data)):
        kind, length = struct.unpack_from("<4sI", data, at)
        at += 8 + length + length % 2
        budget.part()
        if kind == b"ANMF":
            budget.frame()
    return Outline(width, height, is_whole=end <= len(data))


def _webp_size(data: mmap) -> tuple[int, int]:
    """Of the canvas, or of the only frame (RFC 9649, sections 2.5 to 2.7)."""
    match data[12:16]:
        case b"VP8X":
            low, high, low2, high2 = struct.unpack_from("<HBHB", data, 24)
            return (low | high << 16) + 1, (low2 | high2 << 16) + 1
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = struct.unpack_from("<I", data, 21)[0]
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            return 0, 0


def _gif(data: mmap) -> Outline:
    budget = _Budget(data, honest_part=GIF_BLOCK)
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + _gif_colors(flags)
    frames = 0
    while at < len(data):
        kind = data[at]
        if kind == 0x3B:
            return Outline(width, height, is_whole=True)
        if kind == 0x2C:
            frames += 1
            budget.frame()
            left, top, columns, rows, flags = struct.unpack_from("<HHHHB", data, at + 1)
            width, height = max(width, left + columns), max(height, top + rows)
            at = _gif_blocks(data, at + 11 + _gif_colors(flags), budget)
        elif kind == 0x21:
            at = _gif_blocks(data, at + 2, budget)
        elif kind == 0:
            # Padding between blocks is common.
            budget.part()
            at += 1
        else:
            break
    # Sloppy writers leave the trailer out, and every reader forgives them.
    return Outline(width, height, is_whole=frames > 0 and at == len(data))


def _gif_colors(flags: int) -> int:
    """Bytes of the colour table that the flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _gif_blocks(data: mmap, at: int, budget: _Budget) -> int:
    """Where a row of data blocks ends; beyond the file's end when it has none."""
    while at < len(data):
        budget.part()
        length = data[at]
        at += 1 + length
        if length == 0:
            return at
    return len(data) + 1


def _avif(data: mmap) -> Outline:
    """The size in pixels lies deep and is the decoder's to read, which it does without decoding."""
    end = _avif_boxes(data, 0, len(data), _Budget(data), depth=0)
    return Outline(0, 0, is_whole=end == len(data))


def _avif_boxes(data: mmap, at: int, end: int, budget: _Budget, *, depth: int) -> int:
    """Where a row of boxes ends that begins at `at` and should end at `end`."""
    while at + 8 <= end:
        budget.part()
        length, kind = struct.unpack_from(">I4s", data, at)
        inside = at + 8
        if length == 1:
            length, inside = struct.unpack_from(">Q", data, inside)[0], inside + 8
        elif length == 0:
            length = end - at
        if length < inside - at:
            break
        if kind in _AVIF_TABLES and length > MAX_AVIF_TABLE:
            raise refusal(UploadProblem.TOO_EXPENSIVE)
        if kind in _AVIF_CONTAINERS and depth < _AVIF_DEPTH:
            inside += _AVIF_CONTAINERS[kind]
            _avif_boxes(data, inside, min(at + length, end), budget, depth=depth + 1)
        at += length
    return at


_WALKS: Final[dict[ImageFormat, Callable[[mmap], Outline]]] = {
    ImageFormat.JPEG: _jpeg,
    ImageFormat.PNG: _png,
    ImageFormat.WEBP: _webp,
    ImageFormat.GIF: _gif,
    ImageFormat.AVIF: _avif,
}
