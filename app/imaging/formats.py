"""Formats by their first bytes; names and declared types count for nothing."""

import re
from typing import Final

from app.domain import ImageFormat

HEAD: Final = 4096
"""Bytes of a file that suffice to tell its format."""

_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
)
_FOREIGN: Final = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "PostScript"),
    (b"8BPS", "PSD"),
    (b"\0\0\1\0", "ICO"),
    (b"\0\0\2\0", "CUR"),
    (b"icns", "ICNS"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "HDR"),
    (b"gimp xcf", "XCF"),
    (b"FUJIFILMCCD-RAW", "RAW"),
)
_BMP_HEADERS: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
_SVG: Final = re.compile(
    rb"\s*+(?:<\?xml[^>]*+>\s*+|<!--(?:(?!-->).)*+-->\s*+|<!DOCTYPE[^>]*+>\s*+)*+<(?:\w+:)?svg[\s>]",
    re.S,
)
"""What was passed over is never looked at again: twenty comments in a row took a second."""
_PNM: Final = re.compile(rb"P[1-7]\s")


def sniff(head: bytes) -> ImageFormat | None:
    """The accepted format that a file's first HEAD bytes show; None for any other file."""
    if head.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageFormat.PNG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return ImageFormat.WEBP
    if head.startswith((b"GIF87a", b"GIF89a")):
        return ImageFormat.GIF
    return ImageFormat.AVIF if _brands(head) & _AVIF_BRANDS else None


def foreign_name(head: bytes) -> str | None:
    """What picture it is that is not accepted, as far as its first bytes tell."""
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            return name
    if _brands(head) & _HEIF_BRANDS:
        return "HEIC"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if _SVG.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "SVG"
    return "PNM" if _PNM.match(head) else None


def _brands(head: bytes) -> frozenset[bytes]:
    """The brands of an ISO base media file (ISO/IEC 14496-12, `ftyp`): its major one and the compatible ones."""
    if head[4:8] != b"ftyp":
        return frozenset()
    box = head[8 : int.from_bytes(head[:4], "big")]
    return frozenset({box[:4], *(box[at : at + 4] for at in range(8, len(box) - 3, 4))})
