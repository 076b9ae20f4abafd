"""A PNG that says its gamma and has no profile looks as browsers show it."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.imaging import inspect, make_thumbnails
from tests.imaging import make, profiles
from tests.imaging.colors import COLOR, flat, seen

CHUNK = 33
"""Where chunks may stand: behind the first one."""
SRGB = make.png_chunk(b"sRGB", b"\0")
PRIMARIES = make.png_chunk(
    b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
)


def chunk(gamma: int) -> bytes:
    """In units of 1 / 100,000."""
    return make.png_chunk(b"gAMA", struct.pack(">I", gamma))


def saying(picture: Image.Image, *chunks: bytes, **options: object) -> bytes:
    data = make.encoded(picture, "PNG", **options)
    return data[:CHUNK] + b"".join(chunks) + data[CHUNK:]


def shown(color: tuple[int, ...], gamma: float) -> list[int]:
    """The product of all exponents, of file and screen, is 1."""
    return [round(255 * (level / 255) ** (1 / gamma / 2.2)) for level in color]


@pytest.mark.parametrize("gamma", [100_000, 55_556, 35_000])
@pytest.mark.parametrize("primaries", [b"", PRIMARIES])
def test_light_is_as_the_file_says(tmp_path: Path, gamma: int, primaries: bytes) -> None:
    expected = shown(COLOR, gamma / 100_000)
    assert np.abs(np.array(expected) - COLOR).max() > 10
    assert seen(tmp_path / "x", saying(flat(), primaries, chunk(gamma))) == expected


def test_half_of_the_light_in_linear_levels(tmp_path: Path) -> None:
    """By other people's numbers: 0.5^(1/2.2) of 255 is 186."""
    path = tmp_path / "x"
    assert seen(path, saying(flat("L", 128), chunk(100_000))) == [186] * 3
    deep = Image.fromarray(np.full((100, 200), 0x8080, np.uint16))
    assert seen(path, saying(deep, chunk(100_000))) == [186] * 3
    assert seen(path, saying(flat().quantize(4), chunk(100_000))) == shown(COLOR, 1.0)
    # Black and white are at the ends of any curve.
    assert seen(path, saying(flat("1", 1), chunk(100_000))) == [255] * 3
    assert seen(path, saying(flat("1", 0), chunk(100_000))) == [0] * 3


def test_alpha_stays_as_it_is(tmp_path: Path) -> None:
    path = make.written(tmp_path / "x", saying(flat("RGBA", (*COLOR, 128)), chunk(100_000)))
    small = np.asarray(Image.open(io.BytesIO(make_thumbnails(path)["SMALL"].data)))
    assert small[40, 80].tolist() == pytest.approx([*shown(COLOR, 1.0), 128], abs=6)
    light = saying(flat(), chunk(100_000))
    plain = make.encoded(flat(color=tuple(shown(COLOR, 1.0))), "PNG")
    assert (
        inspect(make.written(path, light)).thumb_hash
        == inspect(make.written(path, plain)).thumb_hash
    )


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(45_455)],
        [chunk(45_455), PRIMARIES],
        # Insignificant, to libpng.
        [chunk(45_000)],
        [chunk(47_000)],
        [chunk(0)],
        [chunk(2**32 - 1)],
        [chunk(100_000), SRGB],
        [SRGB, chunk(100_000)],
    ],
)
def test_a_gamma_that_changes_nothing(tmp_path: Path, chunks: list[bytes]) -> None:
    assert seen(tmp_path / "x", saying(flat(), *chunks)) == list(COLOR)


def test_a_profile_goes_before_it(tmp_path: Path) -> None:
    profile = profiles.of_matrix(profiles.SWAPPED, 2.2)
    with_profile = make.encoded(flat(), "PNG", icc_profile=profile)
    both = saying(flat(), chunk(100_000), icc_profile=profile)
    assert seen(tmp_path / "x", both) == seen(tmp_path / "x", with_profile)
    plain = saying(flat(), chunk(100_000), icc_profile=profiles.plain())
    assert seen(tmp_path / "x", plain) == list(COLOR)
