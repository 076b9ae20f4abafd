"""Colours as a file's own profile (ICC.1) means them, turned into sRGB, which is what a browser shows of the original.

A profile is as hostile as the file it comes in: what is too large, broken or made for other channels is ignored. A PNG without
one may say its gamma. What tells primaries without a profile is not heeded: docs/repair.md.
"""

import io
from typing import Final

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE_BYTES: Final = 1024 * 1024
"""A printer's take up to about 700 kB, a phone's 500 bytes."""
MAX_DIFFERENCE: Final = 2
"""Levels of 255 by which a profile may miss sRGB and still be it: every writer has numbers of his own for it."""
SCREEN_GAMMA: Final = 2.2
INSIGNIFICANT: Final = 0.05
"""So far the product of a file's and a screen's gamma may be from 1 without a difference: as in libpng."""
LARGEST_GAMMA: Final = 20_000.0

_CLASSES: Final = frozenset({b"mntr", b"scnr", b"prtr", b"spac"})
_PROGRAM: Final = b"mpet"
"""A part of floating-point stages, as many as its writer likes. Browsers do not read them, and
40,000 in 640 kB took minutes."""
_MODES: Final = {
    "RGB": (b"RGB ", "RGB"),
    "RGBA": (b"RGB ", "RGB"),
    "P": (b"RGB ", "RGB"),
    "L": (b"GRAY", "L"),
    "LA": (b"GRAY", "L"),
    "I;16": (b"GRAY", "L"),
    "I;16B": (b"GRAY", "L"),
    "CMYK": (b"CMYK", "CMYK"),
}
"""By Pillow's mode: the colour space that a profile must have, and the channels that it is asked for."""

_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_STEPS: Final = np.linspace(0, 255, 6).astype(np.uint8)
_PROBE: Final = np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS), axis=-1).reshape(36, 6, 3)

Transform = ImageCms.ImageCmsTransform


def transform(picture: Image.Image) -> Transform | None:
    """From the picture's colours to sRGB; None where there is nothing to do.

    It is not kept for the next picture with such a profile, which is decoded in a process of its own.
    """
    profile = picture.info.get("icc_profile")
    space, mode = _MODES.get(picture.mode, (b"", ""))
    if not isinstance(profile, bytes) or not _is_usable(profile, space):
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        found = Transform(source, _SRGB, mode, "RGB")
        return None if mode == "RGB" and _changes_nothing(found) else found
    except Exception:
        # A broken profile says nothing, whatever the library makes of it.
        return None


def applied(transform: Transform, picture: Image.Image) -> Image.Image:
    """RGB, or RGBA where the picture has an alpha channel, which stays as it is."""
    changed = transform.apply(picture.convert(transform.input_mode))
    if "A" in picture.getbands():
        changed.putalpha(picture.getchannel("A"))
    return changed


def of_gamma(picture: Image.Image) -> list[int] | None:
    """The level of a screen for each of 256 in a PNG that says its gamma, and nothing better; None where they are the same.

    Its light is level^(1/gamma), and a screen's level^2.2 (PNG, third edition, 13.13): what browsers do through libpng.
    """
    gamma = picture.info.get("gamma")
    if not isinstance(gamma, float) or {"icc_profile", "srgb"} & picture.info.keys():
        return None
    if not 0 < gamma <= LARGEST_GAMMA or abs(gamma * SCREEN_GAMMA - 1) <= INSIGNIFICANT:
        return None
    levels = np.linspace(0, 1, 256) ** (1 / (gamma * SCREEN_GAMMA))
    return [round(255 * one) for one in levels.tolist()]


def relit(levels: list[int], picture: Image.Image) -> Image.Image:
    """RGB or RGBA with other levels; alpha stays as it is."""
    alpha = list(range(256)) if picture.mode == "RGBA" else []
    return picture.point(levels * 3 + alpha)


def _is_usable(profile: bytes, space: bytes) -> bool:
    """Whether its header, of 128 bytes, tells of a device of that colour space (ICC.1:2022, 7.2)."""
    return (
        128 < len(profile) <= MAX_PROFILE_BYTES
        and profile[12:16] in _CLASSES
        and profile[16:20] == space
        and _PROGRAM not in profile
    )


def _changes_nothing(transform: Transform) -> bool:
    seen = np.asarray(transform.apply(Image.fromarray(_PROBE)))
    return int(np.abs(seen.astype(int) - _PROBE).max()) <= MAX_DIFFERENCE
