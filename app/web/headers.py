"""Headers read off a request's raw pairs: Starlette's mapping encodes each name anew, and raises for one that is missing."""

from collections.abc import Iterable
from typing import TypeAlias

from starlette.requests import HTTPConnection

Pairs: TypeAlias = Iterable[tuple[bytes, bytes]]
"""As ASGI has them, with names in lower case."""


def header(connection: HTTPConnection, name: bytes) -> str | None:
    """The first value of the request's header."""
    return first(connection.scope["headers"], name)


def first(pairs: Pairs, name: bytes) -> str | None:
    for given, value in pairs:
        if given == name:
            return str(value, "latin-1")
    return None


def combined(connection: HTTPConnection, name: bytes) -> str | None:
    """All values of a header that is a list: it may come in several lines (RFC 9110, section 5.3)."""
    values = every(connection.scope["headers"], name)
    return ", ".join(values) if values else None


def every(pairs: Pairs, name: bytes) -> list[str]:
    """All values of the header, in their order."""
    return [str(value, "latin-1") for given, value in pairs if given == name]
