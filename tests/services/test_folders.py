"""Folders of files on their way in: they go with their request, and with their process where it was killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.services.intake import folders

HOLDER = """
import asyncio, sys
from pathlib import Path
from app.services.intake import folders

async def hold():
    async with folders.made(Path(sys.argv[1])) as folder:
        (folder / "0").write_bytes(b"x")
        print(folder.name, flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


@contextmanager
def another(parent: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that has a folder, and the folder's name."""
    command = [sys.executable, "-c", HOLDER, str(parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def names(parent: Path) -> set[str]:
    return {one.name for one in parent.iterdir()}


async def test_folders_of_the_living_stay_and_of_the_dead_go(tmp_path: Path) -> None:
    """Several processes share the disk, and none of them is known by its pid."""
    async with folders.made(tmp_path) as own:
        now = own.stat().st_mtime
        with another(tmp_path) as (living, its), another(tmp_path) as (dying, left):
            folders.sweep(tmp_path, now=now)
            assert names(tmp_path) == {own.name, its, left}

            dying.kill()
            dying.wait()
            # As in a container, where whoever comes after it has its pid.
            dead = tmp_path / f"upload-{os.getpid()}-x"
            (tmp_path / left).rename(dead)
            assert (dead / "0").read_bytes() == b"x"
            folders.sweep(tmp_path, now=now)
            assert names(tmp_path) == {own.name, its}
            assert living.poll() is None
    assert names(tmp_path) == {its}
    folders.sweep(tmp_path, now=now)
    assert names(tmp_path) == set()


async def test_where_no_lock_tells_the_age_does(tmp_path: Path) -> None:
    for name in ("upload-old", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0").write_bytes(b"x")
    now = (tmp_path / "upload-old").stat().st_mtime

    async with folders.made(tmp_path) as own:
        folders.sweep(tmp_path, now=now + 23 * 3600)
        assert names(tmp_path) == {own.name, "upload-old", "other"}
        # Nothing is on its way for so long: somebody hangs.
        folders.sweep(tmp_path, now=now + 25 * 3600)
        assert names(tmp_path) == {"other"}
    folders.sweep(tmp_path / "never made", now=now)
