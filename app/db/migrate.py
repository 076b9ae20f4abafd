"""Runs the migrations of `migrations/` and says whether the database is at their head."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

ROOT = Path(__file__).resolve().parents[2]


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; with a connection, `env.py` uses that one."""
    settings = Config()
    settings.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    settings.attributes["connection"] = connection
    return settings


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    async with engine.connect() as connection:
        await connection.run_sync(lambda sync: command.upgrade(config(sync), revision))


async def downgrade(engine: AsyncEngine, revision: str) -> None:
    async with engine.connect() as connection:
        await connection.run_sync(lambda sync: command.downgrade(config(sync), revision))


async def is_current(engine: AsyncEngine) -> bool:
    """Whether every migration has run."""
    head = ScriptDirectory.from_config(config()).get_current_head()
    async with engine.connect() as connection:
        return head == await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )
