"""How announced pictures come in: a ticket is issued, its bytes are taken from a PUT or from the bucket, it is completed."""

import asyncio
import hashlib
import logging
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary, WeakValueDictionary

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image, UploadTicket
from app.domain import Actor
from app.errors import AppError, UploadProblem, bad_input, too_large, unavailable
from app.services.intake import folders, intents, tickets
from app.services.intake.intents import Incoming, NewImage
from app.services.intake.uploads import Intake, Uploaded
from app.storage import ObjectMissing

log = logging.getLogger(__name__)

TRIES: Final = 4
TOKEN_BYTES: Final = 32
SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
FETCHED_AT_ONCE: Final = 4
"""Files that one process reads from the bucket at the same time: what bounds their disk."""
SHARE: Final = 2
"""Of them, for one user: whoever completes many at once shuts nobody out."""
OCTETS: Final = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Issued:
    """A new ticket; `token` is told to the client and kept nowhere. `url` None: the server's own address for it.

    `headers`: what the PUT must carry.
    """

    token: str
    url: str | None
    headers: Mapping[str, str]
    expires_at: datetime


@dataclass(frozen=True)
class Ticketing:
    """Issues tickets and completes them, with what that needs open. `folder`: for files that are on their way."""

    intake: Intake
    folder: Path

    async def request(
        self, actor: Actor, new: NewImage, file: tickets.Announced
    ) -> Uploaded | Issued:
        """A ticket, or the image of these bytes where the team has them already."""
        sha256 = self._checked(file)

        async def work(session: AsyncSession) -> tuple[Image | UploadTicket, Issued | None]:
            image = await intents.again(session, actor, new, sha256)
            if image is not None:
                return image, None
            return await self._issue(session, tickets.row_of(actor, new, file, sha256))

        row, issued = await self._change(work)
        return issued or Uploaded(row, created=False)

    async def complete(self, actor: Actor, token: str) -> Uploaded:
        """The image, however often it is asked for. NOT_FOUND, CONFLICT while the bytes have not come."""
        ticket = await self._awaited(actor, token)
        if ticket is not None:
            async with _turn(actor.user_id):
                await self._fetch(actor, ticket)
        for _ in range(TRIES):
            try:
                image, created, again = await self._change(
                    lambda session: tickets.complete(session, actor, token)
                )
            except intents.Duplicate:
                # It was stored in between, and is found now.
                continue
            if ticket is not None:
                await self._forget_incoming(ticket)
            return Uploaded(image, created, again)
        raise unavailable("The same bytes come and go; try again.")

    async def receive(self, actor: Actor, ticket_id: UUID, file: Incoming) -> UUID:
        """Keeps the ticket's bytes, once however often they come; the id of their image."""
        # Again: the body may have taken its time.
        async with self.intake.db.transaction() as session:
            ticket = await tickets.opened(session, actor, ticket_id)
        tickets.check_bytes(ticket, file)
        if ticket.image_id is not None:
            return ticket.image_id
        # The edge records that bytes came: this transaction takes no event along.
        intake = replace(self.intake, change=None)
        try:
            return await intake.keep(
                actor,
                tickets.said(ticket),
                replace(file, filename=ticket.filename),
                lambda session, image_id: tickets.link(session, actor, ticket_id, image_id),
            )
        except tickets.Received as first:
            return first.image_id

    async def _change(self, work: Any) -> Any:
        return await (self.intake.change or self.intake.db.run)(work)

    def _checked(self, file: tickets.Announced) -> bytes:
        """The hash; BAD_USER_INPUT, PAYLOAD_TOO_LARGE for what cannot be a file of ours."""
        if not intents.clean_filename(file.filename):
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
            tickets.incoming_key(row.team_id, its_id),
            size=row.size_bytes,
            lifetime=tickets.LIFETIME,
        )
        row.id, row.token_hash, row.direct = its_id, tickets.hashed(token), put is not None
        row.expires_at = now + tickets.LIFETIME
        session.add(row)
        await session.flush()
        url, headers = (put.url, put.headers) if put else (None, OCTETS)
        return row, Issued(token, url, headers, row.expires_at)

    async def _awaited(self, actor: Actor, token: str) -> UploadTicket | None:
        """The ticket, where its bytes are to be fetched from the bucket."""
        async with self.intake.db.transaction() as session:
            ticket = await tickets.presented(session, actor, token)
        return ticket if ticket.direct and ticket.image_id is None else None

    async def _fetch(self, actor: Actor, ticket: UploadTicket) -> None:
        """Takes what lies in the bucket as the ticket's bytes. A client may replace them while they are read: the hash decides."""
        try:
            stream = await self.intake.storage.open(tickets.incoming_key(ticket.team_id, ticket.id))
        except ObjectMissing:
            return
        async with stream, folders.made(self.folder) as folder:
            path = folder / "0"
            digest, size = hashlib.sha256(), 0
            async for chunk in stream:
                size += len(chunk)
                if size > ticket.size_bytes:
                    break
                digest.update(chunk)
                with folders.local_disk():
                    await asyncio.to_thread(_append, path, chunk)
            await stream.aclose()
            file = Incoming(path, ticket.filename, size, digest.digest(), "ticket")
            await self.receive(actor, ticket.id, file)

    async def _forget_incoming(self, ticket: UploadTicket) -> None:
        try:
            await self.intake.storage.delete([tickets.incoming_key(ticket.team_id, ticket.id)])
        except AppError:
            log.warning("an upload's bytes stay in the bucket until its ticket ends: %s", ticket.id)


@dataclass(frozen=True, slots=True)
class _Turns:
    """`of_user`: while anybody waits for one or has it."""

    of_all: asyncio.Semaphore
    of_user: WeakValueDictionary[UUID, asyncio.Semaphore]


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()


@asynccontextmanager
async def _turn(user_id: UUID) -> AsyncIterator[None]:
    """Who waits for their own share takes no place of the others."""
    loop = asyncio.get_running_loop()
    turns = _turns.get(loop)
    if turns is None:
        turns = _turns[loop] = _Turns(asyncio.Semaphore(FETCHED_AT_ONCE), WeakValueDictionary())
    own = turns.of_user.get(user_id)
    if own is None:
        own = turns.of_user[user_id] = asyncio.Semaphore(SHARE)
    async with own, turns.of_all:
        yield


def _append(path: Path, chunk: bytes) -> None:
    with path.open("ab") as file:
        file.write(chunk)
