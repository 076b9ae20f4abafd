"""How images come in: bytes and rows never disagree, whatever dies in between. The rows alone are in intents.

Intent row (PENDING, with a lease) → bytes under a key used once → one transaction {STORED, tags, jobs}.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Entrance, Work
from app.db.models import Image
from app.domain import Actor, ImageState
from app.errors import AppError, ErrorCode, blaming, too_large
from app.imaging import Decoder, Inspection
from app.services.intake import intents
from app.services.intake.intents import Duplicate, Incoming, NewImage
from app.storage import Storage

T = TypeVar("T")

log = logging.getLogger(__name__)
Change = Callable[[Work[Any]], Awaitable[Any]]
"""Runs work in a transaction, as `Database.run` does."""
Finish = Callable[[AsyncSession, UUID], Awaitable[T]]
"""What becomes of a PENDING image whose bytes are stored: one transaction."""


@dataclass(frozen=True)
class Uploaded:
    """`created` is False where the team had these very bytes, or had lost them: then it is that image.

    `again`: it was answered before, and nothing was sent since.
    """

    image: Image
    created: bool
    again: bool = False


@dataclass(frozen=True)
class Intake:
    """Takes files in, with what that needs open."""

    db: Entrance
    storage: Storage
    decoder: Decoder
    max_upload_bytes: int
    change: Change | None = None
    """What runs the transactions that others see: it records them. None: the database alone."""

    async def check(self, actor: Actor, new: NewImage) -> None:
        """As `intents.check`, in a transaction of its own."""
        async with self.db.transaction() as session:
            await intents.check(session, actor, new)

    async def upload(self, actor: Actor, new: NewImage, file: Incoming) -> Uploaded:
        """Stores the picture, or finds the one with the same bytes. Nothing is left behind on refusal."""
        if file.too_large:
            raise too_large(file.field, self.max_upload_bytes)
        known = await self._stored_again(actor, new, file)
        if known is not None:
            return Uploaded(known, created=False)

        # Rows and not an Uploaded: the audit log takes its subjects from what a change answers.
        async def finish(session: AsyncSession, image_id: UUID) -> tuple[Image, bool]:
            image = await intents.publish(session, actor, new, image_id)
            return image, image.id == image_id

        try:
            image, created = await self.keep(actor, new, file, finish)
        except Duplicate:
            return await self.upload(actor, new, file)
        return Uploaded(image, created)

    async def keep(self, actor: Actor, new: NewImage, file: Incoming, finish: Finish[T]) -> T:
        """Stores the bytes under an intent of their own, then does `finish` with its id.

        What a refusal of `finish` leaves is removed. After any other end (cancelled, storage away, a commit whose outcome
        nobody knows) bytes may be on their way or the image stored: then only the lease may end what is still PENDING.
        """
        seen = await self._inspected(file)
        intent = await self.db.run(lambda session: intents.begin(session, actor, new, file, seen))
        await self.storage.put(intent.object_key, file.path, size=file.size)
        try:
            change = self.change or self.db.run
            result: T = await change(lambda session: finish(session, intent.id))
        except AppError as refusal:
            if refusal.code is not ErrorCode.UNAVAILABLE:
                await self._forget(intent)
            raise
        return result

    async def _stored_again(self, actor: Actor, new: NewImage, file: Incoming) -> Image | None:
        """The team's image of these bytes, with what this upload adds to it; None where it has none, or damaged ones."""
        known = await self.db.run(lambda session: intents.known(session, actor, new, file.sha256))
        if known is None:
            return None
        change = self.change or self.db.run
        image: Image | None = await change(
            lambda session: intents.again(session, actor, new, file.sha256)
        )
        return image

    async def _inspected(self, file: Incoming) -> Inspection:
        with blaming(file.field):
            return await self.decoder.inspect(file.path)

    async def _forget(self, intent: Image) -> None:
        """Removes the bytes, then the row: while it is there, they are not forgotten. Where this fails, the lease ends it."""
        try:
            await self.storage.delete([intent.object_key])
            async with self.db.transaction() as session:
                await session.execute(
                    delete(Image).where(Image.id == intent.id, Image.state == ImageState.PENDING)
                )
        except AppError:
            log.warning("an upload's remains stay until its lease ends: %s", intent.id)
