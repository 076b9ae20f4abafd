"""The application on the port for Prometheus, and the middleware that counts the requests of the other one."""

import asyncio
import time
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import CONTENT_TYPE, Metrics, exposition
from app.resources import Resources
from app.web import health
from app.web.negotiation import EVENT_STREAM

NO_ROUTE: Final = "none"
BROKEN: Final = 500
LEFT: Final = 499
"""No status of HTTP's, but what nginx began with: the client went away before it was answered."""


def metrics_app(resources: Resources) -> Starlette:
    """/metrics, and /healthz for hosts whose only port this is. Whoever reaches it may read it: it tells nothing of pictures."""

    async def scrape(_request: Request) -> Response:
        text = await exposition(resources.metrics, resources.db, resources.decoder)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    return Starlette(routes=[Route("/metrics", scrape), Route("/healthz", health.alive)])


class Counted:
    """Counts and times requests by their route. It stands innermost, where the router's finding can be read."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, ended = time.perf_counter(), 0.0
        status: int | None = None

        async def noted(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                if _lasts(message):
                    ended = time.perf_counter()
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except (ClientDisconnect, asyncio.CancelledError):
            status = status or LEFT
            raise
        finally:
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            seconds = (ended or time.perf_counter()) - began
            self._metrics.request(route, scope["method"], status or BROKEN, seconds)


def _lasts(start: Message) -> bool:
    """Whether it is a stream of events, which ends when its client has enough: that says nothing of how fast it was answered."""
    kind = EVENT_STREAM.encode()
    return any(
        name == b"content-type" and value.startswith(kind) for name, value in start["headers"]
    )
