"""uploadImage and uploadImages: what is taken in, what is refused, and that refusal leaves nothing."""

import asyncio
import io
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture
from sqlalchemy import func, select, update

from app.db.models import Collection, Image, ImageJob, Tag, Team
from app.domain import Actor, Damage, ImageState, JobKind, JobState, Role, TagPolicy
from app.errors import unavailable
from app.services.intake import intents
from app.storage import FolderStorage
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client, png

UPLOAD = """
mutation($input: UploadImageInput!) {
  uploadImage(input: $input) {
    created
    image { id title filename format width height sizeBytes sha256 weight takenAt trashedAt thumbHash
            tags { name } taggings { taggedBy { id } } collections { name } processing { status }
            uploadedBy { id } }
  }
}
"""
MANY = """
mutation($input: UploadImagesInput!) {
  uploadImages(input: $input) {
    __typename
    ... on UploadImagePayload { created image { filename tags { name } } }
    ... on UploadRejection { index filename code reason message }
  }
}
"""


def encoded(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Picture.radial_gradient("L").convert("RGB").resize((64, 48)).save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


HUGE_PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(bytes(1000)))
    + chunk(b"IEND", b"")
)


async def total(db: Database, table: Any, team_id: Any) -> int:
    async with db.transaction() as session:
        query = select(func.count()).select_from(table).where(table.team_id == team_id)
        return await session.scalar(query) or 0


async def upload(client: Client, actor: Actor, data: bytes, **given: Any) -> dict[str, Any]:
    name = given.pop("name", "picture.png")
    answer = await client.get(actor, UPLOAD, input={"file": client.file(data, name), **given})
    payload: dict[str, Any] = answer["uploadImage"]
    return payload


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
async def test_every_format_is_told_from_its_bytes(client: Client, db: Database, kind: str) -> None:
    actor = await make.actor(db)

    payload = await upload(client, actor, encoded(kind), name="../../holiday photo.bmp")

    image = payload["image"]
    assert payload["created"] is True
    assert (image["format"], image["width"], image["height"]) == (kind, 64, 48)
    assert (image["title"], image["filename"]) == ("holiday photo", "holiday photo.bmp")
    assert image["processing"] == {"status": "PENDING"}
    assert image["thumbHash"]
    assert image["uploadedBy"] == {"id": str(actor.user_id)}


async def test_orientation_and_date_come_from_exif(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    exif = Picture.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    exif.get_ifd(0x8769)[0x9011] = "+02:00"

    image = (await upload(client, actor, encoded("JPEG", exif=exif)))["image"]

    assert (image["width"], image["height"]) == (48, 64)
    assert image["takenAt"] == "2024-05-06T05:08:09Z"


async def test_what_is_said_is_kept(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    async with db.transaction() as session:
        collection = Collection(team_id=actor.team_ids[0], name="Best")
        session.add(collection)

    image = (
        await upload(
            client,
            actor,
            png(1),
            title=" A  title ",
            tags=["Cat", "cat ", "Night sky"],
            weight=2.5,
            takenAt="2020-02-03T04:05:06+01:00",
            collectionId=str(collection.id),
        )
    )["image"]

    assert image["title"] == "A title"
    assert [tag["name"] for tag in image["tags"]] == ["Cat", "Night sky"]
    assert image["taggings"][0] == {"taggedBy": {"id": str(actor.user_id)}}
    assert image["weight"] == 2.5
    assert image["takenAt"] == "2020-02-03T03:05:06Z"
    assert image["collections"] == [{"name": "Best"}]


async def test_the_same_bytes_are_the_same_image(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    first = await upload(client, actor, png(2), tags=["a"])
    image_id = first["image"]["id"]
    await client.get(actor, "mutation($i:[ID!]!) { trashImages(ids: $i) { id } }", i=[image_id])

    again = await upload(client, actor, png(2), tags=["b"])

    assert again["created"] is False
    assert again["image"]["id"] == image_id
    assert again["image"]["trashedAt"] is None
    assert [tag["name"] for tag in again["image"]["tags"]] == ["a", "b"]
    other = await make.actor(db)
    assert (await upload(client, other, png(2)))["created"] is True


async def test_the_same_bytes_at_once_are_one_image(
    client: Client, db: Database, leftovers: Callable[[], list[Path]]
) -> None:
    actor = await make.actor(db)

    payloads = await asyncio.gather(*(upload(client, actor, png(3), tags=["x"]) for _ in range(8)))

    assert len({payload["image"]["id"] for payload in payloads}) == 1
    assert [payload["created"] for payload in payloads].count(True) == 1
    assert await total(db, Image, actor.team_ids[0]) == 1
    assert await total(db, ImageJob, actor.team_ids[0]) == 2
    assert len([path for path in leftovers() if "objects" in path.parts]) == 1


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"", "BAD_USER_INPUT", "EMPTY_FILE"),
        (b"just some text, named .jpg", "UNSUPPORTED_MEDIA_TYPE", "NOT_AN_IMAGE"),
        (encoded("BMP"), "UNSUPPORTED_MEDIA_TYPE", "FORMAT_NOT_ALLOWED"),
        (encoded("JPEG")[:300], "BAD_USER_INPUT", "TRUNCATED"),
        (png(4, (300, 300))[:-40], "BAD_USER_INPUT", "TRUNCATED"),
        (HUGE_PNG, "BAD_USER_INPUT", "TOO_MANY_PIXELS"),
    ],
)
async def test_a_bad_file_is_refused_and_leaves_nothing(
    client: Client,
    db: Database,
    leftovers: Callable[[], list[Path]],
    data: bytes,
    code: str,
    reason: str,
) -> None:
    actor = await make.actor(db)
    file = client.file(data, "photo.jpg")

    answer = await client.ask(actor, UPLOAD, input={"file": file, "tags": ["fresh"]})

    (error,) = answer.errors
    assert error["extensions"]["reason"] == reason
    assert error["extensions"]["field"] == "input.file"
    assert error["extensions"]["code"] in (code, "PAYLOAD_TOO_LARGE")
    for table in (Image, Tag, ImageJob):
        assert await total(db, table, actor.team_ids[0]) == 0
    file.path.unlink()
    assert leftovers() == []


async def test_each_of_many_files_stands_for_itself(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    files = [
        client.file(png(5), "a.png"),
        client.file(b"text", "b.png"),
        client.file(png(6), "c.png"),
        client.file(png(5), "d.png"),
    ]

    data = await client.get(actor, MANY, input={"files": files, "tags": ["all"]})

    results = data["uploadImages"]
    assert [one["__typename"] for one in results].count("UploadRejection") == 1
    assert results[1]["reason"] == "NOT_AN_IMAGE"
    assert (results[1]["index"], results[1]["filename"]) == (1, "b.png")
    assert results[2]["image"] == {"filename": "c.png", "tags": [{"name": "all"}]}
    assert {results[0]["created"], results[3]["created"]} == {True, False}
    assert await total(db, Image, actor.team_ids[0]) == 2


async def test_what_is_wrong_for_all_files_is_an_error_of_the_field(
    client: Client, db: Database
) -> None:
    actor, viewer = await make.actor(db), await make.actor(db, role=Role.VIEWER)
    file = client.file(png(8))

    async def refused(who: Actor, **given: Any) -> tuple[str, str | None]:
        return await client.code(who, MANY, input={"files": [file], **given})

    assert await refused(actor, weight=-1) == ("BAD_USER_INPUT", "input.weight")
    assert await refused(actor, tags=["a", ""]) == ("BAD_USER_INPUT", "input.tags.1")
    assert await refused(actor, tags=["x"] * 51) == ("BAD_USER_INPUT", "input.tags")
    assert await refused(actor, files=[]) == ("BAD_USER_INPUT", "input.files")
    assert await refused(viewer) == ("FORBIDDEN", None)


async def test_a_closed_team_takes_its_own_tags_only(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id, tags=("cat", "dog"))
    async with db.transaction() as session:
        (await session.get_one(Team, team_id)).tag_policy = TagPolicy.CLOSED
    file = client.file(png(9))

    answer = await client.ask(actor, UPLOAD, input={"file": file, "tags": ["cat", "horse"]})
    untagged = await client.ask(actor, UPLOAD, input={"file": file})
    taken = await client.get(actor, UPLOAD, input={"file": file, "tags": ["CAT"]})
    again = await client.ask(actor, UPLOAD, input={"file": file, "tags": []})

    for refused in (answer, untagged, again):
        (error,) = refused.errors
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["reason"] == "TAG_NOT_ALLOWED"
        assert error["extensions"]["allowed"] == ["cat", "dog"]
        assert error["extensions"]["field"] == "input.tags"
    assert taken["uploadImage"]["image"]["tags"] == [{"name": "cat"}]


async def test_an_upload_that_nobody_finishes_is_ended(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    past = datetime.now(UTC) - timedelta(seconds=1)
    ahead = datetime.now(UTC) + timedelta(minutes=1)
    dead = await make.image(db, team_id, state="PENDING", lease_until=past)
    alive = await make.image(db, team_id, state="PENDING", lease_until=ahead)

    await db.worker.run(intents.expire)

    async with db.transaction() as session:
        states = {
            row.id: row.state
            for row in await session.scalars(select(Image).where(Image.team_id == team_id))
        }
        jobs = list(await session.scalars(select(ImageJob).where(ImageJob.team_id == team_id)))
    assert states == {dead: ImageState.DELETED, alive: ImageState.PENDING}
    assert [(job.image_id, job.kind) for job in jobs] == [(dead, JobKind.PURGE)]


class Faulty(FolderStorage):
    """A folder that fails in one way: a put that fails when all is written, one that hangs then, or deletions."""

    def __init__(self, folder: FolderStorage, fault: str) -> None:
        super().__init__(folder.root, folder._tmp)
        self._fault = fault
        self.written = asyncio.Event()

    async def put(self, key: str, source: Path, *, size: int) -> None:
        await super().put(key, source, size=size)
        self.written.set()
        if self._fault == "put":
            raise unavailable("Storage is unavailable (lost).")
        if self._fault == "hang":
            await asyncio.sleep(3600)

    async def delete(self, keys: Iterable[str]) -> None:
        if self._fault == "delete":
            raise unavailable("Storage is unavailable (lost).")
        await super().delete(keys)


def faulty(client: Client, fault: str) -> Client:
    storage = client.resources.storage
    assert isinstance(storage, FolderStorage)
    return Client(client.schema, replace(client.resources, storage=Faulty(storage, fault)))


async def keys_of(db: Database, actor: Actor) -> dict[str, ImageState]:
    async with db.transaction() as session:
        found = await session.execute(
            select(Image.object_key, Image.state).where(Image.team_id == actor.team_ids[0])
        )
        return dict(found.all())


async def stored_keys(client: Client, actor: Actor) -> set[str]:
    return {one.key async for one in client.resources.storage.list(f"t/{actor.team_ids[0]}/")}


async def test_a_put_whose_end_is_unknown_keeps_its_row(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    broken, file = faulty(client, "put"), client.file(png(20))

    assert await broken.code(actor, UPLOAD, input={"file": file}) == ("UNAVAILABLE", None)

    (found,) = (await keys_of(db, actor)).items()
    assert (await stored_keys(client, actor), found[1]) == ({found[0]}, ImageState.PENDING)
    assert (await upload(client, actor, png(20)))["created"] is True


async def test_an_upload_that_is_cut_off_keeps_its_row(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    hanging = faulty(client, "hang")
    cut = asyncio.create_task(upload(hanging, actor, png(21)))
    assert isinstance(hanging.resources.storage, Faulty)
    await hanging.resources.storage.written.wait()

    cut.cancel()
    await asyncio.wait([cut])

    (found,) = (await keys_of(db, actor)).items()
    assert (await stored_keys(client, actor), found[1]) == ({found[0]}, ImageState.PENDING)


async def test_bytes_that_cannot_be_removed_keep_their_row(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    broken = faulty(client, "delete")

    payloads = await asyncio.gather(*(upload(broken, actor, png(22)) for _ in range(4)))

    assert len({payload["image"]["id"] for payload in payloads}) == 1
    states = await keys_of(db, actor)
    assert await stored_keys(client, actor) == states.keys()
    assert list(states.values()).count(ImageState.STORED) == 1


async def damaged(client: Client, db: Database, actor: Actor, seed: int) -> Image:
    """An image whose bytes are lost, and known to be."""
    await client.get(actor, UPLOAD, input={"file": client.file(png(seed)), "tags": ["old"]})
    async with db.transaction() as session:
        row = (await session.scalars(select(Image).where(Image.team_id == actor.team_ids[0]))).one()
        row.damage, row.damaged_at = Damage.MISSING, datetime.now(UTC)
        row.thumbnails = {"SMALL": {"key": "t/gone/1", "width": 1, "height": 1, "bytes": 1}}
        await session.execute(
            update(ImageJob).where(ImageJob.image_id == row.id).values(state=JobState.FAILED)
        )
    await client.resources.storage.delete([row.object_key])
    return row


async def test_the_same_bytes_again_heal_an_image_that_lost_them(
    client: Client, db: Database, leftovers: Callable[[], list[Path]]
) -> None:
    actor = await make.actor(db)
    image = await damaged(client, db, actor, 11)
    query = "query($f: ImageFilter) { images(filter: $f) { nodes { id processing { damage damagedAt } } } }"
    (found,) = (await client.get(actor, query, f={"damaged": True}))["images"]["nodes"]
    assert found["id"] == str(image.id)
    assert found["processing"]["damage"] == "MISSING"
    assert found["processing"]["damagedAt"]
    assert (await client.get(actor, query, f={"damaged": False}))["images"]["nodes"] == []

    file = client.file(png(11))
    again = (await client.get(actor, UPLOAD, input={"file": file, "tags": ["new"]}))["uploadImage"]

    assert (again["created"], again["image"]["id"]) == (False, str(image.id))
    assert {tag["name"] for tag in again["image"]["tags"]} == {"old", "new"}
    async with db.transaction() as session:
        now = (await session.scalars(select(Image).where(Image.team_id == actor.team_ids[0]))).one()
        jobs = await session.execute(
            select(ImageJob.kind, ImageJob.state).where(ImageJob.image_id == image.id)
        )
        assert {state for _, state in jobs} == {JobState.QUEUED}
    assert (now.damage, now.damaged_at, now.thumbnails) == (None, None, {})
    assert now.object_key != image.object_key
    assert await client.resources.storage.size(now.object_key) == now.size_bytes
    objects = client.resources.settings.objects_dir
    assert [path for path in leftovers() if objects in path.parents] == [objects / now.object_key]
    assert (await client.get(actor, query, f={"damaged": True}))["images"]["nodes"] == []


async def test_the_name_that_macos_took_apart_is_found(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    file = client.file(png(31), name="cafe\u0301.png")
    made = (await client.get(actor, UPLOAD, input={"file": file}))["uploadImage"]["image"]
    assert (made["title"], made["filename"]) == ("caf\u00e9", "caf\u00e9.png")
    words = "query($f: ImageFilter) { images(filter: $f) { nodes { id } } }"
    found = (await client.get(actor, words, f={"text": "CAF\u00c9"}))["images"]["nodes"]
    assert found == [{"id": made["id"]}]


async def test_a_name_that_composition_makes_longer_is_cut(client: Client, db: Database) -> None:
    """It goes into a header with each download."""
    actor = await make.actor(db)
    shin = "\ufb2c"
    assert len(unicodedata.normalize("NFC", shin)) == 3
    file = client.file(png(33), name=f"{shin * 251}.png")
    made = (await client.get(actor, UPLOAD, input={"file": file}))["uploadImage"]["image"]
    assert len(made["filename"]) == 255
    assert made["filename"].endswith(".png")


async def test_two_that_heal_at_once(
    client: Client, db: Database, leftovers: Callable[[], list[Path]]
) -> None:
    actor = await make.actor(db)
    image = await damaged(client, db, actor, 12)
    files = [client.file(png(12)) for _ in range(4)]
    answers = await asyncio.gather(
        *(client.get(actor, UPLOAD, input={"file": file}) for file in files)
    )
    assert {one["uploadImage"]["image"]["id"] for one in answers} == {str(image.id)}
    async with db.transaction() as session:
        now = (await session.scalars(select(Image).where(Image.team_id == actor.team_ids[0]))).one()
    assert now.damage is None
    objects = client.resources.settings.objects_dir
    assert [path for path in leftovers() if objects in path.parents] == [objects / now.object_key]


async def test_other_teams_do_not_heal_each_other(client: Client, db: Database) -> None:
    actor, stranger = await make.actor(db), await make.actor(db)
    image = await damaged(client, db, actor, 13)
    theirs = await client.get(stranger, UPLOAD, input={"file": client.file(png(13))})
    assert theirs["uploadImage"]["created"] is True
    async with db.transaction() as session:
        assert (await session.get_one(Image, image.id)).damage is Damage.MISSING
