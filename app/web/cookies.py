"""The session's cookie: how it is read, when it counts, and how it is written."""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from app.errors import AppError, unauthenticated
from app.graphql.context import SessionCookie
from app.settings import Settings
from app.web.middleware import PREFLIGHT_HEADERS
from app.web.proxies import base_url

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
NAME: Final = "pictor_session"


def presented(request: Request, settings: Settings) -> str | None:
    return request.cookies.get(_name(secure=_secure(request, settings))) or None


def refusal(request: Request, settings: Settings) -> AppError | None:
    """Why the cookie does not count, if it does not: another site's page may have made the browser send it."""
    if not any(name in request.headers for name in PREFLIGHT_HEADERS):
        names = ", ".join(PREFLIGHT_HEADERS)
        return unauthenticated(f"A login counts only with one of these headers: {names}.")
    origin = request.headers.get("origin")
    if origin is None and request.headers.get("sec-fetch-site") == "same-origin":
        return None
    if origin is not None and origin in (_origin(request, settings), *settings.cors_origins):
        return None
    return unauthenticated("A login counts only from a page of an allowed origin.")


def _origin(request: Request, settings: Settings) -> str:
    """The server's own, as browsers write it."""
    parts = urlsplit(base_url(request, settings))
    return f"{parts.scheme}://{parts.netloc}".lower()


def write(response: Response, request: Request, settings: Settings, cookie: SessionCookie) -> None:
    secure = _secure(request, settings)
    response.set_cookie(
        _name(secure=secure),
        cookie.token or "",
        max_age=settings.session_lifetime_seconds if cookie.token else 0,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def _secure(request: Request, settings: Settings) -> bool:
    """Everywhere but on this very machine, where plain HTTP is read by nobody else."""
    return urlsplit(base_url(request, settings)).hostname not in LOOPBACK


def _name(*, secure: bool) -> str:
    """`__Host-` keeps neighbours below the same domain from planting a cookie (RFC 6265bis, section 4.1.3.2)."""
    return f"__Host-{NAME}" if secure else NAME
