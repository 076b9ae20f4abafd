"""Streams of sources that are silent: nobody waits for them but a thread of the pool."""

import asyncio
import gc
import threading
import weakref

from app.storage.stream import ByteStream, Threads


class Silent:
    """A store that sends nothing until it is released, by the test or in the end by its own patience."""

    length: int | None = None

    def __init__(self) -> None:
        self.reading = threading.Event()
        self.released = threading.Event()
        self.closed = threading.Event()
        self.gave_up = False
        self.closings = 0

    def read(self, _size: int, /) -> bytes:
        self.reading.set()
        self.gave_up = not self.released.wait(20)
        return b"late"

    def close(self) -> None:
        self.closings += 1
        self.closed.set()


async def test_a_reader_that_leaves_holds_nobody_up() -> None:
    source, threads = Silent(), Threads(2, "test")

    async def reads(stream: ByteStream) -> None:
        await anext(stream)

    stream = ByteStream(source, threads)
    kept = weakref.ref(stream)
    task = asyncio.create_task(reads(stream))
    del stream
    assert await asyncio.to_thread(source.reading.wait, 20)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    del task
    gc.collect()
    assert kept() is None
    # This is reached while the source is still silent.
    assert not source.closed.is_set()
    source.released.set()
    assert await asyncio.to_thread(source.closed.wait, 20)
    assert not source.gave_up
    assert source.closings == 1
    threads.close()


async def test_a_stream_that_nobody_reads_is_closed_when_it_is_collected() -> None:
    source, threads = Silent(), Threads(1, "test")
    stream = ByteStream(source, threads)
    del stream
    gc.collect()
    assert await asyncio.to_thread(source.closed.wait, 20)
    threads.close()
