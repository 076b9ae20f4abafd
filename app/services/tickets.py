"""Upload tickets: a picture is announced, its bytes come by a plain PUT, and then it is completed.

What a ticket leaves behind ends by itself: the PENDING image of its bytes with its lease, all else with `expire`.
"""

import asyncio
import hashlib
import logging
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Entrance
from app.db.models import Image, UploadTicket
from app.domain import Actor, ImageState, Role
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
from app.services import access, api_keys, sessions, uploads
from app.services.uploads import Incoming, Intake, NewImage, Uploaded
from app.storage import ObjectMissing, Storage

log = logging.getLogger(__name__)

LIFETIME: Final = timedelta(minutes=30)
"""From the announcement to the completion; 50 MB come within it at 30 kB a second."""
KEPT: Final = timedelta(days=1)
"""So long after its end a completed ticket still answers, and whatever was on its way to the bucket has arrived."""
ENDED_AT_ONCE: Final = 500
TRIES: Final = 4
TOKEN_BYTES: Final = 32
SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
WHAT: Final = "Upload ticket"
OCTETS: Final = {"Content-Type": "application/octet-stream"}


class _Received(AppError):
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
class Issued:
    """A new ticket; `token` is told to the client and kept nowhere. `url` None: the server's own address for it.

    `headers`: what the PUT must carry.
    """

    token: str
    url: str | None
    headers: Mapping[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """What a ticket's text stands for. `actor`: who asked for it, as far as their access still holds."""

    ticket_id: UUID
    team_id: UUID
    user_id: UUID | None
    api_key_id: UUID | None
    actor: Actor | None = None


@dataclass(frozen=True)
class Tickets:
    """Issues and completes them, with what that needs open. `folder`: for files that are on their way."""

    intake: Intake
    folder: Path

    async def request(self, actor: Actor, new: NewImage, file: Announced) -> Uploaded | Issued:
        """A ticket, or the image of these bytes where the team has them already."""
        sha256 = self._checked(file)

        async def work(session: AsyncSession) -> tuple[Image | UploadTicket, Issued | None]:
            image = await uploads.again(session, actor, new, sha256)
            if image is not None:
                return image, None
            return await self._issue(session, _row(actor, new, file, sha256))

        row, issued = await self._change(work)
        return issued or Uploaded(row, created=False)

    async def complete(self, actor: Actor, token: str) -> Uploaded:
        """The image, however often it is asked for. NOT_FOUND, CONFLICT while the bytes have not come."""
        ticket = await self._awaited(actor, token)
        if ticket is not None:
            await self._fetch(actor, ticket)
        for _ in range(TRIES):
            try:
                image, created = await self._change(
                    lambda session: _complete(session, actor, token)
                )
            except uploads.Duplicate:
                # It was stored in between, and is found now.
                continue
            if ticket is not None:
                await self._forget_incoming(ticket)
            return Uploaded(image, created)
        raise unavailable("The same bytes come and go; try again.")

    async def receive(self, actor: Actor, ticket_id: UUID, file: Incoming) -> UUID:
        """Keeps the ticket's bytes, once however often they come; the id of their image."""
        # Again: the body may have taken its time.
        async with self.intake.db.transaction() as session:
            ticket = await opened(session, actor, ticket_id)
        check_bytes(ticket, file)
        if ticket.image_id is not None:
            return ticket.image_id
        # The edge records that bytes came: this transaction takes no event along.
        intake = replace(self.intake, change=None)
        try:
            return await intake.keep(
                actor,
                _new(ticket),
                replace(file, filename=ticket.filename),
                lambda session, image_id: _link(session, actor, ticket_id, image_id),
            )
        except _Received as first:
            return first.image_id

    async def _change(self, work: Any) -> Any:
        return await (self.intake.change or self.intake.db.run)(work)

    def _checked(self, file: Announced) -> bytes:
        """The hash; BAD_USER_INPUT, PAYLOAD_TOO_LARGE for what cannot be a file of ours."""
        if not uploads.clean_filename(file.filename):
            raise bad_input("input.filename", "A file has a name.")
        if file.size < 1:
            message = "A file has at least one byte."
            raise bad_input("input.sizeBytes", message, reason=UploadProblem.EMPTY_FILE)
        if file.size > self.intake.max_upload_bytes:
            raise too_large("input.sizeBytes", self.intake.max_upload_bytes)
        if not SHA256.fullmatch(file.sha256):
            raise bad_input("input.sha256", "A SHA-256 is written as 64 hexadecimal digits.")
        return bytes.fromhex(file.sha256)

    async def _issue(self, session: AsyncSession, row: UploadTicket) -> tuple[UploadTicket, Issued]:
        its_id, now = (await session.execute(select(func.new_id(), func.now()))).one()
        token = secrets.token_urlsafe(TOKEN_BYTES)
        put = self.intake.storage.presigned_put(
            incoming_key(row.team_id, its_id), size=row.size_bytes, lifetime=LIFETIME
        )
        row.id, row.token_hash, row.direct = its_id, _hashed(token), put is not None
        row.expires_at = now + LIFETIME
        session.add(row)
        await session.flush()
        url, headers = (put.url, put.headers) if put else (None, OCTETS)
        return row, Issued(token, url, headers, row.expires_at)

    async def _awaited(self, actor: Actor, token: str) -> UploadTicket | None:
        """The ticket, where its bytes are to be fetched from the bucket."""
        async with self.intake.db.transaction() as session:
            ticket = await _presented(session, actor, token)
        return ticket if ticket.direct and ticket.image_id is None else None

    async def _fetch(self, actor: Actor, ticket: UploadTicket) -> None:
        """Takes what lies in the bucket as the ticket's bytes. A client may replace them while they are read: the hash decides."""
        try:
            stream = await self.intake.storage.open(incoming_key(ticket.team_id, ticket.id))
        except ObjectMissing:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        # Where the process dies with it, the next one sweeps it away by its name (web/multipart).
        prefix = f"upload-{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=self.folder) as folder:
            path = Path(folder, "0")
            digest, size = hashlib.sha256(), 0
            async with stream:
                async for chunk in stream:
                    size += len(chunk)
                    if size > ticket.size_bytes:
                        break
                    digest.update(chunk)
                    await asyncio.to_thread(_append, path, chunk)
            file = Incoming(path, ticket.filename, size, digest.digest(), "ticket")
            await self.receive(actor, ticket.id, file)

    async def _forget_incoming(self, ticket: UploadTicket) -> None:
        try:
            await self.intake.storage.delete([incoming_key(ticket.team_id, ticket.id)])
        except AppError:
            log.warning("an upload's bytes stay in the bucket until its ticket ends: %s", ticket.id)


def _append(path: Path, chunk: bytes) -> None:
    with path.open("ab") as file:
        file.write(chunk)


def incoming_key(team_id: UUID, ticket_id: UUID) -> str:
    """Where clients put the bytes of a direct ticket."""
    return f"incoming/{team_id}/{ticket_id}"


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
        UploadTicket.token_hash == _hashed(token), UploadTicket.expires_at > func.now()
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


async def _presented(
    session: AsyncSession, actor: Actor, token: str, *, lock: bool = False
) -> UploadTicket:
    """The ticket of the actor's team, for its completion; one that was completed outlives its end."""
    query = select(UploadTicket).where(
        UploadTicket.token_hash == _hashed(token),
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


async def _link(session: AsyncSession, actor: Actor, ticket_id: UUID, image_id: UUID) -> UUID:
    """The bytes have come: their image waits for the completion as long as the ticket does."""
    ticket = await session.scalar(
        select(UploadTicket)
        .where(UploadTicket.id == ticket_id, UploadTicket.expires_at > func.now())
        .with_for_update()
    )
    ticket = _allowed(actor, ticket)
    if ticket.image_id is not None:
        raise _Received(ticket.image_id)
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


async def _complete(session: AsyncSession, actor: Actor, token: str) -> tuple[Image, bool]:
    ticket = await _presented(session, actor, token, lock=True)
    if ticket.created is not None:
        image = await session.scalar(
            access.visible_images(actor).where(Image.id == ticket.image_id)
        )
        if image is None:
            raise not_found("Image", field="ticket")
        return image, ticket.created
    new = _new(ticket)
    with blaming("ticket"):
        image = await uploads.again(session, actor, new, ticket.sha256)
        ticket.created = image is None
        if image is not None:
            await _abandon(session, ticket)
        elif ticket.image_id is None:
            raise conflict("ticket", "The bytes have not come yet: PUT them first.")
        else:
            image = await uploads.publish(session, actor, new, ticket.image_id)
    ticket.image_id = image.id
    await session.flush()
    return image, ticket.created


async def _abandon(session: AsyncSession, ticket: UploadTicket) -> None:
    """Another upload was first: these bytes are not needed."""
    intent = await session.scalar(
        select(Image)
        .where(Image.id == ticket.image_id, Image.state == ImageState.PENDING)
        .with_for_update()
    )
    if intent is not None:
        await uploads.abandon(session, intent)


def _row(actor: Actor, new: NewImage, file: Announced, sha256: bytes) -> UploadTicket:
    return UploadTicket(
        team_id=new.team_id,
        user_id=actor.user_id,
        api_key_id=actor.api_key_id,
        filename=uploads.clean_filename(file.filename),
        size_bytes=file.size,
        sha256=sha256,
        title=new.title,
        description=new.description,
        tags=list(new.tags),
        weight=new.weight,
        taken_at=new.taken_at,
        collection_id=new.collection_id,
    )


def _new(ticket: UploadTicket) -> NewImage:
    return NewImage(
        team_id=ticket.team_id,
        title=ticket.title,
        description=ticket.description,
        tags=tuple(ticket.tags),
        weight=ticket.weight,
        taken_at=ticket.taken_at,
        collection_id=ticket.collection_id,
    )


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


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
