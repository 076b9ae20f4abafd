"""Slips of the pen of whoever runs an installation: told by their name, and never taken for something else."""

import asyncio
import uuid
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from app import cli
from app.cli import audit, verify
from app.errors import AppError, ErrorCode
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
        (["passwd", "--email", "a@b.org", "--prompt"], 1, "--prompt needs a terminal"),
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
    def nobody(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nobody)
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
