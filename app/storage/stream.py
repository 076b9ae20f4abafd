"""Blocking readers as asynchronous streams, on a bounded pool of threads. No vendor."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from types import TracebackType
from typing import Final, ParamSpec, Protocol, TypeVar

CHUNK: Final = 256 * 1024
"""Bytes of one step of a stream."""

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Runs blocking calls, so many at a time; the rest wait in line. It belongs to no event loop."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer of `work`. When the caller is cancelled, a call that has begun runs to its end unheard."""
        return await asyncio.wrap_future(self._pool.submit(work, *args, **kwargs))

    async def stream(
        self, work: "Callable[P, Source]", *args: P.args, **kwargs: P.kwargs
    ) -> "ByteStream":
        """The stream of the source that `work` opens; one that opens too late for its caller is closed."""
        opening = self._pool.submit(work, *args, **kwargs)
        try:
            return ByteStream(await asyncio.wrap_future(opening), self)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise

    def run_later(self, work: Callable[[], None]) -> None:
        """Starts `work` without waiting for it; on the spot where the pool has closed, or closes before it begins."""
        try:
            begun = self._pool.submit(work)
        except RuntimeError:
            work()
        else:
            begun.add_done_callback(lambda it: work() if it.cancelled() else None)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _close_opened(opening: "Future[Source]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


class Source(Protocol):
    """A blocking reader."""

    @property
    def length(self) -> int | None:
        """How many bytes it has from its start to its end; None where the store does not say."""
        ...

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; b"" at the end."""
        ...

    def close(self) -> None: ...


class ByteStream:
    """The bytes of one object, in chunks of CHUNK; the last may be shorter.

    Its source (a file, a connection) is given back at the end, after an error or a cancellation, on leaving `async with`,
    by `aclose`, and at the latest when the stream is collected.
    """

    def __init__(self, source: Source, threads: Threads) -> None:
        self._guarded = _Guarded(source)
        self._threads = threads
        self._is_let_go = False
        self.length = source.length
        """How many bytes there are, told before the first one is read; None where the store does not say."""

    def __aiter__(self) -> "ByteStream":
        return self

    async def __anext__(self) -> bytes:
        if self._guarded.closed:
            raise StopAsyncIteration
        try:
            chunk = await self._threads.run(self._guarded.read)
        except BaseException:
            # A cancelled task may not wait any more.
            self._let_go()
            raise
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        """A thread closes the source, once a read that has begun has ended: that may take as long as the store is silent."""
        if not self._is_let_go and not self._guarded.closed:
            self._is_let_go = True
            self._threads.run_later(self._guarded.close)

    async def __aenter__(self) -> "ByteStream":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._let_go()


class _Guarded:
    """A source that is never closed in the middle of a read, and is closed at its end."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = Lock()
        self.closed = False

    def read(self) -> bytes:
        with self._lock:
            chunk = b"" if self.closed else self._source.read(CHUNK)
            if not chunk:
                self._close()
            return chunk

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if not self.closed:
            self.closed = True
            self._source.close()
