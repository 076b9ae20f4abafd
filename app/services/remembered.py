"""What this process found out about parts of a library, so that the next question about one begins with what suits it.

Nothing but time may hang on it: it may be old, and another process may remember something else.
"""

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime
from typing import Generic, TypeVar

from app.domain import DateTimeRange

V = TypeVar("V")


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


def hours(span: DateTimeRange) -> Hashable:
    """A range to the hour: who asks for the last week names another moment each time."""
    return _hour(span.start), _hour(span.end)


def _hour(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(minute=0, second=0, microsecond=0)
