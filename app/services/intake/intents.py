"""The rows of what comes in: an intent (PENDING, with a lease) becomes an image, heals a damaged one, or ends.

Their bytes are stored and removed by uploads.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import constraints
from app.db.models import Collection, Image
from app.domain import (
    MAX_NAME_LENGTH,
    Actor,
    ImageState,
    JobKind,
    Role,
    TagSource,
    composed,
    line,
    micro_weight,
    paragraph,
    shown,
)
from app.errors import AppError, ErrorCode, bad_input, unavailable
from app.imaging import Inspection
from app.services import access, collections, jobs, taggings, tags

LEASE = timedelta(minutes=15)
"""Longer than a put to storage lasts (storage.protocol.PUT_SECONDS, and its last part), also one that nobody waits for."""
EXPIRED_AT_ONCE = 100
MAX_FILENAME_LENGTH = 255


class Duplicate(AppError):
    """Another upload of the same bytes was stored first."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.CONFLICT, "The team has these bytes already.")


@dataclass(frozen=True)
class Incoming:
    """A file as it arrived: its bytes lie at `path`, a temporary file of the caller's.

    `too_large`: it went beyond the limit, and `path` does not hold all of it. `field` names the variable.
    """

    path: Path
    filename: str
    size: int
    sha256: bytes
    field: str
    too_large: bool = False


@dataclass(frozen=True)
class NewImage:
    """What the uploader says of the picture. `weight` as drawn, not in millionths.

    `created_at`: when it first came into a library, for imports; None is now.
    """

    team_id: UUID
    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    weight: float = 1
    taken_at: datetime | None = None
    collection_id: UUID | None = None
    created_at: datetime | None = None


async def check(session: AsyncSession, actor: Actor, new: NewImage) -> None:
    """Everything that is wrong whatever the file: team, role, tags, weight, collection."""
    access.require_member(actor, new.team_id, Role.EDITOR)
    micro_weight(new.weight, field="input.weight")
    line(new.title or "", field="input.title")
    paragraph(new.description or "", field="input.description")
    await tags.admissible(session, new.team_id, new.tags, field="input.tags")
    if not new.tags:
        await tags.check_untagged(session, new.team_id, field="input.tags")
    if new.collection_id is not None:
        await _collection(session, actor, new, new.collection_id)


async def _collection(
    session: AsyncSession, actor: Actor, new: NewImage, collection_id: UUID
) -> Collection:
    collection = await collections.locked(session, actor, collection_id, field="input.collectionId")
    if collection.team_id != new.team_id:
        raise bad_input("input.collectionId", "The collection is another team's.")
    return collection


async def known(session: AsyncSession, actor: Actor, new: NewImage, sha256: bytes) -> UUID | None:
    await check(session, actor, new)
    found: UUID | None = await session.scalar(_sound(new, sha256).with_only_columns(Image.id))
    return found


def _sound(new: NewImage, sha256: bytes) -> Select[Image]:
    return _of_bytes(new, sha256).where(Image.damage.is_(None))


def _of_bytes(new: NewImage, sha256: bytes) -> Select[Image]:
    return select(Image).where(
        Image.team_id == new.team_id, Image.sha256 == sha256, Image.state == ImageState.STORED
    )


async def again(session: AsyncSession, actor: Actor, new: NewImage, sha256: bytes) -> Image | None:
    """The team's image of these bytes, out of the trash and with the new tags; None where it has none, or damaged ones."""
    await check(session, actor, new)
    image: Image | None = await session.scalar(_sound(new, sha256).with_for_update(key_share=True))
    if image is None:
        return None
    await _brought_back(session, image)
    await _relate(session, actor, new, image)
    return image


async def _brought_back(session: AsyncSession, image: Image) -> None:
    """Out of the trash, where it is there."""
    if image.trashed_at is not None:
        image.trashed_at = None
        image.updated_at = (await session.execute(select(func.now()))).scalar_one()
        await session.flush()


async def begin(
    session: AsyncSession, actor: Actor, new: NewImage, file: Incoming, seen: Inspection
) -> Image:
    # macOS takes letters and marks apart: who types the same name would not find the file.
    filename = _cut(composed(clean_filename(file.filename), MAX_FILENAME_LENGTH))
    image_id = await session.scalar(select(func.new_id()))
    image = Image(
        id=image_id,
        team_id=new.team_id,
        uploaded_by=actor.user_id,
        object_key=f"t/{new.team_id}/{image_id}/{secrets.token_hex(8)}",
        lease_until=func.now() + LEASE,
        sha256=file.sha256,
        size_bytes=file.size,
        format=seen.format,
        width=seen.width,
        height=seen.height,
        filename=filename,
        title=line(new.title or "", field="input.title") or _title(filename),
        description=paragraph(new.description or "", field="input.description"),
        weight=micro_weight(new.weight, field="input.weight"),
        taken_at=new.taken_at or seen.taken_at,
        exif={"entries": [list(entry) for entry in seen.exif]},
        thumb_hash=seen.thumb_hash,
    )
    session.add(image)
    await session.flush()
    return image


def _title(filename: str) -> str:
    return PurePath(filename).stem[:MAX_NAME_LENGTH].strip()


def clean_filename(name: str) -> str:
    """The last part of the name, without what no terminal or header should see: MAX_FILENAME_LENGTH characters at most."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return _cut(shown(last).strip())


def _cut(filename: str) -> str:
    """Its end says what it is. Some letters become several in NFC."""
    return filename[-MAX_FILENAME_LENGTH:]


async def publish(session: AsyncSession, actor: Actor, new: NewImage, image_id: UUID) -> Image:
    """Makes the image visible, with its tags and jobs; nothing of it where the lease has run out.

    Where the team has an image of these bytes that is damaged, that one is healed, and is the answer.
    """
    image: Image | None = await session.scalar(
        select(Image)
        .where(
            Image.id == image_id, Image.state == ImageState.PENDING, Image.lease_until > func.now()
        )
        .with_for_update()
    )
    if image is None:
        raise unavailable("Storing the file took too long; try again.")
    damaged = _of_bytes(new, image.sha256).where(Image.damage.is_not(None)).with_for_update()
    if (twin := await session.scalar(damaged)) is not None:
        return await _heal(session, actor, new, twin, image)
    now = (await session.execute(select(func.now()))).scalar_one()
    image.state, image.lease_until = ImageState.STORED, None
    image.created_at, image.updated_at = new.created_at or now, now
    # Tags first: the one update that stores the image then also gives it its words.
    with constraints(uq_image_team_id_sha256=Duplicate()):
        await _relate(session, actor, new, image)
        await session.flush()
    await jobs.enqueue(session, image.team_id, image.id, [JobKind.THUMBNAILS, JobKind.EMBED])
    return image


async def _heal(
    session: AsyncSession, actor: Actor, new: NewImage, damaged: Image, intent: Image
) -> Image:
    """Gives the damaged image the object of the intent, which ends. What lay under its old key is an orphan now."""
    await session.delete(intent)
    # One row alone has a key, at every moment.
    await session.flush()
    damaged.object_key, damaged.thumbnails = intent.object_key, {}
    damaged.damage = damaged.damaged_at = None
    await session.flush()
    await _brought_back(session, damaged)
    await _relate(session, actor, new, damaged)
    # A run that is at one of them reads the old object.
    kinds = [JobKind.THUMBNAILS, JobKind.EMBED]
    await jobs.enqueue(session, damaged.team_id, damaged.id, kinds, anew=True)
    return damaged


async def expire(session: AsyncSession) -> int:
    """Ends uploads whose lease ran out, their process having died: a job removes bytes and row. How many."""
    rows = list(
        await session.scalars(
            select(Image)
            .where(Image.state == ImageState.PENDING, Image.lease_until < func.now())
            .order_by(Image.lease_until)
            .limit(EXPIRED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
    )
    for row in rows:
        await abandon(session, row)
    return len(rows)


async def abandon(session: AsyncSession, intent: Image) -> None:
    """Ends an upload whose row is locked: a job removes its bytes, then the row."""
    intent.state, intent.deleted_at = ImageState.DELETED, func.now()
    await session.flush()
    await jobs.enqueue(session, intent.team_id, intent.id, [JobKind.PURGE])


async def _relate(session: AsyncSession, actor: Actor, new: NewImage, image: Image) -> None:
    tag_ids = await tags.ensure(session, actor, new.team_id, new.tags, field="input.tags")
    source = TagSource.UPLOAD if new.created_at is None else TagSource.IMPORT
    await taggings.attach(session, actor, [image], tag_ids, source)
    if new.collection_id is not None:
        collection = await _collection(session, actor, new, new.collection_id)
        await collections.attach(session, actor, collection, [image])
