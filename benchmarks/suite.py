"""Every benchmark of a large library, one after the other, on a library that is made when it is not there yet.

    python -m benchmarks.suite [--data-dir var/bench] [--images 1000000]

A library stays in its folder: delete the folder to have it made again, as after a new migration that changes what is seeded.
"""

# ruff: noqa: T201, S603  It prints, and runs the benchmarks as commands.

import argparse
import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final

import asyncpg

from app.db import embedded, migrate
from app.db.database import Database
from benchmarks import seed, server

FEW: Final = 200_000
"""A library with fewer images is a small one."""
RUNS: Final = {
    "lists": "",
    "search": "--build",
    "draw": "--only-draws --sizes 10000",
    "facets": "",
}
"""Of each benchmark that takes the address of a library, what else it is told."""
OF_SMALL_ONES: Final = {
    "lists": "--repeats 3",
    "search": "--build --small --queries 20",
    "draw": "--only-draws --sizes 10000 --repeats 100",
}


async def is_empty(url: str) -> bool:
    db = Database(url, pool_size=1)
    await migrate.upgrade(db.engine)
    await db.close()
    connection = await asyncpg.connect(server.dsn(url))
    try:
        return not await connection.fetchval("select exists (select from team)")
    finally:
        await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, default=Path("var/bench"))
    parser.add_argument("--images", type=int, default=1_000_000)
    asked = parser.parse_args()
    url = server.start(asked.data_dir)
    failed = []
    try:
        if asyncio.run(is_empty(url)):
            print(f"Seeding {asked.images:,} images", flush=True)
            asyncio.run(seed.fill(url, asked.images))
        runs = RUNS | OF_SMALL_ONES if asked.images < FEW else RUNS
        for name, options in runs.items():
            print(f"\npython -m benchmarks.{name} {options}", flush=True)
            command = [sys.executable, "-m", f"benchmarks.{name}", "--url", url, *options.split()]
            failed += [name] if subprocess.run(command, check=False).returncode else []
    finally:
        embedded.stop(asked.data_dir)
    if failed:
        sys.exit(f"These failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
