"""Slips of the pen of whoever runs an installation: told by their name, and never taken for something else."""

import asyncio
import io
import uuid
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from app import cli
from app.cli import audit, bootstrap, passwd, verify
from app.db.models import User
from app.errors import AppError, ErrorCode
from app.services.people import passwords
from app.settings import Settings
from tests import make
from tests.database import Database
from tests.fixtures.own_database import own_database


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["reconcile", "--older-than", "1e30"], 2, "--older-than: seconds, 0 to"),
        (["reconcile", "--older-than", "nan"], 2, "--older-than: seconds, 0 to"),
        (["bootstrap", "--team", "T", "--email", "a@b.org", "--password", ""], 1, "password: "),
        (["passwd", "--email", "a@b.org", "--password", ""], 1, "password: "),
        (["passwd", "--email", "a@b.org", "--password", "\udcff" * 10], 1, "not written in UTF-8"),
        (["passwd", "--email", "a@b.org", "--prompt"], 1, "--prompt needs a terminal"),
        (
            ["bootstrap", "--team", "T", "--email", "a@b.org", "--prompt"],
            1,
            "--prompt needs a terminal",
        ),
    ],
)
def test_it_is_told_before_anything_is_begun(
    arguments: list[str],
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, "--data-dir", str(tmp_path / "none")])
    assert ended.value.code == status
    assert said in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.fixture
async def installed(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[Settings, Database]]:
    async with own_database(database_url) as url:
        db = Database(url, pool_size=2)
        yield Settings(database_url=SecretStr(url), data_dir=tmp_path), db
        await db.close()


async def test_a_password_may_come_by_standard_input(
    installed: tuple[Settings, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlike the command line, it shows in no list of processes."""
    settings, db = installed
    who = {"email": "a@example.org", "password": None, "prompt": True}
    for command, typed in (
        (bootstrap, "the first of them\n"),
        (passwd, "ünd another one\r\n"),
        (passwd, " kept as it is "),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert await command.run(settings, Namespace(team="T", json=True, **who)) == 0
        async with db.transaction() as session:
            known = await session.scalar(select(User.password_hash))
        assert known is not None
        assert await passwords.verified(known, typed.rstrip("\r\n"))


async def test_a_team_that_is_none_does_not_pass_for_one_that_is_well(
    installed: tuple[Settings, Database],
) -> None:
    settings, db = installed
    known = await make.team(db)
    whole = {"sample": 100.0, "json": True, "what": "verify"}
    assert await verify.run(settings, Namespace(team=known, **whole)) == 0
    for command in (verify, audit):
        with pytest.raises(AppError) as refusal:
            await command.run(settings, Namespace(team=uuid.uuid4(), **whole))
        assert refusal.value.code is ErrorCode.NOT_FOUND


async def test_storage_that_is_away_is_a_line_and_no_traceback(
    installed: tuple[Settings, Database],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`verify` reads several images at once, and each of them fails."""
    settings, db = installed
    team_id = await make.team(db)
    for _ in range(3):
        await make.image(db, team_id)
    assert settings.database_url is not None
    monkeypatch.setenv("PICTOR_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("PICTOR_STORAGE_URL", "s3://key:secret@bucket?endpoint=http://127.0.0.1:1")

    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(cli.main, ["verify", "--data-dir", str(settings.data_dir)])

    # 1 would say that it read them all, and found damage.
    assert ended.value.code == 2
    assert capsys.readouterr().err == "pictor: Storage is unavailable (NewConnectionError).\n"
