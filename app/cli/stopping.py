"""How a process is told to end: by SIGTERM or Ctrl-C once for an orderly end, twice for an end at once.

`serve` and `worker` finish what runs, under `stopping`. Any other command breaks off: its transaction is rolled back.
"""

import asyncio
import atexit
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
CUT_SECONDS: Final = 5.0
CUT_STATUS: Final = 130
LEAVE_SECONDS: Final = 0.5
"""So long a process that was told to end, and has closed all it had, waits for its threads."""

_told = threading.Event()
"""Signals are the whole process's, and so is what they told it."""


@contextmanager
def interrupted_by_sigterm() -> Iterator[Callable[[], None]]:
    """SIGTERM is Ctrl-C in the block, which asyncio makes a cancellation of. By itself it would end the process on the spot.

    Answers what raises KeyboardInterrupt again where there was a SIGTERM: of a library that is being loaded, something may
    have caught it, or nothing could.
    """
    told = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        told.set()
        signal.raise_signal(signal.SIGINT)

    def check() -> None:
        if told.is_set():
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        # Python takes signals in the main thread alone, and lets no other ask for them.
        yield check
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield check
    finally:
        signal.signal(signal.SIGTERM, before)


async def through(command: Awaitable[int]) -> int:
    """Its exit status. What fails once it was told to end fails for that: Alembic, for one, asks a connection that is gone."""
    its = asyncio.ensure_future(command)
    try:
        await asyncio.wait([its])
    except asyncio.CancelledError:
        its.cancel()
        await asyncio.gather(its, return_exceptions=True)
        raise
    return its.result()


@contextmanager
def stopping() -> Iterator[asyncio.Event]:
    """An event that the first signal sets; the second one cancels the task that entered the block.

    Without a handler SIGTERM would leave an embedded database behind, and be lost on the first process of a container.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asked = asyncio.Event()

    def told() -> None:
        if asked.is_set() and task is not None:
            task.cancel()
            _no_later_than(CUT_SECONDS, CUT_STATUS)
        asked.set()
        _told.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, told)
    try:
        yield asked
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def leave(status: int) -> NoReturn:
    """Ends the process. One that was told to end waits LEAVE_SECONDS for its threads, any other as long as they take."""
    if _told.is_set():
        _no_later_than(LEAVE_SECONDS, status)
    sys.exit(status)


def _no_later_than(seconds: float, status: int) -> None:
    """A thread that loads a model cannot be cancelled, and Python would wait for it."""
    timer = threading.Timer(seconds, _cut, [status])
    timer.daemon = True
    timer.start()
    # Where Python comes to these by itself, no thread holds it up any more.
    atexit.register(timer.cancel)


def _cut(status: int) -> None:
    # Leaves every thread where it is, but no embedded database.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(status)
