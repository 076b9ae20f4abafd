"""Exports by a real worker, on the folder and on a bucket: what is in the files, that they never change, and what is left."""

import asyncio
import errno
import hashlib
import json
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, insert, select, update

from app.db import listing
from app.db.models import Collection, CollectionImage, Dataset, Image, ImageJob, ImageTag, Tag, Team
from app.domain import (
    Actor,
    DatasetFile,
    DatasetStatus,
    ImageFilter,
    JobKind,
    JobState,
    TagFilter,
    TagSource,
)
from app.errors import AppError, unavailable
from app.imaging import Decoder
from app.resources import Resources
from app.services import job_runs, taggings, tags
from app.services.exports import datasets, exporting
from app.services.job_runs import Job, SupersededError
from app.services.people import teams
from app.settings import Settings
from app.storage import Storage, storage_from_url
from app.worker import dataset_check, export, handlers, reconcile, verify
from app.worker.dataset_files import Files
from tests import make
from tests.fixtures.own_database import own_database
from tests.worker import planted
from tests.worker.conftest import opened, own_bucket
from tests.worker.planted import execute, keys, picture
from tests.worker.test_worker import until, working

AT_ONCE = timedelta(0)
MOMENT = datetime(2026, 3, 1, 12, 30, 15, 120_000, UTC)


ON_BOTH = pytest.mark.parametrize("storage_url", ["folder", "s3"], indirect=True)
"""For what lists, deletes and reads objects; what is in the files has nothing to do with where they lie."""


@pytest.fixture
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """The folder, or where a test is ON_BOTH also a bucket of its own."""
    if getattr(request, "param", "folder") == "folder":
        return None
    return own_bucket(request.getfixturevalue("s3_url"), tmp_path)


@pytest.fixture(scope="module")
def own_url(database_url: str) -> Iterator[str]:
    """One database for all tests of this module, which is emptied after each: its queue is nobody else's."""
    database = own_database(database_url)
    with asyncio.Runner() as runner:
        yield runner.run(database.__aenter__())
        runner.run(database.__aexit__(None, None, None))


@pytest.fixture
async def everywhere(
    own_url: str, decoder: Decoder, storage_url: str | None, tmp_path: Path
) -> AsyncIterator[Resources]:
    storage = storage_from_url(storage_url, tmp_path)
    async with opened(own_url, tmp_path, storage, decoder) as resources:
        yield resources
        await execute(resources.db, "truncate team, app_user, image_job, orphan, upkeep cascade")


async def asked(resources: Resources, actor: Actor, name: str = "A set", **conditions: Any) -> UUID:
    async with resources.db.acting(actor).transaction() as session:
        row = await datasets.export(
            session,
            actor,
            team_id=actor.team_ids[0],
            name=name,
            wanted=ImageFilter(**conditions),
        )
        return row.id


async def row(resources: Resources, dataset_id: UUID) -> Dataset:
    async with resources.db.transaction() as session:
        return (await session.scalars(select(Dataset).where(Dataset.id == dataset_id))).one()


async def progress(resources: Resources, actor: Actor, dataset_id: UUID) -> datasets.Progress:
    async with resources.db.acting(actor).transaction() as session:
        (found,) = await datasets.progress_by_id(session, actor, [dataset_id])
        return found


async def claimed(resources: Resources) -> Job:
    """The next export, as a worker takes it."""
    (job,) = await resources.db.worker.run(
        lambda session: job_runs.claim(session, [JobKind.EXPORT], 1, timedelta(minutes=1))
    )
    return job


async def made(resources: Resources, actor: Actor, name: str = "A set", **conditions: Any) -> UUID:
    """A dataset whose export is done, by the worker's own hand."""
    resources.settings.tmp_dir.mkdir(exist_ok=True)
    dataset_id = await asked(resources, actor, name, **conditions)
    await export.exports(resources, [await claimed(resources)])
    return dataset_id


async def content(resources: Resources, dataset_id: UUID) -> dict[str, bytes]:
    found = {}
    for file in datasets.files(await row(resources, dataset_id)):
        async with await resources.storage.open(file.key) as stream:
            found[file.name.value] = b"".join([part async for part in stream])
        assert hashlib.sha256(found[file.name.value]).hexdigest() == file.sha256
        assert len(found[file.name.value]) == file.size
    return found


def lines(files: dict[str, bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files["images.jsonl"].splitlines()]


@pytest.fixture
async def actor(everywhere: Resources) -> Actor:
    return await make.actor(everywhere.db)


async def library(resources: Resources, actor: Actor) -> list[UUID]:
    """Three images: with two tags, with one, and with none."""
    (team_id,) = actor.team_ids
    facts: dict[str, Any] = {"created_at": MOMENT, "uploaded_by": actor.user_id}
    ids = [
        await make.image(
            resources.db,
            team_id,
            title='Ünïcode "quoted"\u2028',
            weight=0.25,
            taken_at=MOMENT,
            width=64,
            height=48,
            **facts,
        ),
        await make.image(resources.db, team_id, weight=3, **facts),
        await make.image(resources.db, team_id, **facts),
    ]
    async with resources.db.acting(actor).transaction() as session:
        await taggings.add(session, actor, ids[:1], ["zebra", "Apple"])
        await taggings.add(session, replace(actor, api_key_id=secrets_id()), ids[1:2], ["zebra"])
    await execute(resources.db, "update image_tag set tagged_at = :at", at=MOMENT)
    return sorted(ids)


def secrets_id() -> UUID:
    return UUID(bytes=secrets.token_bytes(16))


@ON_BOTH
async def test_a_worker_makes_the_files(everywhere: Resources, actor: Actor) -> None:
    await library(everywhere, actor)
    async with working(everywhere):
        dataset_id = await asked(everywhere, actor)

        async def ready() -> bool:
            return (await progress(everywhere, actor, dataset_id)).status is DatasetStatus.READY

        await until(ready)
    dataset = await row(everywhere, dataset_id)
    files = await content(everywhere, dataset_id)
    assert files.keys() == {*DatasetFile}
    assert (dataset.image_count, dataset.done) == (3, 3)
    assert dataset.snapshot_at is not None
    assert dataset.finished_at is not None
    assert {file.key for file in datasets.files(dataset)} == await keys(everywhere)
    assert list(everywhere.settings.tmp_dir.iterdir()) == []


async def test_each_image_is_a_line_with_who_when_and_how(
    everywhere: Resources, actor: Actor
) -> None:
    ids = await library(everywhere, actor)
    found = lines(await content(everywhere, await made(everywhere, actor)))

    assert [one["id"] for one in found] == list(map(str, ids))
    by_tags = {len(one["tags"]): one for one in found}
    first = by_tags[2]
    async with everywhere.db.transaction() as session:
        image = await session.get_one(Image, UUID(first["id"]))
    by = str(actor.user_id)
    at = "2026-03-01T12:30:15.120000Z"
    assert first == {
        "id": str(image.id),
        "path": f"images/{image.id}.jpg",
        "sha256": image.sha256.hex(),
        "sizeBytes": 1000,
        "format": "JPEG",
        "width": 64,
        "height": 48,
        "filename": "picture.jpg",
        "title": 'Ünïcode "quoted"\u2028',
        "description": "",
        "weight": 0.25,
        "createdAt": at,
        "takenAt": at,
        "trashedAt": None,
        "uploadedBy": by,
        "tags": [
            {"name": "Apple", "by": by, "at": at, "source": "MANUAL"},
            {"name": "zebra", "by": by, "at": at, "source": "MANUAL"},
        ],
    }
    assert [one["source"] for one in by_tags[1]["tags"]] == ["API"]
    assert by_tags[1]["weight"] == 3


async def test_coco_has_the_structure_that_its_readers_expect(
    everywhere: Resources, actor: Actor
) -> None:
    await library(everywhere, actor)
    files = await content(everywhere, await made(everywhere, actor))
    coco = json.loads(files["coco.json"])

    assert coco.keys() == {"info", "licenses", "images", "annotations", "categories"}
    assert [one["name"] for one in coco["categories"]] == ["Apple", "zebra"]
    assert [one["file_name"] for one in coco["images"]] == [one["path"] for one in lines(files)]
    for name in ("images", "annotations", "categories"):
        assert [one["id"] for one in coco[name]] == list(range(1, len(coco[name]) + 1))
    images = {one["id"]: one for one in coco["images"]}
    names = {one["id"]: one["name"] for one in coco["categories"]}
    labelled = Counter(
        (images[one["image_id"]]["file_name"], names[one["category_id"]])
        for one in coco["annotations"]
    )
    assert labelled == Counter(
        (one["path"], tag["name"]) for one in lines(files) for tag in one["tags"]
    )
    for one in coco["annotations"]:
        image = images[one["image_id"]]
        assert one["bbox"] == [0, 0, image["width"], image["height"]]
        assert one["area"] == image["width"] * image["height"]
        assert (one["iscrowd"], one["segmentation"]) == (0, [])
    assert [one["date_captured"] for one in coco["images"] if "date_captured" in one] == [
        "2026-03-01 12:30:15"
    ]


async def test_years_have_four_digits(everywhere: Resources, actor: Actor) -> None:
    for year in (1, 476):
        at = datetime(year, 9, 4, 12, tzinfo=UTC)
        await make.image(everywhere.db, actor.team_ids[0], taken_at=at)
    files = await content(everywhere, await made(everywhere, actor))

    assert {one["takenAt"] for one in lines(files)} == {
        "0001-09-04T12:00:00.000000Z",
        "0476-09-04T12:00:00.000000Z",
    }
    coco = json.loads(files["coco.json"])
    assert {one["date_captured"] for one in coco["images"]} == {
        "0001-09-04 12:00:00",
        "0476-09-04 12:00:00",
    }


@ON_BOTH
async def test_the_manifest_vouches_for_the_files_and_the_sums_for_the_originals(
    everywhere: Resources, actor: Actor
) -> None:
    (team_id,) = actor.team_ids
    for _ in range(2):
        await picture(everywhere, team_id)
    dataset_id = await made(everywhere, actor, "Named")
    files = await content(everywhere, dataset_id)
    manifest = json.loads(files["manifest.json"])

    assert manifest["files"].keys() == files.keys() - {"manifest.json"}
    for name, facts in manifest["files"].items():
        assert facts["sha256"] == hashlib.sha256(files[name]).hexdigest()
        assert facts["sizeBytes"] == len(files[name])
    assert manifest["counts"] == {"images": 2, "tags": 0, "taggings": 0, "originalBytes": 1000}
    assert manifest["dataset"]["id"] == str(dataset_id)
    assert manifest["dataset"]["name"] == "Named"
    assert manifest["filter"]["team_id"] == str(team_id)
    sums = dict(line.split("  ")[::-1] for line in files["SHA256SUMS"].decode().splitlines())
    for line in lines(files):
        async with everywhere.db.transaction() as session:
            image = await session.get_one(Image, UUID(line["id"]))
        async with await everywhere.storage.open(image.object_key) as stream:
            data = b"".join([part async for part in stream])
        assert sums[line["path"]] == hashlib.sha256(data).hexdigest() == line["sha256"]
        assert line["sizeBytes"] == len(data)


async def test_the_same_images_are_the_same_bytes(everywhere: Resources, actor: Actor) -> None:
    await library(everywhere, actor)
    first = await content(everywhere, await made(everywhere, actor, "One"))
    # What is nothing to these images changes nothing.
    async with everywhere.db.transaction() as session:
        session.add(Tag(team_id=actor.team_ids[0], name="aaa", key="aaa"))
    await library(everywhere, await make.actor(everywhere.db))
    second = await content(everywhere, await made(everywhere, actor, "Two"))

    same = {name for name in first if first[name] == second[name]}
    assert same == {"images.jsonl", "coco.json", "SHA256SUMS"}


async def test_later_changes_change_nothing(everywhere: Resources, actor: Actor) -> None:
    ids = await library(everywhere, actor)
    dataset_id = await made(everywhere, actor)
    before = await content(everywhere, dataset_id)
    async with everywhere.db.transaction() as session:
        await session.execute(update(Image).where(Image.id == ids[0]).values(title="Other"))
        await session.execute(delete(ImageTag).where(ImageTag.team_id == actor.team_ids[0]))
        await session.execute(delete(Image).where(Image.id == ids[1]))

    assert await content(everywhere, dataset_id) == before


async def test_the_snapshot_is_one_moment(everywhere: Resources, actor: Actor) -> None:
    """Another transaction tags, re-titles and deletes while the export reads: it sees none of it."""
    ids = await library(everywhere, actor)
    dataset = await row(everywhere, await asked(everywhere, actor))
    reader = exporting.reader_of(dataset.team_id)
    async with everywhere.db.acting(reader).snapshot() as session:
        view = await exporting.view(session, dataset)
        async with everywhere.db.transaction() as other:
            await other.execute(update(Image).where(Image.id == ids[0]).values(title="Other"))
            await other.execute(delete(ImageTag).where(ImageTag.team_id == dataset.team_id))
            await other.execute(delete(Image).where(Image.id == ids[1]))
        late = await make.image(everywhere.db, dataset.team_id, tags=("late",))
        seen = [one async for batch in view.pictures() for one in batch]

    assert [one.id for one in seen] == ids
    assert late not in ids
    assert "Other" not in [one.title for one in seen]
    assert sum(len(one.labels) for one in seen) == 3
    assert [one.name for one in view.labels] == ["Apple", "zebra"]


async def test_batches_make_the_same_files_as_one(
    everywhere: Resources, actor: Actor, tmp_path: Path
) -> None:
    await library(everywhere, actor)
    files = await content(everywhere, await made(everywhere, actor))
    dataset = await row(everywhere, await asked(everywhere, actor, "Again"))
    async with everywhere.db.acting(exporting.reader_of(dataset.team_id)).snapshot() as session:
        view = await exporting.view(session, dataset)
        seen = [one async for batch in view.pictures() for one in batch]
    folder = tmp_path / "one-by-one"
    folder.mkdir()
    with Files(folder, view.labels) as written:
        written.add([])
        for one in seen:
            written.add([one])
        written.finish({})
    for name in (DatasetFile.IMAGES, DatasetFile.COCO, DatasetFile.SUMS):
        assert (folder / name).read_bytes() == files[name.value]


async def test_the_filter_decides_what_is_in_it(everywhere: Resources, actor: Actor) -> None:
    (team_id,) = actor.team_ids
    wanted = await make.image(everywhere.db, team_id, tags=("cat",))
    other = await make.image(everywhere.db, team_id, tags=("dog",))
    trashed = await make.image(everywhere.db, team_id, tags=("cat",), trashed_at=MOMENT)
    foreign = await make.image(everywhere.db, await make.team(everywhere.db), tags=("cat",))
    async with everywhere.db.transaction() as session:
        collection = Collection(team_id=team_id, name="c")
        session.add(collection)
        await session.flush()
        values = {"team_id": team_id, "collection_id": collection.id, "created_at": MOMENT}
        await session.execute(insert(CollectionImage).values(image_id=other, **values))
        collection_id = collection.id

    async def ids(name: str, **conditions: Any) -> set[UUID]:
        dataset_id = await made(everywhere, actor, name, **conditions)
        return {UUID(one["id"]) for one in lines(await content(everywhere, dataset_id))}

    cats = TagFilter(all=("Cat",))
    assert await ids("all") == {wanted, other}
    assert await ids("cats", tags=cats) == {wanted}
    assert await ids("trash too", tags=cats, trashed=None) == {wanted, trashed}
    assert await ids("collection", collection_id=collection_id) == {other}
    assert await ids("foreign", ids=(foreign,)) == set()
    assert await ids("another team", team_id=UUID(int=7)) == set()
    assert await ids("unknown tag", tags=TagFilter(all=("cat", "unknown"))) == set()
    spring = {"created_at": {"start": MOMENT, "end": None}}
    span = datasets.FILTERS.validate_python(spring).created_at
    assert await ids("since", created_at=span, tags=cats) == {wanted}


async def test_an_empty_dataset_is_one_too(everywhere: Resources, actor: Actor) -> None:
    files = await content(everywhere, await made(everywhere, actor))
    assert files["images.jsonl"] == files["SHA256SUMS"] == b""
    coco = json.loads(files["coco.json"])
    assert (coco["images"], coco["annotations"], coco["categories"]) == ([], [], [])


async def test_too_many_images_are_refused_for_good(everywhere: Resources, actor: Actor) -> None:
    await library(everywhere, actor)
    settings = Settings(data_dir=everywhere.settings.data_dir, max_dataset_images=2)
    dataset_id = await made(replace(everywhere, settings=settings), actor)

    found = await progress(everywhere, actor, dataset_id)
    assert found.status is DatasetStatus.FAILED
    assert found.error == "The filter lets more than 2 images through."
    assert await keys(everywhere) == set()
    assert list(everywhere.settings.tmp_dir.iterdir()) == []


@ON_BOTH
async def test_a_killed_run_leaves_no_file_that_anybody_sees(
    everywhere: Resources, actor: Actor
) -> None:
    """Its objects are orphans at once; the next run makes the dataset and removes them."""
    await library(everywhere, actor)
    dataset_id = await asked(everywhere, actor)
    job = await claimed(everywhere)
    half = f"{datasets.prefix(job.team_id, dataset_id)}{job.run_id}/images.jsonl"
    await planted.put(everywhere, half, b"half")
    report = await reconcile.run(everywhere, everywhere.db.worker, grace=AT_ONCE)
    assert (report.orphans_seen, report.datasets) == (0, 0)
    assert (await progress(everywhere, actor, dataset_id)).status is DatasetStatus.RUNNING
    assert datasets.files(await row(everywhere, dataset_id)) == []
    # The worker dies here: its lease runs out, and another one takes the job back.
    await execute(everywhere.db, "update image_job set lease_until = now() - interval '1 s'")
    await everywhere.db.worker.run(job_runs.take_back)
    (again,) = await everywhere.db.worker.run(
        lambda session: job_runs.claim(
            session, [JobKind.EXPORT], 1, timedelta(minutes=1), suspects=True
        )
    )
    report = await reconcile.run(everywhere, everywhere.db.worker, grace=timedelta(days=1))
    assert report.orphans_seen == 1

    await export.exports(everywhere, [again])

    files = datasets.files(await row(everywhere, dataset_id))
    assert await keys(everywhere) == {file.key for file in files}
    assert half not in await keys(everywhere)


async def test_a_run_that_comes_too_late_shows_nothing(everywhere: Resources, actor: Actor) -> None:
    await library(everywhere, actor)
    dataset_id = await asked(everywhere, actor)
    late = await claimed(everywhere)
    await execute(
        everywhere.db, "update image_job set run_id = null, lease_until = null, state = 'QUEUED'"
    )
    await export.exports(everywhere, [await claimed(everywhere)])
    before = await content(everywhere, dataset_id)

    with pytest.raises(SupersededError):
        await everywhere.db.worker.run(
            lambda session: exporting.keep(session, late, files={}, count=0, at=MOMENT)
        )
    with pytest.raises(SupersededError):
        await everywhere.db.worker.run(lambda session: exporting.advance(session, late, 1))

    assert await content(everywhere, dataset_id) == before


async def test_an_outage_costs_no_attempt(everywhere: Resources, actor: Actor) -> None:
    """Storage is away when the files are to be stored."""
    await library(everywhere, actor)
    dataset_id = await asked(everywhere, actor)

    class Away:
        def __init__(self, storage: Any) -> None:
            self._storage = storage

        def __getattr__(self, name: str) -> Any:
            return getattr(self._storage, name)

        async def put(self, *_args: Any, **_more: Any) -> None:
            raise unavailable("Storage is unavailable (test).")

    everywhere.settings.tmp_dir.mkdir(exist_ok=True)
    with pytest.raises(AppError):
        await export.exports(
            replace(everywhere, storage=Away(everywhere.storage)), [await claimed(everywhere)]
        )
    found = await progress(everywhere, actor, dataset_id)
    assert (found.status, found.error) == (DatasetStatus.QUEUED, None)
    async with everywhere.db.transaction() as session:
        job = (await session.scalars(select(ImageJob))).one()
        assert (job.attempts, job.state) == (0, JobState.QUEUED)
        await session.execute(update(ImageJob).values(run_after=func.now()))
    await export.exports(everywhere, [await claimed(everywhere)])
    assert (await row(everywhere, dataset_id)).image_count == 3


async def the_job(resources: Resources) -> ImageJob:
    async with resources.db.transaction() as session:
        return (await session.scalars(select(ImageJob))).one()


async def test_an_export_that_the_disk_does_not_hold_fails_and_says_so(
    everywhere: Resources, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for the largest upload is left, so that uploads go on meanwhile."""
    monkeypatch.setattr("app.services.job_runs.BACKOFF", AT_ONCE)
    await library(everywhere, actor)
    settings = Settings(data_dir=everywhere.settings.data_dir, max_request_bytes=2**60)
    dataset_id = await made(replace(everywhere, settings=settings), actor)
    first = await the_job(everywhere)
    assert (first.state, first.attempts) == (JobState.QUEUED, 1)
    assert list(everywhere.settings.tmp_dir.iterdir()) == []

    for _ in range(job_runs.MAX_ATTEMPTS - 1):
        await export.exports(replace(everywhere, settings=settings), [await claimed(everywhere)])

    found = await progress(everywhere, actor, dataset_id)
    assert found.status is DatasetStatus.FAILED
    assert found.error is not None
    assert found.error.startswith("The server's disk has no room for the files of this export.")
    assert list(everywhere.settings.tmp_dir.iterdir()) == []


class Full:
    """A folder storage whose disk takes one more file. What it says of the next is `error`."""

    def __init__(self, inner: Storage, error: Exception) -> None:
        self.inner, self.error, self.stored = inner, error, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def put(self, *args: Any, **more: Any) -> None:
        self.stored += 1
        if self.stored > 1:
            raise self.error
        await self.inner.put(*args, **more)


def away_because(code: int) -> AppError:
    error = unavailable("Storage is unavailable (test).")
    error.__cause__ = OSError(code, os.strerror(code))
    return error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), away_because(errno.EDQUOT)])
async def test_where_the_files_fill_the_disk_it_costs_an_attempt_and_leaves_nothing(
    everywhere: Resources, actor: Actor, error: Exception
) -> None:
    await library(everywhere, actor)
    storage: Any = Full(everywhere.storage, error)

    await made(replace(everywhere, storage=storage), actor)

    job = await the_job(everywhere)
    assert (job.state, job.attempts) == (JobState.QUEUED, 1)
    assert job.error is not None
    assert "no room" in job.error
    assert await keys(everywhere) == set()
    assert list(everywhere.settings.tmp_dir.iterdir()) == []


async def test_a_broken_disk_is_an_outage(everywhere: Resources, actor: Actor) -> None:
    await library(everywhere, actor)
    storage: Any = Full(everywhere.storage, away_because(errno.EIO))
    with pytest.raises(AppError, match="Storage is unavailable"):
        await made(replace(everywhere, storage=storage), actor)
    job = await the_job(everywhere)
    assert (job.state, job.attempts, job.error) == (JobState.QUEUED, 0, None)


@ON_BOTH
async def test_deleting_removes_rows_and_bytes(everywhere: Resources, actor: Actor) -> None:
    await library(everywhere, actor)
    dataset_id = await made(everywhere, actor)
    kept = await made(everywhere, actor, "Kept")
    async with everywhere.db.acting(actor).transaction() as session:
        await datasets.delete_forever(session, actor, dataset_id)
        assert await datasets.by_id(session, actor, [dataset_id]) == [None]
    report = await reconcile.run(everywhere, everywhere.db.worker, grace=AT_ONCE)
    assert (report.purged, report.orphans_seen, report.datasets) == (1, 0, 1)

    own = {file.key for file in datasets.files(await row(everywhere, kept))}
    assert await keys(everywhere) == own
    async with everywhere.db.transaction() as session:
        assert list(await session.scalars(select(Dataset.id))) == [kept]
        assert await session.scalar(select(func.count()).select_from(Image)) == 3


async def test_deleting_ends_a_run_that_is_at_it(everywhere: Resources, actor: Actor) -> None:
    await library(everywhere, actor)
    dataset_id = await asked(everywhere, actor)
    job = await claimed(everywhere)
    everywhere.settings.tmp_dir.mkdir(exist_ok=True)
    dataset = await everywhere.db.worker.run(lambda session: exporting.begin(session, job))
    assert dataset is not None
    async with everywhere.db.acting(actor).transaction() as session:
        await datasets.delete_forever(session, actor, dataset_id)

    folder = everywhere.settings.tmp_dir / "own"
    folder.mkdir()
    with pytest.raises(SupersededError):
        await export._make(everywhere, job, dataset, folder)
    assert await keys(everywhere) == set()


async def test_a_lost_purge_is_made_again(everywhere: Resources, actor: Actor) -> None:
    dataset_id = await made(everywhere, actor)
    async with everywhere.db.transaction() as session:
        values = {"deleted_at": datetime(2020, 1, 1, tzinfo=UTC)}
        await session.execute(update(Dataset).where(Dataset.id == dataset_id).values(values))
        await session.execute(delete(ImageJob))
    report = await reconcile.run(everywhere, everywhere.db.worker, grace=AT_ONCE)
    assert (report.purges_revived, report.purged) == (1, 1)
    assert await keys(everywhere) == set()


async def test_a_team_takes_its_datasets_along(everywhere: Resources, actor: Actor) -> None:
    (team_id,) = actor.team_ids
    await library(everywhere, actor)
    await made(everywhere, actor)
    waiting = await asked(everywhere, actor, "Not yet")
    other = await make.actor(everywhere.db)
    kept = await made(everywhere, other)
    async with everywhere.db.acting(actor).transaction() as session:
        slug = await session.scalar(select(Team.slug).where(Team.id == team_id))
        await teams.remove(session, actor, team_id, slug or "")
    # As if it were over for long: nothing can come late any more.
    await execute(
        everywhere.db,
        "update team set deleted_at = now() - interval '1 day' where id = :id",
        id=team_id,
    )
    purges = await everywhere.db.worker.run(
        lambda session: job_runs.claim(session, [JobKind.PURGE_TEAM], 9, timedelta(minutes=1))
    )
    await handlers.purge_teams(everywhere, purges)

    async with everywhere.db.transaction() as session:
        assert list(await session.scalars(select(Dataset.id))) == [kept]
        assert await session.scalar(select(ImageJob.id).where(ImageJob.image_id == waiting)) is None
    assert all(f"/{kept}/" in key for key in await keys(everywhere))


@ON_BOTH
async def test_reconcile_tells_of_damage_and_leaves_the_rest_alone(
    everywhere: Resources, actor: Actor
) -> None:
    dataset_id = await made(everywhere, actor)
    before = await content(everywhere, dataset_id)
    report = await reconcile.run(everywhere, everywhere.db.worker, grace=AT_ONCE)
    found = {name: count for name, count in report.counts().items() if count}
    assert found == {"objects": 4, "datasets": 1}
    assert await content(everywhere, dataset_id) == before
    (key,) = (
        file.key
        for file in datasets.files(await row(everywhere, dataset_id))
        if file.name is DatasetFile.COCO
    )
    await planted.replaced(everywhere, key, b"other")
    report = await reconcile.run(everywhere, everywhere.db.worker, grace=AT_ONCE)
    assert (report.datasets_damaged, report.damaged) == (1, 1)
    assert await keys(everywhere) == {
        file.key for file in datasets.files(await row(everywhere, dataset_id))
    }


@ON_BOTH
async def test_verify_reads_the_files_too(everywhere: Resources, actor: Actor) -> None:
    """A flipped bit leaves the size as it is."""
    dataset_id, db = await made(everywhere, actor), everywhere.db.worker
    files = {file.name: file for file in datasets.files(await row(everywhere, dataset_id))}
    sound = await verify.run(everywhere, db)
    assert (sound.datasets, sound.datasets_damaged, sound.damaged) == (1, 0, 0)
    assert sound.bytes_read == sum(file.size for file in files.values())
    data = (await content(everywhere, dataset_id))[DatasetFile.COCO]
    await planted.replaced(everywhere, files[DatasetFile.COCO].key, bytes([data[0] ^ 1]) + data[1:])

    found = await verify.run(everywhere, db, team_id=actor.team_ids[0])

    assert (found.datasets_damaged, found.damaged) == (1, 1)
    assert (await reconcile.run(everywhere, db, grace=AT_ONCE)).datasets_damaged == 0
    other = await make.team(everywhere.db)
    assert (await verify.run(everywhere, db, team_id=other)).datasets == 0


@pytest.mark.parametrize("gone", ["dataset", "team"])
async def test_what_is_deleted_meanwhile_is_no_damage(
    everywhere: Resources, actor: Actor, tmp_path: Path, gone: str
) -> None:
    """Its files may be purged before a pass comes to it: without a retention, at once."""
    dataset_id, db = await made(everywhere, actor), everywhere.db
    (dataset,) = await db.worker.run(lambda session: datasets.done_after(session, None, 9))
    await everywhere.storage.delete([file.key for file in datasets.files(dataset)])
    with listing.opened(tmp_path) as listed:
        assert await dataset_check._is_damaged(everywhere, db.worker, dataset, listed)
        async with db.acting(actor).transaction() as session:
            if gone == "dataset":
                await datasets.delete_forever(session, actor, dataset_id)
            else:
                slug = (await session.get_one(Team, actor.team_ids[0])).slug
                await teams.remove(session, actor, actor.team_ids[0], slug)
        assert not await dataset_check._is_damaged(everywhere, db.worker, dataset, listed)


async def test_a_merged_tag_keeps_how_it_came(everywhere: Resources, actor: Actor) -> None:
    await library(everywhere, actor)
    async with everywhere.db.acting(actor).transaction() as session:
        (source,) = await session.scalars(select(Tag.id).where(Tag.key == "zebra"))
        target = await tags.create(session, actor, actor.team_ids[0], "Horse")
        await tags.merge(session, actor, [source], target.id)
    found = lines(await content(everywhere, await made(everywhere, actor)))
    horses = Counter(
        tag["source"] for one in found for tag in one["tags"] if tag["name"] == "Horse"
    )
    assert horses == {"MANUAL": 1, "API": 1}


async def test_old_tags_say_that_nobody_knows(everywhere: Resources, actor: Actor) -> None:
    await make.image(everywhere.db, actor.team_ids[0], tags=("old",))
    (line,) = lines(await content(everywhere, await made(everywhere, actor)))
    assert line["tags"][0]["source"] == TagSource.UNKNOWN.value
    assert line["tags"][0]["by"] is None
