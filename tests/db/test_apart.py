"""Connections beside the pool's, when PostgreSQL ends them."""

import pytest
from sqlalchemy import text

from app.db.apart import connected, going_away
from app.db.maintenance import NoRoomError, maintenance
from app.errors import AppError, ErrorCode
from tests.database import Database

END_ITSELF = "select pg_terminate_backend(pg_backend_pid())"
END_IT = text("select pg_terminate_backend(:pid, 5000)")


async def test_a_long_statement_that_is_sent_away_is_unavailable(db: Database) -> None:
    async with maintenance(db, {"work_mem": "4MB"}) as run:
        with pytest.raises(AppError) as caught:
            await run(END_ITSELF)
    assert caught.value.code is ErrorCode.UNAVAILABLE


async def test_what_finds_its_connection_ended_is_unavailable(db: Database) -> None:
    async with connected(db.engine) as connection:
        pid = await connection.fetchval("select pg_backend_pid()")
        async with db.owner.transaction() as session:
            assert (await session.execute(END_IT, {"pid": pid})).scalar_one()
        with pytest.raises(AppError) as caught, going_away():
            await connection.fetchval("select 1")
    assert caught.value.code is ErrorCode.UNAVAILABLE


async def test_a_statement_without_room_says_so(db: Database) -> None:
    full = "do $$ begin raise exception 'no room' using errcode = 'disk_full'; end $$"
    async with maintenance(db, {}) as run:
        with pytest.raises(NoRoomError):
            await run(full)
