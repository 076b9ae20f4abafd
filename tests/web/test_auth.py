"""Keys in headers: which are read, what a wrong one gets, and for how long a good one is remembered."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from starlette.requests import Request

from app.db.database import counted_statements
from app.db.models import ApiKey, AuditEvent
from app.resources import Resources
from app.web import auth
from app.web.auth import Authenticator
from tests.database import Database
from tests.web.conftest import Clock, Member, app_on, client_on

VIEWER = {"query": "{ viewer }"}


async def asked(client: httpx.AsyncClient, headers: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await client.post("/graphql", json=VIEWER, headers=headers)).json()
    return found


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer KEY"},
        {"authorization": "bearer  KEY "},
        {"X-API-Key": "KEY"},
        {"X-API-Key": "KEY", "Authorization": "Bearer KEY"},
    ],
)
async def test_key_is_read_from_either_header(
    client: httpx.AsyncClient, member: Member, headers: dict[str, str]
) -> None:
    own = {name: value.replace("KEY", member.key) for name, value in headers.items()}
    assert (await asked(client, own))["data"] == {"viewer": str(member.actor.user_id)}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": ""},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "KEY"},
        {"Authorization": "Bearer KEYx"},
        {"Authorization": "Bearer pic_nobody_x"},
        {"Authorization": "Bearer " + "x" * 5_000},
        {"X-API-Key": ""},
        {"X-API-Key": "KEY", "Authorization": "Bearer other"},
        {"X-API-Key": "KEY", "Authorization": "Basic YTpi"},
    ],
)
async def test_anything_else_is_no_actor(
    client: httpx.AsyncClient, member: Member, headers: dict[str, str]
) -> None:
    own = {name: value.replace("KEY", member.key) for name, value in headers.items()}
    (error,) = (await asked(client, own))["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert member.key not in str(error)


async def test_key_in_latin_1_is_no_crash(client: httpx.AsyncClient) -> None:
    (error,) = (await asked(client, [(b"X-API-Key", b"\xe4\xff")]))["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"


async def test_good_key_is_looked_up_once_in_a_while(
    client: httpx.AsyncClient, db: Database, member: Member, clock: Clock
) -> None:
    with counted_statements(db) as seen:
        for _ in range(5):
            assert "data" in await asked(client, member.headers)
        assert len([one for one in seen if "FROM api_key" in one]) == 1
        clock.now += auth.CACHE_SECONDS
        assert "data" in await asked(client, member.headers)
        assert len([one for one in seen if "FROM api_key" in one]) == 2


async def test_who_sends_many_requests_at_once_is_looked_up_once(
    client: httpx.AsyncClient, db: Database, member: Member
) -> None:
    with counted_statements(db) as seen:
        answers = await asyncio.gather(*(asked(client, member.headers) for _ in range(10)))
    assert all("data" in one for one in answers)
    assert len([one for one in seen if "FROM api_key" in one]) == 1


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_look_that_is_no_use_hides_none(
    resources: Resources, db: Database, member: Member, *, at_once: bool
) -> None:
    """A socket is looked at every 30 s: a page that asks as often, just after it, would lose its login while it asks."""
    authenticator = Authenticator(resources.db, resources.settings)
    request = Request({"type": "http", "headers": [(b"x-api-key", member.key.encode())]})
    looks = [authenticator.identify(request, is_use=one) for one in (False, True)]
    if at_once:
        await asyncio.gather(*looks)
    else:
        for look in looks:
            await look
    async with db.transaction() as session:
        used = select(ApiKey.last_used_at).where(ApiKey.user_id == member.actor.user_id)
        assert await session.scalar(used) is not None


async def test_a_lookup_outlives_the_request_that_began_it(
    resources: Resources, member: Member
) -> None:
    authenticator = Authenticator(resources.db, resources.settings)
    request = Request({"type": "http", "headers": [(b"x-api-key", member.key.encode())]})
    first = asyncio.create_task(authenticator.identify(request))
    await asyncio.sleep(0)
    second = asyncio.create_task(authenticator.identify(request))
    await asyncio.sleep(0)
    first.cancel()
    found = (await second).actor
    assert found is not None
    assert found.user_id == member.actor.user_id
    assert first.cancelled()


async def revoke(db: Database, member: Member) -> None:
    async with db.transaction() as session:
        await session.execute(
            update(ApiKey)
            .where(ApiKey.user_id == member.actor.user_id)
            .values(revoked_at=ApiKey.created_at)
        )


async def test_revoked_key_ends_with_the_cache(
    client: httpx.AsyncClient, db: Database, member: Member, clock: Clock
) -> None:
    assert "data" in await asked(client, member.headers)
    await revoke(db, member)
    clock.now += auth.CACHE_SECONDS
    assert "errors" in await asked(client, member.headers)
    assert auth.CACHE_SECONDS <= 5


FORM = (
    '--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n'
    + json.dumps(VIEWER)
    + '\r\n--x\r\nContent-Disposition: form-data; name="map"\r\n\r\n{}\r\n--x--\r\n'
)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (json.dumps(VIEWER), {"Content-Type": "application/json"}),
        (FORM, {"Content-Type": "multipart/form-data; boundary=x", "X-Requested-With": "test"}),
    ],
)
async def test_key_that_is_revoked_while_a_body_comes_has_ended(
    client: httpx.AsyncClient,
    db: Database,
    member: Member,
    clock: Clock,
    body: str,
    headers: dict[str, str],
) -> None:
    """Whoever keeps the last byte back has no more time than others."""

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:-1].encode()
        await revoke(db, member)
        clock.now += auth.CACHE_SECONDS
        yield body[-1:].encode()

    answer = await client.post("/graphql", content=slowly(), headers=member.headers | headers)

    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    of_key = select(func.count()).where(
        AuditEvent.team_id == member.team_id, AuditEvent.action == "auth.denied"
    )
    async with db.transaction() as session:
        assert await session.scalar(of_key) == 1


async def test_database_that_is_away_is_told_apart_from_a_wrong_key(
    resources: Resources, member: Member, clock: Clock
) -> None:
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    async with client_on(app_on(replace(resources, db=away), clock)) as client:
        (error,) = (await asked(client, member.headers))["errors"]
    assert error["extensions"]["code"] == "UNAVAILABLE"


@pytest.mark.parametrize("path", ["/graphql", "/random"])
async def test_key_that_nobody_could_look_up_was_not_refused(
    resources: Resources, db: Database, member: Member, clock: Clock, path: str
) -> None:
    """The database may be there again a moment later: the log is to say nothing of a key that is good."""
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    app = app_on(resources, clock)
    app.routes[0].app._authenticator._db = away  # type: ignore[attr-defined]
    params = {"query": "{ viewer }"} if path == "/graphql" else {}
    async with client_on(app) as client:
        answer = await client.get(path, params=params, headers=member.headers)
    assert "UNAVAILABLE" in answer.text
    of_team = select(func.count()).where(AuditEvent.team_id == member.team_id)
    async with db.transaction() as session:
        assert await session.scalar(of_team) == 0
