"""How much may be asked for in a minute: buckets that refill, for each key, user and client address. In this process."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, TypeAlias

from starlette.requests import HTTPConnection

from app.domain import Actor
from app.errors import rate_limited
from app.graphql import cost_inputs, limits
from app.graphql.plans import Plan
from app.services.people import throttle
from app.settings import Settings
from app.web.problems import Refusal

MOST_BUCKETS: Final = 10_000
"""Of each kind. The one that was not used for the longest time goes first: it is the fullest."""
SHARES: Final = {"key": 1, "user": 2, "address": 5, "anonymous": 1}
"""How many budgets a bucket holds: of one key, of a user's logins together, and their keys of each team together, of
everybody known at one address together (an office has one), and of those at an address who are not known."""
UNREADABLE: Final = 10
"""What a document costs that is refused before it has a cost: it was parsed, and perhaps validated."""
IMAGE: Final = 1
DRAW: Final = 12
PUT: Final = 10
ARCHIVE: Final = 100
"""Of the plain routes."""
SECONDS: Final = 60.0

Owner: TypeAlias = tuple[str, object]
"""Whose bucket: a kind, and who of it."""


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float
    full: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What an operation was charged, and what is left where least is left. `budget`: None where none is set."""

    requested: int
    limit: int
    budget: dict[str, int] | None = None

    @property
    def extensions(self) -> dict[str, Any]:
        """`extensions` of the answer."""
        facts: dict[str, Any] = {"requested": self.requested, "limit": self.limit}
        if self.budget is not None:
            facts["budget"] = self.budget
        return {"cost": facts}


class Budget:
    """Charges before anything runs. Without a budget in the settings it only holds the limit on one operation."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = settings.cost_budget_per_minute
        self._limit = settings.max_query_cost
        if self._per_minute:
            # What costs more than a full bucket could never be paid for.
            self._limit = min(self._limit, self._per_minute)
        self._clock = clock
        self._buckets: dict[str, OrderedDict[object, _Bucket]] = {
            kind: OrderedDict() for kind in SHARES
        }

    def admit(self, request: HTTPConnection, actor: Actor | None) -> None:
        """RATE_LIMITED (429) where nothing is left at all: then the query is not even read."""
        if self._per_minute:
            self._check(1, self._buckets_of(request, actor))

    def charge(
        self, request: HTTPConnection, actor: Actor | None, plan: Plan, variables: dict[str, Any]
    ) -> Spent:
        """The operation's cost. QUERY_TOO_COMPLEX beyond the limit, RATE_LIMITED (429) beyond what is left."""
        price = plan.cost(cost_inputs.Request.of(variables, actor))
        limits.check_cost(price, self._limit)
        budget = self.spend(request, actor, price)
        return Spent(price, self._limit, budget)

    def spend(
        self, request: HTTPConnection, actor: Actor | None, price: int
    ) -> dict[str, int] | None:
        """Pays a price out of every bucket that the request concerns, or out of none.

        A full bucket pays for anything: what costs more takes all of it, where it could never be had else.
        """
        if not self._per_minute:
            return None
        buckets = self._buckets_of(request, actor)
        self._check(price, buckets)
        for bucket in buckets:
            bucket.level -= min(price, bucket.full)
        tightest = min(buckets, key=attrgetter("level"))
        missing = tightest.full - tightest.level
        return {
            "perMinute": tightest.full,
            "remaining": int(tightest.level),
            "resetAfter": math.ceil(missing / tightest.full * SECONDS),
        }

    def fine(self, request: HTTPConnection, actor: Actor | None) -> None:
        """Pays for a document that was refused, as far as there is anything left."""
        if self._per_minute:
            for bucket in self._buckets_of(request, actor):
                bucket.level = max(bucket.level - UNREADABLE, 0)

    def _check(self, price: int, buckets: list[_Bucket]) -> None:
        # A plain loop: it runs twice for every request.
        for bucket in buckets:
            if bucket.level < price and bucket.level < bucket.full:
                break
        else:
            return
        missing = max((min(price, bucket.full) - bucket.level) / bucket.full for bucket in buckets)
        seconds = max(math.ceil(missing * SECONDS), 1)
        error = rate_limited("The budget of this minute is used up; try again later.", seconds)
        error.extras["cost"] = price
        raise Refusal(error)

    def _buckets_of(self, request: HTTPConnection, actor: Actor | None) -> list[_Bucket]:
        """The buckets that the request concerns, filled up to now."""
        now = self._clock()
        found = []
        for kind, who in _owners(request, actor):
            buckets = self._buckets[kind]
            bucket = buckets.get(who)
            if bucket is None:
                full = self._per_minute * SHARES[kind]
                bucket = buckets[who] = _Bucket(full, now, full)
                if len(buckets) > MOST_BUCKETS:
                    buckets.popitem(last=False)
            else:
                buckets.move_to_end(who)
                level = bucket.level + (now - bucket.at) * bucket.full / SECONDS
                bucket.level = level if level < bucket.full else bucket.full
                bucket.at = now
            found.append(bucket)
        return found


def _owners(request: HTTPConnection, actor: Actor | None) -> list[Owner]:
    """Whoever is known is charged as key, as user, and with everybody known at their address; anybody else by theirs."""
    client = request.scope.get("client")
    address = throttle.network(client[0] if client else None)
    if actor is None:
        return [("anonymous", address)]
    if actor.api_key_id is None:
        return [("user", actor.user_id), ("address", address)]
    # An ADMIN makes keys for members, who are in other teams too: what those spend is no business of the others.
    keys = [("user", (actor.user_id, one)) for one in actor.team_ids]
    return [("key", actor.api_key_id), *keys, ("address", address)]
