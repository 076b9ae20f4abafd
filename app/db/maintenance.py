"""A connection for statements that take minutes, as the tables' owner. It is not the pool's, and knows no time limit."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import asyncpg  # type: ignore[import-untyped]  # asyncpg ships no types

from app.db.apart import connected, going_away
from app.db.database import Database

Run: TypeAlias = Callable[[str], Awaitable[None]]
"""Runs one statement, outside any transaction."""

LIVES: Final = {"client_connection_check_interval": "5s", "statement_timeout": "0"}
"""Without its client, a statement ends within seconds: nobody would use what it makes."""


class NoRoomError(RuntimeError):
    """The server's memory or disk does not suffice."""


@asynccontextmanager
async def maintenance(database: Database, settings: Mapping[str, str]) -> AsyncIterator[Run]:
    """UNAVAILABLE where the database cannot be reached or goes away; NoRoomError where it has no room."""
    async with connected(database.direct, command_timeout=None) as connection:

        async def run(statement: str, *values: str) -> None:
            try:
                with going_away():
                    await connection.execute(statement, *values)
            except asyncpg.InsufficientResourcesError as error:
                raise NoRoomError(str(error)) from error

        for name, value in {**LIVES, **settings}.items():
            await run("select set_config($1, $2, false)", name, value)
        yield run
