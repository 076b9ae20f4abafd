"""A request that offers another protocol is answered by this one, body and all."""

import asyncio
import json

import pytest

from app.web import heads
from tests.web.test_heads import opened

OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
LINE = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = json.dumps({"query": "{ hello }"}).encode()
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"5\r\n" + BODY[:5] + b"\r\n%x\r\n" % (len(BODY) - 5) + BODY[5:] + b"\r\n0\r\n\r\n"
PLAIN = LINE + LENGTH + BODY
GET = b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nHost: x\r\n"

SENT: dict[str, list[bytes]] = {
    "all at once": [LINE + OFFER + LENGTH + BODY],
    "the body after the head": [LINE + OFFER + LENGTH, BODY],
    "the body in two": [LINE + OFFER + LENGTH + BODY[:7], BODY[7:]],
    "the head in two": [LINE + OFFER[:30], OFFER[30:] + LENGTH + BODY],
    "chunks": [LINE + OFFER + CHUNKED + CHUNKS],
    "chunks after the head": [LINE + OFFER + CHUNKED, CHUNKS[:9], CHUNKS[9:]],
    "no body": [GET + OFFER + b"\r\n"],
    "each byte alone": [bytes([one]) for one in LINE + OFFER + LENGTH + BODY],
}


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)


def hello(told: tuple[int, bytes]) -> bool:
    return told[0] == 200 and json.loads(told[1])["data"] == {"hello": "hello"}


@pytest.mark.parametrize("name", SENT)
async def test_it_is_answered_and_the_connection_goes_on(server: str, name: str) -> None:
    async with opened(server) as (reader, writer):
        for _ in range(2):
            for part in SENT[name]:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.001)
            assert hello(await answer(reader))
            writer.write(PLAIN)
            assert hello(await answer(reader))


async def test_requests_behind_it_wait_for_their_turn(server: str) -> None:
    async with opened(server) as (reader, writer):
        writer.write((LINE + OFFER + LENGTH + BODY + PLAIN + GET + OFFER + b"\r\n") * 5)
        for _ in range(15):
            assert hello(await answer(reader))


async def test_as_many_wait_as_of_any_others(server: str) -> None:
    async with opened(server) as (reader, writer):
        writer.write((LINE + OFFER + LENGTH + BODY) * (2 * heads.MAX_WAITING))
        assert len(await asyncio.wait_for(reader.read(), 10)) < 1_000_000


async def test_a_length_that_is_none_is_refused(server: str) -> None:
    async with opened(server) as (reader, writer):
        writer.write(LINE + OFFER + b"Content-Length: 5x\r\n\r\n" + BODY)
        assert (await answer(reader))[0] == 400
        assert await reader.read() == b""


async def test_a_tunnel_is_refused(server: str) -> None:
    async with opened(server) as (reader, writer):
        writer.write(b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader))[0] >= 400


HANDSHAKE = GET + (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
)


@pytest.mark.parametrize(
    "lines",
    [
        b"Connection: keep-alive\r\nConnection: Upgrade\r\n",
        b"Connection: Upgrade\r\nConnection: keep-alive\r\n",
        b"Connection: keep-alive, Upgrade\r\nconnection: x\r\n",
    ],
)
async def test_a_handshake_may_spread_a_list_over_lines(server: str, lines: bytes) -> None:
    """RFC 9110, section 5.3: as some proxies do."""
    async with opened(server) as (reader, writer):
        writer.write(HANDSHAKE.replace(b"Connection: Upgrade\r\n", lines) + b"\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10))[9:12] == b"101"


@pytest.mark.parametrize(
    "more",
    [
        LENGTH + BODY,
        CHUNKED + CHUNKS,
        b"X: " + b"x" * 10_000 + b"\r\n\r\n",
        b"X: x\r\n" * 200 + b"\r\n",
    ],
    ids=["a body", "chunks", "a long header", "many headers"],
)
async def test_what_is_no_handshake_is_refused_and_not_left_open(server: str, more: bytes) -> None:
    async with opened(server) as (reader, writer):
        writer.write(HANDSHAKE + b"\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10))[9:12] == b"101"
    async with opened(server) as (reader, writer):
        writer.write(HANDSHAKE + more)
        assert (await answer(reader))[0] == 400
        assert await asyncio.wait_for(reader.read(), 10) == b""
