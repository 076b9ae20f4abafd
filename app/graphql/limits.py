"""The limits of a document and of an operation: what is beyond them is refused before anything runs."""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, Final

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
    OperationType,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
)

from app.errors import AppError, ErrorCode, bad_input
from app.graphql.plans import Plans
from app.settings import Settings

TOKEN: Final = re.compile(
    r'''"""(?:\\"""|[^"]|"(?!""))*+(?:""")?|"(?:\\.|[^"\\\n])*+"?|\#[^\n]*|\.\.\.|[!$&()\[\]{}:=@|]|\w+(?:\.\w+)?'''
)
"""A token, or a comment. A string without an end goes to the end, so that nothing is looked at twice."""


def check_size(text: str, settings: Settings) -> None:
    """QUERY_TOO_COMPLEX for a text that is too long to be read, told without reading it as GraphQL."""
    most = settings.max_query_characters
    if len(text) > most:
        raise _beyond(f"The query has {len(text)} characters; {most} are allowed.", most)
    most = settings.max_query_tokens
    tokens = (one for one in TOKEN.finditer(text) if one[0][0] != "#")
    if next(islice(tokens, most, None), None) is not None:
        raise too_many_tokens(settings)


def too_many_tokens(settings: Settings) -> AppError:
    most = settings.max_query_tokens
    return _beyond(f"The query is too large or nested too deeply; it may have {most} tokens.", most)


def too_tangled() -> AppError:
    """Validation gave up: too many pairs of fields to compare, or fragments in too many fragments."""
    message = "The query gives too many fields the same name, or nests fragments too deeply."
    return AppError(ErrorCode.QUERY_TOO_COMPLEX, message)


def check(plans: Plans, settings: Settings) -> None:
    """QUERY_TOO_COMPLEX beyond the limits on depth, aliases, directives, root fields and cost, with `limit`."""
    for one in plans.sums():
        _within("nests {} levels of fields", one.depth, settings.max_query_depth)
        _within("has {} aliases", one.aliases, settings.max_query_aliases)
        _within("has {} directives", one.directives, settings.max_query_directives)
    for plan in plans.operations.values():
        if plan.kind is OperationType.MUTATION:
            _within("changes {} things", plan.whole.fields, settings.max_mutation_fields)
        check_cost(plan.least, settings.max_query_cost)


def check_cost(cost: int, limit: int) -> None:
    """QUERY_TOO_COMPLEX beyond the limit, with `limit` and `cost`."""
    if cost > limit:
        raise _beyond(f"The query may cost {cost}; {limit} are allowed.", limit, cost=cost)


def _within(text: str, found: int, limit: int) -> None:
    if found > limit:
        raise _beyond(f"The query {text.format(found)}; {limit} are allowed.", limit)


def _beyond(message: str, limit: int, **facts: Any) -> AppError:
    return AppError(ErrorCode.QUERY_TOO_COMPLEX, message, limit=limit, **facts)


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
