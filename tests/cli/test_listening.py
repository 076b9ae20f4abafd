"""Where a server listens: addresses of both families, and names."""

import socket
from urllib.parse import urlsplit

import pytest

from app.cli import listening


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


HAS_IPV6 = _has_ipv6()
"""Not every container has it."""
IPV4 = [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("", "127.0.0.1")]
IPV6 = [("::1", "::1"), ("0:0:0:0:0:0:0:1", "::1"), ("::", "::1"), ("::", "127.0.0.1")]


@pytest.mark.parametrize(("host", "reached"), IPV4 + IPV6 * HAS_IPV6)
def test_a_listener_is_reached_under_its_address(host: str, reached: str) -> None:
    with listening.listener(host, 0, backlog=5) as listener:
        port = urlsplit(listening.url(listener)).port
        assert port
        with socket.create_connection((reached, port), timeout=30) as client:
            served, _ = listener.accept()
            with served:
                served.sendall(b"well")
            assert client.recv(10) == b"well"


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1")]
    + [("::1", "[::1]"), ("::", "[::]")] * HAS_IPV6,
)
def test_its_url_is_one_that_clients_take(host: str, shown: str) -> None:
    with listening.listener(host, 0) as listener:
        url = listening.url(listener)
        assert url == f"http://{shown}:{listener.getsockname()[1]}"


def test_what_cannot_be_listened_on_is_an_os_error() -> None:
    with listening.listener("127.0.0.1", 0) as listener, pytest.raises(OSError, match="in use"):
        listening.listener("127.0.0.1", listener.getsockname()[1])
    for host in ("no such name", "300.1.1.1", "192.0.2.1"):
        with pytest.raises(OSError):  # noqa: PT011  each system says it in words of its own
            listening.listener(host, 0)
