"""Whether the process is up, and whether it can do its work. Open to anyone, so cheap to ask again and again."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import AppError, bad_input
from app.resources import Resources
from app.web import parameters

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 3.0
REMEMBERED_SECONDS: Final = 2.0
"""Storage is checked by writing to it: not more often than this, whoever asks."""


async def alive(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


class Parting:
    """While the process is to end, every answer ends its connection: the client's next request goes elsewhere."""

    def __init__(self, app: ASGIApp, *, draining: asyncio.Event) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_part(message: Message) -> None:
            if message["type"] == "http.response.start" and self._draining.is_set():
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_and_part if scope["type"] == "http" else send)


class Readiness:
    """Checks the database and storage; says no, without a check, from the moment that the process is to end."""

    def __init__(self, resources: Resources, draining: asyncio.Event) -> None:
        self._resources = resources
        self._draining = draining
        self._parts = {
            "database": _Part("database", resources.db.check),
            "storage": _Part("storage", resources.storage.check),
        }

    async def get(self, request: Request) -> Response:
        """200, or 503 with the part that does not answer; `?only=database` leaves out the other.

        A proxy asks so: storage that is away is away from every server, and they answer everything else. It does not
        wait for storage either, which may be silent for longer than a proxy's patience.
        """
        parameters.check(request, "only")
        only = request.query_params.getlist("only")
        if unknown := set(only) - set(self._parts):
            raise bad_input("only", f"There is no part {min(unknown)!r}.")
        if self._draining.is_set():
            return JSONResponse({"status": "draining"}, 503)
        asked = [part for name, part in self._parts.items() if not only or name in only]
        states = await asyncio.gather(*(part.state() for part in asked))
        found = {part.name: state for part, state in zip(asked, states, strict=True)}
        ready = all(state == "ok" for state in states)
        body = {"status": "ok" if ready else "unavailable", **found, **self._model}
        return JSONResponse(body, 200 if ready else 503)

    @property
    def _model(self) -> dict[str, str]:
        """Told, and no reason to be taken out of service: the model before goes on answering."""
        return {"model": self._resources.models.state}


class _Part:
    """What the process needs, and what the last look at it found."""

    def __init__(self, name: str, check: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self._check = check
        self._lock = asyncio.Lock()
        self._found = ""
        self._until = 0.0

    async def state(self) -> str:
        async with self._lock:
            if time.monotonic() >= self._until:
                self._found = await self._look()
                self._until = time.monotonic() + REMEMBERED_SECONDS
            return self._found

    async def _look(self) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._check()
        except AppError as error:
            log.warning("%s is not ready: %s", self.name, error)
            return "unavailable"
        except TimeoutError:
            log.warning("%s is not ready: no answer within %g s", self.name, CHECK_SECONDS)
            return "unavailable"
        return "ok"
