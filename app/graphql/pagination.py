"""Connections: pages of the services as GraphQL sees them. Keyset cursors; totalCount only when selected."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import strawberry

from app.db.database import Entrance, Work
from app.domain import DEFAULT_PAGE, Window
from app.errors import bad_input
from app.services.paging import Page
from app.services.searching.search import Hits

Node = TypeVar("Node")


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(
        description="Whether rows follow this page. Read backwards from `before`, true: nobody looks there again."
    )
    has_previous_page: bool = strawberry.field(
        description="Whether rows precede this page. Behind `after`, true: nobody looks there again."
    )
    start_cursor: str | None = strawberry.field(
        description="The cursor of the first row; null when there is none."
    )
    end_cursor: str | None = strawberry.field(
        description="The cursor of the last row, for `after`; null when there is none."
    )

    @classmethod
    def of(cls, page: Page[Any] | Hits) -> "PageInfo":
        return cls(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        )


@strawberry.type(description="A row of a page, with its place in the list.")
class Edge(Generic[Node]):
    cursor: str = strawberry.field(
        description="The row's place: opaque, bound to the list's order."
    )
    node: Node = strawberry.field(description="The row.")


@strawberry.type(description="A page of a list. Cursors stay good while rows come and go.")
class Connection(Generic[Node]):
    edges: list[Edge[Node]] = strawberry.field(description="The rows with their cursors.")
    nodes: list[Node] = strawberry.field(description="The rows alone.")
    page_info: PageInfo = strawberry.field(description="Where this page lies in the list.")
    counter: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="How many rows the whole list has. Counted only when asked for.")
    async def total_count(self) -> int:
        return await self.counter()

    @classmethod
    def of(
        cls, page: Page[Any], nodes: Sequence[Node], counter: Callable[[], Awaitable[int]]
    ) -> "Connection[Node]":
        return cls(
            edges=[
                Edge(cursor=cursor, node=node)
                for cursor, node in zip(page.cursors, nodes, strict=True)
            ],
            nodes=list(nodes),
            page_info=PageInfo.of(page),
            counter=counter,
        )


def counter(db: Entrance, count: Work[int]) -> Callable[[], Awaitable[int]]:
    """Of a connection: counts when it is asked to, in a transaction of its own."""

    async def counted() -> int:
        async with db.transaction() as session:
            return await count(session)

    return counted


def window(
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    offset: int | None = None,
    *,
    default: int = DEFAULT_PAGE,
) -> Window:
    """The part of a list that the arguments mean; BAD_USER_INPUT where they contradict each other."""
    if first is not None and (last is not None or before is not None):
        raise bad_input("first", "Ask for the first rows after a cursor, or the last before one.")
    backward = last is not None or before is not None
    if backward and after is not None:
        raise bad_input("after", "after goes with first, before with last.")
    cursor = before if backward else after
    if offset is not None and (cursor is not None or backward):
        raise bad_input("offset", "An offset goes with first alone.")
    size = last if backward else first
    return Window(
        limit=default if size is None else size,
        cursor=cursor,
        backward=backward,
        offset=offset or 0,
    )
