"""Types with an id, and how a row becomes one of them."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar, cast
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from app.errors import not_found
from app.graphql.context import Info

N = TypeVar("N")
V = TypeVar("V")

KINDS: dict[str, type[Any]] = {}
"""Each type with an id by its name, which its rows have too. It fills as the types are defined."""


@strawberry.interface(description="Anything with an id: `node(id:)` finds it again.")
class Node:
    id: strawberry.ID = strawberry.field(description="Unique over all types; opaque.")

    def __init_subclass__(cls) -> None:
        KINDS[cls.__name__] = cls


def of_row(row: Any) -> Any:
    """A row as the type of its name: for what is defined before that type, because the two point at each other."""
    return KINDS[type(row).__name__].of(row)


def found(row: N | None, what: str) -> N:
    """A row that another row points at; NOT_FOUND where it went in between."""
    if row is None:
        raise not_found(what)
    return row


def loaded(loader: DataLoader[UUID, V], key: UUID, of: Callable[[V], N]) -> N:
    """What `of` makes of a loader's value; an awaitable of it where that is not there yet.

    A resolver may answer either, and a value at once spares a task for each row of a list.
    """
    waiting = cast("asyncio.Future[V]", loader.load(key))
    if waiting.done():
        return of(waiting.result())

    async def later() -> N:
        return of(await waiting)

    return cast(N, later())


async def node_or_none(info: Info, id: UUID) -> Node | None:
    """Whatever has this id, as far as the viewer sees it."""
    kind = await info.context.loaders.kind.load(id)
    if kind is None:
        return None
    row = await info.context.loaders.of_kind(kind).load(id)
    return of_row(row) if row is not None else None
