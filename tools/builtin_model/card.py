"""The model's card: a small JSON file beside the weights that says what it is and how good."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.embedding import embedder_from_name
from tools.builtin_model.evaluate import THRESHOLD, Figure
from tools.builtin_model.towers import DIMENSION

_KNOWS = (
    "drawn scenes: sea, beach, mountains, forest, city, night, weather, rooms",
    "charts, documents, maps, codes and patterns",
    "plain shapes in twelve colours",
    "emoji-like drawings of about 400 everyday things and animals, 1,194 glyphs in all",
    "short English phrases with synonyms, plurals and slips of the pen",
)
_DOES_NOT_KNOW = (
    "photographs of the real world, and other styles of drawing",
    "people by name, brands, counting, text inside pictures",
    "languages other than English",
)


def write(folder: Path, figures: Sequence[Figure]) -> None:
    """Write card.json for the weights in the folder and what was measured of them."""
    measured = {figure.name: round(figure.value, 3) for figure in figures}
    card = {
        "name": "builtin",
        "revision": revision(folder),
        "dimension": DIMENSION,
        "knows": list(_KNOWS),
        "does_not_know": list(_DOES_NOT_KNOW),
        "nonsense_threshold": measured.get(THRESHOLD),
        "measured": measured,
    }
    text = json.dumps(card, indent=2, ensure_ascii=False)
    (folder / "card.json").write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """The card in the folder."""
    card: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return card


def revision(folder: Path) -> str:
    """What the application calls this model: digits that change with any weight or setting."""
    embedder = embedder_from_name(str(folder))

    async def loaded() -> str:
        await embedder.warm()
        found = embedder.revision
        await embedder.close()
        return found

    return asyncio.run(loaded())


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [f"| {f.name} | {f.value:.3f} | {f.queries} | {f.pictures} |" for f in figures]
    return "\n".join(["| what | value | queries | pictures |", "|---|---|---|---|", *rows])
