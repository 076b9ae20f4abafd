"""Every benchmark of a large library, one after the other, on a library that is made when it is not there yet.

    python -m benchmarks.suite [--data-dir var/bench] [--images 1000000]

A library stays in its folder: delete the folder to have it made again, as after a new migration that changes what is seeded.
"""

# ruff: noqa: T201, S603  It prints, and runs the benchmarks as commands.

import argparse
import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Final

import asyncpg

from app.db import embedded, migrate
from app.db.database import Database
from benchmarks import seed, server

ON_A_LIBRARY: Final = ("lists", "search", "draw")
"""Those that take the address of a seeded database."""


async def is_empty(url: str) -> bool:
    db = Database(url, pool_size=1)
    await migrate.upgrade(db.engine)
    await db.close()
    connection = await asyncpg.connect(server.dsn(url))
    try:
        return not await connection.fetchval("select exists (select from team)")
    finally:
        await connection.close()


def takes_url(module: str) -> bool:
    """Whether this version has the benchmark, and it can be asked about a library."""
    if importlib.util.find_spec(module) is None:
        return False
    told = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True)
    return "--url" in told.stdout


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
        for name in ON_A_LIBRARY:
            module = f"benchmarks.{name}"
            if takes_url(module):
                print(f"\n{module}", flush=True)
                ended = subprocess.run([sys.executable, "-m", module, "--url", url], check=False)
                failed += [module] if ended.returncode else []
    finally:
        embedded.stop(asked.data_dir)
    if failed:
        sys.exit(f"These failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
