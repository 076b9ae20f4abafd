"""What is no HTTP request is answered as everything else is. uvicorn does so in plain text."""

from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.errors import AppError, ErrorCode
from app.web import middleware, problems, upgrades
from app.web.problems import Refusal

MESSAGE = (
    "This is no HTTP request that can be read: its first line, a header or its length is wrong."
)


class Protocol(upgrades.Protocol):
    """uvicorn's own but for that answer. Should another version not call this method, its answer is the plain one."""

    def send_400_response(self, msg: str) -> None:
        """Where the next request would begin, nobody knows."""
        self.end(Refusal(AppError(ErrorCode.BAD_USER_INPUT, MESSAGE)))

    def handle_websocket_upgrade(self) -> None:
        """What is no handshake to the WebSocket library, as with a body or a header of 10,000 bytes, uvicorn leaves open for ever."""
        super().handle_websocket_upgrade()
        sockets: Any = self.transport.get_protocol()
        if sockets.conn.handshake_exc is not None and not self.transport.is_closing():
            self.send_400_response(MESSAGE)

    def end(self, refusal: Refusal) -> None:
        """Ends the connection, with an answer where none has begun."""
        # What waits in the pipeline waits for an earlier one's answer.
        is_answering = bool(self.pipeline) or (
            self.cycle is not None
            and self.cycle.response_started
            and not self.cycle.response_complete
        )
        if not is_answering:
            self.transport.write(_answer(refusal, self.server_state.default_headers))
        self.transport.close()


def _answer(refusal: Refusal, defaults: Iterable[tuple[bytes, bytes]]) -> bytes:
    request_id = middleware.new_request_id()
    response = problems.response(refusal, request_id)
    headers = [
        *defaults,
        *middleware.complete(response.raw_headers, request_id),
        (b"connection", b"close"),
    ]
    lines = b"".join(b"%s: %s\r\n" % pair for pair in headers)
    return STATUS_LINE[response.status_code] + lines + b"\r\n" + bytes(response.body)
