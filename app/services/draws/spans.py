"""Whether ranges of dates had few images when this process last looked. Only which way is tried first hangs on it."""

import math
from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime
from typing import Final

from app.services.filters import Match

FEW: Final = 4_000
"""Where a range of dates has so few images times the root of the count, to scan them is quicker than to throw darts."""
FEW_OF_TAGS: Final = 1_600
"""Whether an image carries the tags takes five times as long as the rest of its part of a scan."""
MOST_SPANS: Final = 2_000

_SEEN: Final[OrderedDict[Hashable, bool]] = OrderedDict()


def few(match: Match, count: int) -> int:
    return int((FEW_OF_TAGS if any(match.all_tags.values()) else FEW) * math.sqrt(count))


def are_few(match: Match, count: int) -> bool | None:
    """None where nobody has looked."""
    return _SEEN.get(_key(match, count))


def note(match: Match, count: int, *, are_few: bool) -> None:
    key = _key(match, count)
    _SEEN[key] = are_few
    _SEEN.move_to_end(key)
    while len(_SEEN) > MOST_SPANS:
        _SEEN.popitem(last=False)


def _key(match: Match, count: int) -> Hashable:
    """To the hour: who draws from the last week names another moment each time."""
    lists = frozenset((team, *tags) for team, tags in match.all_tags.items())
    span = match.created_at
    return hash(lists), _hour(span.start), _hour(span.end), count


def _hour(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(minute=0, second=0, microsecond=0)
