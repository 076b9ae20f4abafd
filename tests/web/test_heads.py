"""What a client may send before anybody looks at it is bounded: in bytes, whatever they are, and in time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

from app.web import corked, heads
from tests.web.conftest import Member

LINE = b"GET /graphql?query=%7B__typename%7D HTTP/1.1\r\nHost: x\r\n"
CHUNKED = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
WITHOUT_END = {
    "an address": b"GET /",
    "a header": LINE + b"A: ",
    "the name of a header": LINE,
    "an extension of a chunk": CHUNKED + b"1;",
    "a trailer": CHUNKED + b"2\r\n{}\r\n0\r\nA: ",
}
PARTS = dict.fromkeys(WITHOUT_END, b"x" * 65_536) | {
    "headers": b"A: x\r\n" * 10_000,
    "trailers": b"A: x\r\n" * 10_000,
}
WITHOUT_END |= {"headers": LINE, "trailers": CHUNKED + b"2\r\n{}\r\n0\r\n"}
MOST_PARTS = 40
"""2.6 MB: what the kernel takes on its own is more than the limit."""


@asynccontextmanager
async def opened(
    address: str,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = urlsplit(address).netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def status(reader: asyncio.StreamReader) -> int:
    """Of the next answer, which is read to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head[9:12])


async def taken(writer: asyncio.StreamWriter, part: bytes) -> int:
    """How often the server took the part, of MOST_PARTS."""
    for sent in range(MOST_PARTS):
        try:
            writer.write(part)
            await writer.drain()
        except ConnectionError:
            return sent
        await asyncio.sleep(0.01)
    return MOST_PARTS


@pytest.mark.parametrize("name", WITHOUT_END)
async def test_what_does_not_end_is_ended(server: str, name: str) -> None:
    async with opened(server) as (_, writer):
        writer.write(WITHOUT_END[name])
        assert await taken(writer, PARTS[name]) < MOST_PARTS


async def test_too_large_a_head_is_told(server: str) -> None:
    async with opened(server) as (reader, writer):
        # No byte more: one that is not read when a connection is closed resets it, and the answer is lost.
        writer.write((LINE + b"A: ").ljust(heads.MAX_BYTES + 1, b"x"))
        answer = await reader.read()

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    (error,) = json.loads(body)["errors"]
    assert error["extensions"]["code"] == "PAYLOAD_TOO_LARGE"
    assert error["extensions"]["limit"] == heads.MAX_BYTES


async def test_requests_that_end_are_not_counted_together(server: str, member: Member) -> None:
    """Nor the parts of a body, which are more with what stands between them than a head may be."""
    query = json.dumps({"query": "{ __typename }", "variables": {"a": "x" * 3_000}}).encode()
    key = b"X-API-Key: %s\r\n\r\n" % member.key.encode()
    async with opened(server) as (reader, writer):
        for _ in range(5):
            writer.write(LINE + b"A: " + b"x" * 60_000 + b"\r\n\r\n")
            assert await status(reader) == 200
        writer.write(CHUNKED.removesuffix(b"\r\n") + key)
        for byte in query:
            writer.write(b"%065d\r\n%c\r\n" % (1, byte))
        writer.write(b"0\r\n\r\n")
        assert await status(reader) == 200


async def test_few_requests_wait_for_an_answer(server: str) -> None:
    answered = 0
    async with opened(server) as (reader, writer), asyncio.timeout(20):
        writer.write((LINE + b"\r\n") * heads.MAX_WAITING)
        for _ in range(heads.MAX_WAITING):
            assert await status(reader) == 200
        writer.write((LINE + b"\r\n") * 2_000)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await status(reader) == 200:
                answered += 1
    assert answered < heads.MAX_WAITING


@pytest.fixture
async def impatient(monkeypatch: pytest.MonkeyPatch, server: str) -> str:
    monkeypatch.setattr(corked.Protocol, "patience_seconds", 0.2)
    return server


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nHo", LINE + b"\r\n" + LINE])
async def test_a_connection_that_stands_still_is_ended(impatient: str, begin: bytes) -> None:
    async with opened(impatient) as (reader, writer), asyncio.timeout(20):
        writer.write(begin)
        await reader.read()


async def test_one_that_goes_on_is_not(impatient: str) -> None:
    async with opened(impatient) as (reader, writer):
        for _ in range(5):
            writer.write(LINE)
            await asyncio.sleep(0.1)
            writer.write(b"\r\n")
            assert await status(reader) == 200
            await asyncio.sleep(0.25)
