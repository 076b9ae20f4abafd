"""What comes before an application is asked: bounded, for uvicorn keeps all of it in memory and waits for it for ever."""

import asyncio
from typing import Final

from app.errors import AppError, ErrorCode
from app.web import unreadable
from app.web.problems import Refusal

MAX_BYTES: Final = 128 * 1024
"""Of a request's line and headers, of what stands between two parts of a body, and of what follows the last one."""
MAX_WAITING: Final = 100
"""Requests that came before the answer to an earlier one. One read may have 10,000, and each takes some 2 KB here."""
PATIENCE_SECONDS: Final = 60.0
"""So long a connection may be silent at its beginning. What is begun and not ended is looked at so often, and twice."""
TOO_LARGE_STATUS: Final = 431
MESSAGE: Final = f"The request's line and headers are larger than {MAX_BYTES} bytes."


class TooManyError(Exception):
    """The parser stops at it, and the connection ends as for what is no request."""


class Protocol(unreadable.Protocol):
    """Counts the bytes that come to nothing: neither to a whole head, nor to a part of a body, nor to its end.

    uvicorn's own clock ends what is silent after an answer, and the bodies' what comes too slowly.
    """

    patience_seconds = PATIENCE_SECONDS
    _pending = 0
    _begun = 0
    _seen = 0
    _in_head = False
    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._stop()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        self._pending += len(data)
        super().data_received(data)
        if self._pending > MAX_BYTES and not self.transport.is_closing():
            error = AppError(ErrorCode.PAYLOAD_TOO_LARGE, MESSAGE, limit=MAX_BYTES)
            self.end(Refusal(error, status=TOO_LARGE_STATUS))

    def on_message_begin(self) -> None:
        self._begun += 1
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._pending = 0
        self._in_head = False
        if len(self.pipeline) >= MAX_WAITING:
            raise TooManyError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._pending = 0
        super().on_message_complete()

    def _wait(self) -> None:
        self._clock = self.loop.call_later(self.patience_seconds, self._look)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()

    def _look(self) -> None:
        """Ends a connection on which nothing came, or the same request is as unfinished as at the last look."""
        if self._is_unfinished and self._seen == self._begun:
            self.transport.close()
            return
        self._seen = self._begun
        self._wait()

    @property
    def _is_unfinished(self) -> bool:
        """Nobody waits for the rest of it: an application has its own patience with a body."""
        if self._begun == 0 or self._in_head:
            return True
        return self.cycle is not None and self.cycle.response_complete and self.cycle.more_body
