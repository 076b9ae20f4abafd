"""`pictor persist`: what it prints, and what it refuses."""

import hashlib
import json
from pathlib import Path

import pytest

from app import cli
from app.web import manifests

VIEWER = "query Viewer { viewer { ...who } }\n\nfragment who on Viewer { user { name } }\n"
TAG = 'mutation Tag($t: ID!) {\r\n  createTag(teamId: $t, name: "é") { id }\r\n}'


def persist(*files: Path) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(["persist", *map(str, files)])
    assert isinstance(end.value.code, int)
    return end.value.code


def written(folder: Path, **files: str) -> list[Path]:
    paths = []
    for name, content in files.items():
        path = folder / f"{name}.graphql"
        path.write_bytes(content.encode())
        paths.append(path)
    return paths


def test_the_manifest_has_each_operation_as_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert persist(*written(tmp_path, b=VIEWER, a=TAG)) == 0
    manifest = tmp_path / "manifest.json"
    manifest.write_text(capsys.readouterr().out)
    assert json.loads(manifest.read_text()) == {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [
            {
                "id": hashlib.sha256(text.encode()).hexdigest(),
                "name": name, "type": kind, "body": text,
            }
            for name, kind, text in (("Tag", "mutation", TAG), ("Viewer", "query", VIEWER))
        ],
    }  # fmt: skip
    assert set(manifests.load([str(manifest)], str).values()) == {TAG, VIEWER}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{ viewer { user { id } } }", "one operation, with a name"),
        (VIEWER + "query Other { viewer { user { id } } }", "one operation, with a name"),
        ("fragment f on Viewer { user { id } }", "never used"),
        ("query A {\n  nothing\n}", "line 2: Cannot query field 'nothing'"),
        ("query A {", "Syntax Error"),
        ("", "Syntax Error"),
        ("query A { a" + " { a" * 4_000, "4000 tokens"),
    ],
)
def test_a_file_that_is_no_document_is_told_and_nothing_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    good, bad = written(tmp_path, good=VIEWER, bad=text)
    assert persist(good, bad) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"pictor: {bad}: " in said.err
    assert told in said.err
    assert str(good) not in said.err


def test_every_fault_of_every_file_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    latin = tmp_path / "latin.graphql"
    latin.write_bytes(b"query A { \xe9 }")
    files = written(tmp_path, a=VIEWER, b=VIEWER, c="query C { x y }")
    assert persist(*files, latin, tmp_path / "none") == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 5
    assert "another file has an operation Viewer" in said[0]
    assert "'x'" in said[1]
    assert "'y'" in said[2]
    assert "not UTF-8" in said[3]
    assert "No such file" in said[4]
