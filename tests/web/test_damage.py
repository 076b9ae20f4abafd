"""Bytes that are not what they were, as whoever asks for them finds them: nothing wrong is sent, and it is written down."""

import asyncio
import hashlib
import itertools
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text, update

from app.cli import logs
from app.db.models import Image, ImageJob
from app.domain import Actor, Damage, JobKind, JobState
from app.resources import Resources
from app.services.people.addresses import Variant
from app.storage import FolderStorage
from app.storage.stream import CHUNK, ByteStream
from tests.database import Database
from tests.web.conftest import Clock, Member, app_on, client_on, put, served, stored_image
from tests.web.test_datasets import breaks_off
from tests.web.test_media import CONTENT, actor_of, address, code, damage_of, path_of

SMALL = b"a small thumbnail"


@pytest.fixture
async def actor(db: Database, member: Member) -> Actor:
    return await actor_of(db, member)


@pytest.fixture
async def image_id(resources: Resources, member: Member) -> UUID:
    made = {"key": f"t/{member.team_id}/small", "width": 9, "height": 9, "bytes": len(SMALL)}
    made["sha256"] = hashlib.sha256(SMALL).hexdigest()
    await put(resources, str(made["key"]), SMALL)
    image_id = await stored_image(
        resources, member.team_id, CONTENT, tags=("cat",), thumbnails={"SMALL": made}
    )
    await jobs(resources, member.team_id, image_id, JobState.DONE)
    return image_id


@pytest.fixture
def url(resources: Resources, actor: Actor, image_id: UUID) -> str:
    return address(resources, actor, image_id)


async def jobs(resources: Resources, team_id: UUID, image_id: UUID, thumbnails: JobState) -> None:
    async with resources.db.owner.transaction() as session:
        for kind, state in ((JobKind.EMBED, JobState.DONE), (JobKind.THUMBNAILS, thumbnails)):
            session.add(ImageJob(team_id=team_id, image_id=image_id, kind=kind, state=state))
        ready = update(Image).where(Image.id == image_id)
        await session.execute(ready.values(processing="READY"))


async def work_of(resources: Resources, image_id: UUID) -> tuple[JobState, str]:
    """The state of the thumbnails' job, and of the image."""
    async with resources.db.owner.transaction() as session:
        query = select(ImageJob.state, Image.processing).join(Image, Image.id == ImageJob.image_id)
        mine = (ImageJob.image_id == image_id, ImageJob.kind == JobKind.THUMBNAILS)
        state, processing = (await session.execute(query.where(*mine))).one()
        return state, processing


async def flip(resources: Resources, image_id: UUID, at: int) -> None:
    path = await path_of(resources, image_id)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


async def version_of(resources: Resources, image_id: UUID) -> str:
    """Another one after each change of the row."""
    async with resources.db.owner.transaction() as session:
        query = text("select xmin::text from image where id = :id")
        return (await session.execute(query, {"id": image_id})).scalar_one()


@pytest.mark.parametrize("at", [0, len(CONTENT) - 1])
async def test_wrong_bytes_break_off_and_are_written_down_once(
    server: str, resources: Resources, url: str, image_id: UUID, at: int
) -> None:
    await flip(resources, image_id, at)
    assert await breaks_off(server + url)
    assert await damage_of(resources, image_id) is Damage.WRONG_BYTES
    version = await version_of(resources, image_id)
    async with httpx.AsyncClient(base_url=server) as client:
        assert (await client.get(url)).status_code == 404
    assert await version_of(resources, image_id) == version


async def test_what_breaks_off_is_told_in_a_line_and_without_a_trace(
    server: str, resources: Resources, url: str, image_id: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    await flip(resources, image_id, 5)
    assert await breaks_off(server + url)
    told = [
        one
        for one in caplog.records
        if one.name.startswith(("app.web", "uvicorn")) and logs._is_about_the_server(one)
    ]
    assert [one.exc_info for one in told] == [None, None]
    assert [one.getMessage().partition(" ")[0] for one in told] == ["the", "request"]
    assert "are damaged (WRONG_BYTES)" in told[0].getMessage()
    assert f"broke off: /images/{image_id}/original: The stored bytes" in told[1].getMessage()


async def test_few_wrong_bytes_are_not_found_before_the_first(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, member: Member
) -> None:
    image_id = await stored_image(resources, member.team_id, b"a small picture")
    await flip(resources, image_id, 3)
    response = await client.get(address(resources, actor, image_id))
    assert (response.status_code, code(response)) == (404, "NOT_FOUND")
    assert await damage_of(resources, image_id) is Damage.WRONG_BYTES


async def test_a_part_that_is_the_whole_is_looked_at_like_the_whole(
    server: str, resources: Resources, url: str, image_id: UUID
) -> None:
    await flip(resources, image_id, 5)
    async with httpx.AsyncClient(base_url=server) as client:
        part = await client.get(url, headers={"Range": "bytes=1-3"})
        assert (part.status_code, part.content) == (206, CONTENT[1:4])
        assert await damage_of(resources, image_id) is None
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url, headers={"Range": "bytes=0-"})
    assert await damage_of(resources, image_id) is Damage.WRONG_BYTES


async def flagged(resources: Resources, image_id: UUID) -> None:
    async with resources.db.owner.transaction() as session:
        wrong = {"damage": Damage.WRONG_BYTES, "damaged_at": datetime.now(UTC)}
        await session.execute(update(Image).where(Image.id == image_id).values(wrong))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("asked", [{}, {"Range": "bytes=1-3"}])
async def test_what_is_known_to_be_wrong_is_not_sent_and_what_was_put_back_is(
    client: httpx.AsyncClient,
    resources: Resources,
    url: str,
    image_id: UUID,
    method: str,
    asked: dict[str, str],
) -> None:
    """Of a part nobody can tell whether it is right."""
    await flip(resources, image_id, 5)
    await flagged(resources, image_id)
    response = await client.request(method, url, headers=asked)
    assert response.status_code == 404
    assert await damage_of(resources, image_id) is Damage.WRONG_BYTES

    await flip(resources, image_id, 5)
    assert (await client.request(method, url, headers=asked)).status_code in (200, 206)

    assert await damage_of(resources, image_id) is None
    assert (await client.get(url)).content == CONTENT


class Counted(FolderStorage):
    """Counts how often an object is opened, which takes long."""

    opened = 0

    async def open(self, key: str, start: int = 0, length: int | None = None) -> ByteStream:
        self.opened += 1
        await asyncio.sleep(1)
        return await super().open(key, start, length)


async def test_many_who_ask_at_once_have_wrong_bytes_read_once(
    resources: Resources, clock: Clock, url: str, image_id: UUID
) -> None:
    """A HEAD costs its sender nothing, and the store the whole object."""
    await flip(resources, image_id, 5)
    await flagged(resources, image_id)
    settings = resources.settings
    counted = Counted(settings.objects_dir, settings.tmp_dir)
    async with client_on(app_on(replace(resources, storage=counted), clock)) as client:
        answers = await asyncio.gather(*(client.head(url) for _ in range(20)))
    await counted.close()
    assert {one.status_code for one in answers} == {404}
    assert counted.opened == 1


async def test_what_failed_for_wrong_bytes_is_done_once_they_are_right(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, member: Member
) -> None:
    image_id = await stored_image(resources, member.team_id, CONTENT)
    await jobs(resources, member.team_id, image_id, JobState.FAILED)
    await flagged(resources, image_id)
    assert (await client.get(address(resources, actor, image_id))).status_code == 200
    assert await work_of(resources, image_id) == (JobState.QUEUED, "PENDING")


class Noisy(FolderStorage):
    """Turns over a bit in what is sent, each time another one, and leaves what lies there as it is."""

    def __init__(self, root: Path, tmp: Path) -> None:
        super().__init__(root, tmp)
        self._at = itertools.count()

    def _open(self, key: str, start: int, length: int | None) -> Any:
        return _Turned(super()._open(key, start, length), next(self._at))


class _Turned:
    def __init__(self, inner: Any, at: int) -> None:
        self._inner = inner
        self._at = at
        self.length = inner.length

    def read(self, size: int) -> bytes:
        data = bytearray(self._inner.read(size))
        if data:
            data[self._at % len(data)] ^= 1
        return bytes(data)

    def close(self) -> None:
        self._inner.close()


async def test_what_was_turned_over_on_its_way_is_no_damage(
    resources: Resources, clock: Clock, actor: Actor, member: Member, url: str, image_id: UUID
) -> None:
    settings = resources.settings
    noisy = Noisy(settings.objects_dir, settings.tmp_dir)
    small_id = await stored_image(resources, member.team_id, b"a small picture")
    app = app_on(replace(resources, storage=noisy), clock)
    async with client_on(app) as client, served(app) as (server, _):
        for one in (
            address(resources, actor, small_id),
            address(resources, actor, image_id, Variant.SMALL),
        ):
            response = await client.get(one)
            assert (response.status_code, code(response)) == (503, "UNAVAILABLE")
        assert await breaks_off(server + url)
    await noisy.close()
    for one in (small_id, image_id):
        assert await damage_of(resources, one) is None
    assert await work_of(resources, image_id) == (JobState.DONE, "READY")


async def test_whoever_leaves_early_harms_nothing(
    server: str, resources: Resources, actor: Actor, member: Member
) -> None:
    image_id = await stored_image(resources, member.team_id, CONTENT * 20)
    url = address(resources, actor, image_id)
    async with httpx.AsyncClient(base_url=server) as client:
        for _ in range(5):
            async with client.stream("GET", url) as response:
                await anext(response.aiter_bytes())
    await asyncio.sleep(0.2)
    assert await damage_of(resources, image_id) is None


async def test_a_head_tells_of_what_is_missing_or_cut_off(
    client: httpx.AsyncClient, resources: Resources, url: str, image_id: UUID, member: Member
) -> None:
    path = await path_of(resources, image_id)
    path.write_bytes(CONTENT[:CHUNK])
    assert (await client.head(url)).status_code == 404
    assert await damage_of(resources, image_id) is Damage.WRONG_SIZE
    path.unlink()
    head = await client.head(url)
    assert (head.status_code, head.content) == (404, b"")
    assert await damage_of(resources, image_id) is Damage.MISSING
    assert (await client.head("/random", headers=member.headers)).status_code == 404


async def test_a_head_has_no_parts(client: httpx.AsyncClient, url: str) -> None:
    for asked in ("bytes=1-3", f"bytes={len(CONTENT)}-"):
        head = await client.head(url, headers={"Range": asked})
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(CONTENT)))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("data", [None, b"short", b"A small thumbnail"])
async def test_a_bad_thumbnail_is_made_anew(
    client: httpx.AsyncClient,
    resources: Resources,
    actor: Actor,
    member: Member,
    image_id: UUID,
    method: str,
    data: bytes | None,
) -> None:
    """It is answered like one that is not made yet."""
    small = address(resources, actor, image_id, Variant.SMALL)
    assert (await client.get(small)).content == SMALL
    key = f"t/{member.team_id}/small"
    await resources.storage.delete([key])
    if data is not None:
        await put(resources, key, data)

    response = await client.request(method, small)

    if method == "HEAD" and data and len(data) == len(SMALL):
        # It reads no byte.
        assert response.status_code == 200
        return
    assert (response.status_code, response.headers["retry-after"]) == (404, "2")
    if method == "GET":
        assert response.json()["errors"][0]["message"] == "Thumbnail not found."
    assert await work_of(resources, image_id) == (JobState.QUEUED, "PENDING")
    assert await damage_of(resources, image_id) is None


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.FAILED])
async def test_a_bad_thumbnail_disturbs_no_work(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, member: Member, state: JobState
) -> None:
    """What was given up stays so: a picture that kills its decoder must not come back with each visitor."""
    lost = {"SMALL": {"key": "t/lost/small", "width": 9, "height": 9, "bytes": 9}}
    image_id = await stored_image(resources, member.team_id, b"picture", thumbnails=lost)
    await jobs(resources, member.team_id, image_id, state)
    version = await version_of(resources, image_id)
    small = address(resources, actor, image_id, Variant.SMALL)
    assert (await client.get(small)).status_code == 404
    assert await work_of(resources, image_id) == (state, "READY")
    assert await version_of(resources, image_id) == version


async def test_of_a_damaged_image_no_thumbnail_is_made_anew(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, member: Member, image_id: UUID
) -> None:
    await flagged(resources, image_id)
    await resources.storage.delete([f"t/{member.team_id}/small"])
    small = address(resources, actor, image_id, Variant.SMALL)
    assert (await client.get(small)).status_code == 404
    assert await work_of(resources, image_id) == (JobState.DONE, "READY")


async def test_another_thumbnail_has_another_tag(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, member: Member, image_id: UUID
) -> None:
    """It lies under the same key."""
    small = address(resources, actor, image_id, Variant.SMALL)
    tag = (await client.get(small)).headers["etag"]
    key, data = f"t/{member.team_id}/small", b"another thumbnail"
    await resources.storage.delete([key])
    await put(resources, key, data)
    made = {"key": key, "width": 9, "height": 9, "bytes": len(data)}
    made["sha256"] = hashlib.sha256(data).hexdigest()
    async with resources.db.owner.transaction() as session:
        change = update(Image).where(Image.id == image_id)
        await session.execute(change.values(thumbnails={"SMALL": made}))
    other = await client.get(small, headers={"If-None-Match": tag})
    assert (other.status_code, other.content) == (200, data)
    assert other.headers["etag"] != tag
