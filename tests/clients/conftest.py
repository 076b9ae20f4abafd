"""Server processes, and the clients of other makers: npm packages, run by the node of a wheel."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image as Picture

from app.demo.gallery import gallery as gallery_of_the_demo
from tests.clients import manifests
from tests.clients.process import FOLDER, NODE, install, ran
from tests.fixtures import forked
from tests.fixtures.own_database import own_database

PICTURES = 12


@pytest.fixture(scope="session")
def npm_clients() -> Path:
    """The folder of the client packages, installed as the lock says where they are not yet."""
    install()
    return FOLDER


@dataclass
class Installation:
    """A database and a folder of its own, and the environment in which its processes run."""

    environment: dict[str, str]
    key: str = ""

    def run(self, *command: str) -> str:
        done = forked.run("app", *command, env=self.environment)
        done.check_returncode()
        return done.stdout

    @contextmanager
    def process(self, *command: str) -> Iterator[forked.Process]:
        started = forked.Process("app", *command, env=self.environment, stdout=subprocess.PIPE)
        try:
            with started:
                try:
                    yield started
                finally:
                    # Whatever happened meanwhile: on its way out, Process waits for the end of the process.
                    started.terminate()
        finally:
            started.kill()

    @contextmanager
    def server(self, *, worker: bool = False) -> Iterator[str]:
        """The address of a server process."""
        without = [] if worker else ["--no-worker"]
        with self.process("serve", "--port", "0", *without) as started:
            assert started.stdout is not None
            line = started.stdout.readline()
            # What it wrote to its log is among what pytest shows of this test.
            assert line, "the server did not start"
            yield line.split()[-1]


@asynccontextmanager
async def installed(database_url: str, folder: Path) -> AsyncIterator[Installation]:
    async with own_database(database_url) as url:
        environment = os.environ | {
            "PICTOR_DATABASE_URL": url,
            "PICTOR_DATA_DIR": str(folder),
            "PICTOR_SECRET_KEY": "t" * 32,
            "PICTOR_LOG_LEVEL": "error",
        }
        made = Installation(environment)
        boot = made.run("bootstrap", "--team", "T", "--email", "a@example.org", "--json")
        made.key = json.loads(boot)["apiKey"]
        yield made


@pytest.fixture
async def installation(database_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(database_url, tmp_path) as made:
        yield made


@dataclass
class Gallery:
    """A running server with a worker and some pictures, for clients that only read and add."""

    address: str
    key: str
    photo: Path
    """A picture that it does not have; its name is not in ASCII."""
    manifests: dict[str, Path]
    """Of its trusted documents, by the name of the client that made them."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gallery(
    database_url: str, npm_clients: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gallery]:
    folder = tmp_path_factory.mktemp("gallery")
    trusted = manifests.made(npm_clients / "node_modules", folder)
    async with installed(database_url, folder / "data") as made:
        made.environment["PICTOR_TRUSTED_DOCUMENTS"] = ",".join(map(str, trusted.values()))
        with made.server(worker=True) as address:
            await asyncio.to_thread(fill, address, made.key)
            photo = folder / "Dünen 砂丘.png"
            Picture.radial_gradient("L").save(photo)
            yield Gallery(address, made.key, photo, trusted)


def fill(address: str, key: str) -> None:
    """Uploads the first pictures of the demo gallery, and waits until they can be searched."""
    pictures = list(gallery_of_the_demo(count=PICTURES, now=datetime.now(UTC)))
    query = """mutation ($files: [Upload!]!) {
      uploadImages(input: {files: $files, tags: ["demo"]}) { ... on UploadImagePayload { created } }
    }"""
    names = [str(number) for number in range(PICTURES)]
    answer = httpx.post(
        f"{address}/graphql",
        data={
            "operations": json.dumps({"query": query, "variables": {"files": [None] * PICTURES}}),
            "map": json.dumps({name: [f"variables.files.{name}"] for name in names}),
        },
        files={
            name: (picture.filename, picture.data)
            for name, picture in zip(names, pictures, strict=True)
        },
        headers={"X-API-Key": key, "GraphQL-Require-Preflight": "1"},
        timeout=60,
    )
    assert answer.json()["data"]["uploadImages"] == [{"created": True}] * PICTURES, answer.text

    done = {"query": "{ images(filter: {processing: [READY, FAILED]}) { totalCount } }"}
    with httpx.Client(base_url=address, headers={"X-API-Key": key}, timeout=60) as client:

        def count() -> int:
            found: int = client.post("/graphql", json=done).json()["data"]["images"]["totalCount"]
            return found

        while count() < PICTURES:
            time.sleep(0.2)


@pytest.fixture
def node(npm_clients: Path, gallery: Gallery) -> Callable[..., str]:
    """Runs a script of this folder against the gallery, and answers what it printed; it must end well."""

    def run(script: str, *arguments: str) -> str:
        command = [NODE, script, f"{gallery.address}/graphql", gallery.key, *arguments]
        return ran(command, npm_clients)

    return run


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
