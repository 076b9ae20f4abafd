"""Reading everything again: wrong bytes are found and flagged, and nothing is deleted."""

import hashlib
import random
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, update

from app.db import listing
from app.db.database import Database
from app.db.models import Image, Team
from app.domain import Damage, JobKind, JobState
from app.errors import AppError
from app.imaging import Decoder
from app.resources import Resources
from app.services import repair
from app.storage import FolderStorage
from app.worker import files, reconcile, verify
from app.worker.image_check import ImageCheck
from app.worker.progress import silent
from app.worker.verify import Report
from tests import make
from tests.worker import planted
from tests.worker.conftest import on
from tests.worker.planted import keys, picture, row, states


async def run(resources: Resources, **how: object) -> Report:
    return await verify.run(resources, resources.db.worker, **how)  # type: ignore[arg-type]


@pytest.fixture
async def team_id(everywhere: Resources) -> UUID:
    return await make.team(everywhere.db)


async def test_each_kind_of_damage_is_told_apart(everywhere: Resources, team_id: UUID) -> None:
    sound, missing, short, long, wrong, bare, cut, spoilt = [
        await picture(everywhere, team_id, derivatives=("small",)) for _ in range(8)
    ]
    for image, data in ((short, b"short"), (long, b"x" * 501), (wrong, b"x" * 500)):
        await planted.replaced(everywhere, image.object_key, data)
    await everywhere.storage.delete([missing.object_key, bare.thumbnails["SMALL"]["key"]])
    await planted.replaced(everywhere, cut.thumbnails["SMALL"]["key"], b"thumb")
    await planted.replaced(everywhere, spoilt.thumbnails["SMALL"]["key"], b"Thumbnail")
    before = await keys(everywhere)

    report = await run(everywhere)

    assert report == Report(
        images=8,
        bytes_read=500 + 5 + 501 + 500 + 500 + 500 + 500 + 9 + 5 + 9,
        missing=1,
        wrong_size=2,
        wrong_bytes=1,
        derivatives_missing=1,
        derivatives_wrong=2,
    )
    found = {one.id: (await row(everywhere.db, one.id)).damage for one in (sound, missing, short, long, wrong, bare, cut, spoilt)}  # fmt: skip
    assert list(found.values()) == [
        None,
        Damage.MISSING,
        Damage.WRONG_SIZE,
        Damage.WRONG_SIZE,
        Damage.WRONG_BYTES,
        None,
        None,
        None,
    ]
    assert await keys(everywhere) == before
    for one in (bare, cut, spoilt):
        assert (await states(everywhere.db, one.id))[JobKind.THUMBNAILS] is JobState.QUEUED
    assert (await states(everywhere.db, sound.id))[JobKind.THUMBNAILS] is JobState.DONE
    assert await run(everywhere) == report


async def test_a_hash_that_nobody_knew_is_written_down(
    everywhere: Resources, team_id: UUID
) -> None:
    """Of thumbnails that an older release made. From then on a flipped bit is found."""
    old, remade = [await picture(everywhere, team_id, hashed=False) for _ in range(2)]
    db = everywhere.db.worker
    batch = await db.run(lambda session: repair.stored_after(session, None, 10, team_id))
    new = {"SMALL": {**remade.thumbnails["SMALL"], "bytes": 3}}
    async with everywhere.db.transaction() as session:
        change = update(Image).where(Image.id == remade.id).values(thumbnails=new)
        await session.execute(change)

    report = Report()
    await verify._verify(everywhere, db, batch, report)

    assert (report.derivatives_missing, report.derivatives_wrong) == (0, 0)
    sha256 = hashlib.sha256(b"thumbnail").hexdigest()
    assert (await row(everywhere.db, old.id)).thumbnails == {
        name: {**one, "sha256": sha256} for name, one in old.thumbnails.items()
    }
    assert (await row(everywhere.db, remade.id)).thumbnails == new
    await planted.replaced(everywhere, old.thumbnails["LARGE"]["key"], b"Thumbnail")
    assert (await run(everywhere)).derivatives_wrong == 2


async def test_one_that_cannot_be_read_stops_nothing(
    own_db: Database, decoder: Decoder, tmp_path: Path
) -> None:
    """The disk refuses the file itself, as it does where a sector is bad; the rest of the store is there."""
    storage = FolderStorage(tmp_path / "objects", tmp_path / "drafts")
    async with on(own_db, tmp_path, storage, decoder) as resources:
        team_id = await make.team(own_db)
        bad, wrong = [await picture(resources, team_id, derivatives=()) for _ in range(2)]
        await planted.replaced(resources, wrong.object_key, b"x" * 500)
        path = storage.root / bad.object_key
        path.unlink()
        path.symlink_to(path.name)

        assert await run(resources) == Report(images=1, bytes_read=500, wrong_bytes=1, unreadable=1)
        assert (await row(own_db, bad.id)).damage is None

        thumbnail = (await picture(resources, team_id)).thumbnails["SMALL"]["key"]
        (storage.root / thumbnail).unlink()
        (storage.root / thumbnail).symlink_to(Path(thumbnail).name)
        again = await run(resources)
        assert (again.unreadable, again.derivatives_wrong) == (1, 1)
        resources.settings.tmp_dir.mkdir(exist_ok=True)
        await files.keep(storage, thumbnail, b"new", resources.settings.tmp_dir)
        assert (storage.root / thumbnail).read_bytes() == b"new"

        storage.root.rename(tmp_path / "away")
        with pytest.raises(ExceptionGroup) as caught:
            await run(resources)
        assert caught.group_contains(AppError, match="no such folder")


async def test_what_is_deleted_meanwhile_is_no_damage(resources: Resources, tmp_path: Path) -> None:
    """Its bytes may be purged before its batch is done: without a retention, at once."""
    db, team_id = resources.db.worker, await make.team(resources.db)
    gone, missing = [await picture(resources, team_id, derivatives=()) for _ in range(2)]
    made = await picture(resources, team_id)
    await resources.storage.delete([made.thumbnails["SMALL"]["key"]])
    with_team = await picture(resources, await make.team(resources.db), derivatives=())
    lost = [one.object_key for one in (gone, missing, with_team)]
    await resources.storage.delete(lost)
    batch = await db.run(lambda session: repair.stored_after(session, None, 10))
    async with resources.db.transaction() as session:
        await session.execute(delete(Image).where(Image.id.in_([gone.id, made.id])))
        ended = update(Team).where(Team.id == with_team.team_id)
        await session.execute(ended.values(deleted_at=datetime.now(UTC)))

    verified = Report()
    await verify._verify(resources, db, batch, verified)
    compared = reconcile.Report(dry_run=False)
    with listing.opened(tmp_path) as listed:
        await ImageCheck(resources, db, compared, silent)._compare(batch, listed)

    assert (verified.missing, verified.derivatives_missing, compared.missing) == (1, 0, 1)


async def test_only_a_reading_takes_wrong_bytes_back(everywhere: Resources, team_id: UUID) -> None:
    image = await picture(everywhere, team_id)
    async with await everywhere.storage.open(image.object_key) as stream:
        data = b"".join([part async for part in stream])
    await planted.replaced(everywhere, image.object_key, b"x" * 500)
    await run(everywhere)
    again = await reconcile.run(everywhere, everywhere.db.worker)
    assert (again.wrong_bytes, again.healed, again.damaged) == (1, 0, 1)
    await planted.replaced(everywhere, image.object_key, data)
    assert (await run(everywhere)).healed == 1
    assert (await row(everywhere.db, image.id)).damage is None


async def test_all_that_are_right_again_are_counted(everywhere: Resources, team_id: UUID) -> None:
    """Four images are told at a time."""
    for _ in range(8):
        await picture(everywhere, team_id, derivatives=(), damage=Damage.MISSING)
    assert (await run(everywhere)).healed == 8


async def test_one_team_or_a_sample(resources: Resources) -> None:
    one, other = await make.team(resources.db), await make.team(resources.db)
    await picture(resources, one)
    for _ in range(30):
        await picture(resources, other, derivatives=())
    await picture(resources, other, trashed_at=datetime.now(UTC))
    assert (await run(resources)).images == 32
    assert (await run(resources, team_id=one)).images == 1
    random.seed(1)
    assert 5 < (await run(resources, team_id=other, share=0.5)).images < 26
