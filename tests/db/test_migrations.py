"""The migrations and the models say the same, upwards and downwards."""

import asyncio
import time

import pytest
from alembic import command
from sqlalchemy import text

from app.db import migrate
from app.errors import AppError
from app.resources import NotMigratedError, open_database
from app.services import renames
from app.settings import Settings
from tests import make, truth
from tests.database import Database

ROW_BY_ROW = {
    "api_key", "audit_anchor", "audit_head", "bulk_job", "bulk_part", "dataset", "image_job", "membership", "persisted_query",
    "relevance_fit", "tag_rename", "upload_ticket",
}  # fmt: skip
"""Tables of teams, of which no statement reads and joins a whole team's rows."""


async def test_models_and_migrations_agree(db: Database) -> None:
    async with db.engine.connect() as connection:
        await connection.run_sync(lambda sync: command.check(migrate.config(sync)))


async def test_downgrade_leaves_nothing(other_server: str) -> None:
    database = Database(other_server)
    await migrate.upgrade(database.engine)
    assert await migrate.standing(database.engine) is migrate.Standing.CURRENT

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


async def test_statistics_follow_every_table_of_what_teams_have(db: Database) -> None:
    """After a tenth of a large library, PostgreSQL's own measure, a new team would be planned for as one row."""
    tables = text(
        "select relname::text, coalesce(reloptions, '{}') from pg_class c where relkind = 'r'"
        " and relnamespace = 'public'::regnamespace and relname not like 'audit_event%' and exists ("
        "select from pg_attribute where attrelid = c.oid and attname = 'team_id')"
    )
    async with db.transaction() as session:
        found = {name: set(options) for name, options in await session.execute(tables)}
    wanted = {"autovacuum_analyze_scale_factor=0", "autovacuum_analyze_threshold=1000"}
    assert {name for name, options in found.items() if not wanted <= options} == ROW_BY_ROW


async def test_names_of_files_that_were_there_before_are_worded_anew(other_server: str) -> None:
    """Those alone whose words are other ones, and by a worker: they may be all of a large library."""
    database = Database(other_server)
    await migrate.upgrade(database.engine, "0029")
    team_id = await make.team(database)
    apart = {
        await make.image(database, team_id, title="", filename="पहाड़.png"),
        await make.image(database, team_id, title="", filename="cafe\u0301.png"),
        await make.image(database, team_id, title="cafe\u0301", filename="x.png"),
    }
    await make.image(database, team_id, title="Größe", filename="Größe_नदी-2.png")
    gone = await make.image(database, team_id, filename="cafe\u0301.jpg")

    await migrate.upgrade(database.engine)

    async with database.transaction() as session:
        waiting = set(await session.scalars(text("select image_id from unworded_image")))
        assert waiting == apart | {gone}
        await session.execute(text("delete from image where id = :id"), {"id": gone})
    assert set(await truth.faults(database, team_id)) == {"words"}
    while await database.worker.run(renames.word_some):
        pass
    assert await truth.faults(database, team_id) == {}
    async with database.transaction() as session:
        left = await session.scalar(text("select count(*) from unworded_image"))
        found = text("select count(*) from image where words @@ to_tsquery('simple', 'caf\u00e9')")
        assert (left, await session.scalar(found)) == (0, 2)
    await database.close()


async def test_names_of_files_that_come_during_the_migration_are_worded_anew(
    other_server: str,
) -> None:
    """By the functions of before, in a transaction that the migration's look at all images cannot see."""
    database = Database(other_server)
    await migrate.upgrade(database.engine, "0029")
    team_id = await make.team(database)
    image_id = await make.image(database, team_id, title="", filename="x.png")
    async with database.transaction() as session:
        await session.execute(
            text("update image set filename = :name where id = :id"),
            {"name": "पहाड़.png", "id": image_id},
        )
        migrating = asyncio.create_task(migrate.upgrade(database.engine))
        await asyncio.wait([migrating], timeout=1)
    await migrating

    async with database.transaction() as session:
        waiting = await session.scalars(text("select image_id from unworded_image"))
        assert list(waiting) == [image_id]
    await database.close()


async def test_processes_that_start_together_take_turns(other_server: str) -> None:
    databases = [Database(other_server) for _ in range(3)]

    await asyncio.gather(*(migrate.upgrade(database.engine) for database in databases))

    assert await migrate.standing(databases[0].engine) is migrate.Standing.CURRENT
    for database in databases:
        await database.close()


async def test_a_locked_table_keeps_what_ran_before_it_and_loses_nothing(
    other_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that is broken off in the middle is left invalid; the next call makes it anew."""
    monkeypatch.setattr(migrate, "PATIENCE_SECONDS", 1)
    database = Database(other_server)
    await migrate.upgrade(database.engine, "0014")
    async with database.transaction() as session:
        await session.execute(text("lock table image_tag in exclusive mode"))
        await session.execute(text("lock table image in share mode"))
        with pytest.raises(AppError) as raised:
            await migrate.upgrade(database.engine)
    assert raised.value.code == "UNAVAILABLE"
    assert "0014" < await revision(database) < "0019"

    await migrate.upgrade(database.engine, "0019")
    async with database.transaction() as session:
        # An index that is built concurrently waits for whoever reads or writes the table already.
        await session.execute(text("lock table image in row exclusive mode"))
        with pytest.raises(AppError) as raised:
            await migrate.upgrade(database.engine)
    assert raised.value.code == "UNAVAILABLE"
    assert await revision(database) == "0019"
    assert not await valid(database, "ix_image_team_id_taken_greatest")

    await migrate.upgrade(database.engine)
    assert await migrate.standing(database.engine) is migrate.Standing.CURRENT
    for name in ("ix_image_team_id_taken", "ix_image_trash", "ix_image_unready"):
        assert await valid(database, name)
    await database.close()


async def test_a_table_that_is_read_for_long_is_tried_for_while_others_read_it(
    other_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a backup, which has read every table until it ends. Whoever queues behind a migration waits for one try of it."""
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.3)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.5)
    database = Database(other_server)
    await migrate.upgrade(database.engine, "0024")
    read = text("select count(*) from vector_claim")
    waited = []
    async with database.transaction() as backup:
        await backup.execute(read)
        migrating = asyncio.create_task(migrate.upgrade(database.engine))
        for _ in range(30):
            began = time.perf_counter()
            async with database.transaction() as session:
                await session.execute(read)
            waited.append(time.perf_counter() - began)
            await asyncio.sleep(0.1)
        assert not migrating.done()
    await migrating

    assert await migrate.standing(database.engine) is migrate.Standing.CURRENT
    assert max(waited) > 0.1
    assert max(waited) < 2
    await database.close()


async def revision(database: Database) -> str:
    async with database.transaction() as session:
        found: str = await session.scalar(text("select version_num from alembic_version")) or ""
    return found


async def valid(database: Database, index: str) -> bool:
    query = text("select indisvalid from pg_index where indexrelid = to_regclass(:name)")
    async with database.transaction() as session:
        return bool(await session.scalar(query, {"name": index}))


async def test_database_that_is_ahead_serves_and_one_that_is_behind_does_not(
    other_server: str,
) -> None:
    database, settings = Database(other_server), Settings(database_url=other_server)
    with pytest.raises(NotMigratedError):
        async with open_database(settings):
            pass
    await migrate.upgrade(database.engine, "0001")
    assert await migrate.standing(database.engine) is migrate.Standing.BEHIND
    with pytest.raises(NotMigratedError):
        async with open_database(settings):
            pass
    await migrate.upgrade(database.engine)
    async with database.transaction() as session:
        await session.execute(text("update alembic_version set version_num = 'from the future'"))

    async with open_database(settings) as ahead:
        assert await migrate.standing(ahead.engine) is migrate.Standing.AHEAD
        await migrate.upgrade(ahead.engine)
        assert await migrate.standing(ahead.engine) is migrate.Standing.AHEAD
    await database.close()
