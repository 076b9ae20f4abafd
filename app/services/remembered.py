"""What this process found out about parts of a library, so that the next question about one begins with what suits it.

Nothing but time may hang on it: it may be old, and another process may remember something else.
"""

from collections import OrderedDict
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

from app.domain import DateTimeRange

V = TypeVar("V")
LONG: Final = timedelta(days=1)
"""A range of so much is known to the hour."""
LEAST_LENGTH: Final = timedelta(hours=1)
"""And a shorter one to the minute; what is shorter than this, exactly."""


class Remembered(Generic[V]):
    """The last `most` things that were noted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._noted: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        return self._noted.get(key)

    def note(self, key: Hashable, value: V) -> None:
        self._noted[key] = value
        self._noted.move_to_end(key)
        while len(self._noted) > self._most:
            self._noted.popitem(last=False)


def about(span: DateTimeRange) -> Hashable:
    """A range, each end to a small part of its length, at most to the hour: who asks for the last week names another moment each time.

    Of a library that came within an hour, a minute is no measure of the next.
    """
    now = datetime.now(UTC)
    end = min(span.end or now, now)
    length = None if span.start is None else end - span.start
    return _cut(span.start, length), _cut(span.end, length)


def _cut(moment: datetime | None, length: timedelta | None) -> datetime | None:
    if moment is None or (length is not None and length < LEAST_LENGTH):
        return moment
    if length is not None and length < LONG:
        return moment.replace(second=0, microsecond=0)
    return moment.replace(minute=0, second=0, microsecond=0)
