"""Looks whose plan PostgreSQL keeps: of many teams' graphs and nothing else, that this process was asked for often and lately.

To plan twenty graphs takes a sixth of looking through them. A kept plan needs a text of its own, with the teams in it, and 70 KB of each
connection's memory for each graph, so there is room for few.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from app.services.remembered import Remembered

GRAPHS: Final = range(4, 51)
"""Of fewer, planning is no matter; of more, a plan takes too much room."""
OFTEN: Final = 3
MOST: Final = 8
IDLE_SECONDS: Final = 60.0
"""Who was not asked for so long makes room."""


class KeptPlans:
    """Which looks those are. Nothing but time hangs on it."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._asked = Remembered[int](1_000)
        self._kept: OrderedDict[Hashable, float] = OrderedDict()
        """When each was asked for last, the latest at the end."""

    def keeps(self, look: Hashable) -> bool:
        """Asked for each time that such a look is taken."""
        now = self._now()
        if look not in self._kept:
            times = self._asked.get(look) or 0
            self._asked.note(look, times + 1)
            if times < OFTEN or not self._has_room(now):
                return False
        self._kept[look] = now
        self._kept.move_to_end(look)
        return True

    def _has_room(self, now: float) -> bool:
        if len(self._kept) == MOST:
            look, asked_at = next(iter(self._kept.items()))
            if now - asked_at < IDLE_SECONDS:
                return False
            del self._kept[look]
        return True


PLANS: Final = KeptPlans()
"""Of this process."""
