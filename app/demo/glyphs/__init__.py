"""Pictures of things, animals and faces from the sprite sheets in this folder.

The sheets are rendered from Noto Color Emoji (SIL Open Font License 1.1, see LICENSE beside this
file) by tools/glyphs/render.py; the index names every glyph as Unicode does.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image

_FOLDER = Path(__file__).parent


class _Index(NamedTuple):
    cell: int
    columns: int
    per_sheet: int
    places: dict[str, int]


@lru_cache(maxsize=1)
def _index() -> _Index:
    raw = json.loads((_FOLDER / "index.json").read_text(encoding="utf-8"))
    places = {name: i for i, (_, name) in enumerate(raw["glyphs"])}
    return _Index(raw["cell"], raw["columns"], raw["per_sheet"], places)


@lru_cache(maxsize=8)
def _sheet(number: int) -> Image.Image:
    with Image.open(_FOLDER / f"sheet-{number}.webp") as image:
        return image.convert("RGBA")


def glyph_names() -> tuple[str, ...]:
    """The lower-case Unicode names of all glyphs, in the order of their code points."""
    return tuple(_index().places)


def glyph(name: str, size: int) -> Image.Image:
    """The glyph of that name as RGBA, size x size pixels; KeyError for an unknown name."""
    index = _index()
    number, place = divmod(index.places[name], index.per_sheet)
    row, column = divmod(place, index.columns)
    left, top = column * index.cell, row * index.cell
    cell = _sheet(number).crop((left, top, left + index.cell, top + index.cell))
    return cell if size == index.cell else cell.resize((size, size), Image.Resampling.BICUBIC)


def forget_sheets() -> None:
    """Drop the decoded sheets from memory (some 20 MB each); the next glyph reads them again."""
    _sheet.cache_clear()
