"""Rows and objects that disagree are brought back in step, on every storage, as the worker that PostgreSQL knows."""

import asyncio
import json
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import DEVNULL, PIPE
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from app.db import locks
from app.db.models import AuditEvent, Image, ImageJob, Orphan
from app.domain import BulkAction, Damage, ImageState, JobKind, JobState, Role
from app.resources import Resources
from app.services import images, job_runs, retention
from app.services.bulk_edits import bulk
from app.services.bulk_edits.bulk_selections import Selection
from app.services.intake import intents
from app.worker import files, handlers, reconcile, upkeep
from app.worker.report import Report
from tests import make
from tests.fixtures import forked
from tests.worker import planted
from tests.worker.planted import LONG_AGO, execute, intent, keys, picture, row, states
from tests.worker.test_worker import until

AT_ONCE = timedelta(0)
QUEUED, DONE, FAILED = JobState.QUEUED, JobState.DONE, JobState.FAILED
EMBED, THUMBNAILS, PURGE = JobKind.EMBED, JobKind.THUMBNAILS, JobKind.PURGE
FOREIGN = "t/01990000-0000-7000-8000-000000000001/01990000-0000-7000-8000-000000000002/1"
"""Of a team that no database here knows."""


async def run(resources: Resources, *, grace: timedelta = AT_ONCE, dry_run: bool = False) -> Report:
    return await reconcile.run(resources, resources.db.worker, grace=grace, dry_run=dry_run)


@pytest.fixture
async def team_id(everywhere: Resources) -> UUID:
    return await make.team(everywhere.db)


async def plant(resources: Resources, team_id: UUID) -> dict[str, Image]:
    """One image for each fault of a row, and objects that nobody knows."""
    sound = await picture(resources, team_id)
    missing = await picture(resources, team_id)
    await resources.storage.delete([missing.object_key])
    short = await picture(resources, team_id)
    await planted.replaced(resources, short.object_key, b"short")
    no_thumbnail = await picture(resources, team_id)
    await resources.storage.delete([no_thumbnail.thumbnails["SMALL"]["key"]])
    bad_thumbnail = await picture(resources, team_id)
    await planted.replaced(resources, bad_thumbnail.thumbnails["SMALL"]["key"], b"no")
    no_job = await picture(resources, team_id, jobs={EMBED: DONE}, derivatives=())
    stale = await intent(resources, team_id, timedelta(minutes=-1))
    uploading = await intent(resources, team_id, timedelta(minutes=10))
    given_up = await picture(
        resources, team_id, state=ImageState.DELETED, deleted_at=LONG_AGO, jobs={PURGE: FAILED}
    )
    forgotten = await picture(
        resources, team_id, state=ImageState.DELETED, deleted_at=LONG_AGO, jobs={}
    )
    retained = await picture(
        resources, team_id, state=ImageState.DELETED, deleted_at=datetime.now(UTC), jobs={}
    )
    await planted.put(resources, f"t/{team_id}/gone/1", b"orphan")
    await planted.put(resources, f"t/{team_id}/gone/1.small.webp", b"leftover derivative")
    await planted.put(resources, "check/left", b"check")
    await planted.put(resources, "other/product", b"not ours")
    await planted.put(resources, FOREIGN, b"another installation's")
    work = resources.settings.tmp_dir / "work-old"
    work.parent.mkdir(exist_ok=True)
    work.touch()
    os.utime(work, (1, 1))
    return {name: one for name, one in locals().items() if isinstance(one, Image)}


def expected_keys(faults: dict[str, Image]) -> set[str]:
    """Stored, retained, derivatives, and what is on its way."""
    kept = {
        key
        for name in (
            "sound",
            "short",
            "no_job",
            "uploading",
            "retained",
            "no_thumbnail",
            "bad_thumbnail",
        )
        for key in (
            faults[name].object_key,
            *(one["key"] for one in faults[name].thumbnails.values()),
        )
    }
    kept |= {one["key"] for one in faults["missing"].thumbnails.values()}
    return kept - {faults["no_thumbnail"].thumbnails["SMALL"]["key"]}


async def test_every_fault_is_found_and_mended(everywhere: Resources, team_id: UUID) -> None:
    faults = await plant(everywhere, team_id)

    first = await run(everywhere)

    counts = {name: count for name, count in first.counts().items() if count}
    assert counts == {
        "objects": 22,
        "images": 6,
        "foreign": 1,
        "expired_intents": 1,
        "purges_revived": 3,
        "purged": 3,
        "orphans_seen": 3,
        "missing": 1,
        "wrong_size": 1,
        "jobs_made": 1,
        "requeued": 2,
        "temporary_files": 1,
        "damaged": 2,
    }
    db = everywhere.db
    assert (await row(db, faults["missing"].id)).damage is Damage.MISSING
    assert (await row(db, faults["short"].id)).damage is Damage.WRONG_SIZE
    assert (await row(db, faults["sound"].id)).damage is None
    for name in ("no_thumbnail", "bad_thumbnail", "no_job"):
        assert await states(db, faults[name].id) == {EMBED: DONE, THUMBNAILS: QUEUED}
    assert await states(db, faults["sound"].id) == {EMBED: DONE, THUMBNAILS: DONE}
    assert await states(db, faults["missing"].id) == {EMBED: DONE, THUMBNAILS: DONE}
    assert await states(db, faults["retained"].id) == {PURGE: QUEUED}
    async with db.transaction() as session:
        left = set(await session.scalars(select(Image.id)))
    purged = {faults[name].id for name in ("stale", "given_up", "forgotten")}
    assert left == {one.id for one in faults.values()} - purged

    second = await run(everywhere)

    assert second.orphans_deleted == 3
    assert await keys(everywhere) == expected_keys(faults) | {"other/product", FOREIGN}
    third = await run(everywhere)
    busy = {name for name, count in third.counts().items() if count}
    assert busy == {"objects", "images", "foreign", "missing", "wrong_size", "damaged"}


async def test_a_dry_run_tells_the_same_and_changes_nothing(
    everywhere: Resources, team_id: UUID
) -> None:
    await plant(everywhere, team_id)
    before = await planted.snapshot(everywhere)

    told = await run(everywhere, dry_run=True)

    assert await planted.snapshot(everywhere) == before
    done = await run(everywhere)
    # What is purged is not there to be counted any more, and what the dry run revives it does not purge.
    same = replace(done, dry_run=True, objects=told.objects, purged=told.purged)
    assert told == replace(same, orphans_seen=told.orphans_seen)
    assert told.orphans_seen == 3
    before = await planted.snapshot(everywhere)
    assert (await run(everywhere, dry_run=True)).orphans_deleted == 3
    assert await planted.snapshot(everywhere) == before


async def test_an_orphan_is_watched_for_a_while(everywhere: Resources, team_id: UUID) -> None:
    key = await planted.put(everywhere, f"t/{team_id}/x/1", b"orphan")
    day = timedelta(days=1)
    assert (await run(everywhere, grace=day)).orphans_seen == 1
    second = await run(everywhere, grace=day)
    assert (second.orphans_seen, second.orphans_waiting, second.orphans_deleted) == (0, 1, 0)
    assert await keys(everywhere) == {key}
    await execute(everywhere.db, "update orphan set seen_at = seen_at - interval '25 hours'")
    assert (await run(everywhere, grace=day)).orphans_deleted == 1
    assert await keys(everywhere) == set()
    async with everywhere.db.transaction() as session:
        assert (await session.scalars(select(Orphan))).all() == []


async def test_an_upload_on_its_way_keeps_its_bytes(everywhere: Resources, team_id: UUID) -> None:
    """Also one whose row came between the first sighting and the second."""
    uploading = await intent(everywhere, team_id, timedelta(minutes=10))
    key = await planted.put(everywhere, f"t/{team_id}/late/1", b"late")
    await run(everywhere)
    late = await make.image(everywhere.db, team_id, object_key=key, size_bytes=4)
    for _ in range(3):
        report = await run(everywhere)
        assert (report.orphans_seen, report.orphans_deleted, report.missing) == (0, 0, 0)
    assert await keys(everywhere) == {key, uploading.object_key}
    assert (await row(everywhere.db, late)).damage is None
    async with everywhere.db.transaction() as session:
        assert (await session.scalars(select(Orphan))).all() == []


async def test_bytes_that_come_back_clear_the_flag(everywhere: Resources, team_id: UUID) -> None:
    image = await picture(everywhere, team_id, jobs={EMBED: FAILED, THUMBNAILS: FAILED})
    async with await everywhere.storage.open(image.object_key) as stream:
        data = b"".join([part async for part in stream])
    await everywhere.storage.delete([image.object_key])
    await run(everywhere)
    assert (await row(everywhere.db, image.id)).damaged_at is not None
    assert await states(everywhere.db, image.id) == {EMBED: FAILED, THUMBNAILS: FAILED}
    await planted.put(everywhere, image.object_key, data)
    report = await run(everywhere)
    assert (report.healed, report.damaged) == (1, 0)
    now = await row(everywhere.db, image.id)
    assert (now.damage, now.damaged_at) == (None, None)
    assert await states(everywhere.db, image.id) == {EMBED: QUEUED, THUMBNAILS: QUEUED}


async def test_a_lost_vector_is_made_again(everywhere: Resources, team_id: UUID) -> None:
    image = await picture(everywhere, team_id)
    given_up = await picture(everywhere, team_id, jobs={EMBED: FAILED, THUMBNAILS: DONE})
    await execute(
        everywhere.db,
        "insert into embedding_model (name, revision, dimension, state) values ('m', '1', 2, 'ACTIVE')",
    )
    assert (await run(everywhere)).requeued == 1
    assert (await states(everywhere.db, image.id))[EMBED] is QUEUED
    assert (await states(everywhere.db, given_up.id))[EMBED] is FAILED


async def test_thumbnails_of_another_object_are_made_again(
    everywhere: Resources, team_id: UUID
) -> None:
    """A worker may have been at it while the image was healed."""
    image = await picture(everywhere, team_id, jobs={EMBED: FAILED, THUMBNAILS: DONE})
    async with await everywhere.storage.open(image.object_key) as stream:
        data = b"".join([part async for part in stream])
    key = await planted.put(everywhere, f"t/{team_id}/other/1", data)
    await execute(everywhere.db, "update image set object_key = :key", key=key)
    report = await run(everywhere)
    assert (report.requeued, report.orphans_seen, report.damaged) == (2, 3, 0)
    assert await states(everywhere.db, image.id) == {EMBED: QUEUED, THUMBNAILS: QUEUED}
    assert (await run(everywhere)).orphans_deleted == 3
    assert await keys(everywhere) == {key}


async def test_work_that_is_forgotten_is_done_anew(everywhere: Resources, team_id: UUID) -> None:
    """As docs/repair.md has it: the old thumbnails stay until there are new ones."""
    image = await picture(everywhere, team_id)
    forget = "delete from image_job where kind = 'THUMBNAILS' and state = 'DONE'"
    await execute(everywhere.db, forget)
    assert (await run(everywhere)).jobs_made == 1
    assert (await states(everywhere.db, image.id))[THUMBNAILS] is QUEUED
    assert (await row(everywhere.db, image.id)).thumbnails == image.thumbnails


async def test_a_job_that_finds_no_bytes_tells_of_it(everywhere: Resources, team_id: UUID) -> None:
    image = await picture(everywhere, team_id, jobs={THUMBNAILS: QUEUED}, derivatives=())
    await everywhere.storage.delete([image.object_key])
    # As every worker does at its start.
    files.prepare(everywhere.settings.tmp_dir)
    claimed = await everywhere.db.worker.run(
        lambda session: job_runs.claim(session, [THUMBNAILS], 1, timedelta(minutes=1))
    )
    await handlers.thumbnails(everywhere, claimed)
    assert (await row(everywhere.db, image.id)).damage is Damage.MISSING


async def test_deleted_images_are_purged_after_their_retention(
    everywhere: Resources, team_id: UUID
) -> None:
    image = await picture(everywhere, team_id)
    actor = await make.actor(everywhere.db, team_id, Role.EDITOR)
    week = everywhere.settings.purge_retention
    assert week == timedelta(days=7)
    async with everywhere.db.acting(actor).transaction() as session:
        await images.delete_forever(session, actor, [image.id], purge_after=week)
    for _ in range(3):
        report = await run(everywhere)
        assert (report.purged, report.purges_revived, report.orphans_seen) == (0, 0, 0)
    assert image.object_key in await keys(everywhere)
    await execute(everywhere.db, "update image_job set run_after = now() where kind = 'PURGE'")
    assert (await run(everywhere)).purged == 1
    assert await keys(everywhere) == set()
    async with everywhere.db.transaction() as session:
        assert (await session.scalars(select(Image))).all() == []
        assert (await session.scalars(select(ImageJob))).all() == []


async def test_the_trash_is_emptied_after_its_retention(
    everywhere: Resources, team_id: UUID
) -> None:
    old = await picture(everywhere, team_id, trashed_at=LONG_AGO, tags=("a", "b"))
    young = await picture(everywhere, team_id, trashed_at=datetime.now(UTC), tags=("a",))
    both = [upkeep.reconcile.empty_trash(everywhere, everywhere.db.worker) for _ in range(2)]
    assert sum(await asyncio.gather(*both)) == 1
    assert (await row(everywhere.db, old.id)).state is ImageState.DELETED
    assert (await row(everywhere.db, young.id)).state is ImageState.STORED
    async with everywhere.db.transaction() as session:
        due = await session.scalar(select(ImageJob.run_after).where(ImageJob.kind == PURGE))
        assert due is not None
        assert due - datetime.now(UTC) > timedelta(days=6)
        (event,) = (
            await session.scalars(select(AuditEvent).where(AuditEvent.team_id == team_id))
        ).all()
        assert (event.action, event.user_id, event.subject_ids) == ("image.delete", None, [old.id])
        tagged = await session.scalars(text("select distinct image_id from image_tag"))
        assert tagged.all() == [young.id]


async def test_more_trash_than_one_batch(everywhere: Resources, team_id: UUID) -> None:
    await execute(
        everywhere.db,
        "insert into image (team_id, state, object_key, sha256, size_bytes, format, width, height, trashed_at)"
        " select :team, 'STORED', 't/x/' || n, sha256(n::text::bytea), 1, 'PNG', 1, 1, now() - interval '90 days'"
        " from generate_series(1, :many) n",
        team=team_id,
        many=retention.AT_ONCE + 1,
    )
    assert (await run(everywhere)).trash_emptied == retention.AT_ONCE + 1


async def test_two_at_once_agree(everywhere: Resources, team_id: UUID) -> None:
    faults = await plant(everywhere, team_id)
    await asyncio.gather(run(everywhere), run(everywhere))
    await asyncio.gather(run(everywhere), run(everywhere))
    await run(everywhere)
    assert await keys(everywhere) == expected_keys(faults) | {"other/product", FOREIGN}
    assert (await row(everywhere.db, faults["short"].id)).damage is Damage.WRONG_SIZE


def environment(resources: Resources, storage_url: str | None) -> dict[str, str]:
    url = resources.db.engine.url.render_as_string(hide_password=False)
    own = {
        "PICTOR_DATABASE_URL": url.replace("+asyncpg", ""),
        "PICTOR_DATA_DIR": str(resources.settings.data_dir),
        "PICTOR_STORAGE_URL": storage_url or "",
    }
    return os.environ | own


async def test_killed_at_every_step_it_converges(
    everywhere: Resources, team_id: UUID, storage_url: str | None
) -> None:
    faults = await plant(everywhere, team_id)
    env = environment(everywhere, storage_url)
    done = await asyncio.to_thread(forked.run, "tests.worker.killed", env=env)
    *kills, end = map(int, done.stdout.split())
    assert end == 0
    assert kills == [-signal.SIGKILL] * len(kills)
    assert len(kills) >= 6
    report = await run(everywhere)
    assert await keys(everywhere) == expected_keys(faults) | {"other/product", FOREIGN}
    assert (report.missing, report.wrong_size) == (1, 1)
    assert sorted(everywhere.settings.tmp_dir.iterdir()) == []


def command(name: str, *arguments: str, env: dict[str, str]) -> tuple[int, str]:
    done = forked.run("app", name, *arguments, env=env)
    return done.returncode, done.stdout


async def test_the_commands_report_and_exit(resources: Resources) -> None:
    env = environment(resources, None)
    image = await picture(resources, await make.team(resources.db))
    status, said = await asyncio.to_thread(command, "reconcile", "--json", env=env)
    assert (status, json.loads(said)) == (0, Report(objects=3, images=1).counts())
    await planted.replaced(resources, image.object_key, b"x" * 500)
    status, said = await asyncio.to_thread(command, "verify", "--json", env=env)
    assert (status, json.loads(said)["wrong_bytes"]) == (1, 1)
    status, said = await asyncio.to_thread(command, "reconcile", "--dry-run", env=env)
    assert status == 1
    assert "1  DAMAGED: images with other bytes" in said


async def test_a_command_waits_for_the_one_that_runs(resources: Resources) -> None:
    env = environment(resources, None)
    async with locks.alone(resources.db, reconcile.LOCK) as mine:
        assert mine
        async with locks.alone(resources.db, reconcile.LOCK) as second:
            assert not second
        waiting = forked.Process("app", "reconcile", env=env, stdout=DEVNULL, stderr=PIPE)
        assert waiting.stderr is not None
        assert "waits" in await asyncio.to_thread(waiting.stderr.readline)
        assert waiting.poll() is None
    with waiting:
        assert await asyncio.to_thread(waiting.wait) == 0


async def test_the_worker_takes_its_turn_when_it_is_due(resources: Resources) -> None:
    """Not at the first start, not again at once, and not beside another."""
    assert await upkeep.reconcile_if_due(resources) is None
    await execute(resources.db, "update upkeep set began_at = began_at - interval '25 hours'")
    async with locks.alone(resources.db, reconcile.LOCK):
        assert await upkeep.reconcile_if_due(resources) is None
    never = replace(
        resources, settings=resources.settings.model_copy(update={"reconcile_hours": 0})
    )
    assert await upkeep.reconcile_if_due(never) is None
    assert await upkeep.reconcile_if_due(resources) == Report()
    assert await upkeep.reconcile_if_due(resources) is None


async def refuses(resources: Resources, when: str) -> None:
    """The database takes no such change."""
    for statement in (
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$",
        f"create trigger refuse before {when} execute function refuse()",
    ):
        await execute(resources.db, statement)


async def until_sighted(resources: Resources, team_id: UUID) -> None:
    """Until the worker's rounds have come to a pass of reconcile, and that one to its objects."""
    await upkeep.reconcile_if_due(resources)
    await execute(resources.db, "update upkeep set began_at = began_at - interval '25 hours'")
    lost = await planted.put(resources, f"t/{team_id}/gone/1", b"orphan")

    async def sighted() -> bool:
        async with resources.db.transaction() as session:
            return await session.get(Orphan, lost) is not None

    keeping = asyncio.create_task(upkeep.keep(resources))
    try:
        await until(sighted)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_an_image_that_cannot_be_deleted_stops_nothing_else(apart: Resources) -> None:
    """Neither another team's trash, nor what comes after it."""
    team_id, other_id = [await make.team(apart.db) for _ in range(2)]
    stuck = await picture(apart, team_id, trashed_at=LONG_AGO)
    other = await picture(apart, other_id, trashed_at=LONG_AGO)
    only = f"for each row when (new.id = '{stuck.id}')"
    await refuses(apart, f"update of deleted_at on image {only}")

    await until_sighted(apart, team_id)

    assert (await row(apart.db, stuck.id)).state is ImageState.STORED
    assert (await row(apart.db, other.id)).state is ImageState.DELETED


async def test_a_step_that_fails_stops_none_behind_it(apart: Resources) -> None:
    actor = await make.actor(apart.db)
    (team_id,) = actor.team_ids
    change = bulk.Change(BulkAction.TRASH)
    await apart.db.acting(actor).run(
        lambda session: bulk.prepare(session, actor, team_id, Selection(), change)
    )
    await execute(apart.db, "update bulk_job set created_at = now() - interval '2 hours'")
    await refuses(apart, "delete on bulk_job")

    await until_sighted(apart, team_id)


async def test_an_intent_that_ends_and_is_published_at_once(resources: Resources) -> None:
    """Whoever comes first, the bytes and the row go or stay together."""
    team_id = await make.team(resources.db)
    stale = await intent(resources, team_id, timedelta(minutes=-1))
    async with resources.db.transaction() as session:
        await session.execute(
            update(Image).where(Image.id == stale.id).values(state=ImageState.STORED)
        )
        ended = await resources.db.worker.run(intents.expire)
        assert ended == 0
    report = await run(resources)
    assert (report.expired_intents, report.missing) == (0, 0)
    assert await keys(resources) == {stale.object_key}


async def test_old_files_of_the_dead_go(resources: Resources, tmp_path: Path) -> None:
    folder = resources.settings.tmp_dir
    (folder / "upload-1-x").mkdir(parents=True)
    (folder / "upload-1-x" / "file").touch()
    for name in ("upload-2-y", "work-1", "put-1", "put-2", "listing-1", "mine"):
        (folder / name).touch()
    for name in ("upload-1-x", "work-1", "put-1", "listing-1", "mine"):
        os.utime(folder / name, (1, 1))
    assert (await run(resources)).temporary_files == 4
    assert {path.name for path in folder.iterdir()} == {"upload-2-y", "put-2", "mine"}
