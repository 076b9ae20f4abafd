"""How a process is told to end: by SIGTERM or Ctrl-C once for an orderly end, twice for an end at once."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


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
        asked.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, told)
    try:
        yield asked
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
