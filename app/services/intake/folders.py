"""Folders for files on their way in, one a request, and the end of those whose process died.

Each holds a file that its process has locked. The kernel frees it with the process, and says so to whoever shares the
disk; a pid does not: in a container the next process has the same one, and other containers have their own.
"""

import asyncio
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from app.errors import unavailable

log = logging.getLogger(__name__)

PREFIX: Final = "upload-"
LOCK: Final = "lock"
STALE_SECONDS: Final = 24 * 3600


@asynccontextmanager
async def made(parent: Path) -> AsyncIterator[Path]:
    """A folder which goes with the block, whatever lies in it. UNAVAILABLE where the disk takes none."""
    with local_disk():
        folder = _new(parent)
    try:
        with ExitStack() as stack:
            with local_disk():
                stack.enter_context(_locked(folder))
            yield folder
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))


@contextmanager
def local_disk() -> Iterator[None]:
    """What the server's own disk refuses (full, read-only, broken) is UNAVAILABLE; the log says why."""
    try:
        yield
    except OSError as error:
        log.error("files on their way in cannot be written: %s", error)
        raise unavailable("The server cannot take files just now; try again.") from error


def _new(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    draft = folder / f"{LOCK}.new"
    with draft.open("wb") as file:
        # Not every file system has locks: there a folder's age has to tell.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # It has its name from the moment on that it is locked, so that nobody finds it free.
            os.rename(draft, folder / LOCK)
        yield


def sweep(parent: Path, *, now: float) -> None:
    """Removes what killed processes left behind: folders whose lock nobody holds, or older than STALE_SECONDS."""
    for one in parent.glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError):
            if _is_free(one) or one.stat().st_mtime < now - STALE_SECONDS:
                shutil.rmtree(one, ignore_errors=True)


def _is_free(folder: Path) -> bool:
    """Whether the lock is there, and nobody holds it."""
    try:
        # Network file systems lock only what is open for writing.
        with (folder / LOCK).open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
