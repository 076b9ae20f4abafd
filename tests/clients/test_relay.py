"""Relay's compiler takes our schema, and the server takes what it compiles."""

import json
import shutil
from pathlib import Path

import httpx

from tests.clients.conftest import FOLDER, NODE, ROOT, Gallery, ran

ASK = {
    "GalleryQuery": {},
    "GalleryPageQuery": {"count": 2, "filter": {"tags": {"all": ["demo"]}}},
    "GallerySearchQuery": {"count": 2},
}


def test_relay_compiles_documents_that_the_server_answers(
    npm_clients: Path, gallery: Gallery, tmp_path: Path
) -> None:
    shutil.copytree(FOLDER / "relay", tmp_path / "src")
    shutil.copy(ROOT / "schema.graphql", tmp_path)
    documents, config = tmp_path / "documents.json", tmp_path / "relay.config.json"
    documents.write_text("{}")
    asked = {
        "src": "src",
        "schema": "schema.graphql",
        "language": "typescript",
        "customScalarTypes": {"DateTime": "string", "Upload": "File"},
        "persistConfig": {"file": "documents.json", "algorithm": "SHA256"},
    }
    config.write_text(json.dumps(asked))
    compiler = npm_clients / "node_modules" / "relay-compiler" / "cli.js"
    ran([NODE, compiler, config.name], tmp_path)

    texts = json.loads(documents.read_text()).values()
    assert len(texts) == 8
    headers = {"Authorization": f"Bearer {gallery.key}"}
    for name, variables in ASK.items():
        (text,) = [one for one in texts if one.startswith(f"query {name}")]
        body = {"query": text, "variables": variables}
        answer = httpx.post(f"{gallery.address}/graphql", json=body, headers=headers, timeout=60)
        assert "errors" not in answer.json(), answer.text
