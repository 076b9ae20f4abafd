"""Looks ahead: which fields an operation asks of the rows of a list, so that the list can bring them along."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, GraphQLResolveInfo, Node


def of_rows(info: GraphQLResolveInfo[Any]) -> set[str]:
    """The names of the fields of a connection's rows.

    What has a directive is left out, whatever it says: it is loaded when it is reached.
    """
    fragments = info.fragments
    fields = list(_fields(info.field_nodes, fragments))
    rows = [one for one in fields if one.name.value == "nodes"]
    edges = [one for one in fields if one.name.value == "edges"]
    rows += [one for one in _fields(edges, fragments) if one.name.value == "node"]
    return {one.name.value for one in _fields(rows, fragments)}


def _fields(
    nodes: Iterable[FieldNode], fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[FieldNode]:
    """The fields right below; each fragment is read once."""
    seen: set[str] = set()
    todo: list[Node] = [*nodes]
    while todo:
        selections = getattr(todo.pop(), "selection_set", None)
        for one in selections.selections if selections else ():
            if one.directives:
                continue
            if isinstance(one, FieldNode):
                yield one
            elif not isinstance(one, FragmentSpreadNode):
                todo.append(one)
            elif one.name.value not in seen and one.name.value in fragments:
                seen.add(one.name.value)
                todo.append(fragments[one.name.value])
