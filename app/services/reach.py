"""How far a page of images needs to read along its order: what a cursor and the days of a filter say about that."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, TextClause, Tuple, text, tuple_

from app.db.models.images import (
    MADE_LATER,
    TAKEN_DAYS_LATER,
    TAKEN_EVER_SO_LONG_AGO,
    TAKEN_LATER,
)
from app.domain import DateTimeRange, ImageFilter, ImageOrderField, Window
from app.services import paging
from app.services.filters import FIRST_INSTANT, LAST_INSTANT, Match
from app.services.paging import Keyset

ID_LEEWAY: Final = timedelta(hours=1, seconds=1)
"""What MADE_LATER lets pass, and a second for whatever is rounded there."""
MILLISECOND: Final = timedelta(milliseconds=1)
TAKEN_LEEWAY: Final = timedelta(days=1)
"""What TAKEN_DAYS_LATER lets pass."""
LAST_ID: Final = UUID(int=2**128 - 1)


def behind(
    wanted: ImageFilter, order: ImageOrderField, keyset: Keyset, window: Window
) -> ImageFilter:
    """The filter without the end of the order's own range, where a cursor has come past it on the way down.

    PostgreSQL begins to read an index range at that end, though the cursor says more, and would read all up to the cursor
    again for each page. On the way up it begins at the cursor.
    """
    values = paging.place(keyset, window)
    if values is None or not paging.descends(keyset, window):
        return wanted
    place, sizes = values[0], wanted.size_bytes
    if order is ImageOrderField.CREATED_AT:
        return replace(wanted, created_at=_left(wanted.created_at, place))
    if order is ImageOrderField.TAKEN_AT:
        return replace(wanted, taken_at=_left(wanted.taken_at, place))
    is_size = order is ImageOrderField.SIZE_BYTES
    if is_size and sizes and sizes.max is not None and place <= sizes.max:
        return replace(wanted, size_bytes=replace(sizes, max=None))
    return wanted


def _left(asked: DateTimeRange | None, place: datetime | None) -> DateTimeRange | None:
    """`place`: None for what has no date, and is older than anything."""
    if asked is None or asked.end is None or (place is not None and place >= asked.end):
        return asked
    return replace(asked, end=None)


@dataclass(frozen=True)
class Edge:
    """A place in the order beyond which nothing matches but what is `odd`, and that has an index of its own.

    `starts`: the rest of what matches lies from there on; else before it. `place`: as a cursor's, or the first of its values.
    """

    place: tuple[Any, ...]
    odd: TextClause
    starts: bool

    def inside(self, columns: paging.Columns) -> ColumnElement[bool]:
        keys, there = self._compared(columns)
        return keys >= there if self.starts else keys < there

    def outside(self, columns: paging.Columns) -> ColumnElement[bool]:
        keys, there = self._compared(columns)
        return keys < there if self.starts else keys >= there

    def _compared(self, columns: paging.Columns) -> tuple[Tuple, Tuple]:
        return tuple_(*columns[: len(self.place)]), tuple_(*paging.literals(self.place))

    def has_inside(self, place: Iterable[Any]) -> bool:
        """Of a cursor's place."""
        there, here = _comparable(self.place), _comparable(place)
        return here >= there if self.starts else here < there


def _comparable(place: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(FIRST_INSTANT if one is None else one for one in place)


@dataclass(frozen=True)
class Edges:
    """Of lists as a window reads them: it comes upon `near` before what matches, and upon `far` after it. None is of no help."""

    near: Edge | None = None
    far: Edge | None = None

    def may_hide(self, page: paging.Page[Any], keyset: Keyset, window: Window) -> bool:
        """Whether something odd beyond the far edge may belong to this page, which was read without it."""
        if self.far is None:
            return False
        is_full = page.has_previous if window.backward else page.has_next
        return not is_full or not self.far.has_inside(
            keyset.place(page.rows[0 if window.backward else -1])
        )


def edges(match: Match, order: ImageOrderField, keyset: Keyset, window: Window) -> Edges:
    """Of the order. One that the window's cursor has come past is none: what is odd there is no part of the page."""
    if order is ImageOrderField.CREATED_AT:
        first, last = _start_of_making(match), None
    elif order is ImageOrderField.TAKEN_AT:
        first, last = _start_of_taking(match), _end_of_taking(match)
    else:
        return Edges()
    near, far = (last, first) if paging.descends(keyset, window) else (first, last)
    cursor = paging.place(keyset, window)
    if near and cursor and near.has_inside(cursor):
        near = None
    return Edges(near, far)


def _start_of_making(match: Match) -> Edge | None:
    """What was taken from a day on was made from that day on too, but for what a wrong clock says."""
    taken, made = match.wanted.taken_at, match.created_at.start
    if taken is None or taken.start is None or (made is not None and made >= taken.start):
        return None
    return Edge((taken.start,), text(TAKEN_LATER), starts=True)


def _start_of_taking(match: Match) -> Edge | None:
    """There are images without a date, by their ids: what was made from a day on has an id of that time too. None of them
    was taken on any days."""
    taken = match.wanted.taken_at
    if taken is None:
        lowest = _lowest_id(match.created_at.start)
        return Edge((None, lowest), text(MADE_LATER), starts=True) if lowest.int else None
    if taken.start not in (None, FIRST_INSTANT):
        return None
    return Edge((None, LAST_ID), text(TAKEN_EVER_SO_LONG_AGO), starts=True)


def _end_of_taking(match: Match) -> Edge | None:
    """What was made before a day was taken before the next one, but for what a wrong clock says."""
    taken, made = match.wanted.taken_at, match.created_at.end
    if made is None or made > LAST_INSTANT - TAKEN_LEEWAY:
        return None
    end = made + TAKEN_LEEWAY
    if taken is not None and taken.end is not None and taken.end <= end:
        return None
    return Edge((end,), text(TAKEN_DAYS_LATER), starts=False)


def _lowest_id(made: datetime | None) -> UUID:
    """That an image may have which was made from then on."""
    if made is None:
        return UUID(int=0)
    return UUID(int=max(0, (made - paging.EPOCH - ID_LEEWAY) // MILLISECOND) << 80)
