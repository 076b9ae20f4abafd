"""Logins over HTTP: the cookie, when it counts, how it ends, and what guessing gets."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import httpx
import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from sqlalchemy import delete, select, update

from app import main
from app.db.models import AuditEvent, LoginAttempt, Membership, Session, User
from app.domain import AuditOutcome, Role
from app.graphql.trail import ACTIONS
from app.resources import Resources
from app.services.people import api_keys, passwords, sessions, throttle, users
from app.web import auth
from tests import make
from tests.database import Database
from tests.web.conftest import BASE, Clock, Member, stored_image

PASSWORD = "correct horse battery"
PASSWORD_HASH = passwords.HASHER.hash(PASSWORD)
LOGIN = "mutation($i: LoginInput!) { login(input: $i) { expiresAt viewer { user { id email } apiKey { id } } } }"
ME = "{ viewer { user { id } } }"
HEADERS = {"X-Requested-With": "fetch", "Origin": BASE}


@pytest.fixture
def resources(resources: Resources) -> Resources:
    settings = resources.settings.model_copy(update={"operation_timeout_seconds": 60.0})
    return replace(resources, settings=settings)


def client_of(
    resources: Resources, base: str = BASE, *, clock: Clock | None = None
) -> httpx.AsyncClient:
    app = main.create_app(resources, clock=clock or Clock())
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
    return httpx.AsyncClient(transport=transport, base_url=base)


@pytest.fixture
async def browser(resources: Resources) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(resources, BASE.replace("http:", "https:")) as client:
        client.headers.update({**HEADERS, "Origin": BASE.replace("http:", "https:")})
        yield client


@pytest.fixture
async def person(db: Database) -> dict[str, Any]:
    """A member of two teams with a password."""
    actor = await make.actor(db)
    email = f"{actor.user_id}@example.org"
    second = await make.team(db)
    async with db.transaction() as session:
        user = await session.get_one(User, actor.user_id)
        user.email, user.password_hash = email, PASSWORD_HASH
        session.add(Membership(team_id=second, user_id=user.id, role=Role.VIEWER))
    return {"id": actor.user_id, "email": email, "teams": {actor.team_ids[0], second}}


async def ask(client: httpx.AsyncClient, query: str, /, **variables: Any) -> httpx.Response:
    return await client.post("/graphql", json={"query": query, "variables": variables})


async def log_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await ask(client, LOGIN, i={"email": email, "password": password})


def code(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    found: str = error["extensions"]["code"]
    return found


async def test_a_login_is_a_cookie_and_no_more(
    browser: httpx.AsyncClient, person: dict[str, Any]
) -> None:
    response = await log_in(browser, person["email"].upper())

    login = response.json()["data"]["login"]
    assert login["viewer"] == {
        "user": {"id": str(person["id"]), "email": person["email"]},
        "apiKey": None,
    }
    name, _, rest = response.headers["set-cookie"].partition("=")
    token, *attributes = rest.split("; ")
    assert name == "__Host-pictor_session"
    assert len(token) == 43
    assert token not in response.text
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=lax", "Secure", "Max-Age=604800"}
    teams = await ask(browser, "{ teams { nodes { id } } viewer { apiKeys { totalCount } } }")
    found = {UUID(one["id"]) for one in teams.json()["data"]["teams"]["nodes"]}
    assert found == person["teams"]


async def test_the_token_is_not_in_the_database(
    browser: httpx.AsyncClient, db: Database, person: dict[str, Any]
) -> None:
    await log_in(browser, person["email"])
    token = browser.cookies["__Host-pictor_session"]
    async with db.transaction() as session:
        row = (await session.connection()).exec_driver_sql("select s::text from session s")
        assert token not in str((await row).all())


async def test_on_this_very_machine_plain_http_will_do(
    resources: Resources, person: dict[str, Any]
) -> None:
    async with client_of(resources, "http://localhost:8000") as client:
        client.headers.update({**HEADERS, "Origin": "http://localhost:8000"})
        cookie = (await log_in(client, person["email"])).headers["set-cookie"]
        assert cookie.startswith("pictor_session=")
        assert "Secure" not in cookie
        assert "data" in (await ask(client, ME)).json()


@pytest.mark.parametrize(
    ("headers", "counts"),
    [
        ({"X-Requested-With": "x", "Origin": "https://pictor.test"}, True),
        ({"GraphQL-Require-Preflight": "1", "Origin": "https://pictor.test"}, True),
        ({"Apollo-Require-Preflight": "1", "Sec-Fetch-Site": "same-origin"}, True),
        ({"X-Apollo-Operation-Name": "x", "Origin": "https://app.example.org"}, True),
        ({"Origin": "https://pictor.test"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"X-Requested-With": "x"}, False),
        ({"X-Requested-With": "x", "Origin": "null"}, False),
        ({"X-Requested-With": "x", "Origin": "http://pictor.test"}, False),
        ({"X-Requested-With": "x", "Origin": "https://pictor.test.evil.example"}, False),
        ({"X-Requested-With": "x", "Origin": "https://evil.example"}, False),
        (
            {
                "X-Requested-With": "x",
                "Origin": "https://evil.example",
                "Sec-Fetch-Site": "same-origin",
            },
            False,
        ),
        ({"X-Requested-With": "x", "Sec-Fetch-Site": "same-site"}, False),
        ({"X-Requested-With": "x", "Sec-Fetch-Site": "cross-site"}, False),
        ({"X-Requested-With": "x", "Sec-Fetch-Site": "none"}, False),
    ],
)
async def test_a_cookie_counts_only_from_our_own_pages(
    resources: Resources, person: dict[str, Any], headers: dict[str, str], *, counts: bool
) -> None:
    settings = resources.settings.model_copy(update={"cors_origins": ("https://app.example.org",)})
    async with client_of(replace(resources, settings=settings), "https://pictor.test") as client:
        assert "data" in (await log_in(client, person["email"])).json()
        for response in (
            await client.post("/graphql", json={"query": ME}, headers=headers),
            await client.get("/graphql", params={"query": ME}, headers=headers),
        ):
            assert ("errors" not in response.json()) == counts
            assert counts or code(response) == "UNAUTHENTICATED"
        drawn = await client.get("/random", headers=headers)
        assert drawn.status_code == (404 if counts else 401)


async def test_a_key_is_preferred_to_a_cookie(
    browser: httpx.AsyncClient, person: dict[str, Any], member: Member
) -> None:
    await log_in(browser, person["email"])
    response = await browser.post("/graphql", json={"query": ME}, headers=member.headers)
    assert response.json()["data"]["viewer"]["user"]["id"] == str(member.actor.user_id)


async def test_logout_ends_the_session_for_good(
    browser: httpx.AsyncClient, resources: Resources, person: dict[str, Any]
) -> None:
    await log_in(browser, person["email"])
    token = browser.cookies["__Host-pictor_session"]
    left = await ask(browser, "mutation { logout }")
    assert left.json()["data"] == {"logout": True}
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert not browser.cookies
    async with client_of(resources, str(browser.base_url)) as other:
        other.headers.update(browser.headers)
        other.cookies.set("__Host-pictor_session", token)
        assert code(await ask(other, ME)) == "UNAUTHENTICATED"


async def test_a_login_renews_the_session(
    browser: httpx.AsyncClient, db: Database, person: dict[str, Any]
) -> None:
    await log_in(browser, person["email"])
    first = browser.cookies["__Host-pictor_session"]
    await log_in(browser, person["email"])
    assert browser.cookies["__Host-pictor_session"] != first
    async with db.transaction() as session:
        rows = await session.execute(delete(Session).where(Session.user_id == person["id"]))
        assert rows.rowcount == 1  # type: ignore[attr-defined]  # of a cursor


CHANGE = "mutation($i: ChangePasswordInput!) { changePassword(input: $i) { user { id } } }"


async def test_a_new_password_ends_all_other_sessions(
    browser: httpx.AsyncClient, resources: Resources, person: dict[str, Any]
) -> None:
    async with client_of(resources, str(browser.base_url)) as elsewhere:
        elsewhere.headers.update(browser.headers)
        await log_in(elsewhere, person["email"])
        await log_in(browser, person["email"])
        new = "battery horse staple"
        wrong = await ask(browser, CHANGE, i={"currentPassword": "x", "newPassword": new})
        short = await ask(browser, CHANGE, i={"currentPassword": PASSWORD, "newPassword": "x"})
        changed = await ask(browser, CHANGE, i={"currentPassword": PASSWORD, "newPassword": new})

        assert (code(wrong), code(short)) == ("BAD_USER_INPUT", "BAD_USER_INPUT")
        assert changed.json()["data"]["changePassword"]["user"]["id"] == str(person["id"])
        assert "data" in (await ask(browser, ME)).json()
        assert code(await ask(elsewhere, ME)) == "UNAUTHENTICATED"
        assert code(await log_in(elsewhere, person["email"])) == "UNAUTHENTICATED"
        assert "data" in (await log_in(elsewhere, person["email"], new)).json()


async def test_whoever_makes_a_team_is_in_it_at_once(
    browser: httpx.AsyncClient, person: dict[str, Any]
) -> None:
    """In the very answer, and in their next request, though the login was remembered with the teams of before."""
    await log_in(browser, person["email"])
    await ask(browser, ME)
    new = """mutation { createTeam(input: {name: "New"}) { id members { nodes { role } } stats { imageCount } } }"""
    made = (await ask(browser, new)).json()["data"]["createTeam"]

    tag = 'mutation($t: ID!) { createTag(teamId: $t, name: "cat") { team { id } } }'
    used = await ask(browser, tag, t=made["id"])

    assert made["members"] == {"nodes": [{"role": "ADMIN"}]}
    assert made["stats"] == {"imageCount": 0}
    assert used.json()["data"]["createTag"]["team"]["id"] == made["id"]


async def test_a_logout_is_known_at_once_where_it_was_asked_for(
    browser: httpx.AsyncClient, person: dict[str, Any]
) -> None:
    await log_in(browser, person["email"])
    kept = browser.cookies["__Host-pictor_session"]
    await ask(browser, ME)
    await ask(browser, "mutation { logout }")

    browser.cookies.set("__Host-pictor_session", kept)

    assert code(await ask(browser, ME)) == "UNAUTHENTICATED"


async def test_a_key_that_is_none_keeps_nobody_from_a_login(
    browser: httpx.AsyncClient, person: dict[str, Any]
) -> None:
    browser.headers["Authorization"] = "Basic QWRhOmE="
    assert "errors" not in (await log_in(browser, person["email"])).json()
    del browser.headers["Authorization"]
    assert "data" in (await ask(browser, ME)).json()


@pytest.mark.parametrize("column", ["expires_at", "last_used_at"])
async def test_a_session_ends_by_itself(
    browser: httpx.AsyncClient, db: Database, person: dict[str, Any], column: str
) -> None:
    await log_in(browser, person["email"])
    async with db.transaction() as session:
        end = update(Session).where(Session.user_id == person["id"])
        await session.execute(end.values({column: datetime(2020, 1, 1, tzinfo=UTC)}))
    assert code(await ask(browser, ME)) == "UNAUTHENTICATED"


@pytest.mark.parametrize(("seconds", "is_good"), [(290, False), (400, True)])
async def test_a_long_upload_is_a_use_of_its_session(
    resources: Resources, db: Database, person: dict[str, Any], seconds: int, *, is_good: bool
) -> None:
    """The time of idleness may end while the body comes: what was used last before it has not ended by that."""
    clock, idle = Clock(), 300
    settings = resources.settings.model_copy(update={"session_idle_seconds": idle})
    base = BASE.replace("http:", "https:")
    async with client_of(replace(resources, settings=settings), base, clock=clock) as client:
        client.headers.update({**HEADERS, "Origin": base})
        await log_in(client, person["email"])

        async def slowly() -> AsyncIterator[bytes]:
            yield b'{"query": '
            clock.now += seconds
            ago = datetime.now(UTC) - timedelta(seconds=idle + 350)
            its = update(Session).where(Session.user_id == person["id"])
            async with db.transaction() as session:
                await session.execute(its.values(last_used_at=ago))
            yield b'"{ viewer { user { id } } }"}'

        headers = {"content-type": "application/json"}
        answer = await client.post("/graphql", content=slowly(), headers=headers)
    assert ("errors" not in answer.json()) is is_good


async def test_a_look_at_a_session_is_not_always_its_use(
    browser: httpx.AsyncClient, db: Database, person: dict[str, Any]
) -> None:
    await log_in(browser, person["email"])
    token, long_ago = next(iter(browser.cookies.values())), datetime(2020, 1, 1, tzinfo=UTC)
    its = update(Session).where(Session.user_id == person["id"])
    async with db.transaction() as session:
        await session.execute(its.values(last_used_at=long_ago))
    idle = datetime.now(UTC) - long_ago + timedelta(days=1)
    for is_use in (False, True):
        async with db.transaction() as session:
            assert await sessions.authenticate(session, token, idle, is_use=is_use) is not None
            used = select(Session.last_used_at).where(Session.user_id == person["id"])
            assert (await session.scalar(used) != long_ago) is is_use


async def test_access_ends_over_processes_within_the_cache(
    browser: httpx.AsyncClient, resources: Resources, person: dict[str, Any], clock: Clock
) -> None:
    """Two applications, as two processes are: each with its own cache."""
    async with client_of(resources, str(browser.base_url), clock=clock) as other:
        other.headers.update(browser.headers)
        await log_in(browser, person["email"])
        other.cookies = browser.cookies
        assert "data" in (await ask(other, ME)).json()
        await ask(browser, "mutation { logout }")
        clock.now += auth.CACHE_SECONDS
        assert code(await ask(other, ME)) == "UNAUTHENTICATED"
        assert auth.CACHE_SECONDS <= 5


async def test_an_address_of_a_session_ends_with_the_membership(
    browser: httpx.AsyncClient, resources: Resources, db: Database, person: dict[str, Any]
) -> None:
    team_id = min(person["teams"])
    image_id = await stored_image(resources, team_id, b"bytes of a picture")
    await log_in(browser, person["email"])
    query = "query($id: ID!) { image(id: $id) { url } }"
    url = (await ask(browser, query, id=str(image_id))).json()["data"]["image"]["url"]

    assert (await browser.get(url)).content == b"bytes of a picture"
    async with db.transaction() as session:
        await session.execute(delete(Membership).where(Membership.team_id == team_id))
    assert (await browser.get(url)).status_code == 404


async def test_nobody_learns_which_addresses_are_known(
    browser: httpx.AsyncClient, db: Database, person: dict[str, Any]
) -> None:
    without = await make.user(db)
    async with db.transaction() as session:
        unset = (await session.get_one(User, without)).email
    answers = [
        await log_in(browser, email, "not the password")
        for email in (person["email"], f"no-{person['email']}", unset, "no address")
    ]
    bodies = [response.json() for response in answers]
    for body in bodies:
        body["errors"][0]["extensions"].pop("requestId")
    assert bodies == [bodies[0]] * 4
    assert code(answers[0]) == "UNAUTHENTICATED"
    assert not any("set-cookie" in response.headers for response in answers)


class Counting(PasswordHasher):
    """Notes what each verification costs: the work that the hash asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.costs: list[Parameters] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.costs.append(extract_parameters(str(hash)))
        return super().verify(hash, password)


async def test_an_unknown_address_takes_as_long(
    browser: httpx.AsyncClient,
    db: Database,
    person: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All but the password's hash is a few milliseconds: each is refused after the same work on one."""
    counting = Counting()
    monkeypatch.setattr("app.services.people.passwords.HASHER", counting)
    without = await make.user(db)
    async with db.transaction() as session:
        unset = (await session.get_one(User, without)).email
    work = extract_parameters(PASSWORD_HASH)
    assert work.memory_cost >= 19 * 1024
    for email in (person["email"], f"no-{person['email']}", unset, "no address"):
        counting.costs.clear()
        assert code(await log_in(browser, email, "not the password")) == "UNAUTHENTICATED"
        assert counting.costs == [work]


async def attempts(db: Database, email: str) -> LoginAttempt:
    async with db.transaction() as session:
        return await session.get_one(LoginAttempt, throttle.account(email).key)


async def no_time_passes(db: Database, email: str) -> None:
    """Where the account has to wait, its wait ends in an hour, however long the test takes."""
    async with db.transaction() as session:
        row = await session.get_one(LoginAttempt, throttle.account(email).key)
        if row.waits_until is not None:
            row.waits_until += timedelta(hours=1)


async def test_guessing_is_slowed_down(
    browser: httpx.AsyncClient, db: Database, person: dict[str, Any]
) -> None:
    for email in (person["email"], f"no-{person['email']}"):
        tries = [await log_in(browser, email, f"guess number {n}") for n in range(6)]
        assert [code(one) for one in tries] == ["UNAUTHENTICATED"] * 6
        row = await attempts(db, email)
        assert row.waits_until == row.last_at + timedelta(seconds=1)
        await no_time_passes(db, email)
        waits = await log_in(browser, email, "guess number 6")
        assert code(waits) == "RATE_LIMITED"
        assert 3_000 < waits.json()["errors"][0]["extensions"]["retryAfter"] <= 3_601
        # Right or wrong, a password is not even looked at now.
        assert code(await log_in(browser, email)) == "RATE_LIMITED"
    async with db.transaction() as session:
        row = await session.get_one(LoginAttempt, throttle.account(person["email"]).key)
        row.waits_until -= timedelta(hours=2)
    assert "data" in (await log_in(browser, person["email"])).json()
    assert "data" in (await log_in(browser, person["email"])).json()


async def test_guesses_at_the_same_moment_count_each(
    browser: httpx.AsyncClient, db: Database, person: dict[str, Any]
) -> None:
    tries = await asyncio.gather(
        *(log_in(browser, person["email"], f"guess number {n}") for n in range(20))
    )
    made = sum(code(one) == "UNAUTHENTICATED" for one in tries)
    assert sum(code(one) == "RATE_LIMITED" for one in tries) == 20 - made
    # Six, and one more for each wait that passes meanwhile: of 1 s, 2 s, 4 s, …
    assert 6 <= made < 12
    assert round((await attempts(db, person["email"])).tries) == made


async def test_tries_are_forgotten_by_and_by(
    browser: httpx.AsyncClient, db: Database, person: dict[str, Any]
) -> None:
    for n in range(6):
        await log_in(browser, person["email"], f"guess number {n}")
    async with db.transaction() as session:
        row = await session.get_one(LoginAttempt, throttle.account(person["email"]).key)
        row.last_at -= timedelta(minutes=31)
        row.waits_until = None
    tries = [await log_in(browser, person["email"], f"guess number {n}") for n in range(3)]
    assert [code(one) for one in tries] == ["UNAUTHENTICATED"] * 3
    await no_time_passes(db, person["email"])
    assert code(await log_in(browser, person["email"], "guess number 3")) == "RATE_LIMITED"


async def test_a_membership_that_ends_ends_a_key_over_processes(
    resources: Resources, db: Database, member: Member, clock: Clock
) -> None:
    async with (
        client_of(resources, clock=clock) as one,
        client_of(resources, clock=clock) as other,
    ):
        for client in (one, other):
            client.headers.update(member.headers)
            assert "data" in (await ask(client, ME)).json()
        async with db.transaction() as session:
            await session.execute(
                delete(Membership).where(Membership.user_id == member.actor.user_id)
            )
        clock.now += auth.CACHE_SECONDS
        for client in (one, other):
            assert code(await ask(client, ME)) == "UNAUTHENTICATED"


ONE = 'login(input: {email: "a@b.c", password: "x"}) { expiresAt }'


@pytest.mark.parametrize(
    "query",
    [
        f"mutation {{ a: {ONE} b: {ONE} }}",
        f"mutation {{ {ONE} {ONE} }}",
        f"mutation {{ ...F b: {ONE} }} fragment F on Mutation {{ a: {ONE} }}",
        f"mutation {{ ...F ...F }} fragment F on Mutation {{ a: {ONE} }}",
        f"mutation {{ ...F ...G }} fragment F on Mutation {{ ...G }} fragment G on Mutation {{ {ONE} }}",
        f"mutation {{ ... {{ a: {ONE} }} ... on Mutation {{ b: {ONE} }} }}",
        f'mutation {{ {ONE} setPassword(token: "x", password: "x") {{ expiresAt }} }}',
        f"mutation {{ {' '.join(f'a{n}: {ONE}' for n in range(150))} }}",
    ],
)
async def test_an_operation_logs_in_once(browser: httpx.AsyncClient, query: str) -> None:
    response = await ask(browser, query)
    assert code(response) == "QUERY_TOO_COMPLEX"
    assert "data" not in response.json()


async def test_a_thousand_aliases_are_refused_before_they_run(resources: Resources) -> None:
    wide = {"max_query_tokens": 100_000, "max_query_characters": 1_000_000}
    wide |= {"max_query_aliases": 1_000, "max_mutation_fields": 1_000, "max_query_cost": 10**6}
    settings = resources.settings.model_copy(update={**wide, "max_json_bytes": 1_000_000})
    async with client_of(replace(resources, settings=settings)) as client:
        query = f"mutation {{ {' '.join(f'a{n}: {ONE}' for n in range(1000))} }}"
        response = await ask(client, query)
    assert code(response) == "QUERY_TOO_COMPLEX"
    assert response.json()["errors"][0]["extensions"]["limit"] == 1


async def test_registration_is_closed_unless_it_is_opened(
    browser: httpx.AsyncClient, resources: Resources, person: dict[str, Any]
) -> None:
    query = """mutation($i: RegisterInput!) { register(input: $i) {
      viewer { user { name memberships { role team { name } } } } } }"""
    given = {"email": f"new-{person['email']}", "password": PASSWORD, "name": "Grace"}
    assert code(await ask(browser, query, i=given)) == "FORBIDDEN"
    settings = resources.settings.model_copy(update={"open_registration": True})
    async with client_of(replace(resources, settings=settings), str(browser.base_url)) as client:
        client.headers.update(browser.headers)
        made = await ask(client, query, i={**given, "teamName": "Compilers"})
        again = await ask(client, query, i=given)
        weak = await ask(client, query, i={**given, "password": "short"})
        assert made.json()["data"]["register"]["viewer"]["user"] == {
            "name": "Grace",
            "memberships": [{"role": "ADMIN", "team": {"name": "Compilers"}}],
        }
        assert (code(again), code(weak)) == ("CONFLICT", "BAD_USER_INPUT")
        assert "data" in (await ask(client, ME)).json()


async def test_a_new_member_sets_their_password_once(
    browser: httpx.AsyncClient, member: Member
) -> None:
    create = (
        "mutation($i: CreateUserInput!) { createUser(input: $i) { passwordToken user { id } } }"
    )
    given = {"teamId": str(member.team_id), "email": f"{member.team_id}@example.org", "name": "New"}
    body = {"query": create, "variables": {"i": given}}
    made = (await browser.post("/graphql", json=body, headers=member.headers)).json()["data"]
    token = made["createUser"]["passwordToken"]
    query = "mutation($t: String!, $p: String!) { setPassword(token: $t, password: $p) { viewer { user { id } } } }"

    weak = await ask(browser, query, t=token, p="short")
    wrong = await ask(browser, query, t=token[:-1], p=PASSWORD)
    first = await ask(browser, query, t=token, p=PASSWORD)
    second = await ask(browser, query, t=token, p=PASSWORD)

    assert (code(weak), code(wrong), code(second)) == ("BAD_USER_INPUT",) * 3
    assert first.json()["data"]["setPassword"]["viewer"]["user"] == made["createUser"]["user"]
    assert "data" in (await ask(browser, ME)).json()
    assert "data" in (await log_in(browser, given["email"])).json()


async def test_many_logins_at_once_take_little_memory(
    resources: Resources, db: Database, member: Member
) -> None:
    """60 hashes of 19 MiB at once would be more than a gigabyte; other requests go on meanwhile."""
    settings = resources.settings.model_copy(update={"trusted_proxies": ("192.0.2.1",)})
    people = [await make.user(db, password_hash=PASSWORD_HASH) for _ in range(60)]
    async with db.transaction() as session:
        emails = list(await session.scalars(select(User.email).where(User.id.in_(people))))

    async with client_of(replace(resources, settings=settings)) as client:

        async def one(n: int) -> httpx.Response:
            body = {"query": LOGIN, "variables": {"i": {"email": emails[n], "password": PASSWORD}}}
            return await client.post(
                "/graphql", json=body, headers={"X-Forwarded-For": f"198.51.100.{n}"}
            )

        await one(0)
        before = peak = resident_mebibytes()
        logins = asyncio.gather(*(one(n) for n in range(60)))
        others = 0
        while not logins.done():
            response = await client.post("/graphql", json={"query": ME}, headers=member.headers)
            assert "data" in response.json()
            others, peak = others + 1, max(peak, resident_mebibytes())

    assert all("errors" not in response.json() for response in await logins)
    assert peak - before < 100
    assert others > 10


def resident_mebibytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def test_logins_are_recorded_with_who_came_in_and_without_secrets(
    browser: httpx.AsyncClient, db: Database, person: dict[str, Any]
) -> None:
    await log_in(browser, person["email"])
    await log_in(browser, person["email"], "canary wrong password")
    update_me = "mutation($i: UpdateUserInput!) { updateUser(input: $i) { name } }"
    await ask(browser, update_me, i={"id": str(person["id"]), "name": "New"})

    async with db.transaction() as session:
        of_user = select(AuditEvent).where(AuditEvent.user_id == person["id"])
        rows = list(await session.scalars(of_user.order_by(AuditEvent.at, AuditEvent.seq)))
        refused = select(AuditEvent).where(
            AuditEvent.action.in_(("auth.login", "auth.denied")),
            AuditEvent.outcome == AuditOutcome.DENIED,
        )
        denied = list(await session.scalars(refused))
    assert (rows[0].action, rows[0].team_id) == ("auth.login", None)
    assert {row.action for row in rows} >= {"auth.login", "user.update"}
    assert denied
    said = " ".join(row.detail for row in [*rows, *denied])
    assert "canary" not in said
    assert PASSWORD not in said
    assert person["email"] not in said


async def recorded(db: Database, request_id: str) -> list[AuditEvent]:
    """What is recorded of the request, without that chains of teams begin."""
    async with db.transaction() as session:
        of_request = select(AuditEvent).where(
            AuditEvent.request_id == request_id, AuditEvent.action != "audit.open"
        )
        return list(await session.scalars(of_request.order_by(AuditEvent.action)))


async def ask_with_key(
    browser: httpx.AsyncClient, member: Member, query: str, **variables: Any
) -> tuple[dict[str, Any], str]:
    """The answer, and the id under which the audit log has the request."""
    request_id = f"r-{secrets.token_hex(8)}"
    headers = member.headers | {"X-Request-Id": request_id}
    body = {"query": query, "variables": variables}
    answer = await browser.post("/graphql", json=body, headers=headers)
    return answer.json(), request_id


async def test_what_follows_a_login_is_recorded_as_whoever_is_in(
    browser: httpx.AsyncClient, db: Database, member: Member, person: dict[str, Any]
) -> None:
    """Somebody's key, and the password of somebody else, whose rights the second and the third field use."""
    (own_team,) = [one for one in person["teams"] if one != min(person["teams"])]
    async with db.transaction() as session:
        of_person = update(Membership).where(Membership.user_id == person["id"])
        await session.execute(of_person.values(role=Role.ADMIN))
        key_id, _ = await api_keys.named(session, member.key) or (None, None)
    theirs = [await make.image(db, own_team) for _ in range(2)]
    mine = await make.image(db, member.team_id, tags=("sea",))
    query = """mutation($i: LoginInput!, $mine: [ID!]!, $theirs: [ID!]!, $never: [ID!]!) {
      addTags(imageIds: $mine, tags: ["sky"]) { collections { id } team { members { nodes { id } } } }
      login(input: $i) { viewer { user { id } } }
      trashImages(ids: $theirs) { id }
      deleteImages(ids: $never) }"""
    answer, request_id = await ask_with_key(
        browser,
        member,
        query,
        i={"email": person["email"], "password": PASSWORD},
        mine=[str(mine)],
        theirs=[str(one) for one in theirs],
        never=[str(mine)],
    )

    assert [one["path"] for one in answer["errors"]] == [["deleteImages"]]
    by_key = (member.actor.user_id, key_id)
    by_login = (person["id"], None)
    found = await recorded(db, request_id)
    told = [(one.action, one.team_id, (one.user_id, one.api_key_id)) for one in found]
    assert [one for one in told if one[0] != "membership.list"] == [
        ("auth.login", None, by_login),
        # They may not see it: the team that owns it is told who asked.
        ("image.delete", member.team_id, by_login),
        ("image.tag", member.team_id, by_key),
        ("image.trash", own_team, by_login),
    ]
    assert [one for one in told if one[0] == "membership.list"] == [
        ("membership.list", member.team_id, by_key)
    ]
    # Not lost: by whose key they came in.
    login = json.loads(found[0].detail)
    assert login == {
        "field": "login",
        "count": 0,
        "asked_by": str(member.actor.user_id),
        "asked_with": str(key_id),
    }


@pytest.mark.parametrize("way", ["register", "setPassword"])
async def test_each_way_in_is_recorded_as_whoever_came_in(
    resources: Resources, db: Database, member: Member, person: dict[str, Any], way: str
) -> None:
    settings = resources.settings.model_copy(update={"open_registration": True})
    async with db.transaction() as session:
        token = await users.new_token(session, person["id"])
    ways = {
        "register": f"""register(input: {{email: "new-{person["email"]}", password: "{PASSWORD}", name: "New"}})
                       {{ viewer {{ user {{ id }} }} }}""",
        "setPassword": f'setPassword(token: "{token}", password: "{PASSWORD}") {{ viewer {{ user {{ id }} }} }}',
    }
    created = 'createTeam(input: {name: "Another"}) { id }'
    async with client_of(replace(resources, settings=settings)) as client:
        answer, request_id = await ask_with_key(
            client, member, f"mutation {{ {ways[way]} {created} }}"
        )

    user_id = UUID(answer["data"][way]["viewer"]["user"]["id"])
    assert user_id != member.actor.user_id
    found = {one.action: one for one in await recorded(db, request_id)}
    assert found.keys() == {ACTIONS[way], "team.create"}
    for event in found.values():
        assert (event.user_id, event.api_key_id) == (user_id, None)
    assert found[ACTIONS[way]].team_id is None


async def test_after_a_logout_nobody_is_recorded(
    browser: httpx.AsyncClient, db: Database, person: dict[str, Any]
) -> None:
    await log_in(browser, person["email"])
    request_id = f"r-{secrets.token_hex(8)}"
    body = {"query": 'mutation { logout deleteTag(id: "x") }'}
    await browser.post("/graphql", json=body, headers={"X-Request-Id": request_id})

    found = [(one.action, one.user_id, one.team_id) for one in await recorded(db, request_id)]
    assert sorted(found, key=str) == sorted(
        [("auth.denied", None, None)]
        + [("auth.logout", person["id"], team_id) for team_id in person["teams"]],
        key=str,
    )
