"""The migrations and the models say the same, upwards and downwards."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from app.db import embedded, migrate
from tests.database import Database


async def test_models_and_migrations_agree(db: Database) -> None:
    async with db.engine.connect() as connection:
        await connection.run_sync(lambda sync: command.check(migrate.config(sync)))


@pytest.fixture
def other_server() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="pictor-test-") as folder:
        Path(folder).chmod(0o755)
        yield embedded.start(Path(folder))
        embedded.stop(Path(folder))


async def test_downgrade_leaves_nothing(other_server: str) -> None:
    database = Database(other_server)
    await migrate.upgrade(database.engine)
    assert await migrate.is_current(database.engine)

    await migrate.downgrade(database.engine, "base")

    async with database.transaction() as session:
        left = await session.scalars(
            text(
                "select relname::text from pg_class join pg_namespace n on n.oid = relnamespace"
                " where nspname = 'public' and relkind in ('r', 'p') union all"
                " select proname::text from pg_proc p join pg_namespace n on n.oid = pronamespace"
                " left join pg_depend d on d.objid = p.oid and d.deptype = 'e'"
                " where nspname = 'public' and d.objid is null"
            )
        )
        assert set(left) == {"alembic_version"}
    await database.close()
