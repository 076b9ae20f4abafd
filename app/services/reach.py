"""How far a page of images needs to read along its order: what a cursor and days of taking say about that."""

from dataclasses import replace
from datetime import datetime

from app.domain import DateTimeRange, ImageFilter, ImageOrderField, Window
from app.services import paging
from app.services.filters import Match
from app.services.paging import Keyset


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


def since(match: Match, order: ImageOrderField) -> datetime | None:
    """What was taken from a day on was made from that day on too, but for what a wrong clock says. None where that is of no help."""
    taken, made = match.wanted.taken_at, match.created_at.start
    if order is not ImageOrderField.CREATED_AT or taken is None or taken.start is None:
        return None
    return taken.start if made is None or made < taken.start else None
