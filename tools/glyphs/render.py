"""Renders the glyph sheet of app/demo/glyphs from a colour emoji font.

    apt-get install fonts-noto-color-emoji
    python tools/glyphs/render.py

Needed only to change the sheet; the product reads the sheet and never the font.
"""

import argparse
import json
import re
import unicodedata
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
COPYRIGHT = Path("/usr/share/doc/fonts-noto-color-emoji/copyright")
TARGET = Path(__file__).resolve().parents[2] / "app" / "demo" / "glyphs"
FONT_PIXELS = 109  # the one size the font's bitmaps have
CELL = 128
COLUMNS = 20
GLYPHS_PER_SHEET = 300

BLOCKS = ((0x2190, 0x2BFF), (0x1F300, 0x1FAFF))
# Letters, figures, signs of devices and zodiac, modifiers: nothing one would look for in a picture.
NOT_PICTURES = re.compile(
    r"DIGIT|REGIONAL|^TAG |KEYCAP|JOINER|MODIFIER|COMPONENT|SQUARED|CIRCLED|INPUT SYMBOL|ARROW"
    r"|CLOCK FACE|POINTING (TRIANGLE|DOUBLE|SMALL)|VERTICAL BAR|BUTTON$|(MEDIUM|SMALL) SQUARE"
    r"|SQUARE FOR|CIRCLE FOR|CURLY LOOP|WAVY DASH|MULTIPLICATION|PLUS SIGN|MINUS SIGN|DIVISION SIGN"
    r"|EQUALS SIGN|ALTERNATION|IDEOGRAPH|DOTTED LINE|EJECT|CURRENCY|UNDER EIGHTEEN|COMPRESSION"
    r"|TRIGRAM|CLOCKWISE|EXCLAMATION|MIDDLE FINGER|RESTROOM|MENS SYMBOL|WOMENS SYMBOL"
    r"|COPYRIGHT|TRADE MARK|MALE SIGN|INFINITY|SYMBOL FOR BEGINNER|PERMANENT PAPER|BLACK FLAG"
    r"|HAIR$|WITH STROKE|NEUTRAL|NON-POTABLE|NO (ENTRY|SMOKING|BICYCLES|PEDESTRIANS|MOBILE|ONE)"
)
ORIGIN = """The pictures in this folder are rendered from Noto Color Emoji.
Copyright 2013-2017 Google Inc.; Arjen Nienhuis <a.g.nienhuis@gmail.com>
Source: https://github.com/googlefonts/noto-emoji

"""


def is_picture(character: str) -> bool:
    """Whether one code point is a picture of something, by its Unicode name."""
    name = unicodedata.name(character, "")
    return bool(name) and not NOT_PICTURES.search(name)


def render(font: ImageFont.FreeTypeFont, character: str) -> Image.Image | None:
    """The glyph in the middle of a square of CELL pixels (RGBA); None where the font has none."""
    canvas = Image.new("RGBA", (200, 200))
    ImageDraw.Draw(canvas).text((20, 20), character, font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None or not _has_color_bitmap(canvas):
        return None
    # Text drawn on nothing mixes with the black of nothing: these are premultiplied colours.
    glyph = Image.frombytes("RGBa", canvas.size, canvas.tobytes()).crop(box)
    side = max(glyph.size)
    square = Image.new("RGBa", (side, side))
    square.paste(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
    return square.resize((CELL, CELL), Image.Resampling.LANCZOS).convert("RGBA")


def _has_color_bitmap(image: Image.Image) -> bool:
    low, high = image.convert("RGB").getextrema()[0], image.getextrema()[3]
    return low is not None and high[1] > 0


def licence_text(copyright_file: str) -> str:
    """The font's licence out of Debian's copyright file, its indentation and dots taken off."""
    start = copyright_file.rindex("License:   SIL")
    lines = copyright_file[start:].splitlines()[1:]
    return "\n".join("" if line == " ." else line.removeprefix(" ") for line in lines)


def main() -> None:
    """Write sheets, index and licence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--font", type=Path, default=FONT)
    parser.add_argument("--copyright", type=Path, default=COPYRIGHT)
    options = parser.parse_args()
    font = ImageFont.truetype(str(options.font), FONT_PIXELS)
    missing = render(font, "\U0001faff")  # what the font draws for an unassigned code point
    glyphs: list[tuple[str, Image.Image]] = []
    for start, end in BLOCKS:
        for codepoint in range(start, end + 1):
            if is_picture(chr(codepoint)):
                image = render(font, chr(codepoint))
                if image is not None and (missing is None or image.tobytes() != missing.tobytes()):
                    glyphs.append((chr(codepoint), image))
    TARGET.mkdir(exist_ok=True)
    for old in TARGET.glob("sheet-*.webp"):
        old.unlink()
    for number, start in enumerate(range(0, len(glyphs), GLYPHS_PER_SHEET)):
        part = glyphs[start : start + GLYPHS_PER_SHEET]
        rows = -(-len(part) // COLUMNS)
        sheet = Image.new("RGBA", (COLUMNS * CELL, rows * CELL))
        for i, (_, image) in enumerate(part):
            sheet.paste(image, (i % COLUMNS * CELL, i // COLUMNS * CELL))
        path = TARGET / f"sheet-{number}.webp"
        sheet.save(path, quality=66, alpha_quality=80, method=6)
        print(path.name, len(part), "glyphs", path.stat().st_size, "bytes")
    index = {
        "cell": CELL,
        "columns": COLUMNS,
        "per_sheet": GLYPHS_PER_SHEET,
        "glyphs": [[f"{ord(c):04X}", unicodedata.name(c).lower()] for c, _ in glyphs],
    }
    text = json.dumps(index, indent=None, separators=(",", ":")).replace("],[", "],\n[")
    (TARGET / "index.json").write_text(text + "\n", encoding="utf-8")
    licence = ORIGIN + licence_text(options.copyright.read_text(encoding="utf-8"))
    (TARGET / "LICENSE").write_text(licence.rstrip() + "\n", encoding="utf-8")
    print(len(glyphs), "glyphs in all")


if __name__ == "__main__":
    main()
