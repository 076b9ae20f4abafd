"""The glyph sheets: every name of the index has its picture, small enough to ship."""

import json
from pathlib import Path

import pytest

from app.demo import glyphs

FOLDER = Path(glyphs.__file__).parent


def test_index_and_sheets_agree() -> None:
    names = glyphs.glyph_names()

    assert len(names) == len(set(names)) > 1100
    assert {"cat", "dog", "red apple", "rocket", "sunflower"} <= set(names)
    for name in names:
        assert glyphs.glyph(name, 128).getchannel("A").getbbox() is not None, name
    glyphs.forget_sheets()


def test_code_points_are_single_and_sorted() -> None:
    index = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
    codes = [int(code, 16) for code, _ in index["glyphs"]]

    assert codes == sorted(set(codes))


def test_glyph_comes_at_the_size_asked_for() -> None:
    image = glyphs.glyph("dog", 53)

    assert (image.mode, image.size) == ("RGBA", (53, 53))
    with pytest.raises(KeyError):
        glyphs.glyph("no such thing", 53)


def test_files_are_small_and_licensed() -> None:
    sizes = [path.stat().st_size for path in FOLDER.glob("sheet-*.webp")]

    assert max(sizes) < 2_000_000
    assert sum(sizes) < 4_200_000
    assert "SIL OPEN FONT LICENSE" in (FOLDER / "LICENSE").read_text(encoding="utf-8")
