"""The scripts of docs/persisted-queries.md, as they stand there, against a server that runs trusted documents only."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

from tests.clients.conftest import Installation
from tests.clients.process import NODE, ROOT
from tests.fixtures import forked

PAGE = (ROOT / "docs" / "persisted-queries.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def block(language: str, word: str) -> str:
    (found,) = (text for name, text in BLOCKS if name == language and word in text)
    return found


async def test_the_scripts_of_the_page(installation: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "client"
    (folder / "queries").mkdir(parents=True)
    (folder / "queries" / "Gallery.graphql").write_text(block("graphql", "query Gallery"))
    pictor = Path(sys.executable).parent
    environment = installation.environment | {
        "PATH": f"{pictor}{os.pathsep}{os.environ['PATH']}", "KEY": installation.key,
    }  # fmt: skip

    def run(*command: str | Path) -> str:
        return subprocess.run(
            command, cwd=folder, env=environment, check=True, capture_output=True, text=True
        ).stdout

    run("bash", "-c", block("sh", "pictor persist"))
    assert "PICTOR_TRUSTED_DOCUMENTS=manifest.json" in block("sh", "pictor serve")
    installation.environment |= {
        "PICTOR_TRUSTED_DOCUMENTS": str(folder / "manifest.json"),
        "PICTOR_TRUSTED_DOCUMENTS_ONLY": "on",
    }
    (folder / "script.py").write_text(block("python", "manifest"))
    (folder / "script.mjs").write_text(block("js", "manifest"))
    with installation.server() as address:
        environment["ADDRESS"] = address
        for command in (
            ("bash", "-c", block("sh", "curl")),
            (sys.executable, "script.py"),
            (NODE, "script.mjs"),
        ):
            assert json.loads(run(*command))["data"] == {"images": {"totalCount": 0, "nodes": []}}
        async with httpx.AsyncClient(headers={"X-API-Key": installation.key}) as client:
            body = {"query": "{ images { totalCount } }"}
            other = await client.post(f"{address}/graphql", json=body)
        assert other.status_code == 403


def start(installation: Installation) -> subprocess.CompletedProcess[str]:
    return forked.run("app", "serve", "--port", "0", env=installation.environment)


async def test_a_server_does_not_start_with_what_it_cannot_trust(
    installation: Installation, tmp_path: Path
) -> None:
    manifest = tmp_path / "wrong.json"
    manifest.write_text(json.dumps({"0" * 64: "{ viewer { user { id } } }"}))
    installation.environment |= {"PICTOR_TRUSTED_DOCUMENTS": str(manifest)}
    stopped = start(installation)
    assert stopped.returncode == 2
    (line,) = stopped.stderr.splitlines()
    assert line.startswith(f"pictor: Manifest {manifest}, document {'0' * 64}: ")
    assert "has another SHA-256" in line
