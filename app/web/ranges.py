"""Conditional and partial requests (RFC 9110, sections 8.8, 13 and 14), on plain header texts."""

import re
from dataclasses import dataclass
from typing import Final

ONE_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


class Unsatisfiable(Exception):
    """The range begins behind the end."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `start + length - 1` of a whole of `size`."""

    start: int
    length: int
    size: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"


def span(header: str | None, size: int) -> Span | None:
    """The part that a Range header asks for; None where the whole is to be sent.

    Several ranges, or what is not understood, get the whole, as the RFC allows. Raises Unsatisfiable.
    """
    match = ONE_RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, end = max(size - int(match[2]), 0), size - 1
        if int(match[2]) == 0:
            raise Unsatisfiable
    else:
        start, end = int(match[1]), min(int(match[2] or size - 1), size - 1)
        if match[2] and int(match[2]) < start:
            return None
    if start >= size:
        raise Unsatisfiable
    return Span(start, end - start + 1, size)


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the client's copy is still good: weak comparison, `*` is any copy."""
    if if_none_match is None:
        return False
    known = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return etag in known or known == ["*"]


def range_counts(if_range: str | None, etag: str) -> bool:
    """Whether a Range may be served: without If-Range, or where it names this very version."""
    return if_range is None or if_range.strip() == etag
