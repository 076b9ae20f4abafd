"""Rehearses docs/operations.md: the processes of docker-compose.yml on this machine, under load, without containers.

    python -m tools.rehearsal --caddy /usr/bin/caddy [--pictor .venv/bin/pictor] [--clients 6]

PostgreSQL with the users of deploy/postgres, a real S3 server, two servers behind deploy/Caddyfile and two workers.
While clients upload, list and read, each server and each worker is ended and started anew, thumbnails are made anew, and
a backup is made, of the bucket the second one. It is then restored beside, and every image of it is read. Exit status 1
where anything failed.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from app.db import embedded
from tests.fixtures.s3 import S3Server
from tools.rehearsal.load import Load, read_all
from tools.rehearsal.stack import Stack

CALM_SECONDS = 2.0


def main() -> int:
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="pictor-rehearsal-") as name:
        folder = Path(name)
        # PostgreSQL runs as a user of its own, who has to reach its folder.
        folder.chmod(0o755)
        s3 = S3Server(folder / "buckets")
        stack = Stack(
            folder, s3, pictor=asked.pictor, caddy=asked.caddy, drain_seconds=asked.drain_seconds
        )
        try:
            return asyncio.run(_rehearse(stack, asked.clients))
        finally:
            stack.close()
            s3.stop()
            embedded.stop(folder / "database")


async def _rehearse(stack: Stack, clients: int) -> int:
    await stack.make_database()
    key = await stack.bootstrap()
    for name in ("server-a", "server-b", "worker-1", "worker-2"):
        await stack.start(name)
    await stack.start_proxy()
    print(f"proxy {stack.proxy}, servers {stack.addresses}")

    seen = await _across(stack, key)
    load = Load(stack.proxy, key, clients)
    async with load:
        await asyncio.sleep(CALM_SECONDS)
        for name in ("server-a", "server-b", "worker-1", "worker-2"):
            before = load.answered
            status = await stack.stop(name)
            await stack.start(name)
            await asyncio.sleep(CALM_SECONDS)
            print(f"{name:<9} ended with {status}; {load.answered - before} answers meanwhile")
        await stack.copy_objects()
        await stack.make_thumbnails_anew()
        await asyncio.sleep(CALM_SECONDS)
        await stack.back_up()
        await asyncio.sleep(CALM_SECONDS)
    print(f"under load: {load.counts}, failures: {load.failures or 'none'}")

    after = await read_all(stack.proxy, key)
    restored = await read_all(await stack.restore(), key)
    print(f"images: {after}; restored from the backup made under load: {restored}")
    good = (
        seen
        and not load.failures
        and not stack.wrong_ends
        and after.damaged == restored.damaged == 0
        and 0 < restored.images <= after.images
        and after.images == load.uploaded + 1
    )
    print("all well" if good else f"NOT WELL {stack.wrong_ends}")
    return 0 if good else 1


async def _across(stack: Stack, key: str) -> bool:
    """What goes in through one server comes out of the other."""
    one = Load(stack.addresses["server-a"], key, 0)
    async with one:
        image = await one.upload()
    other = Load(stack.addresses["server-b"], key, 0)
    async with other:
        same = await other.bytes_of(image) == one.last
    print(f"uploaded through server-a, read through server-b: {'the same bytes' if same else 'NO'}")
    return same


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.rehearsal")
    parser.add_argument("--caddy", required=True, type=Path, help="Caddy's program")
    parser.add_argument(
        "--pictor", type=Path, default=Path(sys.executable).with_name("pictor"), help="the command"
    )
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--drain-seconds", type=float, default=3, help="0 shows what they are for")
    return parser.parse_args()


sys.exit(main())
