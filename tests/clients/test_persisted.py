"""Persisted queries and manifests of Apollo, urql, GraphQL Code Generator and Relay, as these make and send them."""

import json
from collections.abc import Callable

import httpx
import pytest

from tests.clients.conftest import Gallery


def test_apollo_and_urql_send_hashes(node: Callable[..., str], gallery: Gallery) -> None:
    node("persisted.mjs", str(gallery.manifests["apollo"]))


@pytest.mark.parametrize(
    ("client", "query", "count", "rows"),
    [
        ("apollo", "query Gallery(", "first", "nodes"),
        ("codegen", "query Gallery(", "first", "nodes"),
        ("relay", "query GalleryPageQuery(", "count", "edges"),
    ],
)
def test_documents_of_every_manifest_run_by_their_id(
    gallery: Gallery, client: str, query: str, count: str, rows: str
) -> None:
    manifest = json.loads(gallery.manifests[client].read_text())
    if client == "apollo":
        manifest = {one["id"]: one["body"] for one in manifest["operations"]}
    (its,) = [its for its, text in manifest.items() if query in text]
    answer = httpx.post(
        f"{gallery.address}/graphql",
        json={"documentId": its, "variables": {count: 2}},
        headers={"X-API-Key": gallery.key},
        timeout=60,
    )
    assert len(answer.json()["data"]["images"][rows]) == 2, answer.text
