"""GET with a validator: what a client has already is not sent again, but asked, allowed and recorded each time."""

from dataclasses import replace

import httpx
import pytest
from sqlalchemy import func, select, update

from app import main
from app.db.models import ApiKey, AuditEvent
from app.resources import Resources
from app.web.negotiation import GRAPHQL_RESPONSE
from tests import make
from tests.database import Database
from tests.web.conftest import Clock, Member, app_on, client_on

HELLO = {"query": "{ hello }"}
ME = {"query": "{ viewer }"}
KEPT = "private, max-age=0, must-revalidate"
NEVER = "private, no-store"
VARY = "Accept, Authorization, X-API-Key, Cookie, Origin"


async def get(
    client: httpx.AsyncClient,
    asked: dict[str, str],
    headers: dict[str, str] | None = None,
    *,
    known: str | None = None,
) -> httpx.Response:
    its = (headers or {}) | ({"If-None-Match": known} if known is not None else {})
    return await client.get("/graphql", params=asked, headers=its)


async def test_the_same_answer_is_not_sent_twice(client: httpx.AsyncClient, member: Member) -> None:
    first = await get(client, ME, member.headers)
    assert first.json()["data"] == {"viewer": str(member.actor.user_id)}
    assert (first.headers["cache-control"], first.headers["vary"]) == (KEPT, VARY)
    etag = first.headers["etag"]
    assert etag.startswith('W/"')

    for known in (etag, etag.removeprefix("W/"), f'"x", {etag}', "*"):
        again = await get(client, ME, member.headers, known=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert (again.headers["cache-control"], again.headers["vary"]) == (KEPT, VARY)
        assert "content-type" not in again.headers
        assert "content-length" not in again.headers
        assert "x-request-id" in again.headers


async def test_known_tags_in_several_lines_are_one_list(
    client: httpx.AsyncClient, member: Member
) -> None:
    etag = (await get(client, ME, member.headers)).headers["etag"]
    lines = [*member.headers.items(), ("If-None-Match", '"x"'), ("If-None-Match", etag)]
    again = await client.get("/graphql", params=ME, headers=lines)
    assert again.status_code == 304

    for known in ('"x"', 'W/"x"', "", ","):
        assert (await get(client, ME, member.headers, known=known)).status_code == 200


async def test_head_has_the_tag_of_get(client: httpx.AsyncClient) -> None:
    got = await get(client, HELLO)
    head = await client.head("/graphql", params=HELLO)
    assert head.headers["etag"] == got.headers["etag"]
    assert head.headers["cache-control"] == KEPT


async def test_another_answer_has_another_tag(client: httpx.AsyncClient) -> None:
    plain = await get(client, HELLO)
    other = await get(client, {"query": "{ echo }"})
    modern = await get(client, HELLO, {"Accept": GRAPHQL_RESPONSE})
    assert len({one.headers["etag"] for one in (plain, other, modern)}) == 3
    assert (
        await get(client, HELLO, {"Accept": GRAPHQL_RESPONSE}, known=plain.headers["etag"])
    ).status_code == 200


async def test_what_is_left_of_the_budget_changes_no_tag(
    resources: Resources, clock: Clock, member: Member
) -> None:
    settings = resources.settings.model_copy(update={"cost_budget_per_minute": 1_000})
    async with client_on(app_on(replace(resources, settings=settings), clock)) as client:
        first = await get(client, HELLO, member.headers)
        second = await get(client, HELLO, member.headers)
    left = [one.json()["extensions"]["cost"]["budget"]["remaining"] for one in (first, second)]
    assert left[0] > left[1]
    assert first.headers["etag"] == second.headers["etag"]


@pytest.mark.parametrize(
    "query",
    ["{", "{ helo }", "{ missing }", "{ broken hello }", "{ viewer }", "mutation { bump }"],
)
async def test_errors_are_not_kept(client: httpx.AsyncClient, query: str) -> None:
    response = await get(client, {"query": query}, known="*")
    assert "errors" in response.json()
    assert response.headers["cache-control"] == NEVER
    assert "etag" not in response.headers


async def test_post_has_no_tag(client: httpx.AsyncClient, member: Member) -> None:
    for query in ("{ hello }", "mutation { bump }"):
        response = await client.post(
            "/graphql", json={"query": query}, headers=member.headers | {"If-None-Match": "*"}
        )
        assert response.status_code == 200
        assert "data" in response.json()
        assert response.headers["cache-control"] == NEVER
        assert "etag" not in response.headers


async def test_a_stream_of_events_has_no_tag(client: httpx.AsyncClient) -> None:
    response = await get(client, HELLO, {"Accept": "text/event-stream"}, known="*")
    assert response.status_code == 200
    assert response.headers["cache-control"] == NEVER
    assert "etag" not in response.headers


async def test_a_copy_is_worth_nothing_without_the_right_to_it(
    client: httpx.AsyncClient, db: Database, clock: Clock, member: Member
) -> None:
    etag = (await get(client, ME, member.headers)).headers["etag"]
    assert (await get(client, ME, known=etag)).json()["errors"]
    async with db.transaction() as session:
        its = ApiKey.team_id == member.team_id
        await session.execute(update(ApiKey).where(its).values(revoked_at=func.now()))
    clock.now += 60
    refused = await get(client, ME, member.headers, known=etag)
    assert refused.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_every_answer_is_recorded_the_short_one_too(
    resources: Resources, db: Database, member: Member
) -> None:
    await make.image(db, member.team_id)
    patient = resources.settings.model_copy(update={"operation_timeout_seconds": 30})
    images = {"query": "{ images { nodes { id } } }"}
    async with client_on(main.create_app(replace(resources, settings=patient))) as client:
        first = await get(client, images, member.headers)
        second = await get(client, images, member.headers, known=first.headers["etag"])
    assert (first.status_code, second.status_code) == (200, 304)
    async with db.transaction() as session:
        events = select(AuditEvent.request_id).where(
            AuditEvent.team_id == member.team_id, AuditEvent.action == "image.list"
        )
        recorded = list(await session.scalars(events))
    assert sorted(recorded) == sorted(one.headers["x-request-id"] for one in (first, second))


@pytest.mark.parametrize("origin", [None, "https://a.example", "https://b.example"])
async def test_what_an_answer_depends_on_is_told_to_every_origin(
    resources: Resources, clock: Clock, origin: str | None
) -> None:
    """A cache that kept an answer for no origin, or for another one, would keep a page from reading it."""
    settings = resources.settings.model_copy(update={"cors_origins": ("https://a.example",)})
    headers = {"Origin": origin} if origin else {}
    async with client_on(app_on(replace(resources, settings=settings), clock)) as client:
        response = await get(client, HELLO, headers)
        again = await get(client, HELLO, headers, known=response.headers["etag"])
    allowed = origin if origin == "https://a.example" else None
    for one, status in ((response, 200), (again, 304)):
        assert one.status_code == status
        assert set(one.headers["vary"].split(", ")) == set(VARY.split(", "))
        assert one.headers.get("access-control-allow-origin") == allowed


@pytest.mark.parametrize("origin", [None, "https://app.example", "https://evil.example"])
async def test_an_answer_to_pages_varies_by_origin_once(
    resources: Resources, clock: Clock, origin: str | None
) -> None:
    settings = resources.settings.model_copy(update={"cors_origins": ("https://app.example",)})
    headers = {"Origin": origin} if origin else {}
    async with client_on(app_on(replace(resources, settings=settings), clock)) as client:
        answer = await client.post("/graphql", json=HELLO, headers=headers)
    assert answer.headers["vary"] == VARY
