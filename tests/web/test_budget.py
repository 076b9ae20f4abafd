"""Cost and budgets at the edge: what is told, what is charged to whom, and what is refused before it runs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Route

from app import main
from app.db.models import AuditEvent
from app.domain import Actor, Role
from app.errors import AppError
from app.resources import Resources
from app.settings import Settings
from app.web import budget, problems
from app.web.auth import Authenticator
from app.web.budget import Budget
from app.web.draws import Draws
from app.web.execution import Execution
from app.web.gate import Gate
from app.web.graphql import Endpoint
from app.web.lasting import Lasting
from app.web.media import Media
from app.web.middleware import stack
from app.web.negotiation import GRAPHQL_RESPONSE
from app.web.problems import Refusal
from app.web.uploads import Uploads
from tests.database import Database
from tests.graphql.test_plans import plan_of
from tests.web import echo
from tests.web.conftest import Clock, Member, client_on, hasty, new_member

PER_MINUTE = 60
HELLO = "{ hello }"
NESTED = "query($n: Int = 1) { images(first: $n) { nodes { id } } }"


def asked_from(address: str | None) -> HTTPConnection:
    client = None if address is None else (address, 1)
    return HTTPConnection({"type": "http", "headers": [], "client": client})


def someone(**with_: Any) -> Actor:
    return Actor(uuid4(), {}, **with_)


@dataclass
class Purse:
    """A budget of 60 a minute and its clock."""

    budget: Budget
    clock: Clock

    def spend(
        self, price: int, actor: Actor | None = None, address: str | None = "192.0.2.1"
    ) -> Any:
        return self.budget.spend(asked_from(address), actor, price)

    def waits(
        self, price: int, actor: Actor | None = None, address: str | None = "192.0.2.1"
    ) -> int:
        """Seconds that it asks to wait."""
        with pytest.raises(Refusal) as refused:
            self.spend(price, actor, address)
        assert refused.value.status == 429
        seconds: int = refused.value.error.extras["retryAfter"]
        assert refused.value.headers["retry-after"] == str(seconds)
        return seconds


@pytest.fixture
def purse(clock: Clock) -> Purse:
    return Purse(Budget(Settings(cost_budget_per_minute=PER_MINUTE), clock=clock), clock)


def test_a_bucket_is_spent_and_refills_with_time(purse: Purse) -> None:
    assert purse.spend(50) == {"perMinute": 60, "remaining": 10, "resetAfter": 50}
    assert purse.waits(20) == 10
    assert purse.spend(10)["remaining"] == 0
    purse.clock.now += 10
    assert purse.spend(10)["remaining"] == 0
    purse.clock.now += 3600
    assert purse.spend(1) == {"perMinute": 60, "remaining": 59, "resetAfter": 1}


def test_a_refusal_costs_nothing(purse: Purse) -> None:
    key = someone(api_key_id=uuid4())
    purse.spend(55, key)
    for _ in range(5):
        assert purse.waits(10, key) == 5
    assert purse.spend(5, key)["remaining"] == 0


def test_a_full_bucket_pays_for_what_costs_more_than_it_holds(purse: Purse) -> None:
    """An archive costs 100: with a budget of 60 it would be refused for ever, and told to wait for it."""
    key = someone(api_key_id=uuid4())
    for _ in range(2):
        assert purse.spend(budget.ARCHIVE, key)["remaining"] == 0
        assert purse.waits(budget.ARCHIVE, key) == 60
        purse.clock.now += 59
        assert purse.waits(budget.ARCHIVE, key) == 1
        purse.clock.now += 1
    purse.spend(1, key)
    assert purse.waits(budget.ARCHIVE, key) == 1


def test_keys_users_and_addresses_have_their_own(purse: Purse) -> None:
    user = Actor(uuid4(), {uuid4(): Role.VIEWER})
    keys = [replace(user, api_key_id=uuid4()) for _ in range(3)]
    purse.spend(60, keys[0])
    assert purse.waits(1, keys[0]) == 1
    purse.spend(60, keys[1])
    purse.waits(1, keys[2])
    purse.spend(60, user)
    purse.spend(60, replace(user, session_id=uuid4()))
    purse.waits(1, user)
    purse.spend(60, someone())
    purse.waits(1, someone())
    purse.spend(1, someone(), address="192.0.2.2")
    purse.spend(60)
    purse.waits(1)


def test_keys_of_another_team_spend_nothing_of_a_user_s(purse: Purse) -> None:
    """Whoever has a team adds anybody to it whose e-mail address they know, and makes them keys."""
    theirs, own = uuid4(), uuid4()
    user = Actor(uuid4(), {theirs: Role.VIEWER, own: Role.ADMIN})
    for _ in range(2):
        key = Actor(user.user_id, {theirs: Role.VIEWER}, api_key_id=uuid4())
        purse.spend(60, key, address="192.0.2.66")
    purse.spend(60, Actor(user.user_id, {own: Role.ADMIN}, api_key_id=uuid4()))
    purse.spend(60, user)


def test_a_network_of_ipv6_is_one_address(purse: Purse) -> None:
    purse.spend(60, address="2001:db8::1")
    purse.waits(1, address="2001:db8::ffff:2")
    purse.spend(60, address="2001:db8:0:1::1")
    purse.spend(60, address=None)
    purse.waits(1, address="testclient")


def test_ipv4_that_is_mapped_is_ipv4(purse: Purse) -> None:
    """A socket of IPv6 shows it so: each has a bucket of its own, the same as without."""
    purse.spend(60, address="::ffff:192.0.2.1")
    purse.spend(60, address="::ffff:192.0.2.2")
    purse.waits(1, address="192.0.2.1")
    purse.waits(1, address="::ffff:c000:202")


def test_a_network_of_a_link_is_one_address(purse: Purse) -> None:
    purse.spend(60, address="fe80::1%eth0")
    purse.waits(1, address="fe80::2")


def test_many_addresses_take_bounded_memory(purse: Purse) -> None:
    key = someone(api_key_id=uuid4())
    purse.spend(60, key)
    for number in range(budget.MOST_BUCKETS + 500):
        purse.spend(60, address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(purse.budget._buckets["anonymous"]) == budget.MOST_BUCKETS
    purse.waits(1, key)


def test_no_budget_is_off(clock: Clock) -> None:
    off = Budget(Settings(), clock=clock)
    for _ in range(3):
        assert off.spend(asked_from(None), None, 10**9) is None
    off.admit(asked_from(None), None)
    off.fine(asked_from(None), None)


@pytest.fixture
async def limited(resources: Resources, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """The edge with a budget of 60 a minute, whose clock the test moves."""
    settings = resources.settings.model_copy(
        update={"cost_budget_per_minute": PER_MINUTE, "trusted_proxies": ("127.0.0.1",)}
    )
    its = replace(resources, settings=settings)
    authenticator = Authenticator(resources.db, settings, clock=clock)
    shared = Budget(settings, clock=clock)
    app = Starlette(
        routes=[
            Route(
                "/graphql",
                Endpoint(
                    its,
                    Execution(its, echo.build(), shared),
                    authenticator=authenticator,
                    gate=Gate(1),
                    lasting=Lasting(1),
                ),
            ),
            Route("/images/{id}/{variant}", Media(its, shared).get),
            Route("/random", Draws(its, authenticator, shared).get),
            Route("/uploads/{ticket}", Uploads(its, Gate(1), shared).put, methods=["PUT"]),
        ],
        middleware=stack(settings),
        exception_handlers={AppError: problems.on_error, Refusal: problems.on_error},
    )
    async with client_on(app) as client:
        yield client


async def ask(
    client: httpx.AsyncClient, query: str, headers: dict[str, str] | None = None, **variables: Any
) -> httpx.Response:
    body = {"query": query, "variables": variables}
    return await client.post("/graphql", json=body, headers=headers)


@hasty
async def test_cost_is_told_in_each_answer(client: httpx.AsyncClient) -> None:
    answer = (await ask(client, HELLO)).json()
    assert answer["extensions"] == {"cost": {"requested": 1, "limit": 50_000}}
    late = (await ask(client, "{ slow }")).json()
    assert late["extensions"]["cost"]["requested"] == 1


async def test_budget_is_told_charged_and_refused_before_anything_runs(
    limited: httpx.AsyncClient, member: Member, clock: Clock
) -> None:
    for left in range(59, -1, -1):
        answer = (await ask(limited, HELLO, member.headers)).json()
        told = answer["extensions"]["cost"]
        assert told["requested"] == 1
        assert told["limit"] == PER_MINUTE
        assert told["budget"]["remaining"] == left
    for accept in (GRAPHQL_RESPONSE, "application/json"):
        refused = await ask(limited, HELLO, member.headers | {"Accept": accept})
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["content-type"].startswith(accept)
        (error,) = refused.json()["errors"]
        assert "data" not in refused.json()
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert error["extensions"]["retryAfter"] == 1
    clock.now += 1
    assert (await ask(limited, HELLO, member.headers)).status_code == 200


async def test_one_key_s_budget_is_not_another_s(
    limited: httpx.AsyncClient, member: Member, resources: Resources
) -> None:
    other = await new_member(resources.db)  # type: ignore[arg-type]  # tests write as the owner
    for _ in range(PER_MINUTE):
        await ask(limited, HELLO, member.headers)
    assert (await ask(limited, HELLO, member.headers)).status_code == 429
    assert (await ask(limited, HELLO, other.headers)).status_code == 200
    assert (await ask(limited, HELLO)).status_code == 200


async def test_addresses_are_those_that_trusted_proxies_tell(limited: httpx.AsyncClient) -> None:
    first, second = ({"X-Forwarded-For": f"evil, 198.51.100.{n}"} for n in (1, 2))
    for _ in range(PER_MINUTE):
        await ask(limited, HELLO, first)
    assert (await ask(limited, HELLO, first)).status_code == 429
    spoofed = {"X-Forwarded-For": "203.0.113.9, 198.51.100.1"}
    assert (await ask(limited, HELLO, spoofed)).status_code == 429
    assert (await ask(limited, HELLO, second)).status_code == 200


@pytest.mark.parametrize("query", ["{", "{ helo }", "{ hello " + "@a " * 60 + "}"])
async def test_documents_that_are_refused_are_paid_for(
    limited: httpx.AsyncClient, query: str
) -> None:
    for _ in range(PER_MINUTE // budget.UNREADABLE):
        assert (await ask(limited, query)).status_code == 200
    assert (await ask(limited, query)).status_code == 429


async def test_what_no_full_bucket_could_pay_is_too_complex(resources: Resources) -> None:
    settings = resources.settings.model_copy(update={"cost_budget_per_minute": PER_MINUTE})
    app = main.create_app(replace(resources, settings=settings))
    async with client_on(app) as client:
        refused = await ask(client, NESTED, {"Accept": GRAPHQL_RESPONSE}, n=100)
        assert refused.status_code == 400
        (error,) = refused.json()["errors"]
        assert error["extensions"] == {
            "code": "QUERY_TOO_COMPLEX",
            "limit": PER_MINUTE,
            "cost": 121,
            "requestId": refused.headers["x-request-id"],
        }
        classic = await ask(client, NESTED, n=100)
        assert classic.status_code == 200
        assert "data" not in classic.json()


async def test_plain_routes_take_part(limited: httpx.AsyncClient, member: Member) -> None:
    for _ in range(PER_MINUTE // budget.DRAW):
        assert (await limited.get("/random", headers=member.headers)).status_code == 404
    refused = await limited.get("/random", headers=member.headers)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == str(budget.DRAW)
    assert (await ask(limited, HELLO, member.headers)).status_code == 429
    picture = f"/images/{uuid4()}/small?token=x"
    for _ in range(PER_MINUTE // budget.IMAGE):
        assert (await limited.get(picture)).status_code == 404
    assert (await limited.get(picture)).status_code == 429


@pytest.mark.parametrize(
    ("method", "path", "status", "price"),
    [
        ("GET", "/random", 401, budget.DRAW),
        ("PUT", "/uploads/nonsense", 404, budget.PUT),
        ("GET", f"/images/{UUID(int=7)}/small", 404, budget.IMAGE),
        ("GET", "/graphql?query={viewer}", 200, 1),
    ],
)
async def test_who_is_not_known_pays_too_and_then_leaves_no_record(
    limited: httpx.AsyncClient, db: Database, method: str, path: str, status: int, price: int
) -> None:
    """Else anybody could fill the audit log as fast as they can ask."""

    async def sent(request_id: str) -> int:
        headers = {"X-API-Key": "no key", "X-Request-Id": request_id}
        return (await limited.request(method, path, headers=headers)).status_code

    paid = [f"paid-{uuid4()}" for _ in range(PER_MINUTE // price)]
    beyond = f"beyond-{uuid4()}"

    assert {await sent(one) for one in paid} == {status}
    assert await sent(beyond) == 429
    told = select(AuditEvent.request_id).where(AuditEvent.request_id.in_([*paid, beyond]))
    async with db.transaction() as session:
        assert set(await session.scalars(told)) == set(paid)


def test_an_operation_beyond_the_limit_pays_nothing(purse: Purse) -> None:
    plan = plan_of("{ page(first: 100) { nodes { x } } }")
    with pytest.raises(AppError):
        purse.budget.charge(asked_from(None), None, plan, {})
    assert purse.spend(60, address=None)["remaining"] == 0
