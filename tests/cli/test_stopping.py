"""A real server process that is told to end: it says so, goes on for a while, finishes what runs, and exits well."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import httpx
import pytest

from app.db import embedded
from tests.fixtures import forked

QUESTION = b'{"query": "{ __typename }"}'


class Serve(Protocol):
    def __call__(self, drain_seconds: float, *, cold: bool) -> "Process": ...


class Process:
    """`pictor serve` on a free port, with the embedded database in `folder`; cold, it begins from nothing."""

    def __init__(self, folder: Path, drain_seconds: float, *, cold: bool) -> None:
        self.log = folder / "log"
        self.data_dir = folder / "data"
        env = {name: value for name, value in os.environ.items() if not name.startswith("PICTOR")}
        env |= {
            "PICTOR_DATA_DIR": str(self.data_dir),
            "PICTOR_DRAIN_SECONDS": str(drain_seconds),
        }
        command = ("app", "serve", "--port", "0")
        self.process: subprocess.Popen[bytes] | forked.Process
        with self.log.open("w") as log:
            if cold:
                whole = (sys.executable, "-m", *command)
                self.process = subprocess.Popen(
                    whole, env=env, stdout=log, stderr=subprocess.STDOUT
                )
            else:
                self.process = forked.Process(*command, env=env, stdout=log, stderr=log)
        self.address = self._wait()

    def _wait(self) -> str:
        for _ in range(1800):
            found = re.search(r"serving (http://\S+)", self.log.read_text())
            if found:
                return found[1]
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def database_is_gone(self) -> bool:
        """Within a while: it was told to stop, and may outlive the server by a moment."""
        for _ in range(600):
            if not (self.data_dir / "pgdata" / "postmaster.pid").exists():
                return True
            time.sleep(0.05)
        return False

    def says(self, text: str) -> None:
        """Waits until the log says it."""
        for _ in range(1200):
            if text in self.log.read_text():
                return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[Process] = []
    # Not tmp_path: PostgreSQL runs as a user of its own, who has to reach its folder.
    with tempfile.TemporaryDirectory(prefix="pictor-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)

        def start(drain_seconds: float, *, cold: bool) -> Process:
            running.append(Process(folder, drain_seconds, cold=cold))
            return running[-1]

        yield start
        for one in running:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()
                embedded.stop(one.data_dir)


def half_asked(address: str) -> socket.socket:
    """A request of which the last byte has not been sent."""
    where = urlsplit(address)
    connection = socket.create_connection((where.hostname or "", where.port or 0), timeout=120)
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(QUESTION)}\r\n\r\n"
    )
    connection.sendall(head.encode() + QUESTION[:-1])
    return connection


def test_requests_are_answered_while_the_server_takes_its_leave(serve: Serve) -> None:
    server = serve(2, cold=True)
    with (
        httpx.Client(base_url=server.address, timeout=120) as client,
        half_asked(server.address) as slow,
    ):
        assert client.get("/readyz").status_code == 200
        assert "connection" not in client.get("/healthz").headers

        server.process.send_signal(signal.SIGTERM)
        server.says("stopping")

        not_ready = client.get("/readyz")
        assert (not_ready.status_code, not_ready.json()) == (503, {"status": "draining"})
        assert not_ready.headers["connection"] == "close"
        alive = client.get("/healthz")
        assert (alive.status_code, alive.headers["connection"]) == (200, "close")
        answer = client.post("/graphql", json={"query": "{ __typename }"})
        assert answer.json()["data"] == {"__typename": "Query"}

        # The listener closes; what had begun before is still answered.
        while _accepts(server.address):
            time.sleep(0.05)
        assert server.process.poll() is None
        slow.sendall(QUESTION[-1:])
        said = b"".join(iter(lambda: slow.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in said.lower()
    assert b'{"data":{"__typename":"Query"}' in said.replace(b" ", b"")
    assert server.process.wait(120) == 0
    assert server.database_is_gone()


def _accepts(address: str) -> bool:
    where = urlsplit(address)
    try:
        socket.create_connection((where.hostname or "", where.port or 0), timeout=5).close()
    except ConnectionError:
        return False
    return True


def test_second_signal_ends_at_once_and_leaves_no_database_behind(serve: Serve) -> None:
    server = serve(600, cold=False)
    server.process.send_signal(signal.SIGTERM)
    server.says("stopping")

    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait(120) == 130
    assert server.database_is_gone()
    assert "Traceback" not in server.log.read_text()
