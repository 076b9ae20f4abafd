"""Behind a pooler that gives each transaction another session: what needs one goes past it, or is refused at the start."""

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, text

from app.cli import migrate
from app.db import locks, sessions
from app.db.address import DatabaseSettingError
from app.db.notifications import listen
from app.db.sessions import OtherDatabaseError, PooledError, UnpreparedError
from app.errors import AppError, SetupError
from app.resources import open_database
from app.settings import Settings
from tests.database import Database
from tests.fixtures.own_database import own_database
from tests.fixtures.pooler import pooled

NOTIFY = text("select pg_notify('probe', 'called')")
LOCKS = text(
    "select pid from pg_locks where locktype = 'advisory'"
    " and database = (select oid from pg_database where datname = current_database())"
)
SOON = 5.0


@pytest.fixture(params=[1, 3], ids=["one session", "three sessions"])
async def pooler(database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async with pooled(database_url, sessions=request.param) as address:
        yield address


@pytest.fixture
async def behind(database_url: str) -> AsyncIterator[Database]:
    async with pooled(database_url) as address:
        database = Database(address, pool_size=5, direct_url=database_url)
        yield database
        await database.close()


def of(url: str, direct_url: str | None = None) -> Settings:
    return Settings(
        database_url=SecretStr(url),
        database_direct_url=None if direct_url is None else SecretStr(direct_url),
    )


async def refused(settings: Settings) -> SetupError:
    with pytest.raises(SetupError) as refusal:
        async with open_database(settings, migrated=False):
            pass
    return refusal.value


async def test_what_leads_to_postgresql_itself_is_taken(database_url: str) -> None:
    async with open_database(of(database_url)), open_database(of(database_url, database_url)):
        pass


async def test_a_pooler_alone_is_refused(pooler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "CONNECT_SECONDS", 1.0)
    refusal = await refused(of(pooler))
    assert isinstance(refusal, PooledError)
    assert str(refusal).startswith("PICTOR_DATABASE_URL: ")
    assert "PICTOR_DATABASE_DIRECT_URL" in str(refusal)


async def test_a_way_past_it_that_leads_into_it_is_refused(
    pooler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "CONNECT_SECONDS", 1.0)
    refusal = await refused(of(pooler, pooler))
    assert isinstance(refusal, PooledError)
    assert str(refusal).startswith("PICTOR_DATABASE_DIRECT_URL: ")


async def test_a_pooler_that_loses_prepared_statements_is_refused(database_url: str) -> None:
    async with pooled(database_url, carries=False) as address:
        assert isinstance(await refused(of(address, database_url)), UnpreparedError)
        assert isinstance(await refused(of(address)), PooledError)


async def test_another_database_is_not_past_it(database_url: str) -> None:
    async with pooled(database_url) as address, own_database(database_url) as other:
        assert isinstance(await refused(of(address, other)), OtherDatabaseError)


async def test_a_way_past_nothing_is_refused(database_url: str) -> None:
    refusal = await refused(Settings(database_direct_url=SecretStr(database_url)))
    assert isinstance(refusal, DatabaseSettingError)
    assert str(refusal).startswith("PICTOR_DATABASE_DIRECT_URL: ")


async def test_a_way_past_it_that_cannot_be_gone_is_unavailable_by_its_name(
    database_url: str,
) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    with pytest.raises(AppError, match="PICTOR_DATABASE_DIRECT_URL"):
        async with open_database(of(database_url, nowhere)):
            pass


async def test_locks_keep_others_out(behind: Database) -> None:
    for _ in range(3):
        async with locks.alone(behind, "probe") as mine, locks.alone(behind, "probe") as other:
            assert (mine, other) == (True, False)


async def test_calls_are_heard(behind: Database) -> None:
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    listening = asyncio.create_task(listen(behind, "probe", heard.put_nowait))
    async with asyncio.timeout(SOON):
        assert await heard.get() is None
        async with behind.transaction() as session:
            await session.execute(NOTIFY)
        assert await heard.get() == "called"
    listening.cancel()


async def test_transactions_enter_in_their_roles(behind: Database) -> None:
    """More of them at once than there are sessions, and each statement is prepared in one of those."""
    who = text("select current_user::text, pg_sleep(0.01)")

    async def entered(number: int) -> None:
        entrance, role = [
            (behind.login, "pictor_login"),
            (behind.worker, "pictor_worker"),
            (behind.audit, "pictor_audit"),
        ][number % 3]
        async with entrance.transaction() as session:
            assert (await session.execute(who)).one()[0] == role
            assert (await session.execute(who)).one()[0] == role

    await asyncio.gather(*(entered(number) for number in range(30)))
    async with behind.transaction() as session:
        assert (await session.execute(who)).one()[0] == make_url(behind.engine.url).username


async def test_migrations_leave_no_lock_in_it(database_url: str) -> None:
    """The next one would wait for it for ever."""
    async with own_database(database_url) as url, pooled(url) as address:
        assert await migrate.run(of(address, url), Namespace()) == 0
        database = Database(url, pool_size=1)
        async with database.transaction() as session:
            assert (await session.execute(LOCKS)).all() == []
        await database.close()
