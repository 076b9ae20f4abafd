"""imageProcessing through the whole application: what is recorded of it, and what an outage of the database does to it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy import func, make_url, select, update
from starlette.applications import Starlette

from app import main
from app.db.models import AuditEvent, Image, Session, User
from app.domain import ProcessingStatus
from app.resources import Resources
from app.services import jobs
from app.services.people import passwords, users
from app.services.people.accounts import Accounts
from tests import make
from tests.database import Database
from tests.fixtures.own_database import own_database
from tests.web.conftest import Member, client_on, new_member, served
from tests.web.test_event_stream import EVENTS
from tests.web.test_sockets import ask, hear, heard, opened, say

OF_IMAGES = (
    "subscription ($ids: [ID!]) { imageProcessing(imageIds: $ids) { processing { status } } }"
)
OF_TEAMS = "subscription { imageProcessing { id processing { status } } }"
READY = ProcessingStatus.READY


def application(resources: Resources) -> Starlette:
    settings = resources.settings.model_copy(update={"operation_timeout_seconds": 60.0})
    return main.create_app(replace(resources, settings=settings))


@pytest.fixture
async def product(resources: Resources) -> AsyncIterator[str]:
    """The address of a server of the whole application."""
    async with served(application(resources)) as (address, _):
        yield address


async def events(db: Database, team_id: UUID) -> list[tuple[str, str, list[UUID], Any]]:
    async with db.transaction() as session:
        query = select(AuditEvent).filter_by(team_id=team_id).order_by(AuditEvent.at)
        return [
            (one.action, one.outcome, one.subject_ids, json.loads(one.detail))
            for one in await session.scalars(query)
        ]


async def be(db: Database, *image_ids: UUID, status: ProcessingStatus) -> None:
    async with db.transaction() as session:
        await session.execute(
            update(Image).where(Image.id.in_(image_ids)).values(processing=status)
        )


def status(message: dict[str, Any]) -> str:
    found: str = message["payload"]["data"]["imageProcessing"]["processing"]["status"]
    return found


async def test_each_image_is_recorded_before_it_is_first_told(
    product: str, db: Database, member: Member
) -> None:
    watched, other = [await make.image(db, member.team_id) for _ in range(2)]

    async with opened(product, member) as socket:
        await ask(socket, "1", OF_IMAGES, variables={"ids": [str(watched)]})
        assert status(await hear(socket)) == "PENDING"
        began = await events(db, member.team_id)
        await be(db, watched, status=READY)
        assert len(await heard(socket, "1")) == 2
        await ask(socket, "2", OF_TEAMS)
        while len(await events(db, member.team_id)) < 2:  # noqa: ASYNC110  no message says that it began
            await asyncio.sleep(0.01)
        for one in (ProcessingStatus.PROCESSING, READY):
            await be(db, other, status=one)
            assert status(await hear(socket)) == one

    seen = ("image.watch", "ALLOWED", [watched], {"field": "imageProcessing", "count": 1})
    assert began == [seen]
    assert await events(db, member.team_id) == [
        seen,
        ("image.watch", "ALLOWED", [], {"field": "imageProcessing", "count": 0}),
        ("image.watch", "ALLOWED", [other], {"field": "imageProcessing", "count": 1}),
    ]


async def test_owner_is_told_of_a_stranger(product: str, db: Database, member: Member) -> None:
    stranger = await new_member(db)
    image_id = await make.image(db, member.team_id)

    async with opened(product, stranger) as socket:
        await ask(socket, "1", OF_IMAGES, variables={"ids": [str(image_id)]})
        assert await heard(socket, "1") == ["NOT_FOUND"]

    denied = (
        "image.watch",
        "DENIED",
        [image_id],
        {"field": "imageProcessing", "code": "NOT_FOUND"},
    )
    assert await events(db, member.team_id) == [denied]
    assert await events(db, stranger.team_id) == [denied]


async def test_nobody_known_watches_nothing(resources: Resources) -> None:
    async with client_on(application(resources)) as client:
        response = await client.post("/graphql", json={"query": OF_TEAMS}, headers=EVENTS)
    assert "UNAUTHENTICATED" in response.text
    assert response.text.endswith("event: complete\ndata:\n\n")


async def test_nobody_gets_in_over_a_socket_and_nothing_is_changed(
    resources: Resources, db: Database, member: Member
) -> None:
    """With the right password and a good token: there is no cookie to tell the session in."""
    password, new = "correct horse battery", "another long password"
    email, absent = f"{member.team_id}@example.org", f"new-{member.team_id}@example.org"
    async with db.transaction() as session:
        user = await session.get_one(User, member.actor.user_id)
        user.email, user.password_hash = email, passwords.HASHER.hash(password)
        token = await users.new_token(session, user.id)
    given = [
        ("login(input: $i) { expiresAt }", "LoginInput", {"email": email, "password": password}),
        ("register(input: $i) { expiresAt }", "RegisterInput",
         {"email": absent, "password": password, "name": "New"}),
        ("changePassword(input: $i) { isOperator }", "ChangePasswordInput",
         {"currentPassword": password, "newPassword": new}),
        (f'setPassword(token: "{token}", password: $i) {{ expiresAt }}', "String", new),
    ]  # fmt: skip
    settings = resources.settings.model_copy(update={"open_registration": True})
    open_to_all = replace(resources, settings=settings)
    async with served(application(open_to_all)) as (product, _), opened(product, member) as socket:
        for field, kind, value in given:
            query = f"mutation($i: {kind}!) {{ {field} }}"
            await ask(socket, field, query, variables={"i": value})
            message = await hear(socket)
            (error,) = message["payload"]["errors"]
            assert message["payload"]["data"] is None
            assert error["extensions"]["code"] == "BAD_USER_INPUT"
            assert "WebSocket" in error["message"]
            assert (await hear(socket))["type"] == "complete"

    async with db.transaction() as session:
        same = select(func.count()).where(Session.user_id == member.actor.user_id)
        assert await session.scalar(same) == 0
        assert await session.scalar(select(User).where(User.email == absent)) is None
    ways = Accounts(db=db, lifetime=timedelta(hours=1), client_ip=None)
    assert (await ways.log_in(email, password)).actor.user_id == member.actor.user_id
    assert (await ways.set_password(token, new)).actor.user_id == member.actor.user_id


async def test_what_hangs_on_an_image_is_read_anew_for_each_event(
    product: str, db: Database, member: Member
) -> None:
    image_id = await make.image(db, member.team_id, tags=("old",))
    query = "subscription ($ids: [ID!]) { imageProcessing(imageIds: $ids) { tags { name } processing { attempts } } }"
    async with opened(product, member) as socket:
        await ask(socket, "1", query, variables={"ids": [str(image_id)]})
        first = await hear(socket)
        async with httpx.AsyncClient(base_url=product, headers=member.headers) as client:
            body = {
                "query": f'mutation {{ setTags(imageId: "{image_id}", tags: ["new"]) {{ id }} }}'
            }
            await client.post("/graphql", json=body)
        await be(db, image_id, status=READY)
        second, _ = await heard(socket, "1")
    assert first["payload"]["data"]["imageProcessing"]["tags"] == [{"name": "old"}]
    assert second["imageProcessing"]["tags"] == [{"name": "new"}]


async def test_what_is_completed_at_once_goes_on_for_nobody(
    product: str, db: Database, member: Member
) -> None:
    """As by a part of a page that is taken away as soon as it is shown."""
    image_id = await make.image(db, member.team_id)
    async with opened(product, member) as socket:
        await ask(socket, "last", OF_IMAGES, variables={"ids": [str(image_id)]})
        assert status(await hear(socket)) == "PENDING"
        for number in range(200):
            await ask(socket, str(number), OF_TEAMS)
            for _ in range(number % 20):
                await asyncio.sleep(0)
            await say(socket, type="complete", id=str(number))
        await be(db, image_id, status=ProcessingStatus.PROCESSING)
        await asyncio.sleep(0.2)
        await be(db, image_id, status=READY)
        assert len(await heard(socket, "last")) == 3


@asynccontextmanager
async def out_of_reach(
    server_url: str, url: str, *, but: asyncpg.Connection
) -> AsyncIterator[None]:
    """The database takes no connection, and has lost all that it had but one."""
    name = make_url(url).database
    server = await asyncpg.connect(server_url.replace("+asyncpg", ""))
    await server.execute(f"alter database {name} allow_connections false")
    await server.execute(
        "select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = $1 and pid <> $2",
        name,
        but.get_server_pid(),
    )
    try:
        yield
    finally:
        await server.execute(f"alter database {name} allow_connections true")
        await server.close()


async def test_nothing_is_lost_while_the_database_is_away(
    database_url: str, resources: Resources
) -> None:
    async with own_database(database_url) as url:
        db = Database(url)
        member = await new_member(db)
        named, worked = [await make.image(db, member.team_id) for _ in range(2)]
        await db.run(lambda session: jobs.enqueue(session, member.team_id, worked, jobs.PROCESSING))
        witness = await asyncpg.connect(url.replace("+asyncpg", ""))
        app = application(replace(resources, db=db))
        async with served(app) as (address, _), opened(address, member) as socket:
            await ask(socket, "named", OF_IMAGES, variables={"ids": [str(named)]})
            assert status(await hear(socket)) == "PENDING"
            await ask(socket, "team", OF_TEAMS)
            while len(await events(db, member.team_id)) < 2:  # noqa: ASYNC110  as above
                await asyncio.sleep(0.01)
            async with out_of_reach(database_url, url, but=witness):
                await witness.execute(
                    "update image_job set state = 'DONE', finished_at = now() where image_id = $1",
                    worked,
                )
                await witness.execute("update image set processing = 'READY'")
            found: dict[str, list[Any]] = {"named": [], "team": []}
            while len(found["named"]) < 2 or not found["team"]:
                message = await hear(socket)
                found[message["id"]].append(
                    status(message) if message["type"] == "next" else message["type"]
                )
        await witness.close()
        await db.close()
    assert found == {"named": ["READY", "complete"], "team": ["READY"]}
