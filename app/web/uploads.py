"""PUT /uploads/{ticket}: the bytes of an announced picture, streamed to disk in constant memory."""

import asyncio
from pathlib import Path
from typing import Final
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.domain import Actor
from app.errors import AppError, UploadProblem, bad_input, not_found, too_large, unavailable
from app.resources import Resources
from app.services.intake import folders, ticketing, tickets
from app.services.intake.intents import Incoming
from app.services.intake.tickets import Held
from app.services.intake.uploads import Intake
from app.web import audit, bodies
from app.web.budget import PUT, Budget
from app.web.gate import Gate
from app.web.spool import Spool

BODY: Final = "body"
"""What errors call the bytes at fault."""


class Uploads:
    """The ticket in the path is the permission; the access of whoever asked for it is checked again at each use."""

    def __init__(self, resources: Resources, gate: Gate, budget: Budget) -> None:
        self._resources = resources
        self._gate = gate
        self._budget = budget

    async def put(self, request: Request) -> Response:
        """204, 429. 404 for a ticket that is unknown, has ended or whose holder lost access; 400 and 413 for other bytes
        than were announced, of which nothing is kept: the ticket stays good.

        Each use is recorded, but for what the budget refuses.
        """
        held = await self._held(request)
        self._budget.spend(request, held.actor if held else None, PUT)
        try:
            actor, ticket_id = _good(held)
            image_id = await self._receive(request, actor, ticket_id)
        except Exception as error:
            if isinstance(error, AppError):
                self._resources.metrics.upload_refused(error.reason or error.code)
            await self._record(request, held, error=error)
            raise
        await self._record(request, held, image_id=image_id)
        return Response(status_code=204)

    async def _held(self, request: Request) -> Held | None:
        async with self._resources.db.login.transaction() as session:
            return await tickets.held(session, request.path_params["ticket"])

    async def _receive(self, request: Request, actor: Actor, ticket_id: UUID) -> UUID:
        settings = self._resources.settings
        async with self._resources.db.acting(actor).transaction() as session:
            ticket = await tickets.opened(session, actor, ticket_id)
        _check_length(request, ticket.size_bytes)
        async with self._gate.entered(actor.user_id), folders.made(settings.tmp_dir) as folder:
            file = await _spooled(request, folder / "0", ticket.size_bytes)
            tickets.check_bytes(ticket, file)
            # The body may have taken minutes, and access ends meanwhile.
            actor, _ = _good(await self._held(request))
            try:
                async with asyncio.timeout(settings.operation_timeout_seconds):
                    return await self._ticketing(actor).receive(actor, ticket_id, file)
            except TimeoutError:
                raise unavailable("Storing the file took too long; try again.") from None

    def _ticketing(self, actor: Actor) -> ticketing.Ticketing:
        settings = self._resources.settings
        intake = Intake(
            db=self._resources.db.acting(actor),
            storage=self._resources.storage,
            decoder=self._resources.decoder,
            max_upload_bytes=settings.max_upload_bytes,
        )
        return ticketing.Ticketing(intake, settings.tmp_dir)

    async def _record(
        self,
        request: Request,
        held: Held | None,
        *,
        image_id: UUID | None = None,
        error: Exception | None = None,
    ) -> None:
        actor = (
            Actor(held.user_id, {}, api_key_id=held.api_key_id) if held and held.user_id else None
        )
        event = audit.sent(
            request,
            "image.put",
            actor,
            team_id=held.team_id if held else None,
            subject_id=image_id,
            error=error,
        )
        await self._resources.audit.record([event])


def _good(held: Held | None) -> tuple[Actor, UUID]:
    """Who holds it, and its id. NOT_FOUND for a ticket that is unknown or has ended, or whose holder lost access."""
    if held is None or held.actor is None:
        raise not_found(tickets.WHAT)
    return held.actor, held.ticket_id


def _check_length(request: Request, size: int) -> None:
    """Before a byte is read, where the client says how many it will send."""
    declared = request.headers.get("content-length", "")
    if not declared.isdecimal():
        return
    if int(declared) > size:
        raise too_large(BODY, size)
    if int(declared) < size:
        raise _truncated(int(declared), size)


def _truncated(sent: int, size: int) -> AppError:
    message = f"{sent} bytes are sent, and {size} were announced."
    return bad_input(BODY, message, reason=UploadProblem.TRUNCATED)


async def _spooled(request: Request, path: Path, size: int) -> Incoming:
    """The body in a file. No more of it is read once it is longer than announced."""
    spool = Spool(path, filename="", limit=size)
    received = 0
    try:
        async for chunk in bodies.stream(request):
            received += len(chunk)
            if received > size:
                raise too_large(BODY, size)
            await spool.write(chunk)
    except ClientDisconnect as gone:
        raise _truncated(received, size) from gone
    await spool.finish()
    file = spool.uploaded()
    return Incoming(path, "", file.size, file.sha256, BODY)
