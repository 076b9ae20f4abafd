"""The stranger suite with the application's own filters switched off: PostgreSQL alone still refuses.

The one place where the product's own functions are replaced, because their absence is what is tested.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, select, true

from app.db import database
from app.db.database import ACTING_ROLE, Entrance
from app.db.models import ApiKey, Collection, Image, ImageVector, Membership, Tag, Team, User
from app.domain import Actor, Role
from app.graphql.context import Context
from app.services import access, embedding_models, nodes
from app.services.people import api_keys
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client
from tests.graphql.test_strangers import (
    KIND_OF_ARGUMENT,
    PLACES,
    Caller,
    Path,
    World,
    document,
    kind_of,
    replaced,
    rows_of,
    type_of,
    world,
)

__all__ = ["world"]

KINDS = {
    "visible_images": Image,
    "visible_tags": Tag,
    "visible_collections": Collection,
    "visible_teams": Team,
    "visible_memberships": Membership,
    "visible_users": User,
}
WHO = "select current_user::text, current_setting('app.team_ids', true)"


def all_rows(model: Any) -> Any:
    return lambda *_given, **_named: select(model)


@pytest.fixture
def believed(world: World, monkeypatch: pytest.MonkeyPatch) -> Actor:
    """An actor whom the application takes for an ADMIN of both teams, and lets through everywhere else.

    The database still knows who it is: it alone is told the truth.
    """
    truth = world.actor
    acting = database.Database.acting

    def truly(db: database.Database, _believed: Actor) -> Entrance:
        return acting(db, truth)

    monkeypatch.setattr(database.Database, "acting", truly)
    for name, model in KINDS.items():
        monkeypatch.setattr(access, name, all_rows(model))
    monkeypatch.setattr(
        nodes,
        "VISIBLE",
        {model.__name__: (model, all_rows(model)) for model in (*KINDS.values(), ApiKey)},
    )
    for name in ("visible", "listed"):
        monkeypatch.setattr(api_keys, name, all_rows(ApiKey))
    monkeypatch.setattr(access, "in_teams", lambda *_given: true())
    for name in ("require", "require_member"):
        monkeypatch.setattr(access, name, lambda *_given, **_named: None)
    monkeypatch.setattr(access, "administers", lambda *_given: True)
    return replace(truth, roles={**truth.roles, world.foreign["team"]: Role.ADMIN})


@pytest.mark.parametrize(
    ("operation", "root", "path"), PLACES, ids=[f"{o[0]}.{r}.{'.'.join(p)}" for o, r, p in PLACES]
)
async def test_nothing_foreign_comes_out_or_changes(
    client: Client,
    db: Database,
    world: World,
    believed: Actor,
    operation: str,
    root: str,
    path: Path,
) -> None:
    kind = type_of(operation)
    right = Caller(client, root, world.own).fields(kind.fields[root].args, (), path)
    before = await rows_of(db, world.foreign["team"])
    foreign = str(world.foreign[kind_of(root, path)])

    answer = await client.ask(
        believed, document(operation, root, right), **replaced(right, path, foreign)
    )

    data = json.dumps(answer.data, default=str)
    assert not [kind for kind, one in world.foreign.items() if str(one) in data]
    assert await rows_of(db, world.foreign["team"]) == before


@pytest.mark.parametrize("kind", sorted(set(KIND_OF_ARGUMENT.values()) | {"api_key"}))
async def test_no_node(client: Client, world: World, believed: Actor, kind: str) -> None:
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    foreign, own = str(world.foreign[kind]), str(world.own[kind])

    data = await client.get(believed, query, ids=[foreign, own])

    assert data == {"nodes": [None, {"id": own}]}


async def give_vectors(db: Database, client: Client, image_ids: list[UUID]) -> None:
    [vector] = await client.resources.embedder.texts(["word"])
    async with db.transaction() as session:
        model = await embedding_models.require(session)
        for image in await session.scalars(select(Image).where(Image.id.in_(image_ids))):
            session.add(
                ImageVector(
                    team_id=image.team_id,
                    image_id=image.id,
                    model_id=model.id,
                    created_at=image.created_at,
                    embedding=vector,
                )
            )


async def test_lists_and_draws(client: Client, db: Database, world: World, believed: Actor) -> None:
    query = """query($foreign: ID!, $own: ID!) {
      teams { nodes { id members { nodes { user { id } } } apiKeys { nodes { id } } } totalCount }
      users { nodes { id } totalCount }
      tags { nodes { id imageCount } totalCount }
      collections { nodes { id } totalCount }
      all: images(filter: {trashed: null}) { nodes { id tags { id } } totalCount }
      theirs: images(filter: {teamId: $foreign, text: "picture"}) { nodes { id } totalCount }
      drawn: randomImages(count: 100) { id }
      drawnByTag: randomImages(count: 100, filter: {tags: {all: ["word"]}}) { id }
      drawnOfTheirs: randomImages(count: 100, filter: {teamId: $foreign}) { id }
      searched: searchImages(query: {text: "word"}, first: 100) { edges { node { id } } }
      hybrid: searchImages(query: {text: "picture"}, mode: HYBRID) { edges { node { id } } }
      similar: image(id: $own) { similar(first: 100) { edges { node { id } } } }
    }"""
    await give_vectors(db, client, [world.own["image"], world.foreign["image"]])

    answer = await client.ask(
        believed, query, foreign=str(world.foreign["team"]), own=str(world.own["image"])
    )

    assert answer.errors == []
    data = json.dumps(answer.data)
    assert not [kind for kind, one in world.foreign.items() if str(one) in data]
    assert answer.data is not None
    assert answer.data["all"]["totalCount"] == 1
    own = {"id": str(world.own["image"])}
    assert answer.data["drawn"] == answer.data["drawnByTag"] == [own]
    for search in ("searched", "hybrid"):
        assert answer.data[search] == {"edges": [{"node": own}]}


async def test_without_the_wall_the_suite_would_fail(
    client: Client, world: World, believed: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The filters really are off: as the owner of the tables, the same actor sees the other team's image."""
    monkeypatch.setattr(database.Database, "acting", lambda db, _actor: db.owner)
    foreign = str(world.foreign["image"])

    data = await client.get(believed, "query($id: ID!) { image(id: $id) { id } }", id=foreign)

    assert data == {"image": {"id": foreign}}


@contextmanager
def watched(db: Database) -> Iterator[set[tuple[str, str]]]:
    """Who runs the statements of the block, and for which teams, by PostgreSQL's own word."""
    seen: set[tuple[str, str]] = set()

    def note(connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement != WHO:
            seen.add(tuple(connection.exec_driver_sql(WHO).one()))

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine.sync_engine, "before_cursor_execute", note)


async def test_every_statement_of_a_request_runs_in_its_role(
    client: Client, db: Database, world: World
) -> None:
    variables: dict[UUID | str, Any]
    with watched(db) as seen:
        for operation, root, path in PLACES:
            kind = type_of(operation)
            variables = Caller(client, root, world.own).fields(kind.fields[root].args, (), path)
            await client.ask(world.actor, document(operation, root, variables), **variables)

    own = world.own["team"].hex
    assert {role for role, _ in seen} == {ACTING_ROLE}
    # createTeam alone sees one team more: the one that it makes.
    assert all(teams.startswith(f"{{{own}") for _, teams in seen)


async def test_the_context_has_the_viewer_s_entrance_alone(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    context = Context(resources=client.resources, actor=actor, request_id="test")

    assert context.db == db.acting(actor)
