"""A dataset's files and its archive under signed addresses: what comes, and who gets nothing."""

import asyncio
import hashlib
import io
import json
import tarfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette
from starlette.routing import Route

from app.db.models import AuditEvent, Dataset, Image, ImageJob, Membership, Team
from app.domain import Actor, Damage, DatasetFile, ImageFilter, ImageState, JobKind, Role
from app.resources import Resources
from app.services import job_runs
from app.services.exports import datasets
from app.services.people import addresses, api_keys, memberships, teams
from app.services.people.addresses import ARCHIVE
from app.web.budget import Budget
from app.web.dataset_archive import AT_ONCE
from app.web.datasets import BrokenOffError, Datasets
from app.worker import export
from tests import make
from tests.database import Database
from tests.web.conftest import Clock, Member, app_on, new_member, put, stored_image
from tests.web.test_media import actor_of, code, damage_of

PICTURES = [bytes([number]) * (500 + number) for number in range(3)]


@pytest.fixture
def app(resources: Resources, clock: Clock) -> Starlette:
    app = app_on(resources, clock)
    get = Datasets(resources, Budget(resources.settings)).get
    app.router.routes.append(Route("/datasets/{id}/{file}", get))
    return app


@pytest.fixture
async def actor(db: Database, member: Member) -> Actor:
    return await actor_of(db, member)


@pytest.fixture
async def dataset(resources: Resources, member: Member, actor: Actor) -> Dataset:
    """Of three images whose bytes really lie in storage, exported by the worker's hand."""
    for data in PICTURES:
        await stored_image(resources, member.team_id, data, tags=("word",))
    return await exported(resources, actor, member.team_id)


async def exported(resources: Resources, actor: Actor, team_id: UUID) -> Dataset:
    resources.settings.tmp_dir.mkdir(exist_ok=True)
    async with resources.db.acting(actor).transaction() as session:
        row = await datasets.export(
            session, actor, team_id=team_id, name="A set", wanted=ImageFilter()
        )
    async with resources.db.transaction() as session:
        # This one alone: the queue is shared with other tests.
        run = {"state": "RUNNING", "run_id": uuid4(), "attempts": 1}
        own = (ImageJob.image_id == row.id) & (ImageJob.kind == JobKind.EXPORT)
        await session.execute(update(ImageJob).where(own).values(run))
        job = (await session.scalars(select(ImageJob).where(own))).one()
    await export.exports(resources, [job_runs._job(job, run["run_id"])])
    async with resources.db.transaction() as session:
        return (await session.scalars(select(Dataset).where(Dataset.id == row.id))).one()


def address(
    resources: Resources,
    actor: Actor,
    dataset: Dataset,
    file: str = DatasetFile.IMAGES,
    *,
    now: float | None = None,
) -> str:
    return addresses.sign_dataset(
        resources.settings.signing_key,
        dataset_id=dataset.id,
        file=file,
        actor=actor,
        expires_in=3600,
        now=time.time() if now is None else now,
    )


@pytest.fixture
def url(resources: Resources, actor: Actor, dataset: Dataset) -> str:
    return address(resources, actor, dataset)


async def test_each_file_comes_whole_with_its_hash(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, dataset: Dataset
) -> None:
    for file in datasets.files(dataset):
        response = await client.get(address(resources, actor, dataset, file.name))
        assert response.status_code == 200
        assert hashlib.sha256(response.content).hexdigest() == file.sha256
        headers = response.headers
        assert headers["content-type"] == file.name.media_type
        assert headers["content-length"] == str(file.size)
        assert headers["etag"] == f'"{file.sha256}"'
        assert headers["cache-control"].startswith("private, max-age=")
        assert headers["content-disposition"].startswith(f'attachment; filename="{file.name}"')
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_a_part_a_copy_that_is_good_and_a_head(client: httpx.AsyncClient, url: str) -> None:
    whole = await client.get(url)
    part = await client.get(url, headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == whole.content[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    behind = await client.get(url, headers={"Range": f"bytes={len(whole.content)}-"})
    assert behind.status_code == 416
    assert behind.headers["content-range"] == f"bytes */{len(whole.content)}"
    copy = await client.get(url, headers={"If-None-Match": whole.headers["etag"]})
    assert (copy.status_code, copy.content) == (304, b"")
    other = await client.get(url, headers={"Range": "bytes=1-2", "If-Range": '"x"'})
    assert other.content == whole.content
    head = await client.head(url)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(whole.content)))


async def test_a_wrong_signature_is_as_nothing(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, dataset: Dataset, url: str
) -> None:
    path, _, token = url.partition("?token=")
    other = addresses.sign(
        resources.settings.signing_key,
        image_id=dataset.id,
        variant=addresses.Variant.ORIGINAL,
        actor=actor,
        expires_in=3600,
        now=time.time(),
    ).partition("?token=")[2]
    coco = path.replace("images.jsonl", "coco.json")
    archive = path.replace("images.jsonl", ARCHIVE)
    wrong = [
        path,
        f"{path}?token=",
        f"{path}?token={token[:-1]}",
        f"{path}?token={token[:-1]}{'A' if token[-1] != 'A' else 'B'}",
        f"{path}?token={other}",
        f"{coco}?token={token}",
        f"{archive}?token={token}",
        f"/datasets/{uuid4()}/images.jsonl?token={token}",
        f"/datasets/{dataset.id}/passwd?token={token}",
        f"/datasets/{dataset.id}/..%2Fimages.jsonl?token={token}",
        f"/datasets/nonsense/images.jsonl?token={token}",
    ]
    for one in wrong:
        response = await client.get(one)
        assert response.status_code == 404, one
    for one in wrong[:8]:
        assert code(await client.get(one)) == "NOT_FOUND"


async def test_an_address_ends(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, dataset: Dataset
) -> None:
    old = address(resources, actor, dataset, now=time.time() - 2 * 24 * 3600)
    response = await client.get(old)
    assert (response.status_code, code(response)) == (403, "FORBIDDEN")


async def test_access_is_checked_at_each_use(
    client: httpx.AsyncClient,
    db: Database,
    resources: Resources,
    actor: Actor,
    dataset: Dataset,
    url: str,
) -> None:
    stranger = await actor_of(db, await new_member(db))
    for file in (DatasetFile.IMAGES, ARCHIVE):
        response = await client.get(address(resources, stranger, dataset, file))
        assert (response.status_code, code(response)) == (404, "NOT_FOUND")
    viewer = await make.actor(db, dataset.team_id, Role.VIEWER)
    assert (await client.get(address(resources, viewer, dataset))).status_code == 200
    async with db.transaction() as session:
        await session.execute(delete(Membership).where(Membership.user_id == viewer.user_id))
    assert (await client.get(address(resources, viewer, dataset))).status_code == 404
    assert (await client.get(url)).status_code == 200
    async with resources.db.acting(actor).transaction() as session:
        await datasets.delete_forever(session, actor, dataset.id, purge_after=timedelta(days=1))
    assert (await client.get(url)).status_code == 404


async def test_what_is_not_ready_is_not_there(
    client: httpx.AsyncClient, resources: Resources, member: Member, actor: Actor
) -> None:
    async with resources.db.acting(actor).transaction() as session:
        row = await datasets.export(
            session, actor, team_id=member.team_id, name="Waits", wanted=ImageFilter()
        )
    for file in (DatasetFile.IMAGES, ARCHIVE):
        assert (await client.get(address(resources, actor, row, file))).status_code == 404


async def breaks_off(url: str) -> bool:
    """Whether a real client of a real server is told that bytes are missing."""
    async with httpx.AsyncClient() as real:
        try:
            await real.get(url)
        except httpx.RemoteProtocolError:
            return True
    return False


async def test_damage_is_told_before_the_first_byte_or_breaks_off(
    client: httpx.AsyncClient,
    server: str,
    resources: Resources,
    actor: Actor,
    dataset: Dataset,
    url: str,
) -> None:
    (file,) = (one for one in datasets.files(dataset) if one.name is DatasetFile.IMAGES)
    await resources.storage.delete([file.key])
    response = await client.get(url)
    assert (response.status_code, code(response)) == (404, "NOT_FOUND")
    assert (await client.head(url)).status_code == 404
    await put(resources, file.key, b"short")
    assert (await client.get(url)).status_code == 404
    await resources.storage.delete([file.key])
    await put(resources, file.key, bytes(file.size))
    assert (await client.get(url)).status_code == 404
    (archived,) = (one for one in datasets.files(dataset) if one.name is DatasetFile.COCO)
    await resources.storage.delete([archived.key])
    await put(resources, archived.key, bytes(archived.size))
    assert await breaks_off(server + address(resources, actor, dataset, ARCHIVE))


async def events(db: Database, dataset_id: UUID) -> list[tuple[str, str, str]]:
    async with db.transaction() as session:
        rows = await session.scalars(
            select(AuditEvent)
            .where(AuditEvent.subject_ids.contains([dataset_id]))
            .order_by(AuditEvent.seq)
        )
        return [
            (row.action, row.outcome.value, json.loads(row.detail).get("file", "")) for row in rows
        ]


async def test_every_use_is_recorded(
    client: httpx.AsyncClient,
    db: Database,
    resources: Resources,
    actor: Actor,
    dataset: Dataset,
    url: str,
) -> None:
    stranger = await actor_of(db, await new_member(db))
    await client.get(url)
    await client.get(address(resources, actor, dataset, ARCHIVE))
    await client.get(address(resources, stranger, dataset))
    assert await events(db, dataset.id) == [
        ("dataset.download", "ALLOWED", "images.jsonl"),
        ("dataset.download", "ALLOWED", "archive.tar"),
        ("dataset.download", "DENIED", "images.jsonl"),
    ]


def entries(data: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            assert (member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "")
            found[member.name] = file.read()
    return found


async def test_the_archive_has_files_and_originals(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, dataset: Dataset
) -> None:
    url = address(resources, actor, dataset, ARCHIVE)
    response = await client.get(url)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-tar"
    found = entries(response.content)
    names = [file.name.value for file in datasets.files(dataset)]
    images = [json.loads(line) for line in found["images.jsonl"].splitlines()]
    assert list(found) == [*names, *(one["path"] for one in images)]
    assert sorted(found[one["path"]] for one in images) == sorted(PICTURES)
    for line in found["SHA256SUMS"].decode().splitlines():
        sha256, _, path = line.partition("  ")
        assert hashlib.sha256(found[path]).hexdigest() == sha256
    assert (await client.get(url)).content == response.content
    head = await client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert "content-length" not in head.headers


async def test_an_archive_names_what_is_gone(
    client: httpx.AsyncClient, db: Database, resources: Resources, actor: Actor, dataset: Dataset
) -> None:
    """One image was deleted, and of another the object is missing: the rest comes all the same."""
    async with db.transaction() as session:
        rows = select(Image).where(Image.team_id == dataset.team_id).order_by(Image.id)
        first, second, third = await session.scalars(rows)
        first.state, first.deleted_at = ImageState.DELETED, datetime.now(UTC)
    await resources.storage.delete([second.object_key])

    found = entries((await client.get(address(resources, actor, dataset, ARCHIVE))).content)

    gone = [f"images/{one.id}.jpg" for one in (first, second)]
    assert found["MISSING"].decode().splitlines() == gone
    assert f"images/{third.id}.jpg" in found
    assert not found.keys() & set(gone)
    assert await damage_of(resources, second.id) is Damage.MISSING
    assert await damage_of(resources, first.id) is None


async def test_an_archive_never_ends_well_with_wrong_bytes(
    server: str, db: Database, resources: Resources, actor: Actor, dataset: Dataset
) -> None:
    async with db.transaction() as session:
        rows = select(Image).where(Image.team_id == dataset.team_id).order_by(Image.id)
        last = list(await session.scalars(rows))[-1]
    await resources.storage.delete([last.object_key])
    await put(resources, last.object_key, bytes(last.size_bytes))
    url = server + address(resources, actor, dataset, ARCHIVE)
    assert await breaks_off(url)
    assert await damage_of(resources, last.id) is Damage.WRONG_BYTES
    # From now on it is known, and nobody is kept from the rest.
    async with httpx.AsyncClient() as real:
        found = entries((await real.get(url)).content)
    assert found["MISSING"].decode() == f"images/{last.id}.jpg\n"


async def test_an_archive_goes_on_without_what_is_cut_off(
    client: httpx.AsyncClient, db: Database, resources: Resources, actor: Actor, dataset: Dataset
) -> None:
    async with db.transaction() as session:
        rows = select(Image).where(Image.team_id == dataset.team_id).order_by(Image.id)
        first, *rest = await session.scalars(rows)
    await resources.storage.delete([first.object_key])
    await put(resources, first.object_key, b"short")

    found = entries((await client.get(address(resources, actor, dataset, ARCHIVE))).content)

    assert found["MISSING"].decode() == f"images/{first.id}.jpg\n"
    assert {f"images/{one.id}.jpg" for one in rest} < found.keys()
    assert await damage_of(resources, first.id) is Damage.WRONG_SIZE


async def send(app: Starlette, url: str, take: Callable[[bytes], Awaitable[None]]) -> None:
    """An answer as a slow client takes it: nothing more is made until the last piece is taken."""
    path, _, query = url.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", b"pictor.test")],
    }

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def told(message: Any) -> None:
        if message["type"] == "http.response.body":
            await take(message["body"])

    await app(scope, receive, told)


async def loses_the_membership(
    session: AsyncSession, admin: Actor, reader: Actor, dataset: Dataset
) -> None:
    await memberships.remove(session, admin, dataset.team_id, reader.user_id)


async def loses_the_key(
    session: AsyncSession, _admin: Actor, reader: Actor, _dataset: Dataset
) -> None:
    assert reader.api_key_id is not None
    await api_keys.revoke(session, reader, reader.api_key_id)


async def loses_the_team(
    session: AsyncSession, admin: Actor, _reader: Actor, dataset: Dataset
) -> None:
    team = await session.get_one(Team, dataset.team_id)
    await teams.remove(session, admin, team.id, team.slug)


async def loses_the_dataset(
    session: AsyncSession, admin: Actor, _reader: Actor, dataset: Dataset
) -> None:
    await datasets.delete_forever(session, admin, dataset.id, purge_after=timedelta(days=1))


@pytest.mark.parametrize(
    "happens", [loses_the_membership, loses_the_key, loses_the_team, loses_the_dataset]
)
async def test_an_archive_breaks_off_where_its_reader_may_have_it_no_more(
    app: Starlette,
    db: Database,
    resources: Resources,
    actor: Actor,
    dataset: Dataset,
    happens: Callable[[AsyncSession, Actor, Actor, Dataset], Awaitable[None]],
) -> None:
    """One that looks whole would hold the files, and none of the originals."""
    reader = await actor_of(db, await new_member(db, Role.VIEWER, dataset.team_id))
    got: list[bytes] = []

    async def take(piece: bytes) -> None:
        if not got:
            async with db.transaction() as session:
                await happens(session, actor, reader, dataset)
        got.append(piece)

    with pytest.raises(BrokenOffError):
        await send(app, address(resources, reader, dataset, ARCHIVE), take)
    assert not any(picture in b"".join(got) for picture in PICTURES)
    assert not b"".join(got).endswith(bytes(1024))
    assert await events(db, dataset.id) == [
        ("dataset.download", "ALLOWED", "archive.tar"),
        ("dataset.download", "DENIED", "archive.tar"),
    ]


async def test_access_is_asked_for_again_in_the_middle_of_an_archive(
    app: Starlette, db: Database, resources: Resources, member: Member, actor: Actor
) -> None:
    pictures = [f"picture {number}".encode() for number in range(AT_ONCE + 1)]
    for data in pictures:
        await stored_image(resources, member.team_id, data)
    dataset = await exported(resources, actor, member.team_id)
    reader = await make.actor(db, member.team_id, Role.VIEWER)
    got: list[bytes] = []

    async def take(piece: bytes) -> None:
        if piece in pictures and not set(got) & set(pictures):
            async with db.transaction() as session:
                await loses_the_membership(session, actor, reader, dataset)
        got.append(piece)

    with pytest.raises(BrokenOffError):
        await send(app, address(resources, reader, dataset, ARCHIVE), take)
    assert len(set(got) & set(pictures)) == AT_ONCE
