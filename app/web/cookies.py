"""The session's cookie: how it is read, when it counts, and how it is written."""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.errors import AppError, unauthenticated
from app.graphql.context import SessionCookie
from app.settings import Settings
from app.web.headers import header
from app.web.middleware import PREFLIGHT_HEADERS
from app.web.proxies import base_url

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
NAME: Final = "pictor_session"


def presented(connection: HTTPConnection, settings: Settings) -> str | None:
    if header(connection, b"cookie") is None:
        return None
    return connection.cookies.get(_name(secure=_secure(connection, settings))) or None


def refusal(connection: HTTPConnection, settings: Settings) -> AppError | None:
    """Why the cookie does not count, if it does not: another site's page may have made the browser send it.

    A page cannot set headers of a WebSocket, so there the Origin alone has to say it.
    """
    is_socket = connection.scope["type"] == "websocket"
    if not is_socket and not any(name in connection.headers for name in PREFLIGHT_HEADERS):
        names = ", ".join(PREFLIGHT_HEADERS)
        return unauthenticated(f"A login counts only with one of these headers: {names}.")
    origin = connection.headers.get("origin")
    same_site = connection.headers.get("sec-fetch-site") == "same-origin"
    if origin is None and same_site and not is_socket:
        return None
    if origin is not None and origin in (own_origin(connection, settings), *settings.cors_origins):
        return None
    return unauthenticated("A login counts only from a page of an allowed origin.")


def own_origin(connection: HTTPConnection, settings: Settings) -> str:
    """The server's own, as browsers write it."""
    parts = urlsplit(base_url(connection, settings))
    return f"{parts.scheme}://{parts.netloc}".lower()


def write(
    response: Response, connection: HTTPConnection, settings: Settings, cookie: SessionCookie
) -> None:
    secure = _secure(connection, settings)
    response.set_cookie(
        _name(secure=secure),
        cookie.token or "",
        max_age=settings.session_lifetime_seconds if cookie.token else 0,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def _secure(connection: HTTPConnection, settings: Settings) -> bool:
    """Everywhere but on this very machine, where plain HTTP is read by nobody else."""
    return urlsplit(base_url(connection, settings)).hostname not in LOOPBACK


def _name(*, secure: bool) -> str:
    """`__Host-` keeps neighbours below the same domain from planting a cookie (RFC 6265bis, section 4.1.3.2)."""
    return f"__Host-{NAME}" if secure else NAME
