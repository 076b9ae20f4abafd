"""Answers that their client does not take: uvicorn waits for ever for whoever keeps a connection open and reads nothing."""

import asyncio
import logging
from typing import Final

from app.web import heads

log = logging.getLogger(__name__)

TAKING_SECONDS: Final = 300.0
"""So long a client, or the proxy before it, may take nothing. The kernel asks for more only once a third of what it keeps is
gone, which may be a megabyte: a slow client is not an idle one."""


class Protocol(heads.Protocol):
    """Ends a connection whose buffer does not shrink: with it go the answer, and what was open for it in the store."""

    taking_seconds = TAKING_SECONDS
    _left = 0
    _next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Then writing is paused for as long as anything is in the buffer, also of an answer that has ended.
        transport.set_write_buffer_limits(high=0)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_later()

    def resume_writing(self) -> None:
        self._look_no_more()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._look_no_more()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._look_no_more()
        self.transport.set_write_buffer_limits()
        super().handle_websocket_upgrade()

    def _look_later(self) -> None:
        self._left = self.transport.get_write_buffer_size()
        self._next_look = self.loop.call_later(self.taking_seconds, self._look_again)

    def _look_no_more(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None

    def _look_again(self) -> None:
        if self.transport.get_write_buffer_size() < self._left:
            self._look_later()
            return
        log.info("a client takes nothing of its answer any more, and is left")
        # To close it would wait for what is in the buffer.
        self.transport.abort()
