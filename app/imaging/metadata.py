"""What a picture says of itself (EXIF): orientation, date, printable entries. A broken record says nothing."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from PIL import ExifTags, Image

from app.domain import MAX_EXIF_ENTRIES

MAX_VALUE_LENGTH: Final = 200
MAX_NUMBERS: Final = 4
"""Of one entry; longer rows are tables for machines."""

SLOWEST_FRACTION: Final = 0.2501
"""Seconds of exposure up to which it is written as 1/n, as cameras do: no 1/n is near 0.6 or 0.8."""
MAX_AHEAD: Final = timedelta(hours=14)
MAX_RECORD_BYTES: Final = 1024 * 1024
"""A camera's takes up to 64 kB, for a JPEG holds no more; of rationals alone, a megabyte takes a second."""

_ORIENTATION: Final = 0x0112
_DATE: Final = 0x9003
_OFFSET: Final = 0x9011
_HIDDEN: Final = frozenset({_ORIENTATION, 0x8769, 0x8825, 0xA005, 0x927C, 0xC4A5, 0x0201, 0x0202})
"""Orientation is applied already; the others are pointers and makers' own records."""
_EXPOSURE, _APERTURE, _FOCAL, _FOCAL_35 = 0x829A, 0x829D, 0x920A, 0xA405
_DATE_TEXT: Final = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET_TEXT: Final = re.compile(r"([+-])(\d\d):(\d\d)")

Entry = tuple[str, str]


def orientation(picture: Image.Image) -> int:
    """EXIF's 1 to 8; 1 where nothing sensible is said."""
    try:
        value = _record(picture).get(_ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def describe(picture: Image.Image) -> tuple[datetime | None, tuple[Entry, ...]]:
    """When the picture was taken (aware, UTC; without an offset its clock counts as UTC), and what else can be printed."""
    try:
        exif = _record(picture)
    except Exception:
        # Pillow parses hostile records with whatever error comes up; none of them makes the picture worse.
        return None, ()
    detail, place = _directory(exif, ExifTags.IFD.Exif), _directory(exif, ExifTags.IFD.GPSInfo)
    entries = (*_read(_entries(exif)), *_read(_entries(detail)), *_read(_place(place)))
    return _taken_at(detail), entries[:MAX_EXIF_ENTRIES]


def _directory(exif: Image.Exif, which: ExifTags.IFD) -> Mapping[int, Any]:
    try:
        return exif.get_ifd(which)
    except Exception:
        return {}


def _read(entries: Iterator[Entry]) -> list[Entry]:
    """Those before the first that breaks: what is odd in one directory takes nothing from the others."""
    read: list[Entry] = []
    with suppress(Exception):
        for entry in entries:
            read.append(entry)
    return read


def _record(picture: Image.Image) -> Image.Exif:
    """Pillow's own way to it makes up an orientation from XMP, which browsers do not heed."""
    record = Image.Exif()
    data = picture.info.get("exif") or _as_text(picture)
    if len(data) <= MAX_RECORD_BYTES:
        record.load(data)
    return record


def _as_text(picture: Image.Image) -> bytes:
    """As ImageMagick writes it into a PNG: three lines that tell of what and how much, and hexadecimal digits."""
    text = str(picture.info.get("Raw profile type exif", ""))
    return bytes.fromhex("".join(text.split("\n")[3:]))


def _taken_at(detail: Mapping[int, Any]) -> datetime | None:
    try:
        date = _DATE_TEXT.match(str(detail.get(_DATE, "")))
        offset = _OFFSET_TEXT.match(str(detail.get(_OFFSET, "")))
        if date is None:
            return None
        year, month, day, hour, minute, second = (int(part) for part in date.groups())
        local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        return local - _ahead(offset)
    except Exception:
        return None


def _ahead(offset: re.Match[str] | None) -> timedelta:
    """Of UTC; nothing where no clock on earth is so far from it."""
    if offset is None:
        return timedelta()
    hours, minutes = int(offset[2]), int(offset[3])
    ahead = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or ahead > MAX_AHEAD:
        return timedelta()
    return -ahead if offset[1] == "-" else ahead


def _entries(values: Mapping[int, Any]) -> Iterator[Entry]:
    for tag in values:
        name = ExifTags.TAGS.get(tag)
        text = None if name is None or tag in _HIDDEN else _said(values, tag)
        if name and text:
            yield name, text


def _said(values: Mapping[int, Any], tag: int) -> str | None:
    """The text of one value, which is parsed only now."""
    try:
        return _text(tag, values[tag])
    except Exception:
        return None


def _text(tag: int, value: object) -> str | None:
    """The value as a person writes it; None where it is binary, empty or no number."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, tuple):
        parts = [_number(one) for one in value]
        return " ".join(part for part in parts if part) if len(parts) <= MAX_NUMBERS else None
    number = _number(value)
    if number is None:
        return None
    match tag:
        case _ if tag == _EXPOSURE and 0 < float(number) <= SLOWEST_FRACTION:
            return f"1/{round(1 / float(number))} s"
        case _ if tag == _EXPOSURE:
            return f"{number} s"
        case _ if tag == _APERTURE:
            return f"f/{number}"
        case _ if tag in (_FOCAL, _FOCAL_35):
            return f"{number} mm"
        case _:
            return number


def _number(value: object) -> str | None:
    """An integer or a rational of any of Pillow's types, to six digits."""
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        return None
    number = float(value)
    if not math.isfinite(number):
        return None
    return str(int(number)) if number.is_integer() else f"{number:.6g}"


def _clean(text: str) -> str:
    """Printable and short. Pillow reads Latin-1 where many cameras and all phones write UTF-8."""
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode()
    printable = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(printable.split())[:MAX_VALUE_LENGTH].strip()


def _place(place: Mapping[int, Any]) -> Iterator[Entry]:
    """Latitude and longitude in decimal degrees (six places, about 0.1 m), altitude in metres."""
    for name, tag, negative, limit in (
        ("GPSLatitude", ExifTags.GPS.GPSLatitude, "S", 90),
        ("GPSLongitude", ExifTags.GPS.GPSLongitude, "W", 180),
    ):
        degrees = _degrees(place.get(tag), limit)
        if degrees is not None:
            # The letter of the hemisphere is the tag before.
            sign = -1 if str(place.get(tag - 1, "")).upper().startswith(negative) else 1
            yield name, f"{sign * degrees:.6f}"
    altitude = _number(place.get(ExifTags.GPS.GPSAltitude))
    if altitude is not None:
        below = place.get(ExifTags.GPS.GPSAltitudeRef) in (1, b"\x01")
        yield "GPSAltitude", f"{'-' if below else ''}{altitude} m"


def _degrees(parts: object, limit: int) -> float | None:
    """Degrees, minutes and seconds as one number, 0 to `limit`."""
    if not isinstance(parts, tuple) or len(parts) != 3 or None in map(_number, parts):
        return None
    degrees = sum(float(part) / 60**power for power, part in enumerate(parts))
    return degrees if 0 <= degrees <= limit else None
