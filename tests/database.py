"""The database as tests hold it: they also write as the owner of the tables, which the application's type does not offer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import database

T = TypeVar("T")


class Database(database.Database):
    """With `transaction`, `run` and `snapshot` of the owner."""

    def transaction(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self.owner.transaction()

    async def run(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        return await self.owner.run(work)

    def snapshot(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self.owner.snapshot()


async def given_back(db: Database) -> None:
    """When the last connection of the pool is, which a transaction may do after it was told of."""
    async with asyncio.timeout(10):
        while db.connections_in_use:  # noqa: ASYNC110  the pool tells nobody
            await asyncio.sleep(0.01)


async def until_blocked(db: Database, session: AsyncSession) -> None:
    """Somebody waits for what this session has locked."""
    pid = (await session.execute(select(func.pg_backend_pid()))).scalar_one()
    waits = text("select 1 from pg_stat_activity where :pid = any(pg_blocking_pids(pid))")
    for _ in range(3_000):
        async with db.transaction() as other:
            if await other.scalar(waits, {"pid": pid}):
                return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"nobody waits for {pid}")


async def outside(url: str, statement: str) -> None:
    """For what PostgreSQL does in no transaction."""
    db = Database(url)
    async with db.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text(statement))
    await db.close()
