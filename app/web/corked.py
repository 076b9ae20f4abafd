"""The HTTP protocol over a transport that holds a small answer together: its head and its body leave in one write."""

import asyncio
from typing import Any, Final, cast

from app.web import taking

HELD_BYTES: Final = 16_384
"""Beyond this nothing is held back: then the transport has to say when there is too much."""


class Corked:
    """A transport that writes what it is given at the end of the loop's turn. Everything else is the transport's own."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._held: list[bytes] = []
        self._size = 0
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > HELD_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held, self._size = self._held, [], 0
            if not self._transport.is_closing():
                self._transport.writelines(held)


class Protocol(taking.Protocol):
    """A WebSocket that a connection becomes keeps the corked transport."""

    # uvicorn's method too takes less than asyncio's protocol promises: it is given nothing but streams.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", Corked(transport)))
