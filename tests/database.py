"""The database as tests hold it: they also write as the owner of the tables, which the application's type does not offer."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from sqlalchemy import text
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


async def outside(url: str, statement: str) -> None:
    """For what PostgreSQL does in no transaction."""
    db = Database(url)
    async with db.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text(statement))
    await db.close()
