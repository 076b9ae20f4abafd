"""How Alembic reaches the database: the caller's connection, or the one that the settings name."""

import asyncio
import re

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.schema import SchemaItem

from app.db import embedded
from app.db.address import sqlalchemy_url
from app.db.database import Database
from app.db.models import Base
from app.settings import Settings

PARTITION = re.compile(r"(image_vector|audit_event)_(p|y|default)")
"""Partitions are made by migrations and maintenance, not by the models."""


def wanted(
    item: SchemaItem, name: str | None, kind: str, _reflected: bool, _to: SchemaItem | None
) -> bool:
    table = name if kind == "table" else getattr(getattr(item, "table", None), "name", None)
    return not (table and PARTITION.match(table))


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=wanted,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


async def connect_and_run() -> None:
    settings = Settings()
    url = settings.database_direct_url or settings.database_url
    database = Database(
        sqlalchemy_url(url.get_secret_value()) if url else embedded.start(settings.data_dir)
    )
    async with database.engine.connect() as connection:
        await connection.run_sync(run)
    await database.close()


if (connection := context.config.attributes.get("connection")) is not None:
    run(connection)
else:
    asyncio.run(connect_and_run())
