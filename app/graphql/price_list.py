"""The price of each field of a schema: the one that cost.PRICES gives it, else what its type and arguments tell."""

from typing import Any, Final

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_leaf_type,
    is_list_type,
)

from app.domain import DEFAULT_PAGE, MAX_PAGE
from app.graphql.cost import (
    COUNT,
    INTROSPECTED,
    PRICES,
    ROW,
    VALUE,
    WRITE,
    Price,
    by_id,
    flat,
    page,
)

CONNECTION_ROWS: Final = ("edges", "nodes")
ROW_PRICE: Final = flat(ROW)


def is_connection(kind: GraphQLNamedType | None) -> bool:
    return isinstance(kind, GraphQLObjectType) and {"edges", "pageInfo"} <= kind.fields.keys()


class PriceList:
    """The price of each field of a schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        averages = _introspection_sizes(schema)
        self._prices: dict[tuple[str, str], Price] = {}
        for kind in schema.type_map.values():
            for name, field in getattr(kind, "fields", {}).items():
                if kind.name.startswith("__"):
                    price = flat(INTROSPECTED, averages.get((kind.name, name), 1))
                elif isinstance(field, GraphQLField):
                    price = PRICES.get(f"{kind.name}.{name}") or _derived(schema, kind, name, field)
                else:
                    continue
                self._prices[kind.name, name] = price

    def of(self, kind: GraphQLNamedType | None, name: str) -> Price:
        """A field that is not in the schema costs a row: validation refuses it anyway."""
        if name.startswith("__"):
            return flat(VALUE)
        return self._prices.get((kind.name, name), ROW_PRICE) if kind else ROW_PRICE


def _derived(
    schema: GraphQLSchema, kind: GraphQLNamedType, name: str, field: GraphQLField
) -> Price:
    """A page by its size, a plain list by the ids asked for or as long as a page, an object as a row."""
    base = WRITE if kind is schema.mutation_type else 0
    its = get_named_type(field.type)
    in_memory = is_connection(kind) or kind.name.endswith("Edge")
    if name == "totalCount" and in_memory:
        return flat(COUNT)
    if is_connection(its):
        default = field.args["first"].default_value if "first" in field.args else None
        return page(default if isinstance(default, int) else DEFAULT_PAGE, base)
    lists = [one for one, its in field.args.items() if is_list_type(get_nullable_type(its.type))]
    if is_list_type(get_nullable_type(field.type)) and not (
        is_connection(kind) and name in CONNECTION_ROWS
    ):
        price = by_id(lists[0], 3, base=base) if lists else flat(base + ROW * MAX_PAGE, MAX_PAGE)
        return flat(base + VALUE * MAX_PAGE) if is_leaf_type(its) and not lists else price
    if in_memory or is_leaf_type(its):
        return _plus_lists(lists, base + VALUE)
    return _plus_lists(lists, base + ROW)


def _plus_lists(arguments: list[str], points: float) -> Price:
    """Three rows more for each element of a list that is given."""
    if not arguments:
        return flat(points)
    return lambda given: (points + 3 * ROW * sum(map(given.count, arguments)), 1)


def _introspection_sizes(schema: GraphQLSchema) -> dict[tuple[str, str], float]:
    """How long the lists of introspection are, and how often an object is there at all: means over this schema."""
    types = list(schema.type_map.values())
    fields = [
        field
        for kind in types
        if is_composite_type(kind)
        for field in getattr(kind, "fields", {}).values()
    ]
    inputs = [one for kind in types for one in _inputs(kind)]
    arguments = [one for field in fields for one in field.args.values()]
    members = sum(len(schema.get_possible_types(kind)) for kind in types if is_abstract_type(kind))
    wrapped = [one.type for one in (*fields, *arguments, *inputs)]
    count = len(types)
    return {
        ("__Schema", "types"): count,
        ("__Schema", "directives"): len(schema.directives),
        ("__Type", "fields"): len(fields) / count,
        ("__Type", "inputFields"): len(inputs) / count,
        ("__Type", "enumValues"): sum(len(getattr(k, "values", ())) for k in types) / count,
        ("__Type", "interfaces"): sum(len(getattr(k, "interfaces", ())) for k in types) / count,
        ("__Type", "possibleTypes"): members / count,
        ("__Type", "ofType"): sum(hasattr(one, "of_type") for one in wrapped) / (len(wrapped) or 1),
        ("__Field", "args"): len(arguments) / (len(fields) or 1),
        ("__Directive", "args"): 1,
    }


def _inputs(kind: GraphQLNamedType) -> list[Any]:
    return [] if is_composite_type(kind) else list(getattr(kind, "fields", {}).values())
