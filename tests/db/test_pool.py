"""Connections that lie in the pool: whoever takes one gets one that works."""

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import text

from app.db import database as module
from tests.database import Database

PID = text("select pg_backend_pid()")
END = text("select pg_terminate_backend(:pid, 5000)")


async def pid_of(db: Database) -> Any:
    async with db.transaction() as session:
        return await session.scalar(PID)


async def end(database_url: str, pid: int) -> None:
    """The server closes that connection; answers when its process is gone."""
    other = Database(database_url, pool_size=1)
    async with other.transaction() as session:
        assert await session.scalar(END, {"pid": pid})
    await other.close()


def end_unnoticed(database_url: str, pid: int) -> None:
    """The same, while the caller's event loop stands still and so cannot hear of it."""
    thread = threading.Thread(target=lambda: asyncio.run(end(database_url, pid)))
    thread.start()
    thread.join()


@pytest.fixture
async def one(database_url: str) -> Any:
    database = Database(database_url, pool_size=1)
    yield database
    await database.close()


async def test_a_connection_that_the_server_closed_is_made_anew(
    one: Database, database_url: str
) -> None:
    before = await pid_of(one)
    await end(database_url, before)
    assert await pid_of(one) != before


async def test_after_a_rest_a_connection_is_tried_out(
    one: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PING_AFTER_SECONDS", 0.0)
    before = await pid_of(one)
    end_unnoticed(database_url, before)
    assert await pid_of(one) != before


async def test_a_connection_in_use_is_not_tried_out_each_time(one: Database) -> None:
    async with one.transaction() as session:
        await session.scalar(PID)
        connection = await session.connection()
        raw = (await connection.get_raw_connection()).driver_connection
    seen: list[str] = []
    raw.add_query_logger(lambda record: seen.append(record.query))
    assert await pid_of(one)
    # The driver does not tell of prepared statements.
    assert seen == ["BEGIN;", "COMMIT;"]
