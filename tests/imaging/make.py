"""Makes picture files by script: good ones, strange ones and hostile ones."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
CORNERS = ("red", "lime", "blue", "white")
"""From the upper left, clockwise as one reads: two above, two below."""


def corners(width: int = 64, height: int = 48) -> Image.Image:
    """Four rectangles of four colours, so that every turn and flip shows."""
    picture = Image.new("RGB", (width, height))
    for number, color in enumerate(CORNERS):
        x, y = number % 2 * width // 2, number // 2 * height // 2
        picture.paste(color, (x, y, x + width // 2, y + height // 2))
    return picture


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)


def encoded(picture: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    if format == "AVIF":
        options = {"speed": 10, **options}
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def animation(format: str, count: int = 5, **options: Any) -> bytes:
    """The first frame is `corners`, the others are noise."""
    frames = [noise(64, 48, seed) for seed in range(1, count)]
    return encoded(
        corners(), format, save_all=True, append_images=frames, duration=50, loop=0, **options
    )


def exif(values: dict[int, Any], *, detail: dict[int, Any], place: dict[int, Any]) -> Image.Exif:
    record = Image.Exif()
    record.update(values)
    record.get_ifd(0x8769).update(detail)
    record.get_ifd(0x8825).update(place)
    return record


def png_chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int,
    height: int,
    rows: bytes = b"",
    *,
    extra: bytes = b"",
    depth: int = 8,
    color: int = 2,
) -> bytes:
    """A PNG of the given header; `rows` is its zlib stream, `extra` are chunks before it."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    body = extra + (png_chunk(b"IDAT", rows) if rows else b"")
    return b"\x89PNG\r\n\x1a\n" + header + body + png_chunk(b"IEND")


def zeros(size: int) -> bytes:
    """A zlib stream of `size` zero bytes, made of one compressed block over and over: quick at any size."""
    block = 1 << 20
    press = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = press.compress(bytes(block)) + press.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -15)
    rest = end.compress(bytes(size % block)) + end.flush()
    adler = (size % 65521) << 16 | 1
    return b"\x78\x9c" + one * (size // block) + rest + struct.pack(">I", adler)


def large_png(side: int) -> bytes:
    """A black RGBA square: 200 MB of pixels in some kilobytes at a side of 7,000."""
    return png(side, side, zeros(side * (4 * side + 1)), color=6)


def scan_bomb(scans: int, side: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again; each costs a pass over the whole picture."""
    data = encoded(Image.new("RGB", (side, side)), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * scans + data[-2:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def box(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", 8 + len(data)) + kind + data


def avif_grid(rows: int, columns: int, side: int = 64) -> bytes:
    """A picture of rows x columns tiles (ISO/IEC 23008-12, 6.6.2.3), all of which are the same few bytes of AV1."""
    tile = encoded(Image.new("RGB", (side, side), "teal"), "AVIF")
    at = tile.index(b"av1C") - 4
    config = tile[at : at + int.from_bytes(tile[at : at + 4], "big")]
    data = tile[tile.index(b"mdat") + 4 :]
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, columns * side, rows * side)
    count = rows * columns
    tiles = range(2, count + 2)
    kinds = [_full(b"infe", 2, struct.pack(">HH4sB", 1, 0, b"grid", 0))] + [
        _full(b"infe", 2, struct.pack(">HH4sB", one, 0, b"av01", 0)) for one in tiles
    ]
    properties = box(
        b"ipco",
        _full(b"ispe", 0, struct.pack(">II", columns * side, rows * side))
        + _full(b"pixi", 0, b"\3\x08\x08\x08")
        + config
        + _full(b"ispe", 0, struct.pack(">II", side, side)),
    )
    belongs = [struct.pack(">HBBB", 1, 2, 1, 2)] + [
        struct.pack(">HBBBB", one, 3, 4, 2, 0x83) for one in tiles
    ]
    fixed = (
        _full(b"hdlr", 0, bytes(4) + b"pict" + bytes(13))
        + _full(b"pitm", 0, struct.pack(">H", 1))
        + _full(b"iinf", 0, struct.pack(">H", count + 1) + b"".join(kinds))
        + _full(
            b"iref",
            0,
            box(b"dimg", struct.pack(">HH", 1, count) + struct.pack(f">{count}H", *tiles)),
        )
        + box(
            b"iprp",
            properties + _full(b"ipma", 0, struct.pack(">I", count + 1) + b"".join(belongs)),
        )
    )
    head = box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")
    places = 12 + 4 + 14 * (count + 1)
    start = len(head) + 12 + len(fixed) + places + 8
    where = [struct.pack(">HHHII", 1, 0, 1, start, len(grid))] + [
        struct.pack(">HHHII", one, 0, 1, start + len(grid), len(data)) for one in tiles
    ]
    iloc = _full(b"iloc", 0, struct.pack(">BBH", 0x44, 0, count + 1) + b"".join(where))
    return head + _full(b"meta", 0, fixed + iloc) + box(b"mdat", grid + data)


def _full(kind: bytes, version: int, data: bytes) -> bytes:
    return box(kind, bytes((version, 0, 0, 0)) + data)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
