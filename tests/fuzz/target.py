"""The server under fire: a process of its own with pictures in it, and what must hold of it whatever it was sent."""

import asyncio
import io
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import psutil
from PIL import Image as Picture
from sqlalchemy import text

from tests.database import Database
from tests.fixtures import forked

ROOT: Final = Path(__file__).parents[2]
READY_SECONDS: Final = 240.0
SETTLING_SECONDS: Final = 10.0
"""Within which a request that was broken off has left nothing behind."""
ROWS: Final = """select (select count(*) from image), (select count(*) from image_tag), (select count(*) from tag),
    (select count(*) from collection_image), (select count(*) from upload_ticket)"""
"""Without what the worker adds and takes away in its own time."""
READY: Final = (
    '{ images { nodes { processing { status } } } searchImages(query: {text: "sun"}) { model } }'
)


def png(seed: int = 0) -> bytes:
    out = io.BytesIO()
    Picture.new("RGB", (24, 16), (seed % 256, seed // 256 % 256, 77)).save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True)
class Stored:
    """What there is: rows of each table that an upload touches, originals, and files in temporary folders."""

    rows: tuple[int, ...]
    originals: int
    temporary: int

    def more_than(self, before: "Stored") -> bool:
        """The worker's temporary files come and go; fewer than before are none of a request's."""
        same = (self.rows, self.originals) == (before.rows, before.originals)
        return not same or self.temporary > before.temporary


class Target:
    """A server process with three pictures, asked by `http`; `rows` are read past it, as the tables' owner."""

    def __init__(self, address: str, key: str, process: psutil.Process, db_url: str, data: Path):
        self.address = address
        self.key = key
        self.process = process
        self.http = httpx.Client(base_url=address, timeout=60)
        self.host, self.port = urlsplit(address).hostname or "", urlsplit(address).port or 0
        self._data = data
        self._runner = asyncio.Runner()
        self._db = Database(db_url, pool_size=1)
        self.images: list[dict[str, Any]] = []
        self.team_id = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key}

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        body = {"query": query, "variables": variables or {}}
        answer = self.http.post("/graphql", json=body, headers=self.headers)
        found: dict[str, Any] = answer.json()
        return found

    def fill(self) -> None:
        self.team_id = self.ask("{ teams { nodes { id } } }")["data"]["teams"]["nodes"][0]["id"]
        for seed, tags in enumerate((["red"], ["red", "blue"], [])):
            answer = self.http.post(
                "/graphql",
                data={
                    "operations": json.dumps({"query": UPLOAD, "variables": {"tags": tags}})
                    .replace('"tags": ', '"file": null, "tags": '),
                    "map": '{"0": ["variables.file"]}',
                },
                files={"0": ("a.png", png(seed), "image/png")},
                headers=self.headers | {"X-Requested-With": "fuzz"},
            )  # fmt: skip
            self.images.append(answer.json()["data"]["uploadImage"]["image"])

    def wait_until_ready(self) -> None:
        """The pictures are processed, and the models loaded that a question needs."""
        until = time.monotonic() + READY_SECONDS
        while "errors" in (found := self.ask(READY)) or "PENDING" in json.dumps(found):
            assert time.monotonic() < until, found
            time.sleep(0.2)

    def stored(self) -> Stored:
        async def rows() -> tuple[int, ...]:
            async with self._db.transaction() as session:
                return tuple((await session.execute(text(ROWS))).one())

        originals = [one for one in _files(self._data / "objects") if not one.suffix]
        temporary = _files(self._data / "tmp")
        return Stored(self._runner.run(rows()), len(originals), len(temporary))

    def unchanged_since(self, before: Stored) -> None:
        """Nothing is stored that was not: what a broken request left is gone soon after it."""
        until = time.monotonic() + SETTLING_SECONDS
        while (now := self.stored()).more_than(before) and time.monotonic() < until:
            time.sleep(0.05)
        assert not now.more_than(before), (now, before)

    def alive(self) -> None:
        assert self.ask("{ __typename }")["data"] == {"__typename": "Query"}

    def memory(self) -> int:
        """Bytes of the process that lie in memory."""
        return int(self.process.memory_info().rss)

    def close(self) -> None:
        self._runner.run(self._db.close())
        self._runner.close()
        self.http.close()


UPLOAD: Final = """mutation ($file: Upload!, $tags: [String!]) {
    uploadImage(input: {file: $file, tags: $tags}) { created image { id url } } }"""


def _files(folder: Path) -> list[Path]:
    """Folders of requests go while this looks, which os.walk does not mind."""
    return [Path(place) / name for place, _, names in os.walk(folder) for name in names]


@contextmanager
def running(db_url: str, data: Path) -> Iterator[Target]:
    """A server on this database, with its log beside its data."""
    environment = os.environ | {
        "PICTOR_DATABASE_URL": db_url,
        "PICTOR_DATA_DIR": str(data),
        "PICTOR_SECRET_KEY": "t" * 32,
        "PICTOR_LOG_LEVEL": "error",
        "PICTOR_MAX_REQUEST_BYTES": "300000",
        "PICTOR_MAX_UPLOAD_BYTES": "100000",
    }
    boot = ["bootstrap", "--team", "T", "--email", "a@example.org", "--json"]
    made = forked.run("app", *boot, env=environment)
    made.check_returncode()
    log = data / "server.log"
    with log.open("w") as errors:
        started = forked.Process(
            *("app", "serve", "--port", "0"), env=environment, stdout=subprocess.PIPE, stderr=errors
        )
        with started:
            try:
                assert started.stdout is not None
                said = started.stdout.readline()
                assert said, f"it did not start: {log.read_text()}"
                address = said.split()[-1]
                key = json.loads(made.stdout)["apiKey"]
                target = Target(address, key, psutil.Process(started.pid), db_url, data)
                target.fill()
                target.wait_until_ready()
                yield target
                target.close()
                # At this level the log has nothing but what is the server's own fault.
                told = log.read_text()
                assert told == "", told
            finally:
                started.terminate()
