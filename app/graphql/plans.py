"""How much the operations of a document ask for: one pass, each definition once, however often it is spread.

What depends on variables or on who asks is left open, and summed up for each request.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    get_named_type,
    is_composite_type,
)

from app.graphql import cost_inputs
from app.graphql.cost import ROW, Price
from app.graphql.cost_inputs import Given, Open, Request
from app.graphql.price_list import CONNECTION_ROWS, PriceList, is_connection

INTROSPECTION: Final = frozenset({"__schema", "__type"})
"""Their depth is bounded by graphql-core itself, and they read nothing but the schema."""
CAP: Final = 10**9
"""Beyond any limit; keeps doubled doubles small."""


@dataclass(slots=True)
class Sum:
    """What a selection set amounts to. `per_row`: on a connection, what each of its rows costs.

    `fields` are its own; `selections` all that it has at any depth, with fragments once for each place where they are spread.

    `terms` and `spreads` are what is open: their cost is added for each request.
    """

    depth: int = 0
    fields: int = 0
    selections: int = 0
    aliases: int = 0
    directives: int = 0
    fixed: float = 0
    per_row: float = 0
    terms: list["_Term"] = field(default_factory=list)
    spreads: list["Sum"] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return bool(self.terms or self.spreads)


@dataclass(slots=True)
class _Term:
    """A field whose price is open, or whose selection is."""

    on_row: bool
    price: Price
    arguments: Mapping[str, ValueNode]
    inner: Sum
    is_connection: bool

    def amount(self, inner: tuple[float, float], request: Request | None) -> float:
        points, size = self.price(Given(self.arguments, request))
        once, each = inner if self.is_connection else (0, inner[0])
        return points + once + size * each


@dataclass(frozen=True, slots=True)
class Plan:
    """One operation. `fields`: its root fields; a name given twice in a selection counts as an alias."""

    kind: OperationType
    whole: Sum
    steps: tuple[Sum, ...]
    defaults: Mapping[str, Any]

    @property
    def least(self) -> int:
        """The cost without what is open."""
        return _shown(self.whole.fixed)

    def cost(self, request: Request) -> int:
        """At least the rows that the operation can read with these variables."""
        if not self.whole.open:
            return self.least
        if self.defaults:
            variables = {**self.defaults, **request.variables}
            request = Request(variables, request.teams, request.memberships)
        known: dict[int, tuple[float, float]] = {}
        for step in self.steps:
            fixed, per_row = step.fixed, step.per_row
            for part in step.spreads:
                its = known[id(part)]
                fixed, per_row = fixed + its[0], per_row + its[1]
            for term in step.terms:
                inner = known.get(id(term.inner)) or (term.inner.fixed, term.inner.per_row)
                amount = term.amount(inner, request)
                fixed, per_row = (
                    (fixed, per_row + amount) if term.on_row else (fixed + amount, per_row)
                )
            known[id(step)] = min(fixed, CAP), min(per_row, CAP)
        return _shown(known[id(self.whole)][0])


def _shown(points: float) -> int:
    return max(math.ceil(points / ROW), 1)


@dataclass(frozen=True, slots=True)
class Plans:
    """Of a document: its operations by name ("" for the one without), and its fragments."""

    operations: Mapping[str, Plan]
    fragments: Mapping[str, Sum]

    def sums(self) -> Iterator[Sum]:
        yield from (plan.whole for plan in self.operations.values())
        yield from self.fragments.values()


def read(document: DocumentNode, prices: PriceList) -> Plans:
    return _Reader(document, prices).plans()


class _Reader:
    """Fragments come after those that they spread, so that each is known when it is needed.

    A fragment that spreads itself counts as nothing there, and so does one that is missing: validation refuses both.
    """

    def __init__(self, document: DocumentNode, prices: PriceList) -> None:
        self._document = document
        self._prices = prices
        self._schema: GraphQLSchema = prices.schema
        self._known: dict[str, Sum] = {}
        self._steps: list[Sum] = []

    def plans(self) -> Plans:
        fragments = {
            one.name.value: one
            for one in self._document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        for name in _in_order({name: _spreads(one) for name, one in fragments.items()}):
            one = fragments[name]
            kind = self._schema.get_type(one.type_condition.name.value)
            self._known[name] = self._sum(one.selection_set, kind, len(one.directives or ()))
        shared = tuple(self._steps)
        operations = {}
        for node in self._document.definitions:
            if isinstance(node, OperationDefinitionNode):
                operations[node.name.value if node.name else ""] = self._plan(node, shared)
        return Plans(operations, self._known)

    def _plan(self, node: OperationDefinitionNode, shared: tuple[Sum, ...]) -> Plan:
        self._steps = []
        variables = node.variable_definitions or ()
        directives = len(node.directives or ()) + sum(
            len(one.directives or ()) for one in variables
        )
        whole = self._sum(
            node.selection_set, self._schema.get_root_type(node.operation), directives
        )
        given = {one.variable.name.value: one.default_value for one in variables}
        return Plan(node.operation, whole, (*shared, *self._steps), cost_inputs.defaults(given))

    def _sum(
        self,
        selections: SelectionSetNode | None,
        kind: GraphQLNamedType | None,
        directives: int = 0,
    ) -> Sum:
        total = Sum(directives=directives)
        if selections is not None:
            self._add(total, selections, kind, set())
        if total.open:
            self._steps.append(total)
        total.fixed, total.per_row = min(total.fixed, CAP), min(total.per_row, CAP)
        total.aliases, total.directives = min(total.aliases, CAP), min(total.directives, CAP)
        total.fields, total.selections = min(total.fields, CAP), min(total.selections, CAP)
        return total

    def _add(
        self,
        total: Sum,
        selections: SelectionSetNode,
        kind: GraphQLNamedType | None,
        names: set[str],
    ) -> None:
        for node in selections.selections:
            total.directives += len(node.directives or ())
            match node:
                case FieldNode():
                    self._field(total, node, kind, names)
                case InlineFragmentNode(type_condition=None):
                    self._add(total, node.selection_set, kind, names)
                case InlineFragmentNode(type_condition=NamedTypeNode() as condition):
                    its = self._schema.get_type(condition.name.value)
                    self._add(total, node.selection_set, its, set())
                case FragmentSpreadNode():
                    self._spread(total, node.name.value)

    def _spread(self, total: Sum, name: str) -> None:
        part = self._known.get(name)
        if part is None:
            return
        total.depth = max(total.depth, part.depth)
        total.fields += part.fields
        total.selections += part.selections
        total.aliases += part.aliases
        total.directives += part.directives
        if part.open:
            total.spreads.append(part)
        else:
            total.fixed += part.fixed
            total.per_row += part.per_row

    def _field(
        self, total: Sum, node: FieldNode, kind: GraphQLNamedType | None, names: set[str]
    ) -> None:
        name = node.name.value
        shown = node.alias.value if node.alias else name
        definition = self._schema.get_field(kind, name) if is_composite_type(kind) else None
        its = get_named_type(definition.type) if definition is not None else None
        inner = self._sum(node.selection_set, its)
        total.fields += 1
        total.selections += 1 + inner.selections
        total.aliases += inner.aliases + (node.alias is not None or shown in names)
        total.directives += inner.directives
        total.depth = max(total.depth, 1 if name in INTROSPECTION else 1 + inner.depth)
        names.add(shown)
        term = _Term(
            on_row=name in CONNECTION_ROWS and is_connection(kind),
            price=self._prices.of(kind, name),
            arguments={one.name.value: one.value for one in node.arguments or ()},
            inner=inner,
            is_connection=is_connection(its),
        )
        self._price(total, term)

    def _price(self, total: Sum, term: _Term) -> None:
        if not term.inner.open:
            try:
                amount = term.amount((term.inner.fixed, term.inner.per_row), None)
            except Open:
                pass
            else:
                if term.on_row:
                    total.per_row += amount
                else:
                    total.fixed += amount
                return
        total.terms.append(term)


def _spreads(definition: FragmentDefinitionNode) -> list[str]:
    """The fragments that it spreads, at whatever depth."""
    found, todo = [], [definition.selection_set]
    while todo:
        for node in todo.pop().selections:
            match node:
                case FragmentSpreadNode():
                    found.append(node.name.value)
                case FieldNode() | InlineFragmentNode() if node.selection_set is not None:
                    todo.append(node.selection_set)
    return found


def _in_order(spreads: Mapping[str, list[str]]) -> Iterator[str]:
    """Each name after those that it spreads: depth first, without recursion."""
    done: set[str] = set()
    for start in spreads:
        path, started = [start], set[str]()
        while path:
            one = path[-1]
            if one in done or one not in spreads:
                path.pop()
            elif one in started:
                done.add(one)
                yield one
                path.pop()
            else:
                started.add(one)
                path.extend(name for name in spreads[one] if name not in started)
