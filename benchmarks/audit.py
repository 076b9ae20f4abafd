"""What recording every access costs, and that nothing of it is lost when the server is killed.

    python -m benchmarks.audit [--reads 10000] [--concurrency 200]

Starts a database and two servers in a temporary folder, one after the other: one whose recorder does nothing
(it exists here alone), and the product's. Each answers the same reads; the product's is then killed (SIGKILL)
as soon as the last answer is in, the events are counted by their request ids, and the chains are verified.
Client, server and database share the machine: where others do too, read the server's CPU time of a read.
"""

# ruff: noqa: T201, S603  It prints a table, and starts itself.

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import uvicorn
import uvloop
from sqlalchemy import text

from app.main import create_app
from app.resources import open_database, open_resources
from app.services.auditing import audit_verify
from app.services.auditing.audit import Event
from app.services.auditing.audit_verify import Fault
from app.services.people import operators
from app.settings import Settings

QUERY = "query($id: ID!) { image(id: $id) { id title createdAt } }"
IMAGE = """
insert into image (team_id, state, object_key, sha256, size_bytes, format, width, height, title, filename)
values (:team, 'STORED', 'k', sha256('k'), 1, 'JPEG', 1, 1, 'A picture', 'a.jpg') returning id
"""


class Nothing:
    """Records nothing, for comparison."""

    async def record(self, _events: Sequence[Event]) -> None:
        return


async def serve(settings: Settings, *, recording: bool) -> None:
    async with open_resources(settings) as resources:
        if not recording:
            resources.__dict__["audit"] = Nothing()
        config = uvicorn.Config(
            create_app(resources),
            port=settings.port,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=60,
        )
        await uvicorn.Server(config).serve()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(folder: Path, port: int, *, recording: bool) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "benchmarks.audit", "--serve", "yes" if recording else "no"]
    env = os.environ | {
        "PICTOR_DATA_DIR": str(folder),
        "PICTOR_PORT": str(port),
        "PICTOR_WORKER": "off",
        "PICTOR_LOG_LEVEL": "error",
    }
    running = subprocess.Popen(argv, env=env)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


class Connection:
    """A client's connection that stays open: as little work as HTTP allows, for it shares the server's machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def opened(cls, port: int) -> "Connection":
        for _ in range(600):
            try:
                return cls(*await asyncio.open_connection("127.0.0.1", port))
            except OSError:
                await asyncio.sleep(0.1)
        raise TimeoutError("the server does not answer")

    async def post(self, body: bytes, key: str, request_id: str) -> bytes:
        self._writer.write(
            f"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"x-api-key: {key}\r\nx-request-id: {request_id}\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await self._reader.readexactly(length)


async def read(
    port: int, key: str, image_id: UUID, prefix: str, count: int, at_once: int
) -> tuple[float, list[float]]:
    """Seconds for all reads, and milliseconds of each. Every one must be answered."""
    body = json.dumps({"query": QUERY, "variables": {"id": str(image_id)}}).encode()
    connections = [await Connection.opened(port) for _ in range(at_once)]
    numbers = iter(range(count))
    took: list[float] = []

    async def one_after_another(connection: Connection) -> None:
        for number in numbers:
            started = time.perf_counter()
            answer = await connection.post(body, key, f"{prefix}-{number}")
            took.append((time.perf_counter() - started) * 1000)
            if b'"errors"' in answer or b"A picture" not in answer:
                raise RuntimeError(answer.decode())

    started = time.perf_counter()
    await asyncio.gather(*map(one_after_another, connections))
    return time.perf_counter() - started, took


def cpu_seconds(process: int) -> float:
    """What a process has computed so far, in user and system mode (Linux)."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


async def run(folder: Path, reads: int, at_once: int) -> None:
    settings = Settings(data_dir=folder)
    # The first start marks the store: later, an image without bytes would tell against it.
    async with open_resources(settings) as resources:
        db = resources.db.owner
        made = await db.run(
            lambda session: operators.bootstrap(session, team="Team", email="a@example.org")
        )
        async with db.transaction() as session:
            image_id = await session.scalar(text(IMAGE), {"team": made.team_id})
    rates = {}
    for recording in (False, True):
        port = free_port()
        with server(folder, port, recording=recording) as running:
            prefix = "kept" if recording else "free"
            await read(port, made.api_key, image_id, "warm", min(500, reads), at_once)
            before = cpu_seconds(running.pid)
            seconds, took = await read(port, made.api_key, image_id, prefix, reads, at_once)
            cpu = cpu_seconds(running.pid) - before
            running.send_signal(signal.SIGKILL)
        rates[recording] = reads / seconds
        p50, p95 = statistics.median(took), statistics.quantiles(took, n=20)[-1]
        name = "recorded" if recording else "not recorded"
        print(
            f"{name:<14}{reads / seconds:8.0f} reads/s   p50 {p50:6.1f} ms   p95 {p95:6.1f} ms   CPU {cpu / reads * 1000:.2f} ms"
        )
    print(f"recording keeps {rates[True] / rates[False]:.0%} of the throughput")
    async with open_database(settings) as opened:
        db = opened.owner
        async with db.transaction() as session:
            kept = await session.scalar(
                text(
                    "select count(distinct request_id) from audit_event where request_id like 'kept-%'"
                )
            )
        started = time.perf_counter()
        async with db.snapshot() as session:
            found = await audit_verify.verify_all(session, settings.signing_key)
        rows = sum(one.rows for _, one in found if not isinstance(one, Fault))
        seconds = time.perf_counter() - started
    print(f"after kill -9: {kept} of {reads} reads are in the audit log")
    faults = [str(one) for _, one in found if isinstance(one, Fault)]
    print(f"verified {rows} events in {seconds:.1f} s: {faults or 'no fault'}")
    if kept != reads or faults:
        sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reads", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=200)
    parser.add_argument("--serve", choices=["yes", "no"], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if asked.serve:
            runner.run(serve(Settings(), recording=asked.serve == "yes"))
            return
        with tempfile.TemporaryDirectory(prefix="pictor-benchmark-") as folder:
            Path(folder).chmod(0o755)
            runner.run(run(Path(folder), asked.reads, asked.concurrency))


if __name__ == "__main__":
    main()
