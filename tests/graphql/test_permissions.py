"""Every root field and every field of every type with an id, asked by every kind of caller, against the table.

The calls are made from the schema and the outcomes read from the table: no cell is written by hand.
"""

import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import numpy as np
import pytest
from graphql import GraphQLObjectType
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from app.db.models import ApiKey, Duplicate, ImageVector, Membership, PasswordToken, Tag, Team, User
from app.domain import Role
from app.embedding import Embedder
from app.graphql.context import Context
from app.graphql.permissions import NODES, ROOT_FIELDS, Caller, Need, Outcome, Who
from app.services import embedding_models
from app.services.people import api_keys, passwords
from app.settings import Settings
from app.web.auth import Authenticator, Identity
from tests import make
from tests.database import Database
from tests.graphql import test_strangers as strangers
from tests.graphql.conftest import Answer, Client

CALLERS = {
    "anonymous": Caller.ANONYMOUS,
    "expired key": Caller.ANONYMOUS,
    "revoked key": Caller.ANONYMOUS,
    "stranger": Caller.STRANGER,
    "VIEWER": Caller.VIEWER,
    "EDITOR": Caller.EDITOR,
    "ADMIN": Caller.ADMIN,
    "operator": Caller.OPERATOR,
}
"""Who asks, and the column of the table that speaks of them."""
PASSWORD = "correct horse battery"
PASSWORD_HASH = passwords.HASHER.hash(PASSWORD)
GIVEN: dict[str, dict[str, str]] = {
    "register": {"email": "own-{team}@example.org", "password": PASSWORD},
    "login": {"email": "spare-{team}@example.org", "password": PASSWORD},
    "changePassword": {"currentPassword": PASSWORD, "newPassword": "battery horse"},
    "setPassword": {"token": "token-{team}", "password": PASSWORD},
    "deleteTeam": {"confirmSlug": "slug-{team}"},
    "createUser": {"email": "new-{team}@example.org"},
    "createTag": {"name": "new"},
    "renameTag": {"name": "renamed"},
    "completeUpload": {"ticket": "ticket-{team}"},
}
"""What is said in place of a type's general value, where that would be refused."""


@dataclass
class World:
    """A team with one thing of each kind, and the keys of those who ask."""

    ids: dict[str, UUID]
    edge: Authenticator
    keys: dict[str, str]
    callers: dict[str, Identity] = field(default_factory=dict)

    async def caller(self, name: str) -> Identity:
        """Who the edge takes them for. It notes in their key's row that it was used."""
        if name not in self.callers:
            self.callers[name] = await self.edge.identify(request(self.keys.get(name)))
        return self.callers[name]


async def world_of(db: Database, embedder: Embedder, team_name: str | None = None) -> World:
    owner = await make.actor(db)
    (team_id,) = owner.team_ids
    ids = await strangers.things(db, owner)
    people = {role.value: await make.actor(db, team_id, role) for role in Role}
    people |= {name: await make.actor(db) for name in ("stranger", "operator")}
    people |= dict.fromkeys(("expired key", "revoked key"), people["ADMIN"])
    spare = await make.actor(db, team_id, Role.VIEWER)
    keys = {}
    ids["copy"] = await make.image(db, team_id)
    async with db.transaction() as session:
        for one in ("image", "copy"):
            session.add(Duplicate(team_id=team_id, image_id=ids[one], group_id=ids["image"]))
        team = await session.get_one(Team, team_id)
        team.name, team.slug = team_name or first_in_any_list(), f"slug-{team_id}"
        (await session.get_one(User, people["operator"].user_id)).is_operator = True
        for actor in [*people.values(), spare]:
            (await session.get_one(User, actor.user_id)).password_hash = PASSWORD_HASH
        (await session.get_one(User, spare.user_id)).email = f"spare-{team_id}@example.org"
        session.add(one_time_token(spare.user_id, f"token-{team_id}"))
        (await session.get_one(ApiKey, ids["api_key"])).user_id = spare.user_id
        await embed(session, embedder, team_id, ids["image"])
        membership = select(Membership).where(Membership.user_id == spare.user_id)
        tag = select(Tag).where(Tag.team_id == team_id, Tag.name == "word")
        ids |= {
            "user": spare.user_id,
            "membership": (await session.scalars(membership)).one().id,
            "word": (await session.scalars(tag)).one().id,
        }
        past = datetime.now(UTC) - timedelta(seconds=1)
        for name, actor in people.items():
            ((its_team, role),) = actor.roles.items()
            row, keys[name] = await api_keys.add(
                session,
                team_id=its_team,
                user_id=actor.user_id,
                name=name,
                role=role,
                expires_at=past if name == "expired key" else None,
            )
            row.revoked_at = past if name == "revoked key" else None
    return World(ids, Authenticator(db, Settings()), keys)


def request(key: str | None) -> Request:
    headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
    return Request({"type": "http", "headers": headers, "path": "/", "server": ("test", 80)})


def first_in_any_list() -> str:
    """A team's name before which no other's comes, that of an earlier world included."""
    return f"!{2**63 - time.time_ns()}"


def one_time_token(user_id: UUID, token: str) -> PasswordToken:
    return PasswordToken(
        user_id=user_id,
        token_hash=hashlib.sha256(token.encode()).digest(),
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )


async def embed(session: AsyncSession, embedder: Embedder, team_id: UUID, image_id: UUID) -> None:
    await embedder.warm()
    model = await embedding_models.ensure(
        session, name=embedder.name, revision=embedder.revision, dimension=embedder.dimension
    )
    row = ImageVector(
        team_id=team_id,
        model_id=model.id,
        image_id=image_id,
        created_at=datetime.now(UTC),
        embedding=np.eye(1, embedder.dimension)[0],
    )
    session.add(row)


async def asked(client: Client, who: Identity, query: str, variables: dict[str, Any]) -> Answer:
    context = Context(
        resources=client.resources, actor=who.actor, refusal=who.refusal, request_id="test"
    )
    return await client.answer(context, query, **variables)


@pytest.fixture(scope="module")
async def standing_world(one_engine: Database, embedder: Embedder) -> World:
    """One for all calls that change nothing; its team comes before those of the others, made before or after it."""
    world = await world_of(one_engine, embedder, f"!0{first_in_any_list()}")
    await meet_all(world)
    return world


async def meet_all(world: World) -> None:
    for who in CALLERS:
        await world.caller(who)


def roots() -> dict[str, tuple[str, str, strangers.Path, Need]]:
    """For each line of the table: operation, field and the place that names something of the team."""
    found = {}
    for operation, name, kind in strangers.roots():
        places = [path for _, root, path in strangers.PLACES if root == name]
        of_team = [path for path in places if path[-1] == "teamId"]
        path = next(iter(of_team or places), ())
        found[f"{kind.name}.{name}"] = (operation, name, path)
    for key in ROOT_FIELDS:
        field, _, rest = key.partition("(")
        if rest:
            found[key] = (*found[field][:2], tuple(rest.rstrip(")").split(".")))
    return {key: (*call, ROOT_FIELDS[key]) for key, call in found.items()}


def call(client: Client, world: World, operation: str, name: str, path: strangers.Path) -> Any:
    kind = strangers.type_of(operation)
    variables = strangers.Caller(client, name, world.ids).fields(kind.fields[name].args, (), path)
    said = {key: value.format(team=world.ids["team"]) for key, value in GIVEN.get(name, {}).items()}
    if said:
        target = variables.get("input", variables)
        target |= said
    return strangers.document(operation, name, variables), variables


COUNTED: Final = re.compile(r'"(total|count)": [1-9]')
"""What shows that there is something, though it names nothing."""


def outcome(answer: Answer, world: World, need: Need, operation: str) -> Outcome | str:
    """What became of the call, told from the answer alone."""
    shown = json.dumps(answer.data, default=str)
    named = any(str(one) in shown for one in world.ids.values())
    reveals = named or COUNTED.search(shown) is not None
    if answer.errors:
        (code,) = answer.codes
        assert not reveals
        return Outcome.HIDDEN if code == "NOT_FOUND" else code
    if operation == "query" and need.who is Who.MEMBER and not reveals:
        return Outcome.HIDDEN
    return Outcome.ALLOWED


@pytest.mark.parametrize("line", roots())
async def test_root_fields_keep_to_the_table(
    client: Client, db: Database, embedder: Embedder, standing_world: World, line: str
) -> None:
    operation, name, path, need = roots()[line]
    world = standing_world
    if operation == "mutation":
        world = await world_of(db, embedder)
        await meet_all(world)
    before = await strangers.rows_of(db, world.ids["team"])
    expected = {who: need.outcome(caller) for who, caller in CALLERS.items()}
    found: dict[str, Outcome | str] = {}
    for who in sorted(CALLERS, key=lambda one: expected[one] is Outcome.ALLOWED):
        if operation == "mutation" and Outcome.ALLOWED in found.values():
            world = await world_of(db, embedder)
        elif expected[who] is Outcome.ALLOWED:
            assert await strangers.rows_of(db, world.ids["team"]) == before
        query, variables = call(client, world, operation, name, path)
        answer = await asked(client, await world.caller(who), query, variables)
        found[who] = outcome(answer, world, need, operation)

    assert found == expected


KINDS = {
    kind.name: kind
    for kind in strangers.GRAPHQL.type_map.values()
    if isinstance(kind, GraphQLObjectType) and "Node" in [one.name for one in kind.interfaces]
}
ID_OF = {"ApiKey": "api_key", "AuditEvent": "audit_event", "BulkJob": "bulk_job"}


def test_every_type_with_an_id_is_in_the_table() -> None:
    of_fields = {f"{name}.{field}" for name, kind in KINDS.items() for field in kind.fields}
    assert {key for key in NODES if "." not in key} == KINDS.keys()
    assert {key for key in NODES if "." in key} <= of_fields


def hidden(value: Any) -> bool:
    """Nothing is shown: null, no rows."""
    return value in (None, []) or (isinstance(value, dict) and value.get("nodes") == [])


@pytest.mark.parametrize("kind", KINDS)
async def test_types_with_an_id_keep_to_the_table(
    client: Client, db: Database, embedder: Embedder, kind: str
) -> None:
    world = await world_of(db, embedder)
    node_id = str(world.ids[ID_OF.get(kind, kind.lower())])
    for name, its in KINDS[kind].fields.items():
        own = f"{kind}.{name}"
        inner = f"{name} {strangers.selection(its.type)}"
        query = f"query($id: ID!) {{ node(id: $id) {{ ... on {kind} {{ {inner} }} }} }}"
        for who, caller in CALLERS.items():
            answer = await asked(client, await world.caller(who), query, {"id": node_id})
            node = (answer.data or {}).get("node")
            if NODES[kind].outcome(caller) is not Outcome.ALLOWED:
                assert node is None, (who, name)
            elif NODES.get(own, NODES[kind]).outcome(caller) is not Outcome.ALLOWED:
                assert node is None or hidden(node[name]), (who, name)
            else:
                assert answer.errors == [], (who, name)
                assert own not in NODES or not hidden(node[name]), (who, name)
