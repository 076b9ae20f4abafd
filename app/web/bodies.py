"""Request bodies read within a limit, and JSON read strictly: nothing here trusts its sender."""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator
from typing import Any, Final, NoReturn

from starlette.requests import Request

from app.errors import AppError, ErrorCode, UploadProblem
from app.web.problems import Refusal

MAX_NESTING: Final = 64
PATIENCE_SECONDS: Final = 60.0
SLOWEST_BYTES: Final = 32 * 1024
"""A second, beyond the first minute: whoever sends less keeps others from a place."""
MAX_DIGITS: Final = 18
"""Of a length: Python refuses to read more than 4,300."""
SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)
"""Made once: making one takes longer than reading a small body."""


def malformed(message: str, *, field: str | None = None) -> AppError:
    return AppError(ErrorCode.BAD_USER_INPUT, message, field=field)


def too_large(limit: int) -> AppError:
    return AppError(
        ErrorCode.PAYLOAD_TOO_LARGE,
        f"The request is larger than {limit} bytes.",
        reason=UploadProblem.TOO_LARGE,
        limit=limit,
    )


def check_length(request: Request, limit: int) -> None:
    """PAYLOAD_TOO_LARGE, before a byte is read, where the client says that it will send more."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > MAX_DIGITS or int(declared) > limit):
        raise too_large(limit)


async def stream(
    request: Request, *, patience_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[bytes]:
    """The body as it comes; 408 for one that comes too slowly."""
    clock = asyncio.get_running_loop().time
    until = clock() + patience_seconds
    chunks = request.stream()
    while True:
        try:
            async with asyncio.timeout_at(until):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise _too_slow() from None
        until += len(chunk) / SLOWEST_BYTES
        yield chunk


def _too_slow() -> Refusal:
    message = f"The body comes more slowly than {SLOWEST_BYTES} bytes a second."
    return Refusal(malformed(message), status=408)


async def read(
    request: Request, limit: int, *, patience_seconds: float = PATIENCE_SECONDS
) -> bytes:
    """The whole body; PAYLOAD_TOO_LARGE as soon as it is longer than the limit, 408 where it comes too slowly."""
    check_length(request, limit)
    body = bytearray()
    try:
        async with asyncio.timeout(patience_seconds + limit / SLOWEST_BYTES):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large(limit)
    except TimeoutError:
        raise _too_slow() from None
    return bytes(body)


def parse(raw: bytes | str, what: str) -> Any:
    """The JSON value that `raw` spells, checked by `check_value`; BAD_USER_INPUT for anything else."""
    try:
        text = raw if isinstance(raw, str) else raw.decode()
        value = DECODER.decode(text)
    except (ValueError, RecursionError):
        raise malformed(f"The {what} is not JSON in UTF-8.") from None
    check_value(value, what)
    return value


def check_value(value: Any, what: str) -> None:
    """BAD_USER_INPUT for what no database text or number could hold, or for nesting beyond MAX_NESTING."""
    todo = [(value, 0)]
    while todo:
        one, level = todo.pop()
        if isinstance(one, str):
            check_text(one, what)
        elif isinstance(one, float) and not math.isfinite(one):
            raise malformed(f"The {what} has a number that is too large.")
        elif isinstance(one, dict | list):
            if level == MAX_NESTING:
                raise malformed(f"The {what} is nested too deeply.")
            if isinstance(one, dict):
                todo.extend((key, level) for key in one)
                todo.extend((child, level + 1) for child in one.values())
            else:
                todo.extend((child, level + 1) for child in one)


def check_text(text: str, what: str) -> None:
    """BAD_USER_INPUT for the character NUL and for lone surrogates: PostgreSQL and UTF-8 have neither."""
    if "\0" in text or (not text.isascii() and SURROGATE.search(text)):
        raise malformed(f"The {what} has text with NUL or a lone surrogate.")
