"""Draws the material once: small pictures of scenes and patterns, and cut-out things, to memory maps."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.demo import colors
from app.demo.glyphs import glyph, glyph_names
from app.demo.objects import SHAPES, paint_shape
from app.demo.patterns import PATTERNS, paint_pattern
from app.demo.scenes import SCENES, paint_scene
from tools.builtin_model.vocabulary import REPAINTABLE, concepts_of_glyph

PICTURE_PIXELS = 96  # a little more than the model sees, so that training can move and zoom
THING_PIXELS = 80
_FORMATS = ((112, 112), (128, 96), (150, 100), (96, 128))
_REPAINTED = (
    "red",
    "orange",
    "yellow",
    "green",
    "turquoise",
    "blue",
    "purple",
    "pink",
    "black",
    "white",
)

SHAPE_GROUP = "shape"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one drawing of the bank shows.

    `kind` is the scene, pattern, shape or glyph it was drawn from; `color` the colour it is known
    to have, if any.
    """

    sort: str  # "scene", "pattern", "shape" or "glyph"
    kind: str
    concepts: tuple[str, ...]
    color: str | None = None


@dataclass(frozen=True, slots=True)
class Bank:
    """Pictures uint8[n, side, side, 3] and things uint8[m, side, side, 4], each with its entry."""

    pictures: NDArray[np.uint8]
    picture_entries: list[Entry]
    things: NDArray[np.uint8]
    thing_entries: list[Entry]


def draw(folder: Path, *, per_scene: int, per_pattern: int, processes: int, seed: int) -> None:
    """Draw the bank into the folder; the same seed draws the same bank."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [("scene", name, f"{seed}/{name}/{i}") for name in SCENES for i in range(per_scene)]
    jobs += [
        ("pattern", name, f"{seed}/{name}/{i}") for name in PATTERNS for i in range(per_pattern)
    ]
    with get_context("fork").Pool(processes) as pool:
        drawn = list(pool.imap(_picture, jobs, chunksize=32))
    _save(folder, "pictures", drawn)
    _save(folder, "things", [*_shapes(seed), *_glyphs(seed)])


def load(folder: Path) -> Bank:
    """The bank in the folder, its arrays mapped into memory. FileNotFoundError if never drawn."""
    pictures, picture_entries = _read(folder, "pictures")
    things, thing_entries = _read(folder, "things")
    return Bank(pictures, picture_entries, things, thing_entries)


def repaint(image: Image.Image, color: str, rng: random.Random) -> Image.Image | None:
    """The RGBA picture with its main hue changed to the colour; None where no hue prevails."""
    pixels = np.asarray(image.convert("RGB").convert("HSV"), dtype=np.float32)
    alpha = np.asarray(image.getchannel("A"))
    hue, saturation, value = (
        pixels[..., 0] * (360 / 255),
        pixels[..., 1] / 255,
        pixels[..., 2] / 255,
    )
    solid = alpha > 128
    vivid = solid & (saturation > 0.3) & (value > 0.2)
    if vivid.sum() < 0.4 * solid.sum():
        return None
    counts = np.histogram(hue[vivid], bins=36, range=(0, 360))[0]
    counts = counts + np.roll(counts, 1) + np.roll(counts, -1)
    main_hue = (int(counts.argmax()) + 0.5) * 10
    painted = vivid & (np.abs((hue - main_hue + 180) % 360 - 180) < 30)
    if painted.sum() < 0.4 * solid.sum():
        return None
    light = value / max(float(np.percentile(value[painted], 70)), 0.1)
    shade = np.array(colors.pick(rng, color), dtype=np.float32)
    rgb = np.asarray(image.convert("RGB"), dtype=np.float32)
    rgb = np.where(painted[..., None], np.clip(shade * light[..., None], 0, 255), rgb)
    return Image.fromarray(np.dstack([rgb.astype(np.uint8), alpha]))


def color_of(image: Image.Image) -> str | None:
    """The one colour that covers more than half of the solid part of an RGBA picture, if any."""
    rgba = np.asarray(image)
    solid = rgba[rgba[..., 3] > 128][:, :3]
    if len(solid) == 0:
        return None
    side = int(len(solid) ** 0.5)
    shares = colors.color_shares(Image.fromarray(solid[: side * side].reshape(side, side, 3)))
    name = max(shares, key=lambda key: shares[key])
    return name if shares[name] > 0.5 else None


def _picture(job: tuple[str, str, str]) -> tuple[NDArray[np.uint8], Entry]:
    sort, name, seed = job
    rng = random.Random(seed)
    paint = paint_scene if sort == "scene" else paint_pattern
    image, concepts = paint(rng, name, *rng.choice(_FORMATS))
    small = image.resize((PICTURE_PIXELS, PICTURE_PIXELS), Image.Resampling.BICUBIC)
    return np.asarray(small), Entry(sort, name, tuple(sorted({name, *concepts})))


def _shapes(seed: int, variants: int = 10) -> Iterator[tuple[NDArray[np.uint8], Entry]]:
    for shape in SHAPES:
        for color in colors.COLOR_NAMES:
            for i in range(variants):
                rng = random.Random(f"{seed}/{shape}/{color}/{i}")
                image = paint_shape(rng, shape, color, THING_PIXELS)
                yield np.asarray(image), Entry("shape", shape, (shape, SHAPE_GROUP), color)


def _glyphs(seed: int) -> Iterator[tuple[NDArray[np.uint8], Entry]]:
    for name in glyph_names():
        image = _padded(glyph(name, THING_PIXELS))
        concepts = concepts_of_glyph(name)
        yield np.asarray(image), Entry("glyph", name, concepts, color_of(image))
        if name in REPAINTABLE:
            yield from _repainted(image, name, seed)


def _repainted(
    image: Image.Image, name: str, seed: int
) -> Iterator[tuple[NDArray[np.uint8], Entry]]:
    # A colour in the Unicode name ("red apple") no longer holds.
    concepts = tuple(c for c in concepts_of_glyph(name) if not set(c.split()) & set(colors.COLORS))
    for color in _REPAINTED:
        painted = repaint(image, color, random.Random(f"{seed}/{name}/{color}"))
        if painted is not None:
            yield np.asarray(painted), Entry("glyph", name, concepts, color)


def _padded(image: Image.Image) -> Image.Image:
    """The picture centred on a transparent square of THING_PIXELS."""
    square = Image.new("RGBA", (THING_PIXELS, THING_PIXELS))
    left, top = (THING_PIXELS - image.width) // 2, (THING_PIXELS - image.height) // 2
    square.paste(image, (left, top))
    return square


def _save(folder: Path, name: str, drawn: list[tuple[NDArray[np.uint8], Entry]]) -> None:
    np.save(folder / f"{name}.npy", np.stack([pixels for pixels, _ in drawn]))
    rows = [[entry.sort, entry.kind, entry.concepts, entry.color] for _, entry in drawn]
    (folder / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")


def _read(folder: Path, name: str) -> tuple[NDArray[np.uint8], list[Entry]]:
    pixels: NDArray[np.uint8] = np.load(folder / f"{name}.npy", mmap_mode="r")
    rows: list[list[Any]] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    entries = [Entry(sort, kind, tuple(concepts), color) for sort, kind, concepts, color in rows]
    return pixels, entries
