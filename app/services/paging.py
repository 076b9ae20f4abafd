"""Keyset pages: a cursor is a place in an order, so rows that come and go shift nothing."""

import base64
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Double,
    Select,
    SQLColumnExpression,
    String,
    Uuid,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from app.domain import MAX_PAGE, Window
from app.errors import bad_input

Row = TypeVar("Row")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_OFFSET = 100_000
SQL_TYPES: dict[type, TypeEngine[Any]] = {
    datetime: DateTime(timezone=True),
    float: Double(),
    int: BigInteger(),
    str: String(),
    UUID: Uuid(),
}
MINUS_INFINITY = text("'-infinity'::timestamptz")


@dataclass(frozen=True)
class Key:
    """One column of an order: how SQL compares it and what a row's cursor remembers of it."""

    column: SQLColumnExpression[Any]
    read: Callable[[Any], Any]
    kind: type[datetime] | type[float] | type[int] | type[str] | type[UUID]


@dataclass(frozen=True)
class Keyset:
    """A total order. `name` binds cursors to it; the last key must be unique."""

    name: str
    keys: tuple[Key, ...]
    descending: bool = False

    def place(self, row: Any) -> list[Any]:
        """What its cursor remembers."""
        return [key.read(row) for key in self.keys]

    def cursor(self, row: Any) -> str:
        """The opaque place of `row`: base64url of [name, values…]."""
        values = [_pack(value) for value in self.place(row)]
        packed = json.dumps([self.name, *values], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    def parse(self, cursor: str, *, field: str) -> list[Any]:
        """The values that a cursor of this order remembers; BAD_USER_INPUT for any other text."""
        try:
            packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            name, *values = json.loads(packed)
            if name == self.name:
                return [_unpack(v, key.kind) for v, key in zip(values, self.keys, strict=True)]
        except (ValueError, TypeError, OverflowError, RecursionError):
            pass
        raise bad_input(field, "This is not a cursor of this list in this order.")


def by_age(name: str, id: SQLColumnExpression[UUID]) -> Keyset:
    """Newest first: ids grow with time."""
    return Keyset(name, (Key(id, lambda row: row.id, UUID),), descending=True)


Columns: TypeAlias = Sequence[SQLColumnExpression[Any]]


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows in the list's order, with the cursor of each."""

    rows: Sequence[Row]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool


async def page(
    session: AsyncSession, rows: Select[Any], keyset: Keyset, window: Window
) -> Page[Any]:
    """The window of `rows` in the order of `keyset`, in one statement."""
    check(window)
    columns = [key.column for key in keyset.keys]
    rows = beyond(rows, columns, keyset, window)
    rows = rows.order_by(*in_order(columns, keyset, window))
    return await read(session, cut(rows, window), keyset, window)


def beyond(rows: Select[Any], columns: Columns, keyset: Keyset, window: Window) -> Select[Any]:
    """The rows behind the window's cursor, or before it; `columns` are the keys of the keyset in these rows."""
    values = place(keyset, window)
    if values is None:
        return rows
    return rows.where(lies_beyond(columns, literals(values), keyset, window))


def literals(values: Sequence[Any]) -> list[Any]:
    """A place, or the first values of one, as SQL compares it."""
    return [
        MINUS_INFINITY if value is None else literal(value, SQL_TYPES[type(value)])
        for value in values
    ]


def place(keyset: Keyset, window: Window) -> list[Any] | None:
    """What the window's cursor remembers; None where it has none."""
    if window.cursor is None:
        return None
    return keyset.parse(window.cursor, field="before" if window.backward else "after")


def lies_beyond(
    columns: Columns, place: Columns, keyset: Keyset, window: Window
) -> ColumnElement[bool]:
    """The row with these keys comes after the place, as the window is read."""
    keys, there = tuple_(*columns), tuple_(*place)
    return keys < there if descends(keyset, window) else keys > there


def in_order(columns: Columns, keyset: Keyset, window: Window) -> list[ColumnElement[Any]]:
    """What the window is ordered by: read backwards, the last row comes first."""
    descending = descends(keyset, window)
    return [one.desc() if descending else one.asc() for one in columns]


def descends(keyset: Keyset, window: Window) -> bool:
    """As the window is read."""
    return keyset.descending != window.backward


def cut(rows: Select[Any], window: Window) -> Select[Any]:
    """The window's rows and one more, which tells whether there are any."""
    rows = rows.limit(window.limit + 1)
    return rows.offset(window.offset) if window.offset else rows


async def read(
    session: AsyncSession, rows: Select[Any], keyset: Keyset, window: Window
) -> Page[Any]:
    """Runs what `cut` made, as a page."""
    found = list(await session.scalars(rows))
    more, found = len(found) > window.limit, found[: window.limit]
    if window.backward:
        found.reverse()
    behind = window.cursor is not None or window.offset > 0
    return Page(
        rows=found,
        cursors=[keyset.cursor(row) for row in found],
        has_next=behind if window.backward else more,
        has_previous=more if window.backward else behind,
    )


def nothing(keyset: Keyset, window: Window) -> Page[Any]:
    """The page of an empty list; what is wrong with the window is wrong here too."""
    check(window)
    place(keyset, window)
    return Page([], [], has_next=False, has_previous=False)


def check(window: Window) -> None:
    """BAD_USER_INPUT for a size, an offset or a mix that a list does not take."""
    field = "last" if window.backward else "first"
    if not 1 <= window.limit <= MAX_PAGE:
        raise bad_input(field, f"A page has 1 to {MAX_PAGE} rows.", limit=MAX_PAGE)
    if not 0 <= window.offset <= MAX_OFFSET:
        raise bad_input("offset", f"An offset lies between 0 and {MAX_OFFSET}.", limit=MAX_OFFSET)


async def count(session: AsyncSession, rows: Select[Any]) -> int:
    """How many rows the whole list has now."""
    # Kept, since what has no condition would name no table then, and be one row.
    one = rows.with_only_columns(literal(1), maintain_column_froms=True)
    inner = one.order_by(None).subquery()
    return await session.scalar(select(func.count()).select_from(inner)) or 0


def _pack(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    return str(value) if isinstance(value, UUID) else value


def _unpack(value: Any, kind: type) -> Any:
    if value is None and kind is datetime:
        return None
    if kind is datetime and type(value) is int:
        return EPOCH + timedelta(microseconds=value)
    if kind is float and type(value) is float and math.isfinite(value):
        return value
    if kind is int and type(value) is int and abs(value) < 2**63:
        return value
    if kind is UUID and isinstance(value, str):
        return UUID(value)
    if kind is str and isinstance(value, str) and "\0" not in value:
        value.encode()  # a lone surrogate is no text of PostgreSQL's
        return value
    raise TypeError
