"""Requests that offer another protocol. RFC 9110, section 7.8: a server may ignore the offer, and answers the request.

The HttpClient of Java offers HTTP/2 with its first request to an address without TLS, and so does `curl --http2`.
"""

import sys
from collections.abc import Iterable
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

FRAMING: Final = (b"content-length", b"transfer-encoding")
"""What tells where a body ends."""


class Protocol(HttpToolsProtocol):
    """uvicorn's own, whose parser stops behind the head of such a request, as for what is HTTP no longer.

    Another parser reads on from there: first it is given a head again, with nothing in it but how long the body is.
    """

    _data = b""

    def data_received(self, data: bytes) -> None:
        self._data = data
        super().data_received(data)
        self._data = b""

    def _get_upgrade(self) -> bytes | None:
        """What is offered, in lower case. uvicorn reads the last line of a list (RFC 9110, section 5.3) and no other."""
        offered = [value.lower() for name, value in self.headers if name == b"upgrade"]
        lists = b",".join(value for name, value in self.headers if name == b"connection")
        options = {one.strip() for one in lists.lower().split(b",")}
        return offered[-1] if offered and b"upgrade" in options else None

    def _unsupported_upgrade_warning(self) -> None:
        """uvicorn calls it in place of anything else. What it logs, any client could fill the log with."""
        stopped = sys.exception()
        if (
            not isinstance(stopped, httptools.HttpParserUpgrade)
            or self.scope["method"] == "CONNECT"
        ):
            return
        (offset,) = stopped.args
        # The parser has said that the request ends with its head; whoever answers it has not run since.
        self.cycle.more_body = True
        self.parser = httptools.HttpRequestParser(_Again(self))
        # Not the method of whoever counts bytes: these were counted.
        Protocol.data_received(self, _head(self.headers) + self._data[offset:])


class _Again:
    """What a parser tells of a request whose head is known, and then of those that follow."""

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        self._protocol = protocol
        self._is_known = True
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        self._tell("on_message_begin")

    def on_url(self, url: bytes) -> None:
        self._tell("on_url", url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._tell("on_header", name, value)

    def on_headers_complete(self) -> None:
        self._tell("on_headers_complete")
        self._is_known = False

    def _tell(self, what: str, *given: Any) -> None:
        if not self._is_known:
            getattr(self._protocol, what)(*given)


def _head(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = b"".join(b"%s: %s\r\n" % pair for pair in headers if pair[0] in FRAMING)
    return b"POST / HTTP/1.1\r\n" + lines + b"\r\n"
