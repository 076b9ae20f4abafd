"""Runs each example of docs/clients by the commands of its page, against a running server.

A reader installs packages into the example's folder; here they are those of this folder, of the very same versions.
"""

import json
import os
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest
from PIL import Image as Picture

from tests.clients.conftest import Gallery
from tests.clients.process import NODE, ran

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "clients"
SAID = {
    "apollo": ["2 ", "uploaded photo", "READY"],
    "fetch": ["drawn:", "206 bytes 0-99/", "the very bytes"],
    "python": [
        "uploaded {'id'",
        "'READY'",
        "photo example",
        "new tags: reviewed",
        "DONE",
        "left out: []",
    ],
    "urql": ["uploaded photo", "READY"],
}


@pytest.mark.parametrize("name", SAID)
def test_example_does_what_its_page_says(
    gallery: Gallery, npm_clients: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("node_modules", ".venv"))
    turned = Picture.linear_gradient("L").rotate(list(SAID).index(name))
    turned.resize((90, 60)).save(folder / "photo.jpg")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("NODE")}
    modules = npm_clients / "node_modules"
    path = f"{modules / '.bin'}:{NODE.parent}:{inherited['PATH']}"
    environment = inherited | {"PATH": path, "PICTOR": gallery.address, "KEY": gallery.key}
    said = ""
    for command in re.findall(
        r"^```sh\n(.*?)^```", (folder / "README.md").read_text(), re.M | re.S
    ):
        if command == "npm install\n":
            installed(folder / "package.json", modules)
            (folder / "node_modules").symlink_to(modules)
        elif "pip install -r" in command:
            assert (
                f"gql[aiohttp,websockets]=={metadata.version('gql')}"
                in (folder / "requirements.txt").read_text()
            )
        elif not command.startswith("export PICTOR="):
            here = command.removeprefix("npx ").replace(".venv/bin/python", sys.executable)
            said += ran(["bash", "-c", here], folder, environment)
    for words in SAID[name]:
        assert words in said, said


def installed(package: Path, modules: Path) -> None:
    asked = json.loads(package.read_text())
    for name, version in (asked["dependencies"] | asked.get("devDependencies", {})).items():
        found = json.loads((modules / name / "package.json").read_text())
        assert found["version"] == version, name


def test_every_example_is_run_and_listed() -> None:
    folders = {path.parent.name for path in EXAMPLES.glob("*/README.md")}
    listed = re.findall(r"^\| \[(\w+)\]\(\1\)", (EXAMPLES / "README.md").read_text(), re.M)
    assert folders == set(SAID) == set(listed)
