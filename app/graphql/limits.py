"""How much a document asks for, found in one pass over it: no schema, no variables, nothing executed."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from graphql import (
    DefinitionNode,
    DocumentNode,
    ExecutableDefinitionNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
)

from app.errors import AppError, ErrorCode, bad_input

INTROSPECTION: Final = frozenset({"__schema", "__type"})
"""Their depth is bounded by graphql-core itself, and they read nothing but the schema."""


@dataclass
class _Part:
    """One definition: how deep its own fields go, and at which depth it spreads a fragment."""

    depth: int = 0
    spreads: list[tuple[str, int]] = field(default_factory=list)


def check(document: DocumentNode, *, max_depth: int) -> None:
    """QUERY_TOO_COMPLEX for a document that nests deeper, with `extensions.limit`.

    The cost is linear in the document: each definition is walked once, however often it is spread.
    """
    found = depth(document)
    if found > max_depth:
        raise AppError(
            ErrorCode.QUERY_TOO_COMPLEX,
            f"The query nests {found} levels of fields; {max_depth} are allowed.",
            limit=max_depth,
        )


def check_once(document: DocumentNode, names: Collection[str]) -> None:
    """QUERY_TOO_COMPLEX for an operation with two fields of these names, however they are aliased and spread.

    Counted to two only, so a fragment's count changes twice at most, and those that spread it are told.
    """
    own: dict[DefinitionNode, tuple[int, list[str]]] = {
        one: _counted(one.selection_set, names)
        for one in document.definitions
        if isinstance(one, ExecutableDefinitionNode)
    }
    if not any(count for count, _ in own.values()):
        return
    fragments = {one.name.value: one for one in own if isinstance(one, FragmentDefinitionNode)}
    users: dict[str, list[DefinitionNode]] = defaultdict(list)
    for one, (_, spreads) in own.items():
        for spread in set(spreads):
            users[spread].append(one)
    known: dict[str, int] = dict.fromkeys(fragments, 0)
    todo: list[DefinitionNode] = list(own)
    while todo:
        one = todo.pop()
        count, spreads = own[one]
        total = min(count + sum(known.get(spread, 0) for spread in spreads), 2)
        if isinstance(one, FragmentDefinitionNode):
            if total > known[one.name.value]:
                known[one.name.value] = total
                todo.extend(users[one.name.value])
        elif total > 1:
            listed = ", ".join(sorted(names))
            raise AppError(
                ErrorCode.QUERY_TOO_COMPLEX, f"One of {listed} an operation, and once.", limit=1
            )


def _counted(selections: SelectionSetNode, names: Collection[str]) -> tuple[int, list[str]]:
    """How many of the fields have these names, and which fragments are spread; the top level alone."""
    count, spreads, todo = 0, [], [selections]
    while todo:
        for node in todo.pop().selections:
            match node:
                case FieldNode():
                    count += node.name.value in names
                case InlineFragmentNode():
                    todo.append(node.selection_set)
                case FragmentSpreadNode():
                    spreads.append(node.name.value)
    return count, spreads


def depth(document: DocumentNode) -> int:
    """Levels of fields below an operation; `{ a { b } }` has two. Fragments count where they are spread.

    A fragment that spreads itself counts once: validation refuses it.
    """
    fragments: dict[str, _Part] = {}
    operations: list[_Part] = []
    for definition in document.definitions:
        if isinstance(definition, FragmentDefinitionNode):
            fragments[definition.name.value] = _measured(definition.selection_set)
        elif isinstance(definition, OperationDefinitionNode):
            operations.append(_measured(definition.selection_set))
    known: dict[str, int] = {}
    for name in fragments:
        _settle(name, fragments, known)
    return max((_total(part, known) for part in operations), default=0)


def _measured(selections: SelectionSetNode) -> _Part:
    part = _Part()
    todo = [(selections, 1)]
    while todo:
        inside, level = todo.pop()
        for node in inside.selections:
            match node:
                case FieldNode():
                    part.depth = max(part.depth, level)
                    if node.selection_set and node.name.value not in INTROSPECTION:
                        todo.append((node.selection_set, level + 1))
                case InlineFragmentNode():
                    todo.append((node.selection_set, level))
                case FragmentSpreadNode():
                    part.spreads.append((node.name.value, level - 1))
    return part


def _settle(name: str, fragments: dict[str, _Part], known: dict[str, int]) -> None:
    """Puts the fragment's depth into `known`, after those it spreads: depth first, without recursion."""
    path = [name]
    started: set[str] = set()
    while path:
        one = path[-1]
        if one in known or one not in fragments:
            path.pop()
        elif one in started:
            known[one] = _total(fragments[one], known)
            path.pop()
        else:
            started.add(one)
            path.extend(spread for spread, _ in fragments[one].spreads if spread not in started)


def _total(part: _Part, known: dict[str, int]) -> int:
    return max(part.depth, *(level + known.get(name, 0) for name, level in part.spreads), 0)


def check_literals(document: DocumentNode) -> None:
    """BAD_USER_INPUT for a value in the document's text that no column could hold: NUL, or infinity."""
    for node in _values(document):
        if isinstance(node, StringValueNode) and "\0" in node.value:
            raise bad_input("query", "Text must not contain the character NUL.")
        if isinstance(node, IntValueNode | FloatValueNode) and math.isinf(float(node.value)):
            raise bad_input("query", "A number is too large.")


def _values(document: DocumentNode) -> Iterator[ValueNode]:
    todo: list[Node] = list(document.definitions)
    while todo:
        node = todo.pop()
        if isinstance(node, ValueNode) and not isinstance(node, ListValueNode | ObjectValueNode):
            yield node
        for key in node.keys:
            child = getattr(node, key, None)
            if isinstance(child, Node):
                todo.append(child)
            elif isinstance(child, tuple | list):
                todo.extend(one for one in child if isinstance(one, Node))
