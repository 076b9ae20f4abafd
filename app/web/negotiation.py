"""Which media type an answer has: the Accept header read with its weights (RFC 9110, section 12.5.1)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from app.errors import AppError, ErrorCode
from app.web.problems import JSON, Refusal

GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
HTML: Final = "text/html"
EVENT_STREAM: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Range:
    """One media range of an Accept header, `*/*` or `type/*` included."""

    pattern: str
    weight: float

    def specificity(self, media_type: str) -> int:
        """2 for the very type, 1 for its family, 0 for anything; -1 where it does not match."""
        if self.pattern == media_type:
            return 2
        if self.pattern == f"{media_type.split('/')[0]}/*":
            return 1
        return 0 if self.pattern == "*/*" else -1


def ranges(accept: str) -> list[Range]:
    found = []
    for part in accept.lower().split(","):
        pattern, *parameters = (piece.strip() for piece in part.split(";"))
        if pattern:
            weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
            found.append(Range(pattern, _weight(weight)))
    return found


def _weight(text: str) -> float:
    """0 to 1; an unreadable weight is 0, so that a type is never forced on who may not want it."""
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


@lru_cache(maxsize=128)
def choose(accept: str | None) -> str:
    """The media type of a GraphQL answer; 406 where the client takes none.

    `application/json` unless `application/graphql-response+json` is named and weighs at least as much. Events only
    where they are named and weigh more than either: clients that stream merely mention them in every request.
    """
    if accept is None or not accept.strip():
        return JSON
    found = ranges(accept)
    modern, named = _best(found, GRAPHQL_RESPONSE)
    classic, _ = _best(found, JSON)
    if takes_events(accept) and _best(found, EVENT_STREAM)[0] > max(modern, classic):
        return EVENT_STREAM
    if modern > 0 and (modern > classic or (named and modern == classic)):
        return GRAPHQL_RESPONSE
    if classic > 0:
        return JSON
    raise Refusal(
        AppError(ErrorCode.BAD_USER_INPUT, f"Accept must allow {GRAPHQL_RESPONSE} or {JSON}."),
        status=406,
    )


def takes_events(accept: str | None) -> bool:
    """Whether `text/event-stream` is named, at whatever weight."""
    weight, named = _best(ranges(accept or ""), EVENT_STREAM)
    return named and weight > 0


def prefers_page(accept: str | None) -> bool:
    """Whether a browser asks for a page: `text/html` is named and weighs no less than JSON."""
    found = ranges(accept or "")
    page, named = _best(found, HTML)
    json = max(_best(found, JSON)[0], _best(found, GRAPHQL_RESPONSE)[0])
    return named and page > 0 and page >= json


def _best(found: list[Range], media_type: str) -> tuple[float, bool]:
    """The weight that the most specific range gives the type, and whether that range names it."""
    matching = [(one.specificity(media_type), one.weight) for one in found]
    specificity, weight = max(matching, default=(-1, 0.0))
    return (weight, specificity == 2) if specificity >= 0 else (0.0, False)
