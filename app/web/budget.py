"""How much may be asked for in a minute: buckets that refill, for each key, user and client address. In this process."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from starlette.requests import HTTPConnection

from app.domain import Actor
from app.errors import rate_limited
from app.graphql import cost, limits
from app.graphql.plans import Plan
from app.services import throttle
from app.settings import Settings
from app.web.problems import Refusal

MOST_BUCKETS: Final = 10_000
"""Of each kind. The one that was not used for the longest time goes first: it is the fullest."""
SHARES: Final = {"key": 1, "user": 2, "address": 5, "anonymous": 1}
"""How many budgets a bucket holds: of one key, of a user's keys and logins together, of everybody known at one
address together (an office has one), and of those at an address who are not known."""
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
        self._buckets: dict[str, OrderedDict[object, _Bucket]] = {}

    def admit(self, request: HTTPConnection, actor: Actor | None) -> None:
        """RATE_LIMITED (429) where nothing is left at all: then the query is not even read."""
        if self._per_minute:
            self._pay(1, list(_owners(request, actor)), take=0)

    def charge(
        self, request: HTTPConnection, actor: Actor | None, plan: Plan, variables: dict[str, Any]
    ) -> Spent:
        """The operation's cost. QUERY_TOO_COMPLEX beyond the limit, RATE_LIMITED (429) beyond what is left."""
        price = plan.cost(cost.Request.of(variables, actor))
        limits.check_cost(price, self._limit)
        budget = self.spend(request, actor, price)
        return Spent(price, self._limit, budget)

    def spend(
        self, request: HTTPConnection, actor: Actor | None, price: int
    ) -> dict[str, int] | None:
        """Pays a price out of every bucket that the request concerns, or out of none."""
        if not self._per_minute:
            return None
        return self._pay(price, list(_owners(request, actor)), take=price)

    def fine(self, request: HTTPConnection, actor: Actor | None) -> None:
        """Pays for a document that was refused, as far as there is anything left."""
        if self._per_minute:
            for owner in _owners(request, actor):
                bucket = self._bucket(owner)
                bucket.level = max(bucket.level - UNREADABLE, 0)

    def _pay(self, price: int, owners: list[Owner], *, take: int) -> dict[str, int]:
        buckets = [(self._bucket(owner), self._full(owner)) for owner in owners]
        missing = max((price - one.level) / full for one, full in buckets)
        if missing > 0:
            seconds = max(math.ceil(missing * SECONDS), 1)
            error = rate_limited("The budget of this minute is used up; try again later.", seconds)
            error.extras["cost"] = price
            raise Refusal(error, headers={"retry-after": str(seconds)})
        for bucket, _ in buckets:
            bucket.level -= take
        tightest, full = min(buckets, key=lambda one: one[0].level)
        return {
            "perMinute": full,
            "remaining": int(tightest.level),
            "resetAfter": math.ceil((full - tightest.level) / full * SECONDS),
        }

    def _bucket(self, owner: Owner) -> _Bucket:
        """The owner's bucket, filled up to now."""
        kind, who = owner
        now, full = self._clock(), self._full(owner)
        buckets = self._buckets.setdefault(kind, OrderedDict())
        bucket = buckets.get(who)
        if bucket is None:
            bucket = buckets[who] = _Bucket(full, now)
            if len(buckets) > MOST_BUCKETS:
                buckets.popitem(last=False)
            return bucket
        buckets.move_to_end(who)
        bucket.level = min(bucket.level + (now - bucket.at) * full / SECONDS, full)
        bucket.at = now
        return bucket

    def _full(self, owner: Owner) -> int:
        return self._per_minute * SHARES[owner[0]]


def _owners(request: HTTPConnection, actor: Actor | None) -> Iterator[Owner]:
    """Whoever is known is charged as key, as user, and with everybody known at their address; anybody else by theirs."""
    client = request.scope.get("client")
    address = throttle.network(client[0] if client else None)
    if actor is None:
        yield "anonymous", address
        return
    if actor.api_key_id is not None:
        yield "key", actor.api_key_id
    yield "user", actor.user_id
    yield "address", address
