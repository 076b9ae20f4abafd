"""Watches root fields, so that none of them goes unrecorded, whoever executes the schema."""

from collections.abc import Callable
from inspect import isawaitable
from typing import Any, Final

from graphql import GraphQLField, GraphQLResolveInfo, GraphQLSchema

from app.errors import AppError, ErrorCode, told
from app.graphql.context import Context
from app.graphql.named import named_ids

Info = GraphQLResolveInfo[Context]
Resolve = Callable[..., Any]
INPUT: Final = "input"
"""What mutations call the argument that holds everything."""


def watch(schema: GraphQLSchema) -> None:
    """Notes in the context's trail what each root field answers, or how it fails."""
    if schema.query_type is not None:
        for name, field in schema.query_type.fields.items():
            field.resolve = _query(name, _resolver(field))
    if schema.mutation_type is not None:
        for name, field in schema.mutation_type.fields.items():
            field.resolve = _mutation(name, _resolver(field))
    if schema.subscription_type is not None:
        for name, field in schema.subscription_type.fields.items():
            field.subscribe = _subscription(name, _subscriber(field))


def _resolver(field: GraphQLField) -> Resolve:
    if field.resolve is None:
        raise TypeError("a root field without a resolver")
    return field.resolve


def _subscriber(field: GraphQLField) -> Resolve:
    if field.subscribe is None:
        raise TypeError("a root field of the subscriptions without a source")
    return field.subscribe


def _query(name: str, resolve: Resolve) -> Resolve:
    async def watched(root: object, info: Info, **arguments: Any) -> Any:
        try:
            result = resolve(root, info, **arguments)
            if isawaitable(result):
                result = await result
        except BaseException as error:
            info.context.trail.failed(name, arguments, error)
            _name_argument(error, arguments)
            raise
        info.context.trail.answered(name, arguments, result)
        return result

    return watched


def _mutation(name: str, resolve: Resolve) -> Resolve:
    async def watched(root: object, info: Info, **arguments: Any) -> Any:
        info.context.begin()
        trail = info.context.trail
        mark = trail.begin(name, arguments)
        try:
            result = resolve(root, info, **arguments)
            if isawaitable(result):
                result = await result
        except BaseException as error:
            trail.failed(name, arguments, error)
            _name_argument(error, arguments)
            raise
        if trail.unchanged_since(mark):
            trail.answered(name, arguments, result)
        return result

    return watched


def _subscription(name: str, subscribe: Resolve) -> Resolve:
    """Notes that it began, and with what; what comes later is the source's to record."""

    async def watched(root: object, info: Info, **arguments: Any) -> Any:
        try:
            source = subscribe(root, info, **arguments)
            if isawaitable(source):
                source = await source
        except BaseException as error:
            info.context.trail.failed(name, arguments, error)
            _name_argument(error, arguments)
            raise
        info.context.trail.answered(name, arguments, source.present)
        return source

    return watched


def _name_argument(error: BaseException, arguments: dict[str, Any]) -> None:
    """Services say what is wrong with a value, and which id was not found; here it is known where it was given."""
    if not isinstance(error, AppError):
        return
    if error.field and INPUT in arguments and error.field.split(".")[0] not in arguments:
        error.field = f"{INPUT}.{error.field}"
    if error.field or error.code is not ErrorCode.NOT_FOUND:
        return
    lost = error.extras.get("ids", ())
    error.field = next((place for place, one in named_ids(arguments) if told(one) in lost), None)
