"""The server of a benchmark's library, with the memory that a million images want. The default has that of a laptop of 2005.

    python -m benchmarks.server var/bench

keeps it running until it is told to stop, so that benchmarks find it warm.
"""

# ruff: noqa: T201  It says where the server is.

import argparse
import asyncio
import signal
from pathlib import Path

import asyncpg
import psutil

from app.db import embedded

GIB = 1024**3


def settings() -> dict[str, str]:
    """Of postgresql.conf: see docs/operations.md for why. Nothing is copied from this server, hence wal_level."""
    memory = psutil.virtual_memory().total
    shared = max(GIB // 8, min(8 * GIB, memory // 4))
    return {
        "shared_buffers": f"{shared // 1024**2}MB",
        "effective_cache_size": f"{memory // 2 // 1024**2}MB",
        "maintenance_work_mem": f"{min(2 * GIB, memory // 10) // 1024**2}MB",
        "max_wal_size": "16GB",
        "checkpoint_timeout": "30min",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "synchronous_commit": "off",
        "random_page_cost": "1.1",
        "max_connections": "200",
    }


def dsn(url: str) -> str:
    """SQLAlchemy's URL as asyncpg takes it."""
    return url.replace("postgresql+asyncpg:", "postgresql:")


def start(data_dir: Path) -> str:
    """Starts the server of the folder with these settings; answers its SQLAlchemy URL."""
    # PostgreSQL runs as another user where this process is root's.
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
    url = embedded.start(data_dir)
    if asyncio.run(_set(url)):
        embedded.stop(data_dir)
        url = embedded.start(data_dir)
    return url


async def _set(url: str) -> bool:
    """Whether the server has to be started again for a setting."""
    connection = await asyncpg.connect(dsn(url))
    for name, value in settings().items():
        await connection.execute(f"alter system set {name} = '{value}'")
    await connection.execute("select pg_reload_conf()")
    pending = await connection.fetchval("select count(*) from pg_settings where pending_restart")
    await connection.close()
    return bool(pending)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data_dir", type=Path)
    folder: Path = parser.parse_args().data_dir
    # No process ends before it has heard one of these.
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    print(start(folder), flush=True)
    signal.sigwait(ends)
    embedded.stop(folder)


if __name__ == "__main__":
    main()
