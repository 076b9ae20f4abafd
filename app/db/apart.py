"""Connections that are not the pool's: a long wait or a long statement on one takes none from those who serve requests."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # asyncpg ships no types
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.database import CONNECT_SECONDS, away
from app.errors import unavailable

GONE: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.CrashShutdownError,
)
"""What a statement fails with where PostgreSQL, or the way to it, is lost."""
REFUSED: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresError,
    asyncpg.TargetServerAttributeNotMatched,
)
"""What connecting fails with. The last: of several servers none is the one that writes, as in the middle of a failover."""


@asynccontextmanager
async def connected(engine: AsyncEngine, **overriding: Any) -> AsyncIterator[Any]:
    """A connection as the pool's are made, but for what is overridden. It is left without a word: the server may be gone.

    UNAVAILABLE where there is none to be had.
    """
    try:
        connection = await asyncpg.connect(
            **{**arguments(engine), "timeout": CONNECT_SECONDS, **overriding}
        )
    except REFUSED as error:
        raise away(error) from error
    try:
        yield connection
    finally:
        connection.terminate()


@contextmanager
def going_away() -> Iterator[None]:
    """UNAVAILABLE where what runs inside loses the database."""
    try:
        yield
    except GONE as error:
        raise unavailable("The database went away; try again.") from error


def arguments(engine: AsyncEngine) -> dict[str, Any]:
    """How SQLAlchemy would connect, in asyncpg's own words."""
    _, arguments = engine.dialect.create_connect_args(engine.url)
    return {
        name: value
        for name, value in arguments.items()
        if not name.startswith("prepared_statement")
    }
