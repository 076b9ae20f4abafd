"""What a price may depend on: the arguments of a field, the request's variables, and who asks. No price is here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    VariableNode,
)

from app.domain import MAX_MEMBERSHIPS, Actor


class Open(Exception):
    """The price depends on a variable, or on who asks."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a price may depend on besides the document. `teams`: how many the actor reaches; `memberships`: how
    many of a user's they may see."""

    variables: Mapping[str, Any]
    teams: int = 1
    memberships: int = 1

    @classmethod
    def of(cls, variables: Mapping[str, Any], actor: Actor | None) -> "Request":
        if actor is None:
            return cls(variables)
        teams = max(len(actor.roles), 1)
        return cls(variables, teams, MAX_MEMBERSHIPS if actor.is_operator else teams)


class Given:
    """The arguments of one field. Without a request, Open where one is needed."""

    __slots__ = ("_nodes", "_request")

    def __init__(self, nodes: Mapping[str, ValueNode], request: Request | None = None) -> None:
        self._nodes = nodes
        self._request = request

    @property
    def request(self) -> Request:
        if self._request is None:
            raise Open
        return self._request

    def value(self, path: str) -> Any:
        """The argument, or a field of it (`input.files`); None where it is absent, null, or no such thing."""
        name, *rest = path.split(".")
        node = self._nodes.get(name)
        value = None if node is None else self._plain(node)
        for one in rest:
            value = value.get(one) if isinstance(value, dict) else None
        return value

    def _plain(self, node: ValueNode) -> Any:
        match node:
            case VariableNode():
                return self.request.variables.get(node.name.value)
            case IntValueNode() | FloatValueNode():
                # Python refuses to read an integer of more than 4,300 digits.
                return float(node.value)
            case StringValueNode() | EnumValueNode() | BooleanValueNode():
                return node.value
            case ListValueNode():
                return [self._plain(one) for one in node.values]
            case ObjectValueNode():
                return {one.name.value: self._plain(one.value) for one in node.fields}
            case _:
                return None

    def number(self, name: str, otherwise: int, most: int) -> int:
        """0 to `most`: what lies beyond is refused before a row is read, and what is no number too."""
        value = self.value(name)
        if value is None:
            return otherwise
        if isinstance(value, bool) or not isinstance(value, int | float):
            return most
        return int(min(max(value, 0), most))

    def count(self, path: str) -> int:
        """How many elements a list has; one value stands for a list of one."""
        value = self.value(path)
        if value is None:
            return 0
        return len(value) if isinstance(value, list) else 1

    def tag_names(self, path: str = "filter") -> int:
        """How many rows looking up the filter's tag names may read: each name in each team."""
        tags = self.value(f"{path}.tags")
        if not isinstance(tags, dict):
            return 0
        names = sum(len(one) if isinstance(one, list) else 1 for one in tags.values() if one)
        return names * self.request.teams if names else 0


def defaults(values: Mapping[str, ValueNode | None]) -> dict[str, Any]:
    """The values that an operation's variables have where the request gives none."""
    none = Given({})
    return {
        name: none._plain(node)
        for name, node in values.items()
        if node is not None and not isinstance(node, NullValueNode)
    }
