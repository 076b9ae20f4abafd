"""What surrounds every request: its id, the headers of every answer, and the last catch. Pure ASGI."""

import logging
import random
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import AppError
from app.settings import Settings
from app.web import problems
from app.web.headers import first
from app.web.proxies import TrustedProxies

log = logging.getLogger(__name__)

REQUEST_ID_HEADER: Final = b"x-request-id"
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:\-]{1,64}")
SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""Of every answer that does not set its own."""
RAW_HEADERS: Final = [(name.encode(), text.encode()) for name, text in SECURITY_HEADERS.items()]
OWN_NAMES: Final = frozenset((REQUEST_ID_HEADER, *(name for name, _ in RAW_HEADERS)))
PREFLIGHT_HEADERS: Final = (
    "GraphQL-Require-Preflight",
    "Apollo-Require-Preflight",
    "X-Apollo-Operation-Name",
    "X-Requested-With",
)
"""A page of another site cannot send one of these without asking first (CORS preflight)."""
CLIENT_HEADERS: Final = (
    "apollographql-client-name",
    "apollographql-client-version",
    "X-Client-Name",
)
"""What a client calls itself, for the audit log: Apollo's sends the first two with every request."""
CORS_HEADERS: Final = (
    "Authorization",
    "X-API-Key",
    "Content-Type",
    "If-None-Match",
    "If-Range",
    "Range",
    "X-Request-Id",
    *PREFLIGHT_HEADERS,
    *CLIENT_HEADERS,
)
CORS_EXPOSED: Final = (
    "X-Request-Id",
    "X-Image-Id",
    "ETag",
    "Accept-Ranges",
    "Content-Range",
    "Content-Disposition",
    "Retry-After",
)
"""What pages of other sites may read of answers: whatever the documentation tells clients to go by."""


def stack(settings: Settings) -> list[Middleware]:
    """The middleware of the application, from the outside in."""
    layers = [Middleware(Guard)]
    if settings.trusted_proxies:
        layers.append(Middleware(TrustedProxies, trusted=settings.trusted_proxies))
    if settings.cors_origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=("GET", "HEAD", "POST", "PUT"),
                allow_headers=CORS_HEADERS,
                allow_credentials="*" not in settings.cors_origins,
                expose_headers=CORS_EXPOSED,
            )
        )
    return layers


class Guard:
    """Gives each request an id, each answer its headers, and each exception that got this far a 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = complete(message.get("headers", ()), request_id)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            log.debug("request %s: the client went away", request_id)
        except Exception as error:
            if started and (known := foreseen(error)):
                # The headers are out: all that is left to tell the client is that the end is missing.
                log.warning("request %s broke off: %s: %s", request_id, _place(scope), known)
                raise
            log.exception("request %s failed: %s %s", request_id, scope["type"], _place(scope))
            if started or scope["type"] != "http":
                raise
            response = problems.response(problems.failure(error), request_id)
            await response(scope, receive, send_with_headers)


class Shortcut:
    """The way to one route past the router: most requests take it, and what it leads to tells its failures itself."""

    def __init__(self, app: ASGIApp, *, route: Route) -> None:
        self._app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == self._route.path:
            # As the router does, for whoever counts requests.
            scope["route"] = self._route
            await self._route.app(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def complete(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """The answer's headers, whose names ASGI has in lower case, with ours. Raw pairs: this runs for every answer."""
    given = {name for name, _ in headers}
    id = (REQUEST_ID_HEADER, request_id.encode())
    if OWN_NAMES.isdisjoint(given):
        return [*headers, id, *RAW_HEADERS]
    ours = [pair for pair in RAW_HEADERS if pair[0] not in given]
    theirs = [pair for pair in headers if pair[0] != REQUEST_ID_HEADER]
    return [*theirs, id, *ours]


def foreseen(error: BaseException) -> AppError | None:
    """What has a name, no fault of the program, that ended an answer. Where it is too late for its handler, Starlette wraps it."""
    known = error if isinstance(error, AppError) else error.__cause__
    return known if isinstance(known, AppError) else None


def _place(scope: Scope) -> str:
    """The path for the log, on one line, without an upload ticket: that is a secret."""
    path = str(scope["path"])
    return "/uploads/…" if path.startswith("/uploads/") else quote(path)


def _request_id(scope: Scope) -> str:
    """The client's own id where it is a plain word, else a new one."""
    given = first(scope["headers"], REQUEST_ID_HEADER)
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    return new_request_id()


def new_request_id() -> str:
    """No secret, only one of its own: the system's own randomness is a system call."""
    return f"{random.getrandbits(128):032x}"
