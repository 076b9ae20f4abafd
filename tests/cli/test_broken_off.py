"""Commands that are told to end before they are through: nothing half done, and no database left behind."""

import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from os import environ
from pathlib import Path

import pytest
from sqlalchemy import text

from app.cli import seed
from app.cli.stopping import CUT_STATUS, interrupted_by_sigterm
from app.db import embedded, migrate
from app.db.migrate import Standing
from tests import make
from tests.database import Database
from tests.fixtures import forked
from tests.fixtures.own_database import own_database

PICTURES = 24
WAITS = """select least(count(*), 1) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and wait_event_type = 'Lock'"""
OTHERS = """select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"""


@pytest.fixture
async def url(database_url: str) -> AsyncIterator[str]:
    async with own_database(database_url) as url:
        yield url


def environment(data_dir: Path, url: str | None = None) -> Mapping[str, str]:
    kept = {name: value for name, value in environ.items() if not name.startswith("PICTOR_")}
    own = {"PICTOR_DATABASE_URL": url.replace("+asyncpg", "")} if url else {}
    return kept | own | {"PICTOR_DATA_DIR": str(data_dir)}


async def until(db: Database, count: str, wanted: int) -> None:
    async with asyncio.timeout(120):
        while True:
            async with db.transaction() as session:
                found = int(await session.scalar(text(count)) or 0)
            if found == wanted:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("command", ["migrate", "reconcile", "verify", "seed"])
async def test_a_statement_that_waits_is_given_up(url: str, tmp_path: Path, command: str) -> None:
    looking, holding = Database(url, pool_size=1), Database(url, pool_size=1)
    await make.team(looking)
    if command == "migrate":
        await migrate.downgrade(looking.engine, "0026")
    with tempfile.TemporaryFile("w+") as said:
        async with holding.transaction() as session:
            await session.execute(text("lock table image in access exclusive mode"))
            with forked.Process(
                "app", command, env=environment(tmp_path, url), stdout=said, stderr=said
            ) as process:
                await until(looking, WAITS, 1)
                process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(process.wait, 60) == CUT_STATUS
            # This one's own transaction, and nothing of the command's.
            await until(looking, OTHERS, 1)
        said.seek(0)
        assert "Traceback" not in said.read()
    if command == "migrate":
        assert await migrate.standing(looking.engine) is Standing.BEHIND
        assert forked.run("app", command, env=environment(tmp_path, url)).returncode == 0
        assert await migrate.standing(looking.engine) is Standing.CURRENT
    await holding.close()
    await looking.close()


def test_while_it_is_loaded_it_ends_as_well(tmp_path: Path) -> None:
    """Nothing is begun yet, and nothing is told but the status."""
    run = [sys.executable, "-m", "app", "verify"]
    with subprocess.Popen(run, env=environment(tmp_path / "none"), stderr=-1) as process:
        maps = Path(f"/proc/{process.pid}/maps")
        # The first thing that the command is loaded for, long before the last.
        while "sqlalchemy" not in maps.read_text():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == CUT_STATUS


def test_a_signal_that_is_caught_while_a_library_is_loaded_is_not_lost() -> None:
    with interrupted_by_sigterm() as check:
        check()
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            check()


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: PostgreSQL runs as a user of its own, who has to reach its folder.
    with tempfile.TemporaryDirectory(prefix="pictor-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def test_a_seed_leaves_what_it_says_and_no_key(folder: Path) -> None:
    env = environment(folder)
    with tempfile.TemporaryFile("w+") as said:
        with forked.Process(
            "app", "seed", "--count", "5000", env=env, stdout=said, stderr=said
        ) as process:
            while len(list((folder / "objects").rglob("*"))) < PICTURES:
                assert process.poll() is None
                await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 60) == CUT_STATUS
        said.seek(0)
        told = said.read()
    assert seed.BROKEN_OFF.format("Demo") in told
    assert "Traceback" not in told
    assert not (folder / "pgdata" / "postmaster.pid").exists()
    assert list((folder / "tmp").glob("tmp*")) == []

    again = await asyncio.to_thread(forked.run, "app", "seed", "--count", str(PICTURES), env=env)
    assert again.returncode == 0, again.stderr
    db = Database(embedded.start(folder))
    async with db.transaction() as session:
        assert await session.scalar(text("select count(*) from api_key")) == 0
        ready = "select count(*) from image where state = 'STORED'"
        assert int(await session.scalar(text(ready)) or 0) >= PICTURES
    await db.close()
    embedded.stop(folder)
