"""A TCP proxy that breaks what passes through it: between server and storage, and between server and database."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 64 * 1024
LINGER_NOT = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 seconds: closing sends RST."""
BUSY = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>"
)


@dataclass(frozen=True)
class Faults:
    """What befalls bytes on their way in one direction; by default nothing."""

    blackhole: bool = False
    """Everything is taken and nothing passed on."""
    latency_seconds: float = 0
    bytes_per_second: float = 0
    reset_after: int | None = None
    """So many bytes of a request (or of an answer) pass, then both ends get RST."""
    flips: float = 0
    """The share of chunks in which one bit is turned over; HTTP heads are left as they are."""


@dataclass(eq=False)
class _Pair:
    """The two ends of a connection. `turn` is the direction that spoke last."""

    client: asyncio.StreamWriter
    upstream: asyncio.StreamWriter
    turn: str = "down"
    passed: int = 0

    def reset(self) -> None:
        for end in (self.client, self.upstream):
            with suppress(OSError, ValueError):
                end.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT
                )
            end.transport.abort()


@dataclass
class Proxy:
    """Listens on a free port of 127.0.0.1. `upstream`: host and port, or the path of a Unix socket.

    Its faults can be changed at any time, and count at once for the connections that are open.
    """

    upstream: tuple[str, int] | Path
    port: int = 0
    up: Faults = field(default_factory=Faults)
    down: Faults = field(default_factory=Faults)
    errors: float = 0
    """The share of HTTP requests that are answered 503 and not passed on."""
    _server: asyncio.Server | None = None
    _pairs: set[_Pair] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuses connections from now on, and resets those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    def reset(self) -> None:
        for pair in list(self._pairs):
            pair.reset()

    @asynccontextmanager
    async def faulty(
        self, *, up: Faults | None = None, down: Faults | None = None, errors: float = 0
    ) -> AsyncIterator[None]:
        """The faults for as long as the block lasts."""
        self.up, self.down, self.errors = up or Faults(), down or Faults(), errors
        try:
            yield
        finally:
            self.up, self.down, self.errors = Faults(), Faults(), 0

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        await self.close()
        try:
            yield
        finally:
            await self.open()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if isinstance(self.upstream, Path):
                there = await asyncio.open_unix_connection(str(self.upstream))
            else:
                there = await asyncio.open_connection(*self.upstream)
        except OSError:
            _Pair(writer, writer).reset()
            return
        pair = _Pair(writer, there[1])
        self._pairs.add(pair)
        try:
            await asyncio.gather(
                self._pump("up", reader, there[1], pair), self._pump("down", there[0], writer, pair)
            )
        finally:
            self._pairs.discard(pair)
            for end in (writer, there[1]):
                end.close()

    async def _pump(
        self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: _Pair
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(CHUNK):
                faults: Faults = getattr(self, way)
                begins, pair.turn = pair.turn != way, way
                pair.passed = len(data) if begins else pair.passed + len(data)
                if faults.blackhole:
                    continue
                if way == "up" and begins and random.random() < self.errors:
                    await _refuse(reader, pair)
                    return
                if faults.reset_after is not None and pair.passed > faults.reset_after:
                    writer.write(data[: max(0, len(data) - pair.passed + faults.reset_after)])
                    await asyncio.sleep(0)
                    pair.reset()
                    return
                await _dawdle(faults, len(data))
                writer.write(_flipped(data) if random.random() < faults.flips else data)
                await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()


async def _dawdle(faults: Faults, size: int) -> None:
    slowness = size / faults.bytes_per_second if faults.bytes_per_second else 0
    if faults.latency_seconds or slowness:
        await asyncio.sleep(faults.latency_seconds + slowness)


async def _refuse(reader: asyncio.StreamReader, pair: _Pair) -> None:
    """Answers 503, and hears the request out: closed at once, the client would get RST in the answer's place."""
    pair.client.write(
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nConnection: close\r\n"
        + f"Content-Length: {len(BUSY)}\r\n\r\n".encode()
        + BUSY
    )
    pair.client.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(2):
            while await reader.read(CHUNK):
                pass
    pair.reset()


def _flipped(data: bytes) -> bytes:
    """With one bit of the body turned over; a chunk that is an HTTP head alone stays as it is."""
    start = data.find(b"\r\n\r\n") + 4 if data.startswith(b"HTTP/1.") else 0
    if start == len(data):
        return data
    changed = bytearray(data)
    changed[random.randrange(start, len(data))] ^= 1 << random.randrange(8)
    return bytes(changed)
