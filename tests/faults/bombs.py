"""Files that are small and cost a careless server dearly, made by script. Each must be refused, quickly."""

import struct
import zlib
from collections.abc import Callable
from functools import cache

from PIL import Image

from tests.imaging import make

FLOOD = 2_000_000


def _in_png(extra: bytes) -> bytes:
    """A good picture with chunks behind its header."""
    good = make.encoded(make.noise(40, 30), "PNG")
    return good[:33] + extra + good[33:]


def _compressed(kind: bytes, head: bytes, megabytes: int) -> bytes:
    return make.png_chunk(kind, head + make.zeros(megabytes << 20))


def _gif(width: int, height: int, frames: int) -> bytes:
    frame = b",\0\0\0\0" + struct.pack("<HH", width, height) + b"\0\2\2D\1\0"
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0)
    return b"GIF89a" + screen + bytes(6) + frame * frames + b";"


def _apng(frames: int, side: int) -> bytes:
    """An animation whose every frame is the same few compressed bytes of a large canvas."""
    rows = zlib.compress(bytes(side * (3 * side + 1)), 9)
    control = struct.pack(">IIIIHHBB", side, side, 0, 0, 1, 10, 0, 0)
    parts = [make.png_chunk(b"acTL", struct.pack(">II", frames, 0))]
    for number in range(frames):
        parts.append(make.png_chunk(b"fcTL", struct.pack(">I", 2 * number) + control))
        parts.append(make.png_chunk(b"fdAT", struct.pack(">I", 2 * number + 1) + rows))
    return make.png(side, side, rows, extra=b"".join(parts))


def _webp_animation(frames: int, side: int) -> bytes:
    """A canvas and so many frames of its size, each of some bytes."""
    still = make.encoded(Image.new("RGB", (side, side)), "WEBP", lossless=True)
    size = struct.pack("<I", side - 1)[:3]
    frame = bytes(6) + size + size + bytes(4) + still[12:]
    canvas = b"\x02\0\0\0" + size + size
    return make.riff((b"VP8X", canvas), (b"ANIM", bytes(6)), *[(b"ANMF", frame)] * frames)


BOMBS: dict[str, Callable[[], bytes]] = {
    "JPEG, 2,000,000 fill bytes and no marker": lambda: b"\xff\xd8" + b"\xff" * FLOOD,
    "JPEG, 20,000,000 fill bytes before a picture": lambda: (
        b"\xff\xd8" + b"\xff" * (10 * FLOOD) + make.encoded(make.noise(40, 30), "JPEG")[2:]
    ),
    "JPEG, 2,000 scans of 4 MP": lambda: make.scan_bomb(2_000, 2_000),
    "JPEG, 1,000 scans of 49 MP": lambda: make.scan_bomb(1_000, 7_000),
    "JPEG of 65,000 x 2,700": lambda: make.encoded(make.noise(64, 48), "JPEG").replace(
        struct.pack(">HH", 48, 64), struct.pack(">HH", 65_000, 2_700), 1
    ),
    "PNG, 2,000,000 empty chunks": lambda: _in_png(make.png_chunk(b"teSt") * FLOOD),
    "PNG, 2,000,000 texts": lambda: _in_png(make.png_chunk(b"tEXt", b"a\0b") * FLOOD),
    "PNG header of 60,000 x 60,000": lambda: make.png(60_000, 60_000),
    "PNG, 1 bit, 50,000 x 50,000": lambda: make.png(
        50_000, 50_000, make.zeros(50_000 * 6_251), depth=1, color=0
    ),
    "PNG, colour profile of 400 MB": lambda: _in_png(_compressed(b"iCCP", b"a\0\0", 400)),
    "PNG, 5 texts of 60 MB": lambda: _in_png(_compressed(b"zTXt", b"a\0\0", 60) * 5),
    "PNG, 5 texts of 60 MB (iTXt)": lambda: _in_png(
        _compressed(b"iTXt", b"a\0\1\0\0\0", 60) * 5
    ),
    "APNG, 20,000 frames": lambda: _apng(20_000, 8),
    "WebP of 16,383 x 16,383 in 40 bytes": lambda: make.riff(
        (b"VP8L", b"\x2f\xfe\xbf\xff\x0f" + bytes(13))
    ),
    "WebP, 20,000 frames of 2,000 x 2,000": lambda: _webp_animation(20_000, 2_000),
    "GIF, 20,000 frames of 4,000 x 4,000": lambda: _gif(4_000, 4_000, 20_000),
    "GIF screen of 65,535 x 65,535": lambda: _gif(65_535, 65_535, 1),
    "AVIF, grid of 255 x 255 tiles": lambda: make.avif_grid(255, 255),
    "AVIF, grid of 150 x 150 tiles": lambda: make.avif_grid(150, 150),
}  # fmt: skip


@cache
def bomb(name: str) -> bytes:
    return BOMBS[name]()
