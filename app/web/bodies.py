"""Request bodies read within a limit, and JSON read strictly: nothing here trusts its sender."""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator
from typing import Any, Final, NoReturn, TypeAlias

from starlette.requests import ClientDisconnect, Request

from app.errors import AppError, ErrorCode, UploadProblem
from app.web.headers import header
from app.web.patience import Patience
from app.web.problems import Refusal

MAX_NESTING: Final = 64
MAX_PLACE_LENGTH: Final = 200
"""Of the name of an input in an error: its keys are the client's own."""
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
    declared = header(request, b"content-length") or ""
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
            with Patience(until - clock()):
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
        with Patience(patience_seconds + limit / SLOWEST_BYTES):
            # Not Starlette's generator: most bodies are one message, and its way there is twice as long.
            while (message := await request.receive())["type"] == "http.request":
                body += message.get("body", b"")
                if len(body) > limit:
                    raise too_large(limit)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise _too_slow() from None
    raise ClientDisconnect


def parse(raw: bytes | str, what: str) -> Any:
    """The JSON value that `raw` spells, checked by `check_value`; BAD_USER_INPUT for anything else."""
    value = decode(raw, what)
    check_value(value, what)
    return value


def decode(raw: bytes | str, what: str) -> Any:
    """The JSON value that `raw` spells, whatever is in it; BAD_USER_INPUT where it spells none."""
    try:
        return DECODER.decode(raw if isinstance(raw, str) else raw.decode())
    except (ValueError, RecursionError):
        raise malformed(f"The {what} is not JSON in UTF-8.") from None


Trail: TypeAlias = tuple["Trail", str | int] | None
"""The way to a value inside another: the way to what holds it, and its key there."""


def check_value(value: Any, what: str) -> None:
    """BAD_USER_INPUT for what no database text or number could hold, or for nesting beyond MAX_NESTING."""
    todo: list[tuple[Any, int, Trail]] = [(value, 0, None)]
    while todo:
        one, level, trail = todo.pop()
        if isinstance(one, str):
            check_text(one, what, trail)
        elif isinstance(one, float) and not math.isfinite(one):
            raise malformed(f"The {what} has a number that is too large.", field=_place(trail))
        elif isinstance(one, dict | list):
            if level == MAX_NESTING:
                raise malformed(f"The {what} is nested too deeply.", field=_place(trail))
            members = one.items() if isinstance(one, dict) else enumerate(one)
            todo.extend((child, level + 1, (trail, key)) for key, child in members)
            if isinstance(one, dict):
                # Looked at before what they hold, so that no trail has a key that cannot be told.
                todo.extend((key, level, trail) for key in one)


def check_text(text: str, what: str, trail: Trail = None) -> None:
    """BAD_USER_INPUT for the character NUL and for lone surrogates: PostgreSQL and UTF-8 have neither."""
    if "\0" in text or (not text.isascii() and SURROGATE.search(text)):
        message = f"The {what} has text with NUL or a lone surrogate."
        raise malformed(message, field=_place(trail))


def _place(trail: Trail) -> str | None:
    """The input at the end of the way, as errors name it: `filter.text` for a variable; None for the whole."""
    steps: list[str] = []
    while trail is not None:
        trail, key = trail
        steps.append(str(key))
    return ".".join(reversed(steps)).removeprefix("variables.")[:MAX_PLACE_LENGTH] or None
