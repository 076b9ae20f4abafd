"""A process works on the store of its installation alone: any other lacks everything, which must not count as lost."""

import asyncio
import os
import secrets
from argparse import Namespace
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from app.cli import adopt
from app.db.models import Image, ImageJob
from app.domain import ImageState, JobKind, JobState
from app.errors import AppError, ErrorCode, SetupError
from app.resources import Resources, open_resources
from app.services import job_runs, jobs, store_mark
from app.services.store_mark import OtherStoreError
from app.settings import Settings
from app.storage import proven, storage_from_url
from app.worker import handlers, reconcile, verify
from tests import make
from tests.database import Database
from tests.fixtures import forked
from tests.worker.conftest import own_bucket
from tests.worker.planted import keys, mark, picture, put

UNKNOWN = "t/0f0f0f0f-0000-7000-8000-000000000000/1/1"


def its(resources: Resources, store: str | None, folder: Path | None = None) -> Settings:
    """What a process is told that starts on the test's database."""
    url = resources.db.engine.url.render_as_string(hide_password=False)
    return Settings(
        database_url=SecretStr(url),
        storage_url=SecretStr(store) if store else None,
        secret_key=SecretStr("t" * 32),
        data_dir=folder or resources.settings.data_dir,
    )


@pytest.fixture
def opening(
    everywhere: Resources, storage_url: str | None
) -> AbstractAsyncContextManager[Resources]:
    return open_resources(its(everywhere, storage_url))


@pytest.fixture
def elsewhere(
    everywhere: Resources, storage_url: str | None, s3_url: str, tmp_path: Path
) -> Settings:
    """Another store of the same kind, which is empty."""
    other = own_bucket(s3_url, tmp_path) if storage_url else None
    return its(everywhere, other, tmp_path / "elsewhere")


@pytest.fixture
async def team_id(everywhere: Resources) -> UUID:
    assert isinstance(everywhere.db, Database)
    return await make.team(everywhere.db)


async def marks(resources: Resources) -> list[str]:
    return [one.key async for one in resources.storage.list(store_mark.MARKS)]


async def lies_in(settings: Settings) -> dict[str, int]:
    """By key, the size of all that is in a store."""
    url = settings.storage_url.get_secret_value() if settings.storage_url else None
    storage = storage_from_url(url, settings.data_dir)
    try:
        return {one.key: one.size async for one in storage.list("")}
    finally:
        await storage.close()


async def copied(resources: Resources, settings: Settings) -> None:
    url = settings.storage_url.get_secret_value() if settings.storage_url else None
    storage = storage_from_url(url, settings.data_dir)
    path = resources.settings.data_dir / secrets.token_hex(6)
    async for one in resources.storage.list(""):
        async with await resources.storage.open(one.key) as stream:
            path.write_bytes(b"".join([part async for part in stream]))
        await storage.put(one.key, path, size=one.size)
    await storage.close()


async def lost(resources: Resources) -> None:
    """As a volume that is not mounted: the store is there, and has nothing."""
    await resources.storage.delete([one.key async for one in resources.storage.list("")])


async def test_two_first_starts_agree(everywhere: Resources, storage_url: str | None) -> None:
    settings = its(everywhere, storage_url)
    async with open_resources(settings), open_resources(settings):
        assert len(await marks(everywhere)) == 1


async def test_an_installation_of_before_goes_on(
    everywhere: Resources, team_id: UUID, opening: AbstractAsyncContextManager[Resources]
) -> None:
    """Though a third of its images have lost their bytes."""
    for _ in range(2):
        await picture(everywhere, team_id)
    await make.image(everywhere.db, team_id)
    async with opening as opened:
        assert len(await marks(everywhere)) == 1
        assert (await reconcile.run(opened, opened.db.worker)).foreign == 0
    assert len(await marks(everywhere)) == 1


async def test_its_pictures_are_not_in_another_store(
    everywhere: Resources, team_id: UUID, elsewhere: Settings
) -> None:
    for _ in range(3):
        await picture(everywhere, team_id)
    with pytest.raises(OtherStoreError, match=r"of 3 images .* 0 lie there"):
        async with open_resources(elsewhere):
            pass
    assert await lies_in(elsewhere) == {}


async def test_two_stores_are_not_both_the_right_one(
    everywhere: Resources,
    team_id: UUID,
    elsewhere: Settings,
    opening: AbstractAsyncContextManager[Resources],
) -> None:
    """A server and a worker whose settings differ start when there are no pictures: what one stores, the other would lack."""
    async with opening:
        with pytest.raises(OtherStoreError, match=r"its mark, .* is not there"):
            async with open_resources(elsewhere):
                pass
    assert await lies_in(elsewhere) == {}
    asked = Namespace(store=True, anyway=False, key=False)
    assert await adopt.run(elsewhere, asked) == 0
    async with open_resources(elsewhere):
        pass


async def test_a_store_without_the_mark_is_another_one(
    everywhere: Resources,
    team_id: UUID,
    elsewhere: Settings,
    opening: AbstractAsyncContextManager[Resources],
) -> None:
    """Once one was marked, though every picture lie in it: it may be an old copy."""
    await picture(everywhere, team_id)
    async with opening as opened:
        (its_mark,) = await marks(opened)
    await copied(everywhere, elsewhere)
    async with open_resources(elsewhere) as opened:
        await opened.storage.delete([its_mark])
    with pytest.raises(OtherStoreError, match=rf"{its_mark}.* is not there.*pictor adopt --store"):
        async with open_resources(elsewhere):
            pass


async def test_a_copy_with_its_mark_is_as_good(
    everywhere: Resources,
    team_id: UUID,
    elsewhere: Settings,
    opening: AbstractAsyncContextManager[Resources],
) -> None:
    await picture(everywhere, team_id)
    async with opening:
        pass
    await copied(everywhere, elsewhere)
    async with open_resources(elsewhere) as opened:
        assert (await verify.run(opened, opened.db.worker)).damaged == 0


@pytest.mark.parametrize("key", [UNKNOWN, f"{store_mark.MARKS}{UUID(int=7)}"])
async def test_a_new_database_takes_no_store_of_another(
    everywhere: Resources, opening: AbstractAsyncContextManager[Resources], key: str
) -> None:
    await put(everywhere, key, b"bytes")
    with pytest.raises(OtherStoreError, match="no images, and there lies another installation's"):
        async with opening:
            pass
    assert {one.key async for one in everywhere.storage.list("")} == {key}


async def test_what_is_gone_with_the_store_is_not_lost(
    everywhere: Resources,
    team_id: UUID,
    opening: AbstractAsyncContextManager[Resources],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A store that turns out to be another one while the process runs: nobody flags, deletes, forgets or adds anything."""
    monkeypatch.setattr(proven, "GOOD_SECONDS", 0.0)
    image = await picture(everywhere, team_id, jobs={JobKind.THUMBNAILS: JobState.QUEUED})
    gone = await picture(everywhere, team_id, jobs={}, state=ImageState.DELETED)
    async with opening as opened:
        db = opened.db.worker
        await lost(everywhere)
        await db.run(lambda one: jobs.enqueue(one, team_id, gone.id, [JobKind.PURGE]))
        claim = (JobKind.THUMBNAILS, handlers.thumbnails), (JobKind.PURGE, handlers.purge)
        for kind, handle in claim:
            claimed = await db.run(
                lambda one, kind=kind: job_runs.claim(one, [kind], 9, timedelta(minutes=1))
            )
            assert len(claimed) == 1
            with pytest.raises(AppError, match="not this installation's"):
                await handle(opened, claimed)
        file = opened.settings.data_dir / "file"
        file.write_bytes(b"new")
        for work in (
            reconcile.run(opened, db, grace=timedelta(0)),
            verify.run(opened, db),
            opened.storage.put(f"t/{team_id}/1/1", file, size=3),
            opened.storage.delete([image.object_key]),
            opened.storage.open(image.object_key),
            opened.storage.size(image.object_key),
            opened.storage.sweep("t/", timedelta(0)),
            opened.storage.check(),
        ):
            with pytest.raises((AppError, ExceptionGroup)) as refusal:
                await work
            error = refusal.value
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            assert isinstance(error, AppError)
            assert error.code is ErrorCode.UNAVAILABLE
        async with everywhere.db.owner.transaction() as session:
            rows = (await session.scalars(select(Image))).all()
            assert {row.id for row in rows} == {image.id, gone.id}
            assert [row.damage for row in rows] == [None, None]
            states = await session.execute(select(ImageJob.state, ImageJob.attempts))
            assert {tuple(one) for one in states} == {(JobState.QUEUED, 0)}
        assert await keys(everywhere) == set()

        await mark(everywhere)
        await opened.storage.check()
        assert await opened.storage.size(image.object_key) is None


async def test_nothing_is_written_to_a_store_that_was_found_to_be_another(
    everywhere: Resources, team_id: UUID, opening: AbstractAsyncContextManager[Resources]
) -> None:
    """Though a moment before that it was the right one."""
    await picture(everywhere, team_id)
    async with opening as opened:
        file = opened.settings.data_dir / "file"
        file.write_bytes(b"new")
        await opened.storage.put(f"t/{team_id}/1/1", file, size=3)
        await lost(everywhere)
        for work in (opened.storage.check(), opened.storage.put(f"t/{team_id}/1/2", file, size=3)):
            with pytest.raises(AppError, match="not this installation's"):
                await work
    assert await keys(everywhere) == set()


async def test_a_store_that_is_away_is_seen_when_it_comes(
    everywhere: Resources, team_id: UUID, elsewhere: Settings, s3_url: str, tmp_path: Path
) -> None:
    """As every start without a store: the process waits for it, and knows it then."""
    name = f"late-{secrets.token_hex(6)}"
    url = s3_url.replace("@pictures?", f"@{name}?")
    await picture(everywhere, team_id)
    async with open_resources(its(everywhere, url, tmp_path / "late")) as opened:
        with pytest.raises(AppError, match="NoSuchBucket"):
            await opened.storage.check()
        storage = storage_from_url(url, tmp_path)
        storage._client.make_bucket(name)  # type: ignore[attr-defined]
        with pytest.raises(AppError, match="not this installation's"):
            await opened.storage.check()
        await storage.close()
        await copied(everywhere, its(everywhere, url))
        await opened.storage.check()
        assert len(await marks(opened)) == 1


async def test_a_host_that_takes_no_files_is_no_reason_to_end(
    everywhere: Resources, tmp_path: Path
) -> None:
    """As a full disk is: a server serves what there is, and marks the store once it can."""
    folder = tmp_path / "taken"
    folder.write_bytes(b"")
    mark = store_mark.Mark(everywhere.db.worker, everywhere.storage, "The store", folder)
    with pytest.raises(AppError, match="cannot be marked") as refusal:
        await mark.prove()
    assert refusal.value.code is ErrorCode.UNAVAILABLE
    folder.unlink()
    await mark.prove()
    assert len(await marks(everywhere)) == 1


async def test_a_store_is_adopted(
    everywhere: Resources,
    team_id: UUID,
    storage_url: str | None,
    elsewhere: Settings,
    opening: AbstractAsyncContextManager[Resources],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings, asked = its(everywhere, storage_url), {"store": True, "key": False}
    await picture(everywhere, team_id)
    async with opening as opened:
        (its_mark,) = await marks(opened)
    await everywhere.storage.delete([its_mark])
    with pytest.raises(OtherStoreError):
        async with open_resources(settings):
            pass

    assert await adopt.run(settings, Namespace(anyway=False, **asked)) == 0
    assert "1 of 1 images" in capsys.readouterr().out
    async with open_resources(settings):
        pass

    with pytest.raises(SetupError, match="--anyway"):
        await adopt.run(elsewhere, Namespace(anyway=False, **asked))
    assert await lies_in(elsewhere) == {}
    assert await adopt.run(elsewhere, Namespace(anyway=True, **asked)) == 0
    async with open_resources(elsewhere):
        pass


async def test_commands_say_what_is_wrong_in_a_line(
    everywhere: Resources, team_id: UUID, elsewhere: Settings, storage_url: str | None
) -> None:
    await picture(everywhere, team_id)
    url = everywhere.db.engine.url.render_as_string(hide_password=False)
    env = {
        "PICTOR_DATABASE_URL": url,
        "PICTOR_DATA_DIR": str(elsewhere.data_dir),
        "PICTOR_STORAGE_URL": elsewhere.storage_url.get_secret_value()
        if elsewhere.storage_url
        else "",
        "PICTOR_SECRET_KEY": "t" * 32,
        "PICTOR_PORT": "0",
    }
    for command, status in (("serve", 1), ("worker", 1), ("reconcile", 2), ("doctor", 1)):
        done = await asyncio.to_thread(forked.run, "app", command, env=os.environ | env)
        assert done.returncode == status
        said = done.stdout if command == "doctor" else done.stderr
        assert "is not the store of this installation" in said
        assert "Traceback" not in said
        assert "secret" not in said.replace("PICTOR_SECRET_KEY", "")
