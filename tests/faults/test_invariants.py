"""The suite's own check must see what it is there for: each violation is planted once."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults import invariants

DATA = b"the bytes of a picture"
KEY = "t/team/image/1"


def image(**columns: Any) -> dict[str, Any]:
    sound = {
        "id": "image",
        "state": "STORED",
        "object_key": KEY,
        "sha256": hashlib.sha256(DATA).digest(),
        "size_bytes": len(DATA),
        "thumbnails": json.dumps({"SMALL": {"key": f"{KEY}.small.webp", "bytes": 3}}),
        "is_late": None,
    }
    return sound | columns


def job(kind: str, **columns: Any) -> dict[str, Any]:
    done = {"image_id": "image", "kind": kind, "state": "DONE", "attempts": 1, "run_id": "x"}
    return done | {"lease_until": None, "finished_at": "now"} | columns


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / KEY).parent.mkdir(parents=True)
    (tmp_path / KEY).write_bytes(DATA)
    (tmp_path / f"{KEY}.small.webp").write_bytes(b"abc")
    return tmp_path


def test_bytes(folder: Path) -> None:
    assert invariants.wrong_bytes(folder, [image()]) == []
    (folder / KEY).write_bytes(DATA[::-1])
    assert invariants.wrong_bytes(folder, [image()]) == ["image: another sha256"]
    (folder / KEY).write_bytes(DATA[1:])
    assert len(invariants.wrong_bytes(folder, [image()])) == 1
    (folder / KEY).unlink()
    assert invariants.wrong_bytes(folder, [image()]) == ["image: no object"]
    assert invariants.wrong_bytes(folder, [image(state="PENDING")]) == []


def test_acknowledgements(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    assert invariants.lost_acknowledgements(journal, [image()]) == []
    journal.write_text(json.dumps({"id": "image", "sha256": hashlib.sha256(DATA).hexdigest()}))
    assert invariants.lost_acknowledgements(journal, [image()]) == []
    for lost in ([], [image(state="PENDING")], [image(sha256=b"other")]):
        assert invariants.lost_acknowledgements(journal, lost) == ["image"]
    with journal.open("a") as more:
        more.write('\n{"deleting": "image"}\n')
    for either in ([], [image()]):
        assert invariants.lost_acknowledgements(journal, either) == []
    with journal.open("a") as more:
        more.write('{"deleted": "image"}\n')
    assert invariants.lost_acknowledgements(journal, []) == []
    assert invariants.lost_acknowledgements(journal, [image()]) == ["image"]


def test_objects(folder: Path) -> None:
    found = invariants.objects_of(folder)
    assert invariants.unexplained(found, [image()]) == []
    assert invariants.unexplained(found, [image(state="DELETED")]) == []
    assert len(invariants.unexplained(found, [])) == 2
    assert len(invariants.unexplained({}, [image()])) == 2
    assert len(invariants.unexplained(found | {KEY: 1}, [image()])) == 1
    assert invariants.without_row(found, [image(state="PENDING")]) == []
    assert len(invariants.without_row(found, [image(id="another")])) == 2


def test_jobs() -> None:
    sound = [job("EMBED"), job("THUMBNAILS")]
    assert invariants.illegal_jobs([image()], sound) == []
    for wrong in (
        sound[:1],
        [*sound, job("EMBED")],
        [job("EMBED", attempts=4), sound[1]],
        [job("EMBED", state="RUNNING", run_id=None), sound[1]],
        [job("EMBED", state="LIMBO"), sound[1]],
    ):
        assert len(invariants.illegal_jobs([image()], wrong)) == 1
