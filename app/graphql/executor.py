"""Executes as graphql-core does, with a short way for the values and objects that lists are made of.

Whatever is odd (an error, a null where none may be, something to await) goes the long way, and is told as there.
"""

from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self

from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLResolveInfoHelpers,
    GraphQLSchema,
    Undefined,
    get_nullable_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import DeferUsage, GroupedFieldSet
from graphql.execution.executor import CollectedErrors
from graphql.execution.values import VariableValues
from graphql.pyutils import AwaitableOrValue, Path, gather_with_cancel
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import Info
from strawberry.types.field import StrawberryField

DEFINITION: Final = "strawberry-definition"
ODD: Final = object()
OWN: Final = {"String": str, "ID": str, "Boolean": bool}
"""The Python types that these scalars leave as they are; GraphQL reserves their names."""


class Step(NamedTuple):
    """One field of a selection. `coerce`: of an attribute with a plain value; None for anything else.

    `own`: the type whose values are in the answer as they are. `constant`: the answer itself, of `__typename`.
    """

    name: str
    details: Any
    attribute: str
    coerce: Callable[[Any], Any] | None
    nullable: bool
    own: type | None = None
    constant: str | None = None


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Of one operation. The schema has neither @defer nor @stream, and no middleware."""

    def __init__(self, *args: Any, is_fixed: bool = False, **custom: Any) -> None:
        """`is_fixed`: whatever the variables are, the same fields are executed."""
        super().__init__(*args, **custom)
        self._is_fixed = is_fixed
        self._roots: list[tuple[GraphQLObjectType, GroupedFieldSet, bool]] = []
        self._steps: dict[int, tuple[Any, list[Step]]] = {}

    def __copy__(self) -> Self:
        """As `copy` does it, which asks how first."""
        one = object.__new__(type(self))
        one.__dict__.update(self.__dict__)
        return one

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """Made when a resolver is called: kept here, they would keep every executor from being freed but by the collector."""
        return GraphQLResolveInfoHelpers(gather=self.gather_async_work, track=self.track_async_work)

    @async_helpers.setter
    def async_helpers(self, _kept: GraphQLResolveInfoHelpers) -> None:
        """graphql-core keeps its own, which hold the executor."""

    def anew(self, values: VariableValues, context: object, event: object) -> Self:
        """For one more request. Of a fixed operation, what is found out about its selections is shared by all of them."""
        one = copy(self)
        one.variable_values, one.context_value, one.root_value = values, context, event
        one.collected_errors = CollectedErrors()
        one.groups, one.tasks, one.streams = [], [], []
        one.pending_incremental_futures, one.background_futures = set(), set()
        if not self._is_fixed:
            one._roots, one._relevant_sub_fields, one._steps = [], {}, {}
        return one

    def execute_operation(self, serially: bool | None = None) -> Any:
        """The result, or what it is to be awaited from. Who ran a fixed operation first has found its root fields."""
        if not self._roots:
            return super().execute_operation(serially)
        root, fields, in_turn = self._roots[0]
        try:
            data: Any = self.execute_root_grouped_field_set(
                root, self.root_value, fields, in_turn, None
            )
            if self.is_awaitable(data):
                return self._answer(data)
        except GraphQLError as error:
            return self._nothing(error)
        return self.build_response(data)

    async def _answer(self, data: Awaitable[dict[str, Any]]) -> Any:
        try:
            return self.build_response(await data)
        except GraphQLError as error:
            return self._nothing(error)

    def _nothing(self, error: GraphQLError) -> Any:
        self.collected_errors.add(error, None)
        return self.build_response(None)

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: GroupedFieldSet,
        serially: bool,
        new_defer_usages: Sequence[DeferUsage],
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Keeps what it is given, which graphql-core collects for each request anew."""
        self._roots.append((root_type, grouped_field_set, serially))
        return super().execute_collected_root_fields(
            root_type, root_value, grouped_field_set, serially, new_defer_usages
        )

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: Any,
        position_context: Any,
    ) -> AwaitableOrValue[dict[str, Any]]:
        """All fields of an object: those that wait, side by side."""
        results: dict[str, Any] = {}
        waiting: list[str] = []
        try:
            for step in self._planned(parent_type, grouped_field_set):
                if step.constant is not None:
                    results[step.name] = step.constant
                    continue
                if step.coerce is not None:
                    value = self._plain(source_value, step)
                    if value is not ODD:
                        results[step.name] = value
                        continue
                place = Path(path, step.name, parent_type.name)
                value = self.execute_field(
                    parent_type, source_value, step.details, place, position_context
                )
                if value is not Undefined:
                    results[step.name] = value
                    if self.is_awaitable(value):
                        waiting.append(step.name)
        except Exception:
            if waiting:
                self.settle_in_background([results[name] for name in waiting])
            raise
        return self._awaited(results, waiting) if waiting else results

    def complete_value(
        self,
        return_type: Any,
        field_details_list: Any,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> AwaitableOrValue[Any]:
        """An object of exactly its type needs no check of what it is, nor whether it may be null."""
        its = return_type.of_type if type(return_type) is GraphQLNonNull else return_type
        if type(its) is GraphQLObjectType and type(result) is _origin(its):
            fields, deferred, _ = self.collect_subfields(its, field_details_list)
            if not deferred:
                return self.execute_fields(its, result, path, fields, position_context)
        return super().complete_value(
            return_type, field_details_list, info, path, result, position_context
        )

    async def _awaited(self, results: dict[str, Any], waiting: list[str]) -> dict[str, Any]:
        if len(waiting) == 1:
            results[waiting[0]] = await results[waiting[0]]
        else:
            found = await gather_with_cancel(*(results[name] for name in waiting))
            results.update(zip(waiting, found, strict=True))
        return results

    def _plain(self, source: Any, step: Step) -> Any:
        """The value of an attribute as the answer has it; ODD where the long way has to tell."""
        try:
            value = getattr(source, step.attribute)
            if value is None:
                return None if step.nullable else ODD
            if type(value) is step.own:
                return value
            if isinstance(value, Exception) or self.is_awaitable(value):
                return ODD
            coerced = step.coerce(value) if step.coerce else None
        except Exception:
            return ODD
        return ODD if coerced is None or coerced is Undefined else coerced

    def _planned(self, parent: GraphQLObjectType, fields: Any) -> list[Step]:
        """The steps of a selection, found out once for all rows of a list. Kept with it, so that its id stays its own."""
        known = self._steps.get(id(fields))
        if known is None:
            steps = [self._step(parent, name, details) for name, details in fields.items()]
            known = self._steps[id(fields)] = fields, steps
        return known[1]

    def _step(self, parent: GraphQLObjectType, name: str, details: Any) -> Step:
        asked = details[0].node.name.value
        if asked == "__typename":
            return Step(name, details, "", None, nullable=False, constant=parent.name)
        field = self.schema.get_field(parent, asked)
        definition = _definition(field)
        if field is None or definition is None or not _is_attribute(field, definition):
            return Step(name, details, "", None, nullable=False)
        is_nullable = type(field.type) is not GraphQLNonNull
        its: Any = get_nullable_type(field.type)
        return Step(
            name,
            details,
            definition.python_name,
            its.coerce_output_value,
            nullable=is_nullable,
            own=OWN.get(its.name),
        )


def shorten(schema: GraphQLSchema) -> None:
    """Calls resolvers without arguments directly: Strawberry's way to them has six calls, and finds no arguments."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for field in kind.fields.values():
                definition = _definition(field)
                if definition is not None and _takes_nothing(field, definition):
                    field.resolve = _direct(definition)


def _takes_nothing(field: GraphQLField, definition: StrawberryField) -> bool:
    resolver = definition.base_resolver
    return (
        resolver is not None
        and not definition.is_subscription
        and not definition.extensions
        and not field.args
        and resolver.self_parameter is not None
        and not resolver.arguments
    )


def _direct(definition: StrawberryField) -> Callable[[Any, GraphQLResolveInfo[Any]], Any]:
    resolver = definition.base_resolver
    if resolver is None:
        raise TypeError("a field without a resolver")
    function: Any = resolver.wrapped_func
    if resolver.info_parameter is None:
        return lambda source, _info: function(source)
    return lambda source, info: function(source, info=Info(_raw_info=info, _field=definition))


def _is_attribute(field: GraphQLField, definition: StrawberryField) -> bool:
    return (
        definition.is_basic_field
        and definition.default_resolver is getattr
        and getattr(field.resolve, "_is_default", False)
        and not field.args
        and is_leaf_type(get_nullable_type(field.type))
    )


def _definition(field: GraphQLField | None) -> StrawberryField | None:
    found = (field.extensions or {}).get(DEFINITION) if field is not None else None
    return found if isinstance(found, StrawberryField) else None


@lru_cache(maxsize=1_024)
def _origin(kind: GraphQLObjectType) -> type | None:
    definition = (kind.extensions or {}).get(DEFINITION)
    return getattr(definition, "origin", None)
