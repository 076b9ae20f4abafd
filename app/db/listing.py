"""What a store listed, kept on disk while a pass compares it with the rows: it may be longer than memory is large.

SQLite, because the listing is one process's own, comes in no promised order, and is thrown away at the end.
"""

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path


class Listing:
    """Sizes by key. Its calls block for milliseconds, and may come from any thread, one at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, objects: Iterable[tuple[str, int]]) -> None:
        self._connection.executemany("insert or replace into object values (?, ?)", objects)

    def sizes(self, keys: Iterable[str]) -> dict[str, int]:
        """Of those of the keys that were listed."""
        rows = self._connection.execute(
            "select key, size from object where key in (select value from json_each(?))",
            [json.dumps(list(keys))],
        )
        return dict(rows.fetchall())


@contextmanager
def opened(folder: Path) -> Iterator[Listing]:
    """An empty listing on the folder's disk. Its file has no name any more, so that nothing is left of it by a kill."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="listing-") as file:
        connection = sqlite3.connect(file.name, isolation_level=None, check_same_thread=False)
        # It is worth nothing after a crash, and is one transaction from its beginning to its end.
        connection.execute("pragma journal_mode = off")
        connection.execute("pragma synchronous = off")
        connection.execute("begin")
        connection.execute("create table object (key text primary key, size int) without rowid")
    with closing(connection):
        yield Listing(connection)
