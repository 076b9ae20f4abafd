"""The schema's own scalar of time. (Upload is in uploads.)"""

import re
from datetime import UTC, datetime
from typing import Final

import strawberry
from graphql import GraphQLError, StringValueNode, ValueNode

INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
)
"""RFC 3339, and what others write for it: no seconds, no colon in the offset. Python's own reading takes weeks for dates, any
letter for the T, and other things in another release."""
WANTED: Final = "A DateTime is an ISO 8601 instant with an offset, such as 2026-11-20T19:15:00Z."


def _parse(value: object, node: ValueNode | None = None) -> datetime:
    """An ISO 8601 instant with an offset, in UTC. `node`: where it stands in the document."""
    if isinstance(value, str):
        # RFC 3339, section 5.6, has `z` in small as well, Python has not.
        text = value.upper()
        try:
            if INSTANT.fullmatch(text):
                return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise GraphQLError(WANTED, node)


def _parse_literal(node: ValueNode, _variables: dict[str, object] | None = None) -> datetime:
    return _parse(node.value if isinstance(node, StringValueNode) else None, node)


def _write(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


DateTime = strawberry.scalar(
    name="DateTime",
    description="An instant, ISO 8601. Input needs an offset; output is UTC.",
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    serialize=_write,
    parse_value=_parse,
    parse_literal=_parse_literal,
)
