"""Upload tickets as rows: who holds one, what it stands for, and how it is completed. The bytes are ticketing's.

What a ticket leaves behind ends by itself: the PENDING image of its bytes with its lease, all else with `expire`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Entrance
from app.db.models import Image, UploadTicket
from app.domain import Actor, ImageState, Role, line, paragraph, parse_id
from app.errors import (
    AppError,
    ErrorCode,
    UploadProblem,
    bad_input,
    blaming,
    conflict,
    not_found,
    too_large,
    unavailable,
)
from app.services import access
from app.services.intake import intents
from app.services.intake.intents import Incoming, NewImage
from app.services.people import api_keys, sessions
from app.storage import Storage

LIFETIME: Final = timedelta(minutes=30)
"""From the announcement to the completion; 50 MB come within it at 30 kB a second."""
KEPT: Final = timedelta(days=1)
"""So long after its end a completed ticket still answers, and whatever was on its way to the bucket has arrived."""
ENDED_AT_ONCE: Final = 500
WHAT: Final = "Upload ticket"
INCOMING: Final = "incoming/"


class Received(AppError):
    """Another PUT of the same bytes was kept first."""

    def __init__(self, image_id: UUID) -> None:
        super().__init__(ErrorCode.CONFLICT, "These bytes have come already.")
        self.image_id = image_id


@dataclass(frozen=True, slots=True)
class Announced:
    """The file that is to come, in the client's words."""

    filename: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a ticket's text stands for. `actor`: who asked for it, as far as their access still holds."""

    ticket_id: UUID
    team_id: UUID
    user_id: UUID | None
    api_key_id: UUID | None
    actor: Actor | None = None


def incoming_key(team_id: UUID, ticket_id: UUID) -> str:
    """Where clients put the bytes of a direct ticket."""
    return f"{INCOMING}{team_id}/{ticket_id}"


def check_bytes(ticket: UploadTicket, file: Incoming) -> None:
    """BAD_USER_INPUT or PAYLOAD_TOO_LARGE unless these are the announced bytes."""
    if file.size > ticket.size_bytes:
        raise too_large(file.field, ticket.size_bytes)
    if file.size < ticket.size_bytes:
        message = f"{file.size} bytes came, and {ticket.size_bytes} were announced."
        raise bad_input(file.field, message, reason=UploadProblem.TRUNCATED)
    if file.sha256 != ticket.sha256:
        message = "The bytes have another SHA-256 than was announced."
        raise bad_input(file.field, message, reason=UploadProblem.CHECKSUM_MISMATCH)


async def held(session: AsyncSession, token: str) -> Held | None:
    """Whose ticket this is, found out without an actor; None for one that is unknown or has ended."""
    columns = (
        UploadTicket.id,
        UploadTicket.team_id,
        UploadTicket.user_id,
        UploadTicket.api_key_id,
    )
    query = select(*columns).where(
        UploadTicket.token_hash == hashed(token), UploadTicket.expires_at > func.now()
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    ticket = Held(*row)
    if ticket.api_key_id is not None:
        return replace(ticket, actor=await api_keys.actor_of(session, ticket.api_key_id))
    if ticket.user_id is not None:
        return replace(ticket, actor=await sessions.actor_of(session, ticket.user_id))
    return ticket


async def opened(session: AsyncSession, actor: Actor, ticket_id: UUID) -> UploadTicket:
    """The ticket for a PUT of its bytes. NOT_FOUND once it has ended, FORBIDDEN below EDITOR."""
    ticket: UploadTicket | None = await session.scalar(
        select(UploadTicket).where(
            UploadTicket.id == ticket_id, UploadTicket.expires_at > func.now()
        )
    )
    return _allowed(actor, ticket)


async def presented(
    session: AsyncSession, actor: Actor, token: str, *, lock: bool = False
) -> UploadTicket:
    """The ticket of the actor's team, for its completion; one that was completed outlives its end."""
    query = select(UploadTicket).where(
        UploadTicket.token_hash == hashed(token),
        access.in_teams(UploadTicket.team_id, actor.team_ids),
        (UploadTicket.expires_at > func.now()) | UploadTicket.created.is_not(None),
    )
    if lock:
        query = query.with_for_update()
    return _allowed(actor, await session.scalar(query), field="ticket")


def _allowed(actor: Actor, ticket: UploadTicket | None, field: str | None = None) -> UploadTicket:
    if ticket is None or ticket.team_id not in actor.roles:
        raise not_found(WHAT, field=field)
    access.require_member(actor, ticket.team_id, Role.EDITOR)
    return ticket


async def link(session: AsyncSession, actor: Actor, ticket_id: UUID, image_id: UUID) -> UUID:
    """The bytes have come: their image waits for the completion as long as the ticket does."""
    ticket = await session.scalar(
        select(UploadTicket)
        .where(UploadTicket.id == ticket_id, UploadTicket.expires_at > func.now())
        .with_for_update()
    )
    ticket = _allowed(actor, ticket)
    if ticket.image_id is not None:
        raise Received(ticket.image_id)
    image = await session.scalar(
        select(Image)
        .where(
            Image.id == image_id, Image.state == ImageState.PENDING, Image.lease_until > func.now()
        )
        .with_for_update()
    )
    if image is None:
        raise unavailable("Storing the file took too long; try again.")
    image.lease_until = ticket.expires_at
    ticket.image_id = image_id
    await session.flush()
    return image_id


async def complete(session: AsyncSession, actor: Actor, token: str) -> tuple[Image, bool, bool]:
    """The image, whether it is new, and whether this was answered before: then it is the answer of the first time.

    NOT_FOUND; CONFLICT while the bytes have not come; `intents.Duplicate`: the same bytes were stored just now, so run it again.
    """
    ticket = await presented(session, actor, token, lock=True)
    if ticket.created is not None:
        image = await session.scalar(
            access.visible_images(actor).where(Image.id == ticket.image_id)
        )
        if image is None:
            raise not_found("Image", field="ticket")
        return image, ticket.created, True
    new, created = said(ticket), False
    with blaming("ticket"):
        image = await intents.again(session, actor, new, ticket.sha256)
        if image is not None:
            await _abandon(session, ticket)
        elif ticket.image_id is None:
            raise conflict("ticket", "The bytes have not come yet: PUT them first.")
        else:
            image = await intents.publish(session, actor, new, ticket.image_id)
            # An image that lost its bytes may have taken them over.
            created = image.id == ticket.image_id
    ticket.image_id, ticket.created = image.id, created
    await session.flush()
    return image, created, False


async def _abandon(session: AsyncSession, ticket: UploadTicket) -> None:
    """Another upload was first: these bytes are not needed."""
    intent = await session.scalar(
        select(Image)
        .where(Image.id == ticket.image_id, Image.state == ImageState.PENDING)
        .with_for_update()
    )
    if intent is not None:
        await intents.abandon(session, intent)


def row_of(actor: Actor, new: NewImage, file: Announced, sha256: bytes) -> UploadTicket:
    return UploadTicket(
        team_id=new.team_id,
        user_id=actor.user_id,
        api_key_id=actor.api_key_id,
        filename=intents.clean_filename(file.filename),
        size_bytes=file.size,
        sha256=sha256,
        title=line(new.title or "", field="input.title"),
        description=paragraph(new.description or "", field="input.description"),
        tags=list(new.tags),
        weight=new.weight,
        taken_at=new.taken_at,
        collection_id=new.collection_id,
    )


def said(ticket: UploadTicket) -> NewImage:
    """What its request said of the picture."""
    return NewImage(
        team_id=ticket.team_id,
        title=ticket.title,
        description=ticket.description,
        tags=tuple(ticket.tags),
        weight=ticket.weight,
        taken_at=ticket.taken_at,
        collection_id=ticket.collection_id,
    )


def hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def announced(session: AsyncSession, keys: Iterable[str]) -> set[str]:
    """Those of the keys under which a client puts a ticket's bytes."""
    ids = {parse_id(key.rpartition("/")[2]) for key in keys if key.startswith(INCOMING)}
    if not ids:
        return set()
    rows = await session.execute(
        select(UploadTicket.team_id, UploadTicket.id).where(UploadTicket.id.in_(ids))
    )
    return {incoming_key(team_id, ticket_id) for team_id, ticket_id in rows}


async def expire(db: Entrance, storage: Storage) -> int:
    """Removes tickets that ended KEPT ago, what clients put for them first: while a row is there, nothing is forgotten.

    `db`: the worker's entrance. How many; again and again until there are none.
    """
    async with db.transaction() as session:
        query = (
            select(UploadTicket.id, UploadTicket.team_id, UploadTicket.direct)
            .where(UploadTicket.expires_at < func.now() - KEPT)
            .order_by(UploadTicket.expires_at)
            .limit(ENDED_AT_ONCE)
        )
        ended = (await session.execute(query)).all()
    await storage.delete([incoming_key(one.team_id, one.id) for one in ended if one.direct])
    async with db.transaction() as session:
        gone = delete(UploadTicket).where(UploadTicket.id.in_([one.id for one in ended]))
        await session.execute(gone)
    return len(ended)
