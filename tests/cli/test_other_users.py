"""Commands of somebody who does not own the tables: a line that says so, and no traceback."""

import secrets
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, text

from app.cli import audit, bootstrap, doctor, migrate, passwd, reconcile, verify
from app.db.database import ROLES, NotOwnerError
from app.resources import RolesRefusedError, open_resources
from app.settings import Settings
from tests.database import Database, outside
from tests.fixtures.own_database import own_database

WHO = {"team": "Ours", "email": "me@example.org", "password": None, "prompt": False, "json": True}


@pytest.fixture
def roles() -> tuple[str, ...]:
    return ROLES


@pytest.fixture
async def server(
    database_url: str, tmp_path: Path, roles: tuple[str, ...]
) -> AsyncIterator[Settings]:
    """Of a user who owns nothing and may take `roles`, as deploy/postgres makes it."""
    name = f"other_{secrets.token_hex(4)}"
    async with own_database(database_url) as url:
        owner = Database(url)
        granted = f" in role {', '.join(roles)}" if roles else ""
        async with owner.transaction() as session:
            await session.execute(text(f"create role {name} login noinherit{granted}"))
        address = make_url(url).set(username=name).render_as_string(hide_password=False)
        yield Settings(database_url=SecretStr(address), data_dir=tmp_path)
        async with owner.transaction() as session:
            await session.execute(text(f"drop role {name}"))
        await owner.close()


async def test_what_only_the_owner_may_do_says_so(server: Settings) -> None:
    for command, asked in (
        (bootstrap, WHO),
        (passwd, WHO),
        (reconcile, {"dry_run": False, "json": False, "older_than": reconcile.reconcile.GRACE}),
        (verify, {"team": None, "sample": 100.0, "json": False}),
        (audit, {"what": "verify", "team": None}),
    ):
        with pytest.raises(NotOwnerError, match="PICTOR_DATABASE_URL"):
            await command.run(server, Namespace(**asked))


async def test_doctor_examines_what_a_server_has(
    server: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await doctor.run(server, Namespace()) == 0
    assert "FAIL" not in capsys.readouterr().out


@pytest.mark.parametrize("roles", [()])
async def test_who_may_take_no_role_serves_nobody(
    server: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RolesRefusedError, match=", ".join(ROLES)):
        async with open_resources(server):
            pass
    assert await doctor.run(server, Namespace()) == 1
    said = capsys.readouterr().out
    assert "FAIL  wall" in said
    assert "FAIL  graphs" in said


async def test_migrations_are_the_owner_s(server: Settings, database_url: str) -> None:
    """A database in which this user may make nothing, and nothing is made yet."""
    name = make_url(server.database_url.get_secret_value()).username if server.database_url else ""
    own = make_url(database_url)
    database = f"empty_{secrets.token_hex(4)}"
    await outside(own.render_as_string(hide_password=False), f"create database {database}")
    address = own.set(username=name, database=database).render_as_string(hide_password=False)
    with pytest.raises(NotOwnerError):
        await migrate.run(Settings(database_url=SecretStr(address)), Namespace())
    await outside(own.render_as_string(hide_password=False), f"drop database {database}")
