"""Derivatives: small, upright, without metadata."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from app.imaging import Derivative, make_thumbnails, rgb_picture
from tests.imaging import make
from tests.imaging.test_inspect import CAMERA, SHOT, SYDNEY, TURNED


def opened(derivative: Derivative) -> Image.Image:
    picture = Image.open(io.BytesIO(derivative.data))
    assert picture.format == "WEBP"
    assert picture.size == (derivative.width, derivative.height)
    return picture


def colors(picture: Image.Image) -> list[str]:
    """The names of the four corners' colours, or what is nearest."""
    width, height = picture.size
    known = {name: np.array(Image.new("RGB", (1, 1), name))[0, 0] for name in make.CORNERS}
    pixels = np.array(picture.convert("RGB")).astype(int)
    points = [(height // 4, width // 4), (height // 4, -width // 4)]
    points += [(-height // 4, width // 4), (-height // 4, -width // 4)]
    return [
        min(known, key=lambda name: float(np.abs(known[name] - pixels[point]).sum()))
        for point in points
    ]


def test_boxes(tmp_path: Path) -> None:
    path = make.written(tmp_path / "x", make.encoded(make.noise(2000, 500), "JPEG"))
    made = make_thumbnails(path)
    assert {name: (one.width, one.height) for name, one in made.items()} == {
        "SMALL": (160, 40),
        "MEDIUM": (480, 120),
        "LARGE": (1600, 400),
    }
    for one in made.values():
        opened(one).load()


def test_nothing_is_enlarged(tmp_path: Path) -> None:
    path = make.written(tmp_path / "x", make.encoded(make.corners(200, 100), "PNG"))
    sizes = {name: (one.width, one.height) for name, one in make_thumbnails(path).items()}
    assert sizes == {"SMALL": (160, 80), "MEDIUM": (200, 100), "LARGE": (200, 100)}
    path = make.written(tmp_path / "x", make.encoded(Image.new("RGB", (3000, 1)), "PNG"))
    assert make_thumbnails(path, {"A": 100})["A"].height == 1


@pytest.mark.parametrize("name", make.FORMATS)
def test_formats(tmp_path: Path, name: str) -> None:
    path = make.written(tmp_path / "x", make.encoded(make.corners(640, 480), name))
    assert colors(opened(make_thumbnails(path)["SMALL"])) == list(make.CORNERS)
    assert colors(Image.fromarray(rgb_picture(path, 224))) == list(make.CORNERS)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", TURNED)
def test_orientation_is_applied(tmp_path: Path, name: str, orientation: int) -> None:
    turn = TURNED[orientation]
    upright = make.corners(320, 160)
    stored = upright if turn is None else upright.transpose(turn)
    record = make.exif({0x0112: orientation}, detail={}, place={})
    path = make.written(tmp_path / "x", make.encoded(stored, name, exif=record))
    small = make_thumbnails(path, {"A": 100})["A"]
    assert (small.width, small.height) == (100, 50)
    assert colors(opened(small)) == list(make.CORNERS)
    pixels = rgb_picture(path, 64)
    assert pixels.shape == (32, 64, 3)
    assert colors(Image.fromarray(pixels)) == list(make.CORNERS)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_metadata_stays_behind(tmp_path: Path, name: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    record = make.exif(CAMERA, detail=SHOT, place=SYDNEY)
    options = {"exif": record, "icc_profile": profile, "xmp": b"<x:xmpmeta>secret</x:xmpmeta>"}
    if name == "PNG":
        del options["xmp"]
    data = make.encoded(make.corners(), name, **options)
    assert b"Pictor" in data
    for one in make_thumbnails(make.written(tmp_path / "x", data)).values():
        picture = opened(one)
        assert not {"exif", "icc_profile", "xmp"} & set(picture.info)
        assert not picture.getexif()
        for mark in (b"EXIF", b"ICCP", b"XMP ", b"Pictor", b"secret", b"GPS"):
            assert mark not in one.data


def test_alpha_is_kept_and_white_for_the_model(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (300, 300), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 150, 300))
    path = make.written(tmp_path / "x", make.encoded(picture, "PNG"))
    small = opened(make_thumbnails(path)["SMALL"]).convert("RGBA")
    assert np.array(small)[80, 150, 3] == 0
    assert np.array(small)[80, 10, 3] == 255
    pixels = rgb_picture(path, 100)
    assert pixels[50, 90].tolist() == [255, 255, 255]
    assert pixels[50, 10].tolist() == [0, 0, 255]
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable


def test_a_palette_with_transparency(tmp_path: Path) -> None:
    picture = Image.new("P", (300, 300), 0)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.paste(1, (0, 0, 150, 300))
    path = make.written(tmp_path / "x", make.encoded(picture, "PNG", transparency=0))
    small = np.array(opened(make_thumbnails(path)["SMALL"]).convert("RGBA"))
    assert small[80, 150, 3] == 0
    assert small[80, 10].tolist() == pytest.approx([0, 255, 0, 255], abs=12)


@pytest.mark.parametrize(
    ("depth", "color", "key", "shown"),
    [
        (2, 0, (3,), (0,)),
        (4, 0, (15,), (0,)),
        (16, 0, (0xFFFF,), (0xFF00,)),
        (16, 2, (0xFFFF, 0, 0), (0, 0, 0)),
        (16, 2, (0xFF00, 0, 0), (0, 0, 0)),
        (16, 2, (0x0100, 0, 0), (0xFF00, 0, 0)),
    ],
)
def test_a_transparent_colour_of_any_depth(
    tmp_path: Path, depth: int, color: int, key: tuple[int, ...], shown: tuple[int, ...]
) -> None:
    """The left half has that colour, the right one another."""
    bits = "".join(f"{one:0{depth}b}" for one in key * 16 + shown * 16)
    row = b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    chunk = make.png_chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    data = make.png(32, 8, depth=depth, color=color, rows=zlib.compress(row * 8), extra=chunk)
    small = make_thumbnails(make.written(tmp_path / "x", data))["SMALL"]
    alpha = np.array(opened(small).convert("RGBA"))[:, :, 3]
    assert alpha[4, 4] == 0
    assert alpha[4, 28] == 255


def test_cmyk(tmp_path: Path) -> None:
    data = make.encoded(make.corners(640, 480).convert("CMYK"), "JPEG")
    path = make.written(tmp_path / "x", data)
    assert colors(opened(make_thumbnails(path)["MEDIUM"])) == list(make.CORNERS)


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    levels = np.full((300, 300), 0x8000, np.uint16)
    path = make.written(tmp_path / "x", make.encoded(Image.fromarray(levels), "PNG"))
    assert rgb_picture(path, 50)[25, 25].tolist() == [128, 128, 128]
    small = np.array(opened(make_thumbnails(path)["SMALL"]).convert("RGB"))
    assert small[80, 80].tolist() == pytest.approx([128, 128, 128], abs=3)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame_counts(tmp_path: Path, name: str) -> None:
    path = make.written(tmp_path / "x", make.animation(name))
    small = opened(make_thumbnails(path)["SMALL"])
    assert colors(small) == list(make.CORNERS)
    assert not getattr(small, "is_animated", False)
