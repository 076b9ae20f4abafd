"""Which secret key is the installation's, and how it becomes another."""

import asyncio
import os
from argparse import Namespace
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.cli import adopt, audit, doctor
from app.domain import AuditOutcome
from app.errors import SetupError
from app.resources import open_resources
from app.services.auditing import audit as record
from app.services.auditing import audit_key, audit_resign
from app.services.auditing.audit import Event, Origin
from app.services.auditing.audit_key import OtherKeyError
from app.settings import Settings
from tests.database import Database
from tests.fixtures import forked

OLD, NEW = "o" * 32, "n" * 32


def its(db: Database, folder: Path, key: str | None = OLD) -> Settings:
    url = db.engine.url.render_as_string(hide_password=False)
    secret = None if key is None else SecretStr(key)
    return Settings(database_url=SecretStr(url), data_dir=folder, secret_key=secret)


async def starts(settings: Settings) -> bool:
    try:
        async with open_resources(settings):
            return True
    except OtherKeyError:
        return False


async def written(db: Database, key: str) -> None:
    event = Event("image.read", AuditOutcome.ALLOWED, Origin("r"))
    await db.run(lambda session: record.append(session, key.encode(), [event]))


async def test_the_first_key_is_the_installation_s(own_db: Database, tmp_path: Path) -> None:
    assert await starts(its(own_db, tmp_path))
    assert await starts(its(own_db, tmp_path))
    with pytest.raises(OtherKeyError) as refusal:
        async with open_resources(its(own_db, tmp_path, NEW)):
            pass
    said = str(refusal.value)
    assert said.startswith("PICTOR_SECRET_KEY is not the secret key of this installation")
    for key in (OLD, NEW):
        assert audit_key.shown(audit_key.fingerprint(key.encode())) in said
        assert key not in said
    # A container that lost its data dir makes a key of its own.
    with pytest.raises(OtherKeyError, match=f"is not set, and the key in {tmp_path}/secret_key"):
        async with open_resources(its(own_db, tmp_path, None)):
            pass


async def test_of_two_that_start_at_once_with_two_keys_one_is_refused(
    own_db: Database, tmp_path: Path
) -> None:
    def take(key: str) -> object:
        return own_db.worker.run(
            lambda session: audit_key.take(session, key.encode(), "PICTOR_SECRET_KEY")
        )

    ends = await asyncio.gather(take(OLD), take(NEW), return_exceptions=True)
    assert sorted(type(end) for end in ends if end is not None) == [OtherKeyError]


async def test_the_record_tells_the_key_of_an_installation_of_before(
    own_db: Database, tmp_path: Path
) -> None:
    await written(own_db, OLD)
    with pytest.raises(OtherKeyError, match="was last signed with another"):
        async with open_resources(its(own_db, tmp_path, NEW)):
            pass
    assert await starts(its(own_db, tmp_path))
    assert not await starts(its(own_db, tmp_path, NEW))


async def test_where_nobody_can_tell_the_key_that_is_there_counts(
    own_db: Database, tmp_path: Path
) -> None:
    """An installation of before that changed its key and never signed anew: its record is signed by nobody."""
    await written(own_db, OLD)
    await written(own_db, NEW)
    assert await starts(its(own_db, tmp_path, NEW))
    assert not await starts(its(own_db, tmp_path, OLD))


async def test_a_wanted_change(own_db: Database, tmp_path: Path) -> None:
    assert await starts(its(own_db, tmp_path))
    await written(own_db, OLD)
    before = tmp_path / "before"
    before.write_text(OLD)

    resign = Namespace(what="resign", old_key_file=audit.key(str(before)))
    assert await audit.run(its(own_db, tmp_path, NEW), resign) == 0

    assert not await starts(its(own_db, tmp_path, OLD))
    assert await starts(its(own_db, tmp_path, NEW))
    whole = Namespace(what="verify", team=None)
    assert await audit.run(its(own_db, tmp_path, NEW), whole) == 0
    # Run again, after one that was broken off behind its commit.
    assert await audit.run(its(own_db, tmp_path, NEW), resign) == 0


async def test_a_file_with_another_key_changes_nothing(own_db: Database, tmp_path: Path) -> None:
    assert await starts(its(own_db, tmp_path))
    await written(own_db, OLD)
    with pytest.raises(SetupError, match="does not hold the key"):
        await own_db.run(lambda session: audit_resign.resign(session, b"x" * 32, NEW.encode()))
    assert await starts(its(own_db, tmp_path))


async def test_a_key_is_adopted_where_the_one_before_is_lost(
    own_db: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await starts(its(own_db, tmp_path))
    new = its(own_db, tmp_path, NEW)
    assert await doctor.run(new, Namespace()) == 1
    assert "FAIL  key" in capsys.readouterr().out
    with pytest.raises(SetupError, match="--store, --key"):
        await adopt.run(new, Namespace(store=False, key=False, anyway=False))
    assert await adopt.run(new, Namespace(store=False, key=True, anyway=False)) == 0
    assert await starts(new)
    assert await doctor.run(new, Namespace()) == 0


@pytest.mark.parametrize(
    ("command", "status"),
    [("serve --port 0", 1), ("worker", 1), ("reconcile", 2), ("audit verify", 2), ("seed", 1)],
)
async def test_commands_say_so_in_a_line(
    own_db: Database, tmp_path: Path, command: str, status: int
) -> None:
    assert await starts(its(own_db, tmp_path))
    env = {
        "PICTOR_DATABASE_URL": own_db.engine.url.render_as_string(hide_password=False),
        "PICTOR_DATA_DIR": str(tmp_path),
        "PICTOR_SECRET_KEY": NEW,
    }
    done = await asyncio.to_thread(forked.run, "app", *command.split(), env=os.environ | env)
    assert (done.returncode, done.stdout) == (status, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("pictor: PICTOR_SECRET_KEY is not the secret key of this installation")
