"""Clients that go away while they wait: what is done for them alone is given up, and what changes something is not."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")
WATCH_AFTER_SECONDS: Final = 0.05
"""Most operations have ended by then, and cost no watching task."""


async def left(receive: Receive) -> None:
    """Returns when the client is gone; whatever else it sends is thrown away."""
    while (await receive())["type"] != "http.disconnect":
        pass


@asynccontextmanager
async def attended(receive: Receive | None) -> AsyncIterator[None]:
    """Cancels the block when the client goes away; ClientDisconnect then. `receive`: None watches nobody.

    The request's body must have been read.
    """
    if receive is None:
        yield
        return
    loop, working = asyncio.get_running_loop(), asyncio.current_task()
    watching: list[asyncio.Task[None]] = []
    is_gone = False

    async def watch() -> None:
        nonlocal is_gone
        await left(receive)
        is_gone = True
        if working is not None:
            working.cancel()

    timer = loop.call_later(WATCH_AFTER_SECONDS, lambda: watching.append(loop.create_task(watch())))
    try:
        yield
    except asyncio.CancelledError:
        # Somebody else may have cancelled the task as well: then it stays cancelled.
        if is_gone and working is not None and working.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        timer.cancel()
        for task in watching:
            task.cancel()


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """The work goes on to its end, whatever cancels the caller meanwhile, who is cancelled after it."""
    task = asyncio.create_task(work)
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            is_cancelled = True
    if is_cancelled:
        # Nobody is left to be told of an error.
        task.exception()
        raise asyncio.CancelledError
    return task.result()
