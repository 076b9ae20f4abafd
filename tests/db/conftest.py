"""A PostgreSQL server of a test's own, where the migrations go up and down: roles are a whole server's."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db import embedded
from tests.conftest import sync_nothing
from tests.database import Database


@pytest.fixture
def other_server() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="pictor-test-") as folder:
        Path(folder).chmod(0o755)
        url = embedded.start(Path(folder))
        asyncio.run(_prepare(url))
        yield url
        embedded.stop(Path(folder))


async def _prepare(url: str) -> None:
    database = Database(url)
    await sync_nothing(database)
    await database.close()
