"""Formats are told by bytes."""

import pytest
from PIL import Image

from app.domain import ImageFormat
from app.imaging import sniff
from app.imaging.formats import foreign_name
from tests.imaging import make


@pytest.mark.parametrize("name", make.FORMATS)
def test_what_is_taken(name: str) -> None:
    data = make.encoded(make.corners(), name)
    assert sniff(data[:4096]) is ImageFormat(name)
    assert sniff(data[:64]) is ImageFormat(name)


@pytest.mark.parametrize(
    ("brand", "others", "expected"),
    [
        (b"avif", [], ImageFormat.AVIF),
        (b"avis", [b"msf1"], ImageFormat.AVIF),
        (b"mif1", [b"miaf", b"avif"], ImageFormat.AVIF),
        (b"mif1", [b"heic"], None),
        (b"heic", [b"mif1"], None),
        (b"isom", [b"mp42"], None),
    ],
)
def test_brands(brand: bytes, others: list[bytes], expected: ImageFormat | None) -> None:
    head = make.box(b"ftyp", brand + bytes(4) + b"".join(others))
    assert sniff(head + b"avif") is expected
    assert foreign_name(head) == ("HEIC" if b"heic" in (brand, *others) else None) or expected


@pytest.mark.parametrize("name", ["BMP", "TIFF", "ICO", "PPM", "PDF", "JPEG2000", "ICNS", "QOI"])
def test_what_is_a_picture_but_not_taken(name: str) -> None:
    data = make.encoded(Image.new("RGB", (64, 64)), name)
    assert sniff(data) is None
    assert foreign_name(data) is not None


@pytest.mark.parametrize(
    "text",
    [
        "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "\ufeff<?xml version='1.0'?>\n<!-- drawn --><!DOCTYPE svg>\n <svg width='1'/>",
        "<svg:svg xmlns:svg='http://www.w3.org/2000/svg'/>",
    ],
)
def test_svg(text: str) -> None:
    assert foreign_name(text.encode()) == "SVG"


@pytest.mark.parametrize(
    "head",
    [b"", b"\xff", b"\xff\xd8", b"hello", b"PK\3\4", b"BM, said he", b"<html><svg>", bytes(99)],
)
def test_what_is_none(head: bytes) -> None:
    assert sniff(head) is None
    assert foreign_name(head) is None
