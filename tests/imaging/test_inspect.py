"""What a picture's bytes say."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, TiffTags
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from app.domain import ImageFormat
from app.imaging import inspect, make_thumbnails
from app.imaging.metadata import MAX_RECORD_BYTES
from tests.imaging import make

TURNED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera stores an upright picture that it marks with this orientation."""
CAMERA = {0x010F: "Pictor", 0x0110: "Mödel\0 9", 0x0112: 1, 0x0131: "x" * 500}
SHOT = {
    0x9003: "2024:05:01 23:30:00",
    0x829A: IFDRational(1, 125),
    0x829D: IFDRational(28, 10),
    0x8827: 400,
    0x920A: IFDRational(50, 1),
    0xA432: (IFDRational(24), IFDRational(70), IFDRational(0, 0), IFDRational(28, 10)),
    0x927C: b"\0maker's\xff",
    0xA434: "Lens",
}
SYDNEY = {
    1: "S",
    2: (IFDRational(33), IFDRational(51), IFDRational(3132, 100)),
    3: "E",
    4: (IFDRational(151), IFDRational(12), IFDRational(5136, 100)),
    5: b"\1",
    6: IFDRational(25, 10),
}


@pytest.mark.parametrize("name", make.FORMATS)
def test_formats(tmp_path: Path, name: str) -> None:
    path = make.written(tmp_path / "x.txt", make.encoded(make.corners(), name))
    seen = inspect(path)
    assert (seen.format, seen.width, seen.height) == (ImageFormat(name), 64, 48)
    assert seen.taken_at is None
    assert seen.exif == ()
    assert 5 < len(seen.thumb_hash) < 30


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", TURNED)
def test_orientation(tmp_path: Path, name: str, orientation: int) -> None:
    turn = TURNED[orientation]
    stored = make.corners() if turn is None else make.corners().transpose(turn)
    record = make.exif({0x0112: orientation}, detail={}, place={})
    seen = inspect(make.written(tmp_path / "x", make.encoded(stored, name, exif=record)))
    assert (seen.width, seen.height) == (64, 48)
    assert "Orientation" not in dict(seen.exif)
    if name == "PNG":
        upright = inspect(make.written(tmp_path / "x", make.encoded(make.corners(), name)))
        assert seen.thumb_hash == upright.thumb_hash


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif(tmp_path: Path, name: str) -> None:
    record = make.exif(CAMERA, detail=SHOT, place=SYDNEY)
    seen = inspect(make.written(tmp_path / "x", make.encoded(make.corners(), name, exif=record)))
    assert seen.taken_at == datetime(2024, 5, 1, 23, 30, tzinfo=UTC)
    entries = dict(seen.exif)
    assert entries == {
        "Make": "Pictor",
        "Model": entries["Model"],
        "Software": "x" * 200,
        "DateTimeOriginal": "2024:05:01 23:30:00",
        "ExposureTime": "1/125 s",
        "FNumber": "f/2.8",
        "ISOSpeedRatings": "400",
        "FocalLength": "50 mm",
        "LensSpecification": "24 70 2.8",
        "LensModel": "Lens",
        "GPSLatitude": "-33.858700",
        "GPSLongitude": "151.214267",
        "GPSAltitude": "-2.5 m",
    }
    assert all(text.isprintable() for entry in seen.exif for text in entry)


@pytest.mark.parametrize(
    ("date", "offset", "expected"),
    [
        ("2024:05:01 12:00:00", "+05:30", datetime(2024, 5, 1, 6, 30, tzinfo=UTC)),
        ("2024:05:01 22:00:00", "-08:00", datetime(2024, 5, 2, 6, 0, tzinfo=UTC)),
        ("2024-05-01T12:00:00", "", datetime(2024, 5, 1, 12, 0, tzinfo=UTC)),
        ("2024:05:01 12:00:00", "nonsense", datetime(2024, 5, 1, 12, 0, tzinfo=UTC)),
        ("2024:05:01 20:00:00", "+14:00", datetime(2024, 5, 1, 6, 0, tzinfo=UTC)),
        ("2024:05:01 12:00:00", "+14:01", datetime(2024, 5, 1, 12, 0, tzinfo=UTC)),
        ("2024:05:01 12:00:00", "-15:00", datetime(2024, 5, 1, 12, 0, tzinfo=UTC)),
        ("2024:05:01 12:00:00", "+99:00", datetime(2024, 5, 1, 12, 0, tzinfo=UTC)),
        ("2024:05:01 12:00:00", "+01:60", datetime(2024, 5, 1, 12, 0, tzinfo=UTC)),
        ("0000:00:00 00:00:00", "", None),
        ("    :  :     :  :  ", "", None),
        ("2024:02:30 12:00:00", "", None),
        ("0001:01:01 00:00:00", "+14:00", None),
        ("yesterday", "+01:00", None),
    ],
)
def test_dates(tmp_path: Path, date: str, offset: str, expected: datetime | None) -> None:
    record = make.exif({}, detail={0x9003: date, 0x9011: offset}, place={})
    data = make.encoded(make.corners(), "JPEG", exif=record)
    assert inspect(make.written(tmp_path / "x", data)).taken_at == expected


@pytest.mark.parametrize(
    "place",
    [
        {1: "N", 2: (IFDRational(1, 0), IFDRational(0), IFDRational(0)), 3: "E", 4: (1.0,)},
        {1: "N", 2: (IFDRational(999), IFDRational(0), IFDRational(0)), 6: IFDRational(0, 0)},
        {1: "N", 2: (IFDRational(91), IFDRational(0), IFDRational(0))},
    ],
)
def test_a_place_that_is_none(tmp_path: Path, place: dict[int, object]) -> None:
    record = make.exif({0x010F: "Pictor"}, detail={}, place=place)
    data = make.encoded(make.corners(), "JPEG", exif=record)
    assert "GPSLatitude" not in dict(inspect(make.written(tmp_path / "x", data)).exif)


@pytest.mark.parametrize(
    "place",
    [
        {1: "N", 2: IFDRational(105, 2), 6: IFDRational(25, 10)},
        {2: (IFDRational(1), IFDRational(0, 0), IFDRational(3)), 6: IFDRational(25, 10)},
    ],
)
def test_an_odd_place_takes_nothing_else_away(tmp_path: Path, place: dict[int, object]) -> None:
    date = "2024:05:06 07:08:09"
    record = make.exif({0x010F: "Pictor"}, detail={0x9003: date}, place=place)
    seen = inspect(make.written(tmp_path / "x", make.encoded(make.corners(), "JPEG", exif=record)))
    assert seen.taken_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    entries = dict(seen.exif)
    assert (entries["Make"], entries["DateTimeOriginal"]) == ("Pictor", date)
    assert "GPSLatitude" not in entries
    assert entries["GPSAltitude"] == "2.5 m"


@pytest.mark.parametrize(
    ("thousandths", "text"),
    [(4, "1/250 s"), (250, "1/4 s"), (300, "0.3 s"), (600, "0.6 s"), (800, "0.8 s")],
)
def test_an_exposure_reads_as_a_camera_shows_it(
    tmp_path: Path, thousandths: int, text: str
) -> None:
    record = make.exif({}, detail={0x829A: IFDRational(thousandths, 1000)}, place={})
    seen = inspect(make.written(tmp_path / "x", make.encoded(make.corners(), "JPEG", exif=record)))
    assert dict(seen.exif)["ExposureTime"] == text


def test_entries_are_capped(tmp_path: Path) -> None:
    tags = set(ExifTags.TAGS) - set(TiffTags.TAGS_V2)
    record = make.exif(dict.fromkeys(tags, "text"), detail={}, place={})
    data = make.encoded(make.corners(), "JPEG", exif=record)
    assert len(tags) > 64
    assert len(inspect(make.written(tmp_path / "x", data)).exif) == 64


def test_a_broken_record_harms_nothing(tmp_path: Path) -> None:
    data = make.encoded(
        make.corners(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xee" * 90
    )
    seen = inspect(make.written(tmp_path / "x", data))
    assert (seen.width, seen.exif, seen.taken_at) == (64, (), None)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "AVIF", "PNG"])
def test_xmp_turns_nothing(tmp_path: Path, name: str) -> None:
    """Browsers turn by EXIF alone."""
    options: dict[str, Any] = {"xmp": XMP}
    if name == "PNG":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"pnginfo": text}
    path = make.written(tmp_path / "x", make.encoded(make.corners(60, 20), name, **options))
    seen = inspect(path)
    assert (seen.width, seen.height) == (60, 20)
    small = make_thumbnails(path)["SMALL"]
    assert (small.width, small.height) == (60, 20)
    turned = make.encoded(
        make.corners(60, 20),
        name,
        **options,
        exif=make.exif({0x0112: 8, 0x010F: "Pictor"}, detail={}, place={}),
    )
    seen = inspect(make.written(path, turned))
    assert (seen.width, seen.height, seen.exif) == (20, 60, (("Make", "Pictor"),))


def test_a_record_as_text(tmp_path: Path) -> None:
    record = make.exif({0x0112: 6, 0x010F: "Pictor"}, detail={}, place={}).tobytes()
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(record):8}\n{record.hex()}\n", zip=True)
    path = make.written(tmp_path / "x", make.encoded(make.corners(), "PNG", pnginfo=text))
    seen = inspect(path)
    assert (seen.width, seen.height, seen.exif) == (48, 64, (("Make", "Pictor"),))


def test_a_record_beyond_all_measure(tmp_path: Path) -> None:
    record = make.exif({0x0112: 6, 0x9999: "x" * MAX_RECORD_BYTES}, detail={}, place={})
    data = make.encoded(make.corners(), "WEBP", exif=record)
    seen = inspect(make.written(tmp_path / "x", data))
    assert (seen.width, seen.height, seen.exif) == (64, 48, ())


STRANGE = {
    "cmyk": lambda: make.encoded(make.corners().convert("CMYK"), "JPEG"),
    "grey": lambda: make.encoded(make.corners().convert("L"), "JPEG"),
    "progressive": lambda: make.encoded(make.corners(), "JPEG", progressive=True),
    "with a page behind": lambda: make.encoded(make.corners(), "JPEG") + b"<html>",
    "two pictures": lambda: make.encoded(
        make.corners(), "MPO", save_all=True, append_images=[make.noise(64, 48)]
    ),
    "16 bit": lambda: make.encoded(Image.fromarray(np.full((48, 64), 30_000, np.uint16)), "PNG"),
    "1 bit": lambda: make.encoded(make.corners().convert("1"), "PNG"),
    "palette": lambda: make.encoded(make.corners().convert("P"), "PNG", transparency=0),
    "alpha": lambda: make.encoded(make.corners().convert("RGBA"), "PNG"),
    "grey alpha": lambda: make.encoded(make.corners().convert("LA"), "PNG"),
    "APNG": lambda: make.animation("PNG"),
    "GIF": lambda: make.animation("GIF"),
    "GIF without its trailer": lambda: make.animation("GIF")[:-1],
    "WebP": lambda: make.animation("WEBP"),
    "lossless": lambda: make.encoded(make.corners(), "WEBP", lossless=True),
    "AVIF": lambda: make.animation("AVIF"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_but_good(tmp_path: Path, name: str) -> None:
    seen = inspect(make.written(tmp_path / "x", STRANGE[name]()))
    assert (seen.width, seen.height) == (64, 48)


def test_one_pixel_and_a_line(tmp_path: Path) -> None:
    for size in ((1, 1), (5000, 1), (1, 5000)):
        data = make.encoded(Image.new("RGB", size), "PNG")
        seen = inspect(make.written(tmp_path / "x", data))
        assert (seen.width, seen.height) == size
