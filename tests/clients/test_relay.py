"""Relay's compiler takes our schema, and the server takes what it compiles."""

import json
from typing import Any

import httpx

from tests.clients.conftest import Gallery

ASK: dict[str, dict[str, Any]] = {
    "GalleryQuery": {},
    "GalleryPageQuery": {"count": 2, "filter": {"tags": {"all": ["demo"]}}},
    "GallerySearchQuery": {"count": 2},
}


def test_relay_compiles_documents_that_the_server_answers(gallery: Gallery) -> None:
    texts = json.loads(gallery.manifests["relay"].read_text()).values()
    assert len(texts) == 8
    headers = {"Authorization": f"Bearer {gallery.key}"}
    for name, variables in ASK.items():
        (text,) = [one for one in texts if one.startswith(f"query {name}")]
        body = {"query": text, "variables": variables}
        answer = httpx.post(f"{gallery.address}/graphql", json=body, headers=headers, timeout=60)
        assert "errors" not in answer.json(), answer.text
