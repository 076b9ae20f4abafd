"""The embedded server after a death that nobody saw: of the host, or of the container."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.db import embedded

START = (
    "import sys, pathlib; from app.db import embedded; embedded.start(pathlib.Path(sys.argv[1]))"
)

REACH = (
    "import asyncio; from app.db.database import Database\n"
    "async def reach(db): await db.reach(); await db.close()\n"
    "asyncio.run(reach(Database(embedded.start(pathlib.Path(sys.argv[1])))))"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: PostgreSQL runs as a user of its own, who has to reach its folder.
    with tempfile.TemporaryDirectory(prefix="pictor-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def started(folder: Path, then: str) -> subprocess.Popen[bytes]:
    """A process that has started the server, and then does as it is told."""
    code = f"{START}\n{then}"
    run = [sys.executable, "-c", code, str(folder)]
    return subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_pid_that_is_another_s_by_now_is_left_alone(folder: Path) -> None:
    note = folder / "pgdata" / "postmaster.pid"
    with started(folder, "print(1, flush=True); sys.stdin.read()") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"1\n"
        server = psutil.Process(int(note.read_text().splitlines()[0]))
        family = [server, *server.children(recursive=True)]
        left = note.read_text().splitlines(keepends=True)[1:]
        first.kill()
    for one in family:
        one.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=60)

    with subprocess.Popen(["sleep", "600"]) as stranger:
        note.write_text(f"{stranger.pid}\n{''.join(left)}")
        with started(folder, "") as second:
            assert second.wait(120) == 0
        assert stranger.poll() is None
        stranger.kill()
    assert not note.exists()


def test_a_server_that_lives_is_joined(folder: Path) -> None:
    note = folder / "pgdata" / "postmaster.pid"
    with started(folder, "print(1, flush=True); sys.stdin.read()") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"1\n"
        pid = note.read_text().splitlines()[0]
        with started(folder, "") as second:
            assert second.wait(120) == 0
        assert note.read_text().splitlines()[0] == pid
        os.kill(int(pid), 0)
    # Its stdin has been closed.
    assert first.returncode == 0
    assert not note.exists()


def test_another_process_may_have_a_port_in_its_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whoever works with a server of their own beside it: PostgreSQL and its drivers take PGPORT for their default."""
    with started(folder, "print(1, flush=True); sys.stdin.read()") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"1\n"
        monkeypatch.setenv("PGPORT", "1")
        with started(folder, REACH) as second:
            assert second.wait(120) == 0


@pytest.mark.parametrize(
    ("version", "why"), [("17", "found version 17"), ("18", "pg_ctl ended with status 1")]
)
def test_what_does_not_start_is_told_each_time(folder: Path, version: str, why: str) -> None:
    """Of a folder that another release made, and of one whose files are lost. `pictor doctor` asks six times."""
    (folder / "pgdata").mkdir()
    (folder / "pgdata" / "PG_VERSION").write_text(f"{version}\n")
    for _ in range(2):
        with pytest.raises(embedded.NotStartedError, match=why):
            embedded.start(folder)
