"""The schema's own scalar of time. (Upload is in uploads.)"""

from datetime import UTC, datetime
from typing import Final

import strawberry
from graphql import GraphQLError, StringValueNode, ValueNode

WANTED: Final = "A DateTime is an ISO 8601 instant with an offset, such as 2026-11-20T19:15:00Z."


def _parse(value: object, node: ValueNode | None = None) -> datetime:
    """An ISO 8601 instant with an offset, in UTC. `node`: where it stands in the document."""
    if isinstance(value, str):
        try:
            # RFC 3339, section 5.6, has `z` in small as well, Python has not.
            instant = datetime.fromisoformat(value.upper())
            if instant.tzinfo is not None:
                return instant.astimezone(UTC)
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
