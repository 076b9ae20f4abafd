"""Where a request really comes from: headers of proxies count only where the peer is one that is trusted."""

import re
from collections.abc import Iterable
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.services.people import ip_addresses
from app.services.people.ip_addresses import Address
from app.settings import Settings
from app.web.headers import header

HOST: Final = re.compile(r"[A-Za-z0-9._\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
PORTED: Final = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|([\d.]+):\d{1,5}")
"""An address as some proxies write a hop: with its port, and of IPv6 in brackets."""
FORWARDING: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


class TrustedProxies:
    """Sets the scope's client, scheme and Host from `X-Forwarded-For`, `-Proto` and `-Host`."""

    def __init__(self, app: ASGIApp, *, trusted: Iterable[str]) -> None:
        """`trusted`: addresses or networks (`10.0.0.0/8`); ValueError for anything else."""
        self._app = app
        self._networks = [ip_addresses.parsed_network(one) for one in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and self._trusts(scope.get("client")):
            scope.update(self._forwarded(scope))
        await self._app(scope, receive, send)

    def _trusts(self, client: tuple[str, int] | None) -> bool:
        address = ip_addresses.parsed(client[0]) if client else None
        return address is not None and self._is_trusted(address)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

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
        address = None
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                return None
            if not self._is_trusted(address):
                break
        return None if address is None else str(address)


def _last(values: list[str]) -> str:
    return values[-1].rpartition(",")[2].strip() if values else ""


def _address(hop: str) -> Address | None:
    """Of a hop, with or without a port."""
    found = PORTED.fullmatch(hop)
    return ip_addresses.parsed((found[1] or found[2]) if found else hop)


def base_url(connection: HTTPConnection, settings: Settings) -> str:
    """`scheme://host` under which clients reach the server, without a slash at its end."""
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    host = header(connection, b"host") or ""
    if not HOST.fullmatch(host):
        host = authority(settings.host, settings.port)
    asked = connection.scope["scheme"]
    scheme = {"ws": "http", "wss": "https"}.get(asked, asked)
    return f"{scheme}://{host}"


def authority(host: str, port: int) -> str:
    """`host:port` as an address has it: IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_local(request: Request) -> bool:
    """The request was made on this very machine, by its own name: no proxy, no name pointed here from outside."""
    host = request.headers.get("host", "").rpartition("]")
    name = host[0] + host[1] if host[1] else host[2].partition(":")[0]
    client = ip_addresses.parsed(request.client.host) if request.client else None
    return (
        client is not None
        and client.is_loopback
        and name in ("localhost", "127.0.0.1", "[::1]")
        and not any(name in request.headers for name in FORWARDING)
    )
