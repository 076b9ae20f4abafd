"""Whether ranges of dates had few images when this process last looked. Only which way is tried first hangs on it."""

import math
from collections.abc import Hashable
from typing import Final

from app.services.filters import Match
from app.services.remembered import Remembered, about

FEW: Final = 4_000
"""Where a range of dates has so few images times the root of the count, to scan them is quicker than to throw darts."""
FEW_OF_TAGS: Final = 1_600
"""Whether an image carries the tags takes five times as long as the rest of its part of a scan."""

_SEEN: Final = Remembered[bool](2_000)


def few(match: Match, count: int) -> int:
    return int((FEW_OF_TAGS if any(match.all_tags.values()) else FEW) * math.sqrt(count))


def are_few(match: Match, count: int) -> bool | None:
    """None where nobody has looked."""
    return _SEEN.get(_key(match, count))


def note(match: Match, count: int, *, are_few: bool) -> None:
    _SEEN.note(_key(match, count), are_few)


def _key(match: Match, count: int) -> Hashable:
    lists = frozenset((team, *tags) for team, tags in match.all_tags.items())
    return hash(lists), about(match.created_at), count
