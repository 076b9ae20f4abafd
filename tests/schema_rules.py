"""Rules for the shape of the schema, after those of graphql-eslint and the Relay specifications. Each yields what breaks it.

What is excepted stands beside its rule, with the reason. test_schema_rules.py shows each rule a schema that breaks it.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_specified_scalar_type,
)

Rule: TypeAlias = Callable[[GraphQLSchema], Iterator[str]]

PASCAL: Final = re.compile(r"[A-Z][A-Za-z0-9]*")
CAMEL: Final = re.compile(r"[a-z][A-Za-z0-9]*")
UPPER: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
DATE: Final = re.compile(r"\b20\d\d-\d\d-\d\d\b")
REPLACEMENT: Final = re.compile(r"`\w+[^`]*`|nothing replaces it", re.IGNORECASE)

MUST_BE_THERE: Final = {
    "viewer": "whoever is nobody is refused, and told so by UNAUTHENTICATED",
    "randomImage": "NOT_FOUND says why there is none: the draw has no id whose existence could be guarded",
    "imageFacets": "counts of nothing are zeros, not null",
}
"""Root fields of one thing that are never null."""
HOLES: Final = {"Query.nodes": "the Relay specification: null where an id leads nowhere"}
"""Lists with null in them."""
PLAIN_ANSWERS: Final = {
    "logout": "it leaves nothing that could be answered but whether it ended a login"
}
"""Mutations that answer a scalar other than the id of what is gone."""
MAX_PLAIN_ARGUMENTS: Final = 2
"""Beyond them a mutation takes one input, which can grow."""


def types_of(schema: GraphQLSchema) -> list[GraphQLNamedType]:
    return [
        kind
        for name, kind in schema.type_map.items()
        if not name.startswith("__") and not is_specified_scalar_type(kind)
    ]


def fields_of(schema: GraphQLSchema) -> Iterator[tuple[GraphQLNamedType, str, GraphQLField]]:
    for kind in types_of(schema):
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in kind.fields.items():
                yield kind, name, field


def names_have_their_case(schema: GraphQLSchema) -> Iterator[str]:
    for kind in types_of(schema):
        if not PASCAL.fullmatch(kind.name):
            yield kind.name
        if isinstance(kind, GraphQLEnumType):
            yield from (f"{kind.name}.{one}" for one in kind.values if not UPPER.fullmatch(one))
        if isinstance(kind, GraphQLInputObjectType):
            yield from (f"{kind.name}.{one}" for one in kind.fields if not CAMEL.fullmatch(one))
    for kind, name, field in fields_of(schema):
        yield from (
            f"{kind.name}.{name}:{one}" for one in (name, *field.args) if not CAMEL.fullmatch(one)
        )


def names_say_nothing_twice(schema: GraphQLSchema) -> Iterator[str]:
    """No `Image.imageTitle`, no `getImage`, no `ImageType`."""
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    for kind, name, _ in fields_of(schema):
        beginning = kind.name[0].lower() + kind.name[1:]
        if kind not in roots and re.match(beginning + r"([A-Z]|$)", name):
            yield f"{kind.name}.{name}"
        if kind in roots and re.match(r"(get|list|fetch|query|mutate)([A-Z]|$)", name):
            yield f"{kind.name}.{name}"
    for kind in types_of(schema):
        if re.search(r"(Type|Enum|Interface|Union|Object)$", kind.name):
            yield kind.name


def values_of_enums_are_unique_without_case(schema: GraphQLSchema) -> Iterator[str]:
    for kind in types_of(schema):
        if isinstance(kind, GraphQLEnumType):
            seen = [one.lower() for one in kind.values]
            yield from (f"{kind.name}.{one}" for one in kind.values if seen.count(one.lower()) > 1)


def every_type_is_reached(schema: GraphQLSchema) -> Iterator[str]:
    """From a root field: through fields, arguments, inputs, unions, and what implements a reached interface."""
    roots = [schema.query_type, schema.mutation_type, schema.subscription_type]
    todo: list[GraphQLNamedType] = [one for one in roots if one is not None]
    seen: set[str] = set()
    while todo:
        kind = todo.pop()
        if kind.name in seen:
            continue
        seen.add(kind.name)
        if isinstance(kind, GraphQLUnionType):
            todo.extend(kind.types)
        if isinstance(kind, GraphQLInterfaceType):
            todo.extend(schema.get_possible_types(kind))
        if isinstance(kind, GraphQLObjectType):
            todo.extend(kind.interfaces)
        for field in getattr(kind, "fields", {}).values():
            todo.append(get_named_type(field.type))
            todo.extend(get_named_type(one.type) for one in getattr(field, "args", {}).values())
    yield from (kind.name for kind in types_of(schema) if kind.name not in seen)


def whatever_has_an_id_is_a_node(schema: GraphQLSchema) -> Iterator[str]:
    """`id: ID!`, and node(id:) finds it; what is only a part of an answer has none."""
    for kind in types_of(schema):
        if not isinstance(kind, GraphQLObjectType):
            continue
        is_node = "Node" in [one.name for one in kind.interfaces]
        field = kind.fields.get("id")
        if (field is not None) != is_node or (field is not None and str(field.type) != "ID!"):
            yield kind.name


def ids_are_of_the_type_id(schema: GraphQLSchema) -> Iterator[str]:
    allowed = {"AuditEvent.requestId": "the name of a request in the log, and no thing's id"}
    places: list[tuple[str, GraphQLField | GraphQLInputField | GraphQLArgument]] = []
    for kind, name, field in fields_of(schema):
        places += [(f"{kind.name}.{name}", field)]
        places += [(f"{kind.name}.{name}.{one}", its) for one, its in field.args.items()]
    for kind in types_of(schema):
        if isinstance(kind, GraphQLInputObjectType):
            places += [(f"{kind.name}.{name}", its) for name, its in kind.fields.items()]
    for place, its in places:
        if re.search(r"(\bid|Id|\bids|Ids)$", place) and get_named_type(its.type).name != "ID":
            yield from () if place in allowed else (place,)


def connections_are_relay_s(schema: GraphQLSchema) -> Iterator[str]:
    """XConnection {edges: [XEdge!]!, pageInfo: PageInfo!}, XEdge {cursor: String!, node: X!}, and PageInfo's four."""
    for kind in types_of(schema):
        if not isinstance(kind, GraphQLObjectType):
            continue
        types = {name: str(field.type) for name, field in kind.fields.items()}
        wanted: dict[str, str] = {}
        if kind.name.endswith("Connection"):
            stem = kind.name.removesuffix("Connection")
            wanted = {"edges": f"[{stem}Edge!]!", "pageInfo": "PageInfo!"}
        elif kind.name.endswith("Edge"):
            wanted = {"cursor": "String!", "node": types.get("node", "X!").rstrip("!") + "!"}
        elif kind.name == "PageInfo":
            both = {"hasNextPage": "Boolean!", "hasPreviousPage": "Boolean!"}
            wanted = both | {"startCursor": "String", "endCursor": "String"}
        yield from (
            f"{kind.name}.{name}" for name, text in wanted.items() if types.get(name) != text
        )


def pages_take_their_arguments(schema: GraphQLSchema) -> Iterator[str]:
    """first: Int and after: String, and last only together with before. Backward is offered where it was asked for: by images."""
    pairs = (("first", "after"), ("last", "before"))
    for kind, name, field in fields_of(schema):
        types = {one: str(its.type) for one, its in field.args.items()}
        if get_named_type(field.type).name.endswith("Connection"):
            for size, place in pairs:
                found = types.get(size), types.get(place)
                if found != ("Int", "String") and (size == "first" or found != (None, None)):
                    yield f"{kind.name}.{name}({size})"
        elif {"after", "before", "last"} & types.keys():
            yield f"{kind.name}.{name}"


def lookups_are_nullable(schema: GraphQLSchema) -> Iterator[str]:
    """A root field of one thing is null where there is none, and does not fail what is asked beside it."""
    for name, field in schema.query_type.fields.items() if schema.query_type else ():
        many = "[" in str(field.type) or get_named_type(field.type).name.endswith("Connection")
        if is_non_null_type(field.type) and not many and name not in MUST_BE_THERE:
            yield name


def lists_have_no_holes(schema: GraphQLSchema) -> Iterator[str]:
    for kind, name, field in fields_of(schema):
        inner = field.type.of_type if is_non_null_type(field.type) else field.type
        holes = is_list_type(inner) and not is_non_null_type(inner.of_type)
        if holes and f"{kind.name}.{name}" not in HOLES:
            yield f"{kind.name}.{name}"


def mutations_take_one_input_or_few_arguments(schema: GraphQLSchema) -> Iterator[str]:
    """`input: <Name>Input!` of its own, or at most two required arguments: an optional one belongs in an input."""
    for name, field in schema.mutation_type.fields.items() if schema.mutation_type else ():
        if "input" in field.args:
            wanted = f"{name[0].upper()}{name[1:]}Input!"
            if list(field.args) != ["input"] or str(field.args["input"].type) != wanted:
                yield name
        elif len(field.args) > MAX_PLAIN_ARGUMENTS or not all(
            map(is_required_argument, field.args.values())
        ):
            yield name


def only_mutations_inputs_are_called_input(schema: GraphQLSchema) -> Iterator[str]:
    """Inputs of queries are called for what they are: a filter, an order, a range."""
    mutations = schema.mutation_type.fields.values() if schema.mutation_type else ()
    taken = {get_named_type(one.type).name for field in mutations for one in field.args.values()}
    for kind in types_of(schema):
        is_input = isinstance(kind, GraphQLInputObjectType)
        if is_input and kind.name.endswith("Input") != (kind.name in taken):
            yield kind.name


def mutations_answer_what_they_changed(schema: GraphQLSchema) -> Iterator[str]:
    """Always something: the thing, a payload, or the id of what is gone."""
    for name, field in schema.mutation_type.fields.items() if schema.mutation_type else ():
        answer = get_named_type(field.type)
        gone = answer.name == "ID" and re.match(r"(delete|remove)[A-Z]", name)
        plain = isinstance(answer, GraphQLScalarType) and not gone and name not in PLAIN_ANSWERS
        if not is_non_null_type(field.type) or plain:
            yield name


def deprecations_say_what_and_when(schema: GraphQLSchema) -> Iterator[str]:
    """What replaces it, in backticks (or "Nothing replaces it"), and the date of its end, as in 2027-01-31."""
    found: list[tuple[str, str | None]] = []
    for kind, name, field in fields_of(schema):
        found += [(f"{kind.name}.{name}", field.deprecation_reason)]
        found += [
            (f"{kind.name}.{name}.{one}", its.deprecation_reason) for one, its in field.args.items()
        ]
    for kind in types_of(schema):
        members = kind.values if isinstance(kind, GraphQLEnumType) else {}
        inputs = kind.fields if isinstance(kind, GraphQLInputObjectType) else {}
        for name, its in (*members.items(), *inputs.items()):
            found += [(f"{kind.name}.{name}", its.deprecation_reason)]
    for place, reason in found:
        if reason is not None and not (DATE.search(reason) and REPLACEMENT.search(reason)):
            yield place


RULES: Final[tuple[Rule, ...]] = (
    names_have_their_case,
    names_say_nothing_twice,
    values_of_enums_are_unique_without_case,
    every_type_is_reached,
    whatever_has_an_id_is_a_node,
    ids_are_of_the_type_id,
    connections_are_relay_s,
    pages_take_their_arguments,
    lookups_are_nullable,
    lists_have_no_holes,
    mutations_take_one_input_or_few_arguments,
    only_mutations_inputs_are_called_input,
    mutations_answer_what_they_changed,
    deprecations_say_what_and_when,
)
