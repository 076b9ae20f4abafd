"""How much of many teams' graphs a page needs: a taste of each, before any is followed.

Of a filter that lets one image of twenty through, a page of ten is nearer than all but some two hundred images, whether they match or
not. So each graph is asked for its share of those: what lies beyond cannot belong to the page, once that is full.
Costs are counted in comparisons of vectors that lie side by side, as those of a range of dates do: 0.6 µs.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from uuid import UUID

SCATTERED: Final = 5
"""What it takes to compare a vector that lies anywhere, as those of a tag do."""
WAY: Final = 300
"""What a graph takes before its first step, and what each step takes, matching or not."""
WAY_STEP: Final = 12
FOLLOWED: Final = 15
"""What a step takes whose image is looked at by a filter."""
DOUBT: Final = 2.5
"""Where a tag's images lie far from what is asked for, a taste is not enough. So it must be so many times less work than to compare them."""
SPREADS: Final = 2.5
"""Chance adds so many standard deviations, at most."""
LEAST_TASTE: Final = 16
"""Of a graph most of whose images do not match: it goes past as many in any case."""
BREADTH: Final = 0.25
"""hnsw.ef_search for the page of one team, for each root of its images: 128 of 272,000."""
LEAST_BREADTH: Final = 64
PART: Final = 0.5
"""Of that, where a page is of several teams: what one of them has there are few."""
LEAST_PART: Final = 32
MOST_BREADTH: Final = 1_000


def breadth(images: int, depth: int, *, alone: bool) -> int:
    """hnsw.ef_search for so many of the nearest of a graph; `alone`: the page is of no other team. A larger graph takes more, or misses
    whole questions."""
    if not alone:
        least = max(LEAST_PART, PART * BREADTH * math.sqrt(images))
        return min(max(int(least), depth * 3 // 2), MOST_BREADTH)
    least = max(LEAST_BREADTH, BREADTH * math.sqrt(images))
    return min(max(int(least), depth * 4 // 3), MOST_BREADTH)


def of_teams(
    page: int, images: Mapping[UUID, int], *, every: int, matches: float
) -> dict[UUID, int]:
    """How many of its nearest each graph is asked for, whether they match or not; `images`: how many each has, of `every` that there are,
    of which so many match."""
    share = min(1.0, matches / max(every, 1))
    return {team: _taste(page, its, every, share) for team, its in images.items()}


def _taste(page: int, images: int, every: int, share: float) -> int:
    """`share`: of images that match.

    The page ends sooner or later than expected, by one part in its root, and chance decides how many of those before its end are this team's.
    """
    share = max(share, page / max(every, page))
    mean = page * images / (max(every, 1) * share)
    spread = math.sqrt(mean + (1 - share) * mean * mean / page)
    taste = math.ceil(mean + SPREADS * spread) + 1
    return max(min(taste, math.ceil((page + 1) / share)), round(LEAST_TASTE * (1 - share)))


def work(steps: float) -> float:
    """Of a taste, in comparisons."""
    return WAY + WAY_STEP * steps


def fewest(page: int, images: int, every: int, *, scattered: bool) -> int:
    """Up to so many matches of a team are compared one by one: beyond, a taste of its graph is less work, if as large a part of the others'
    images matches. `every`: how many images there are. The same for about as many images, for counts are remembered with it."""
    return _fewest(page, _about(images), _about(every), scattered)


@lru_cache(maxsize=4096)
def _fewest(page: int, images: int, every: int, scattered: bool) -> int:
    each, doubt = (SCATTERED, DOUBT) if scattered else (1, 1.0)
    least, most = 1, max(images, 1)
    while least < most:
        matches = (least + most) // 2
        taste = _taste(page, images, every, min(1.0, matches / images))
        if each * matches < doubt * work(breadth(images, taste, alone=False)):
            least = matches + 1
        else:
            most = matches
    return least


def _about(number: int) -> int:
    """To a sixteenth."""
    bits = max(0, number.bit_length() - 5)
    return number >> bits << bits
