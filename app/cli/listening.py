"""A socket that listens where the settings say, and the address under which it is reached."""

import socket

from app.web.proxies import authority


def listener(host: str, port: int, *, backlog: int | None = None) -> socket.socket:
    """On an address of IPv4 or IPv6, or on a name's: of IPv4 where it has both. `::` listens on all of both families.

    OSError where the address is taken, is not this machine's, or is none.
    """
    # No host is all of IPv4, as PICTOR_HOST=0.0.0.0.
    places = socket.getaddrinfo(
        host or "0.0.0.0",  # noqa: S104  what an empty one asks for
        port,
        type=socket.SOCK_STREAM,
        flags=socket.AI_PASSIVE,
    )
    family, *_, address = min(places, key=lambda place: place[0] is not socket.AF_INET)
    both = family is socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(address, family=family, backlog=backlog, dualstack_ipv6=both)


def url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{authority(host, port)}"
