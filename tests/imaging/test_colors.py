"""Pictures look as their own colour profile has them, in thumbnails, placeholder and embedding."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.imaging import Decoder, inspect, make_thumbnails
from app.imaging.colors import MAX_PROFILE_BYTES
from app.imaging.thumbhash import thumb_hash
from tests.imaging import make, profiles
from tests.imaging.colors import COLOR, flat, seen

WIDE = {
    "red and blue swapped": (profiles.SWAPPED, 2.2),
    "Display P3": (profiles.P3, 2.2),
    "linear light": (profiles.SRGB, 1.0),
}


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("name", WIDE)
def test_a_profile_is_applied(tmp_path: Path, name: str, format: str) -> None:
    columns, gamma = WIDE[name]
    data = make.encoded(flat(), format, icc_profile=profiles.of_matrix(columns, gamma))
    expected = profiles.shown(COLOR, columns, gamma)
    assert np.abs(np.array(expected) - COLOR).max() > 10
    assert seen(tmp_path / "x", data) == pytest.approx(expected, abs=8 if format != "PNG" else 2)


def test_a_palette_and_its_profile(tmp_path: Path) -> None:
    profile = profiles.of_matrix(profiles.SWAPPED, 2.2)
    data = make.encoded(flat().quantize(4), "PNG", icc_profile=profile)
    red, _, blue = seen(tmp_path / "x", data)
    assert blue > red


def test_the_placeholder_has_the_same_colours(tmp_path: Path) -> None:
    profile = profiles.of_matrix(profiles.SWAPPED, 2.2)
    path = make.written(tmp_path / "x", make.encoded(flat(), "PNG", icc_profile=profile))
    expected = flat("RGBA", (*profiles.shown(COLOR, profiles.SWAPPED, 2.2), 255)).resize((100, 50))
    assert inspect(path).thumb_hash == thumb_hash(np.asarray(expected))


def test_alpha_is_kept(tmp_path: Path) -> None:
    picture = flat("RGBA", (0, 0, 0, 0))
    picture.paste((*COLOR, 255), (0, 0, 100, 100))
    profile = profiles.of_matrix(profiles.SWAPPED, 2.2)
    path = make.written(tmp_path / "x", make.encoded(picture, "PNG", icc_profile=profile))
    small = np.asarray(Image.open(io.BytesIO(make_thumbnails(path)["SMALL"].data)))
    assert (small[40, 20, 3], small[40, 140, 3]) == (255, 0)
    expected = profiles.shown(COLOR, profiles.SWAPPED, 2.2)
    assert small[40, 20, :3].tolist() == pytest.approx(expected, abs=6)


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "transparent"])
def test_grey(tmp_path: Path, mode: str) -> None:
    """Half of the light is level 188 of sRGB."""
    options = {"icc_profile": profiles.grey(1.0)}
    match mode:
        case "I;16":
            picture = Image.fromarray(np.full((100, 200), 0x8080, np.uint16))
        case "LA":
            picture = flat("LA", (128, 255))
        case _:
            picture = flat("L", 128)
    data = make.encoded(
        picture, "PNG", **options, **({"transparency": 7} if mode == "transparent" else {})
    )
    assert seen(tmp_path / "x", data) == pytest.approx([188] * 3, abs=1)


def test_inks(tmp_path: Path) -> None:
    cyan = flat("CMYK", (255, 0, 0, 0))
    assert seen(tmp_path / "x", make.encoded(cyan, "JPEG")) == [0, 255, 255]
    profiled = make.encoded(cyan, "JPEG", icc_profile=profiles.inks())
    assert seen(tmp_path / "x", profiled) == pytest.approx([255, 0, 0], abs=12)
    paper = make.encoded(flat("CMYK", (0, 0, 0, 0)), "JPEG", icc_profile=profiles.inks())
    assert seen(tmp_path / "x", paper) == pytest.approx([255] * 3, abs=2)


GOOD = profiles.of_matrix(profiles.SWAPPED, 2.2)
IGNORED = {
    "sRGB": profiles.plain(),
    "empty": b"",
    "no profile": b"colourful" * 99,
    "cut off": GOOD[:200],
    "a header alone": GOOD[:132],
    "of tags that lie elsewhere": GOOD[:136] + b"\xff" * 12 * 7 + GOOD[220:],
    "huge": GOOD + bytes(MAX_PROFILE_BYTES),
    "of inks": profiles.inks(),
    "grey": profiles.grey(1.0),
    "of two devices": GOOD[:12] + b"link" + GOOD[16:],
    "with a program": profiles.program(),
}


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
@pytest.mark.parametrize("name", IGNORED)
async def test_a_profile_that_is_none(tmp_path: Path, name: str, format: str) -> None:
    """To the byte the same as without: for sRGB there is nothing to do, and from the others nothing to learn."""
    profiled = make.encoded(make.corners(), format, icc_profile=IGNORED[name])
    path = make.written(tmp_path / "x", profiled)
    bare = make.written(tmp_path / "bare", make.encoded(make.corners(), format))
    decoder = Decoder(max_pixels=1_000_000)
    try:
        assert await decoder.inspect(path) == await decoder.inspect(bare)
        assert await decoder.thumbnails(path) == await decoder.thumbnails(bare)
        pixels, expected = await decoder.picture(path, 32), await decoder.picture(bare, 32)
    finally:
        await decoder.close()
    assert np.array_equal(pixels, expected)


def test_profiles_of_other_channels(tmp_path: Path) -> None:
    """Grey pictures with a profile of a screen are common, and inks with one are a mistake."""
    for picture in (flat("L", 128), flat("CMYK", (255, 0, 0, 0))):
        bare = seen(tmp_path / "x", make.encoded(picture, "JPEG"))
        for profile in (GOOD, profiles.inks() if picture.mode == "L" else profiles.grey(1.0)):
            data = make.encoded(picture, "JPEG", icc_profile=profile)
            assert seen(tmp_path / "x", data) == bare


def test_broken_profiles_end_well(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    for whole, mode in ((GOOD, "RGB"), (profiles.inks(), "CMYK"), (profiles.grey(2.0), "L")):
        for _ in range(60):
            broken = bytearray(whole)
            for at in chance.integers(40, len(broken), 5):
                broken[at] = chance.integers(256)
            data = make.encoded(flat(mode, 1), "JPEG", icc_profile=bytes(broken))
            assert inspect(make.written(tmp_path / "x", data)).width == 200
