"""What a request costs the server, in its own CPU time, beside an empty Starlette POST under the same uvicorn.

    python -m benchmarks.requests [--rounds 7] [--requests 400] [--connections 8] [--only NAME ...]

Starts `pictor serve --no-worker` on a database of its own in a temporary folder, with a budget, an API key, the audit
log, metrics and the operation log (to a file), and an application with one empty route beside it. Rounds take turns, so
that a busy moment hits all alike; CPU time of the server's process is counted and not the clock, without PostgreSQL's.
Read the ratio to the empty POST: it holds on a busy machine.
"""

# ruff: noqa: T201, S603  It prints a table, and starts servers.

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn
import uvloop
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.resources import open_resources
from app.services.people import operators
from app.settings import Settings
from app.worker import models

IMAGES: Final = 50
EMPTY: Final = "empty POST"
ANONYMOUS: Final = "{ __typename }, anonymous"
LIST: Final = (
    "{ images(first: 50) { nodes {"
    " id title createdAt tags { name } uploadedBy { name } team { name } } } }"
)
SEARCH: Final = (
    'query { searchImages(query: {text: "a cat on the beach"}, first: 10)'
    " { edges { score node { id title } } } }"
)
QUERIES: Final = {
    "{ __typename }": "{ __typename }",
    ANONYMOUS: "{ __typename }",
    "viewer with its user": "{ viewer { user { id } } }",
    "50 images, nested": LIST,
    "10 hits of a search": SEARCH,
}
FILL: Final = (
    "insert into tag (team_id, name, key)"
    " select :team, 'tag ' || nth, 'tag ' || nth from generate_series(1, 10) nth",
    "insert into image (team_id, state, object_key, sha256, size_bytes, format, width, height, title,"
    " filename, uploaded_by) select :team, 'STORED', 'k', int4send(nth), nth, 'JPEG', 640, 480,"
    " 'Picture ' || nth, 'IMG.jpg', (select id from app_user)"
    " from generate_series(1, cast(:images as int)) nth",
    "insert into image_tag (team_id, image_id, tag_id, created_at)"
    " select i.team_id, i.id, tag.id, i.created_at from image i join tag using (team_id)"
    " where substring(tag.key from 5)::int % 5 in (i.size_bytes % 5, (i.size_bytes + 1) % 5)",
    "insert into image_vector (team_id, model_id, image_id, created_at, embedding)"
    " select i.team_id, m.id, i.id, i.created_at, (select array_agg(random() - 0.5)"
    " from generate_series(1, m.dimension) where i.id is not null)::real[]::halfvec"
    " from image i, embedding_model m where i.team_id = :team and m.state = 'ACTIVE'",
)


class Connection:
    """A client's connection that stays open, and works as little as HTTP allows."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def post(self, request: bytes) -> bytes:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await self._reader.readexactly(length)


class Case:
    """One request, sent again and again to one server."""

    def __init__(self, process: int, port: int, query: str, key: str | None = None) -> None:
        body = json.dumps({"query": query}).encode()
        head = (
            "POST /graphql HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        )
        if key is not None:
            head += f"authorization: Bearer {key}\r\n"
        self._request = head.encode() + b"\r\n" + body
        self._process, self._port = process, port

    async def ready(self) -> None:
        """Returns once the request is answered without errors: the model takes a while to load."""
        for _ in range(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
            answer = await Connection(reader, writer).post(self._request)
            writer.close()
            if b'"errors"' not in answer:
                return
            await asyncio.sleep(1)
        raise RuntimeError(answer.decode())

    async def milliseconds(self, requests: int, connections: int) -> float:
        """CPU time of the server for one of so many requests, which that many connections send."""
        open_ones = [
            await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
            for _ in range(connections)
        ]
        numbers = iter(range(requests))

        async def one_after_another(connection: Connection) -> None:
            for _ in numbers:
                await connection.post(self._request)

        before = cpu_seconds(self._process)
        await asyncio.gather(*(one_after_another(Connection(*one)) for one in open_ones))
        spent = cpu_seconds(self._process) - before
        for _, writer in open_ones:
            writer.close()
        return spent / requests * 1000


def cpu_seconds(process: int) -> float:
    """What the threads of a process have computed so far, to the nanosecond (Linux)."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e9


@contextmanager
def started(argv: list[str], env: dict[str, str], log: Path) -> Iterator[tuple[int, int]]:
    """The process, and the port that its first line of output names."""
    with log.open("w") as errors:
        running = subprocess.Popen(
            [sys.executable, *argv],
            env=os.environ | env,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        if running.stdout is None:
            raise RuntimeError("the process has no output")
        for line in running.stdout:
            if "http://" in line:
                yield running.pid, int(line.rpartition(":")[2])
                return
        raise RuntimeError(log.read_text())
    finally:
        running.terminate()
        running.wait()


async def empty(request: Request) -> Response:
    await request.body()
    return Response()


def serve_empty() -> None:
    config = uvicorn.Config(
        Starlette(routes=[Route("/graphql", empty, methods=["POST"])]),
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        loop="uvloop",
        http="httptools",
    )
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"serving http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run([listener])


async def taken(
    cases: dict[str, Case], rounds: int, requests: int, connections: int
) -> dict[str, list[float]]:
    """Milliseconds of each case in each round; the first round, which fills caches, does not count."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, case in cases.items():
            spent = await case.milliseconds(requests, connections)
            if number:
                found[name].append(spent)
    return found


def show(found: dict[str, list[float]]) -> None:
    floor = found[EMPTY]
    print(f"{'CPU of the server, ms a request':<34} {'min':>7} {'median':>7} {'x empty':>8}")
    for name, spent in found.items():
        ratio = statistics.median(one / base for one, base in zip(spent, floor, strict=True))
        print(f"{name:<34} {min(spent):7.3f} {statistics.median(spent):7.3f} {ratio:8.1f}")


async def filled(folder: Path) -> str:
    """An API key of a team with images that have tags and vectors."""
    async with open_resources(Settings(data_dir=folder)) as resources:
        await models.introduce(resources)
        owner = resources.db.owner
        made = await owner.run(
            lambda session: operators.bootstrap(session, team="Team", email="a@example.org")
        )
        async with owner.transaction() as session:
            for statement in FILL:
                await session.execute(text(statement), {"team": made.team_id, "images": IMAGES})
    return made.api_key


async def run(folder: Path, rounds: int, requests: int, connections: int, only: list[str]) -> None:
    key = await filled(folder)
    env = {
        "PICTOR_DATA_DIR": str(folder),
        "PICTOR_PORT": "0",
        "PICTOR_COST_BUDGET_PER_MINUTE": "1000000000",
    }
    with (
        started(["-m", "app", "serve", "--no-worker"], env, folder / "log") as server,
        started(["-m", "benchmarks.requests", "--empty"], {}, folder / "empty") as bare,
    ):
        cases = {EMPTY: Case(*bare, "")} | {
            name: Case(*server, query, None if name == ANONYMOUS else key)
            for name, query in QUERIES.items()
            if not only or name in only
        }
        for case in (*cases.values(), Case(*server, SEARCH, key)):
            # A search waits for the model, which else would be loaded while others are measured.
            await case.ready()
        show(await taken(cases, rounds, requests, connections))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--only", nargs="+", choices=list(QUERIES), default=[])
    parser.add_argument("--empty", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.empty:
        serve_empty()
        return
    with (
        tempfile.TemporaryDirectory(prefix="pictor-benchmark-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        Path(folder).chmod(0o755)
        runner.run(run(Path(folder), asked.rounds, asked.requests, asked.connections, asked.only))


if __name__ == "__main__":
    main()
