"""Statements that run past SQLAlchemy do what they would do through it, for whom and as whom they would."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Integer, Text, Uuid, bindparam, event, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from app.db.database import ACTING_ROLE, counted_statements, sqlstate
from app.db.models import Image
from app.db.prepared import IMAGES, Prepared
from app.domain import Damage, ImageState, ProcessingStatus
from app.errors import AppError
from tests import make
from tests.database import Database

OF_TEAM = Prepared(
    select(*IMAGES.columns).where(
        Image.team_id == bindparam("team", type_=Uuid()), Image.state == ImageState.STORED
    )
)
WHO = Prepared(text("select current_user::text"))
SLEEP = Prepared(text("select pg_sleep(60)"))
ODD = text(
    "update image set taken_at = 'infinity', damage = 'MISSING', damaged_at = now(), exif = '{\"entries\": [[\"a\", 1]]}',"
    " thumb_hash = '\\x01', processing = 'FAILED', trashed_at = now() where id = :id"
)


@pytest.fixture
async def one(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=1)
    yield database
    await database.close()


async def test_a_whole_row_is_what_the_orm_makes_of_it(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = [await make.image(db, team_id) for _ in range(2)]
    async with db.transaction() as session:
        await session.execute(ODD, {"id": ids[0]})
    async with db.acting(actor).transaction() as session:
        rows = await OF_TEAM.rows(session, {"team": team_id})
        made = {one.id: one for one in map(IMAGES.of, rows)}
        loaded = {one.id: one for one in await session.scalars(select(Image))}
    assert made.keys() == loaded.keys() == set(ids)
    for id_, image in made.items():
        for attribute in inspect(Image).column_attrs:
            if not attribute.deferred:
                its = getattr(image, attribute.key)
                assert its == getattr(loaded[id_], attribute.key), attribute.key
                assert type(its) is type(getattr(loaded[id_], attribute.key)), attribute.key
    odd = made[ids[0]]
    assert odd.taken_at == datetime.max.replace(tzinfo=UTC)
    assert (odd.damage, odd.processing) == (Damage.MISSING, ProcessingStatus.FAILED)


async def test_what_is_changed_in_it_is_written_nowhere(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    id_ = await make.image(db, team_id)
    async with db.transaction() as session:
        (row,) = await OF_TEAM.rows(session, {"team": team_id})
        image = IMAGES.of(row)
        image.title = "Changed"
        assert inspect(image).detached
        await session.flush()
    async with db.transaction() as session:
        stored = await session.get_one(Image, id_)
        assert stored.title != "Changed"


async def test_it_runs_in_the_transaction_and_as_whom_that_has_entered(db: Database) -> None:
    mine, other = await make.actor(db), await make.actor(db)
    await make.image(db, *mine.team_ids)
    async with db.acting(other).transaction() as session:
        assert [tuple(row) for row in await WHO.rows(session, {})] == [(ACTING_ROLE,)]
        assert not await OF_TEAM.rows(session, {"team": mine.team_ids[0]})
    async with db.transaction() as session:
        await session.execute(text("create temporary table mine (n int) on commit drop"))
        assert not await Prepared(text("select n from mine")).rows(session, {})


async def test_named_values_are_of_their_types_and_casts_are_no_names(db: Database) -> None:
    types: dict[str, TypeEngine[Any]] = {"n": Integer(), "word": Text()}
    asked = Prepared.of_text(
        "select :n + :n, cast(:word as text), '12:30'::time", types.__getitem__
    )
    async with db.transaction() as session:
        ((twice, word, _),) = await asked.rows(session, {"n": 2, "word": "two", "more": 1})
        with pytest.raises(KeyError):
            await asked.rows(session, {"n": 2})
    assert (twice, word) == (4, "two")


async def test_it_is_counted_as_any_statement(db: Database) -> None:
    with counted_statements(db) as seen:
        async with db.transaction() as session:
            await WHO.rows(session, {})
    assert seen == [WHO.sql]


async def test_an_error_is_the_one_of_sqlalchemy(one: Database) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with one.transaction() as session:
            await Prepared(text("select 1 / 0")).rows(session, {})
    assert sqlstate(refused.value) == "22012"
    assert not refused.value.connection_invalidated
    async with one.transaction() as session:
        assert await WHO.rows(session, {})


async def test_where_the_connection_is_lost_the_next_gets_another(one: Database) -> None:
    with pytest.raises(AppError) as lost:
        async with one.transaction() as session:
            await Prepared(text("select pg_terminate_backend(pg_backend_pid())")).rows(session, {})
    assert lost.value.code == "UNAVAILABLE"
    async with one.transaction() as session:
        assert await WHO.rows(session, {})


async def test_after_a_change_of_its_table_it_fails_once_at_most(
    db: Database, one: Database
) -> None:
    every = Prepared(text("select * from kept"))
    async with db.transaction() as session:
        await session.execute(text("create table kept (a int)"))
    try:
        async with one.transaction() as session:
            assert not await every.rows(session, {})
        async with db.transaction() as session:
            await session.execute(text("alter table kept add column b int"))
            await session.execute(text("insert into kept values (1, 2)"))
        with pytest.raises(DBAPIError):
            async with one.transaction() as session:
                await every.rows(session, {})
        async with one.transaction() as session:
            assert [tuple(row) for row in await every.rows(session, {})] == [(1, 2)]
    finally:
        async with db.transaction() as session:
            await session.execute(text("drop table kept"))


async def test_whoever_goes_away_meanwhile_leaves_nothing_running(one: Database) -> None:
    async def sleeps() -> None:
        async with one.transaction() as session:
            await SLEEP.rows(session, {})

    running = asyncio.Event()
    event.listen(one.engine.sync_engine, "before_cursor_execute", lambda *_: running.set())
    task = asyncio.create_task(sleeps())
    await running.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert one.connections_in_use == 0
    async with one.transaction() as session:
        left = text("select count(*) from pg_stat_activity where query like 'select pg_sleep(60)%'")
        assert await session.scalar(left) == 0
