"""Clients that ask and then take nothing: a connection and an open object each, and not for ever."""

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.domain import ImageFormat
from app.resources import Resources
from app.storage.stream import CHUNK
from app.web import corked
from tests.database import Database
from tests.web.conftest import Member, stored_image
from tests.web.test_media import actor_of, address

CONTENT = bytes(64 * CHUNK + 40_000)
"""More than the buffers of two sockets hold, with a small piece at its end."""


@pytest.fixture
async def url(db: Database, resources: Resources, member: Member) -> str:
    image_id = await stored_image(resources, member.team_id, CONTENT, format=ImageFormat.PNG)
    return address(resources, await actor_of(db, member), image_id)


@asynccontextmanager
async def asked(server: str, url: str) -> AsyncIterator[asyncio.StreamReader]:
    """A connection on which that was asked for, with little room for an answer."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.setblocking(False)
        host, port = urlsplit(server).netloc.split(":")
        await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
        reader, writer = await asyncio.open_connection(sock=connection, limit=4_096)
        writer.write(f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        try:
            yield reader
        finally:
            writer.transport.abort()


def opened(resources: Resources) -> int:
    """How many objects of the store this process has open."""
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += os.readlink(one).startswith(str(resources.settings.objects_dir))
    return found


async def changed(resources: Resources, count: int) -> None:
    while opened(resources) != count:  # noqa: ASYNC110  the kernel has no event for it
        await asyncio.sleep(0.01)


async def test_who_takes_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, server: str, resources: Resources, url: str
) -> None:
    monkeypatch.setattr(corked.Protocol, "taking_seconds", 0.3)
    async with asked(server, url) as reader, asyncio.timeout(20):
        await reader.readuntil(b"\r\n\r\n")
        await changed(resources, 1)
        await changed(resources, 0)
        taken = 0
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                taken += len(piece)
    assert taken < len(CONTENT)


async def test_an_answer_ends_when_the_kernel_has_all_of_it(server: str, url: str) -> None:
    """Who leaves its end would else be looked at no more, and to close a connection waits for what is in the buffer."""
    async with asked(server, url) as reader, asyncio.timeout(30):
        await reader.readuntil(b"\r\n\r\n")
        gc.collect()
        (served,) = (
            one
            for one in gc.get_objects()
            if isinstance(one, corked.Protocol) and not one.transport.is_closing()
        )
        held = served.transport.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
        await reader.readexactly(len(CONTENT) - 1_000_000)
        while not served.cycle.response_complete:
            await reader.readexactly(4_096)
            await asyncio.sleep(0.005)
        assert served.transport.get_write_buffer_size() == 0


async def test_who_takes_it_slowly_has_all_of_it(
    monkeypatch: pytest.MonkeyPatch, server: str, url: str
) -> None:
    monkeypatch.setattr(corked.Protocol, "taking_seconds", 1.5)
    async with asked(server, url) as reader, asyncio.timeout(60):
        await reader.readuntil(b"\r\n\r\n")
        began, taken = asyncio.get_running_loop().time(), 0
        while taken < len(CONTENT):
            taken += len(await reader.readexactly(min(400_000, len(CONTENT) - taken)))
            await asyncio.sleep(0.06)
        assert asyncio.get_running_loop().time() - began > 2
    assert taken == len(CONTENT)
