"""Manifests of documents, as the builds of three clients write them."""

import json
import shutil
from pathlib import Path

from tests.clients.process import FOLDER, NODE, ROOT, ran

RELAY = {
    "src": "relay",
    "schema": "schema.graphql",
    "language": "typescript",
    "customScalarTypes": {"DateTime": "string", "Upload": "File"},
    "persistConfig": {"file": "relay.json", "algorithm": "SHA256"},
}


def made(packages: Path, folder: Path) -> dict[str, Path]:
    """Of the documents here, by the name of the client."""
    shutil.copytree(FOLDER / "documents", folder / "src")
    shutil.copytree(FOLDER / "relay", folder / "relay")
    shutil.copy(ROOT / "schema.graphql", folder)
    (folder / "node_modules").symlink_to(packages)
    (folder / "relay.config.json").write_text(json.dumps(RELAY))
    # The compiler adds to the file, which is there already.
    (folder / "relay.json").write_text("{}")

    def build(tool: str, *options: str) -> None:
        ran([NODE, packages / tool, *options], folder)

    build("@apollo/generate-persisted-query-manifest/cli.js")
    build("@graphql-codegen/cli/esm/bin.js", "--config", "src/codegen.json")
    build("relay-compiler/cli.js", "relay.config.json")
    return {
        "apollo": folder / "persisted-query-manifest.json",
        "codegen": folder / "gql" / "persisted-documents.json",
        "relay": folder / "relay.json",
    }
