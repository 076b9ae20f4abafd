"""Where a request really comes from: headers of proxies count only where the peer is one that is trusted."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.settings import Settings
from app.web.headers import header

HOST: Final = re.compile(r"[A-Za-z0-9._\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
FORWARDING: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


class TrustedProxies:
    """Sets the scope's client, scheme and Host from `X-Forwarded-For`, `-Proto` and `-Host`."""

    def __init__(self, app: ASGIApp, *, trusted: Iterable[str]) -> None:
        """`trusted`: addresses or networks (`10.0.0.0/8`); ValueError for anything else."""
        self._app = app
        self._networks = [ip_network(one, strict=False) for one in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and self._trusts(scope.get("client")):
            scope.update(self._forwarded(scope))
        await self._app(scope, receive, send)

    def _trusts(self, client: tuple[str, int] | None) -> bool:
        return client is not None and _among(client[0], self._networks)

    def _forwarded(self, scope: Scope) -> dict[str, Any]:
        headers = Headers(scope=scope)
        changes: dict[str, Any] = {}
        client = self._client(headers.getlist("x-forwarded-for"))
        if client is not None:
            changes["client"] = (client, 0)
        proto = _last(headers.getlist("x-forwarded-proto")).lower()
        if proto in ("http", "https"):
            secure = {"http": "ws", "https": "wss"}
            changes["scheme"] = secure[proto] if scope["type"] == "websocket" else proto
        host = _last(headers.getlist("x-forwarded-host"))
        if HOST.fullmatch(host):
            others = [pair for pair in scope["headers"] if pair[0] != b"host"]
            changes["headers"] = [(b"host", host.encode()), *others]
        return changes

    def _client(self, values: list[str]) -> str | None:
        """The last address that is not a trusted proxy's: what stands before it, anyone may have written."""
        hops = [hop.strip() for value in values for hop in value.split(",")]
        for hop in reversed(hops):
            if not is_address(hop):
                return None
            if not _among(hop, self._networks):
                return hop
        return hops[0] if hops else None


def _last(values: list[str]) -> str:
    return values[-1].rpartition(",")[2].strip() if values else ""


@lru_cache(maxsize=4_096)
def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _among(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def base_url(connection: HTTPConnection, settings: Settings) -> str:
    """`scheme://host` under which clients reach the server, without a slash at its end."""
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    host = header(connection, b"host") or ""
    if not HOST.fullmatch(host):
        host = f"{settings.host}:{settings.port}"
    asked = connection.scope["scheme"]
    scheme = {"ws": "http", "wss": "https"}.get(asked, asked)
    return f"{scheme}://{host}"


def is_local(request: Request) -> bool:
    """The request was made on this very machine, by its own name: no proxy, no name pointed here from outside."""
    host = request.headers.get("host", "").rpartition("]")
    name = host[0] + host[1] if host[1] else host[2].partition(":")[0]
    client = request.client
    return (
        client is not None
        and is_address(client.host)
        and ip_address(client.host).is_loopback
        and name in ("localhost", "127.0.0.1", "[::1]")
        and not any(name in request.headers for name in FORWARDING)
    )
