"""Executes as graphql-core does, with a short way for the values and objects that lists are made of.

Whatever is odd (an error, a null where none may be, something to await) goes the long way, and is told as there.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from graphql import (
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    Undefined,
    get_nullable_type,
    is_leaf_type,
)
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

    def __init__(self, *args: Any, **custom: Any) -> None:
        super().__init__(*args, **custom)
        self._steps: dict[int, tuple[Any, list[Step]]] = {}

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
