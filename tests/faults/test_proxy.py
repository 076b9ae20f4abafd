"""The proxy does to bytes what its faults say, and nothing else."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import Faults, Proxy

DATA = bytes(range(256)) * 100


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """In front of a server that answers with what it is sent."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    upstream = await asyncio.start_server(echo, "127.0.0.1", 0)
    made = Proxy(upstream.sockets[0].getsockname()[:2])
    await made.open()
    yield made
    await made.close()
    upstream.close()
    await asyncio.sleep(0.05)


async def exchange(proxy: Proxy, *, seconds: float = 5) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(DATA)
        async with asyncio.timeout(seconds):
            return await reader.readexactly(len(DATA))
    finally:
        writer.close()


async def test_bytes_pass(proxy: Proxy) -> None:
    assert await exchange(proxy) == DATA


async def test_flips_change_one_bit_of_a_chunk(proxy: Proxy) -> None:
    async with proxy.faulty(down=Faults(flips=1)):
        answer = await exchange(proxy)
    wrong = [one ^ other for one, other in zip(answer, DATA, strict=True) if one != other]
    assert wrong
    assert all(one.bit_count() == 1 for one in wrong)
    assert await exchange(proxy) == DATA


async def test_a_blackhole_says_nothing(proxy: Proxy) -> None:
    async with proxy.faulty(up=Faults(blackhole=True)):
        with pytest.raises(TimeoutError):
            await exchange(proxy, seconds=0.2)


async def test_a_reset_comes_in_the_middle(proxy: Proxy) -> None:
    async with proxy.faulty(up=Faults(reset_after=1000)):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await exchange(proxy)


async def test_refusing_ends_with_its_block(proxy: Proxy) -> None:
    async with proxy.refusing():
        with pytest.raises(ConnectionError):
            await exchange(proxy)
    assert await exchange(proxy) == DATA


async def test_errors_are_answers(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    async with proxy.faulty(errors=1):
        writer.write(DATA)
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
    writer.close()
