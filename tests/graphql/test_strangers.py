"""Walks the schema: another team's ids behave exactly as ids that never were, and nobody gets in unknown.

The calls are generated. For each place that takes an id there is one call with another team's object and
one with an id that no row has; the answers must be the same, and the other team's rows untouched.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationType,
    get_named_type,
)
from sqlalchemy import select, text

from app.db.database import counted_statements
from app.db.models import (
    ApiKey,
    AuditEvent,
    BulkJob,
    Collection,
    CollectionImage,
    Dataset,
    Membership,
    Tag,
)
from app.domain import Actor, AuditOutcome, Role
from app.embedding import Embedder
from app.graphql.permissions import ROOT_FIELDS, Who
from app.graphql.schema import build_schema
from app.resources import Resources
from app.services import embedding_models
from app.services.auditing import audit
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client, png

GRAPHQL: GraphQLSchema = build_schema()._schema
KIND_OF_ARGUMENT = {
    "teamId": "team",
    "userId": "user",
    "uploadedById": "user",
    "imageId": "image",
    "imageIds": "image",
    "collectionId": "collection",
    "sourceIds": "tag",
    "targetId": "tag",
    "addToCollection": "collection",
    "removeFromCollection": "collection",
}
KIND_OF_FIELD = {
    "node": "image",
    "nodes": "tag",
    "team": "team",
    "user": "user",
    "image": "image",
    "tag": "tag",
    "collection": "collection",
    "dataset": "dataset",
    "deleteDataset": "dataset",
    "exportDataset": "image",
    "updateTeam": "team",
    "deleteTeam": "team",
    "updateUser": "user",
    "deleteUser": "user",
    "updateImage": "image",
    "trashImages": "image",
    "restoreImages": "image",
    "deleteImages": "image",
    "retryProcessing": "image",
    "renameTag": "tag",
    "deleteTag": "tag",
    "updateCollection": "collection",
    "deleteCollection": "collection",
    "revokeApiKey": "api_key",
    "bulkJob": "bulk_job",
    "startBulkJob": "bulk_job",
    "bulkJobProgress": "bulk_job",
    "datasetProgress": "dataset",
    "cancelBulkJob": "bulk_job",
    "prepareBulkJob": "image",
    "images": "image",
    "randomImage": "image",
    "randomImages": "image",
    "shuffledImages": "image",
    "imageFacets": "image",
    "imageTimeline": "image",
    "searchImages": "image",
}
"""What `id` and `ids` name in a root field (for lists: in their filter)."""
VALUES: dict[str, Any] = {
    "String": "word",
    "Int": 1,
    "Float": 1.0,
    "Boolean": True,
    "DateTime": "2099-01-01T00:00:00Z",
}
NAMED = {"sha256": "0" * 64, "timeZone": "UTC"}
"""Values of arguments for which their type's general one would be refused."""
ALSO = {("tag", ("teamId",)): {"name": "word"}}
"""What a place needs beside it, though the schema does not say so."""
SHOWN = {"prepareBulkJob": "{ total }"}
"""What is asked of an answer that is new each time, in place of its id."""
Path = tuple[str, ...]


@dataclass
class World:
    """Two teams with one thing of each kind; `actor` belongs to the first."""

    actor: Actor
    own: dict[str, UUID] = field(default_factory=dict)
    foreign: dict[str, UUID] = field(default_factory=dict)


async def things(db: Database, actor: Actor) -> dict[str, UUID]:
    (team_id,) = actor.team_ids
    image_id = await make.image(db, team_id, tags=("word",), uploaded_by=actor.user_id)
    async with db.transaction() as session:
        tag, other = (Tag(team_id=team_id, name=name, key=name) for name in ("spare", "third"))
        collection = Collection(team_id=team_id, name="word")
        key = ApiKey(
            team_id=team_id,
            user_id=actor.user_id,
            name="word",
            role=Role.VIEWER,
            public_id=uuid4().hex[:12],
            secret_hash=bytes(32),
        )
        dataset = Dataset(
            team_id=team_id, name="word", spec={"filter": {}}, fingerprint=bytes(32), done=1, image_count=1,
            files={"images.jsonl": {"key": f"t/{team_id}/x", "bytes": 1, "sha256": "0" * 64}},
        )  # fmt: skip
        done = make.ticket(actor, f"ticket-{team_id}", image_id=image_id, created=True)
        job = BulkJob(team_id=team_id, action="TRASH", created_by=actor.user_id, part_size=100)
        session.add_all([tag, other, collection, dataset, key, done, job])
        await session.flush()
        origin = audit.Origin("test")
        said = audit.Event(
            "image.read", AuditOutcome.ALLOWED, origin, team_id=team_id, subject_ids=(image_id,)
        )
        await audit.append(session, b"test", [said])
        event_id = await session.scalar(select(AuditEvent.id).filter_by(team_id=team_id))
        assert event_id is not None
        session.add(
            CollectionImage(
                team_id=team_id,
                collection_id=collection.id,
                image_id=image_id,
                created_at=collection.created_at,
            )
        )
        return {
            "team": team_id,
            "user": actor.user_id,
            "image": image_id,
            "tag": tag.id,
            "other_tag": other.id,
            "collection": collection.id,
            "bulk_job": job.id,
            "dataset": dataset.id,
            "api_key": key.id,
            "audit_event": event_id,
        }


@pytest.fixture
async def world(db: Database, resources: Resources) -> World:
    return await made(db, resources.embedder)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing_world(database_url: str, embedder: Embedder) -> World:
    """One for all tests that change nothing in it."""
    db = Database(database_url, pool_size=1)
    world = await made(db, embedder)
    await db.close()
    return world


async def made(db: Database, embedder: Embedder) -> World:
    await embedder.warm()
    async with db.transaction() as session:
        await embedding_models.ensure(
            session,
            name=embedder.name,
            revision=embedder.revision,
            dimension=embedder.dimension,
        )
    actor, stranger = await make.actor(db), await make.actor(db)
    second = await make.user(db)
    async with db.transaction() as session:
        session.add(Membership(team_id=stranger.team_ids[0], user_id=second, role=Role.EDITOR))
    return World(actor, await things(db, actor), await things(db, stranger))


def inputs(kind: Any) -> dict[str, GraphQLInputField]:
    named = get_named_type(kind)
    return named.fields if isinstance(named, GraphQLInputObjectType) else {}


def id_paths(arguments: dict[str, Any], above: Path = ()) -> Iterator[Path]:
    """Every place below these arguments that takes an id or a list of ids."""
    for name, argument in arguments.items():
        if get_named_type(argument.type).name == "ID":
            yield (*above, name)
        yield from id_paths(inputs(argument.type), (*above, name))


def kind_of(root: str, path: Path) -> str:
    name = path[-1]
    return KIND_OF_ARGUMENT[name] if name in KIND_OF_ARGUMENT else KIND_OF_FIELD[root]


def type_of(operation: str) -> GraphQLObjectType:
    """The type of an operation's root fields."""
    kind = GRAPHQL.get_root_type(OperationType(operation))
    assert kind is not None
    return kind


def roots() -> Iterator[tuple[str, str, GraphQLObjectType]]:
    for operation in OperationType:
        kind = type_of(operation.value)
        for name in kind.fields:
            yield operation.value, name, kind


PLACES = [
    (operation, name, path)
    for operation, name, kind in roots()
    for path in id_paths(kind.fields[name].args)
]


class Caller:
    """Makes the variables of a call in which everything required is right, but for one place."""

    def __init__(self, client: Client, root: str, ids: dict[str, UUID]) -> None:
        self.client, self.root, self.ids = client, root, ids

    def value(self, argument: GraphQLArgument | GraphQLInputField, path: Path, tested: Path) -> Any:
        kind, name = argument.type, get_named_type(argument.type).name
        of = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
        if isinstance(of, GraphQLList):
            return [self.single(argument, name, path, tested)]
        return self.single(argument, name, path, tested)

    def single(self, argument: Any, name: str, path: Path, tested: Path) -> Any:
        if name == "ID":
            kind = kind_of(self.root, path)
            return str(self.ids["other_tag" if path[-1] == "targetId" else kind])
        if name == "Upload":
            return self.client.file(png(7))
        named = get_named_type(argument.type)
        if isinstance(named, GraphQLEnumType):
            return next(iter(named.values))
        if isinstance(named, GraphQLInputObjectType):
            return self.fields(
                named.fields,
                path,
                tested,
                one_of=named.extensions["strawberry-definition"].is_one_of,
            )
        return NAMED.get(path[-1], VALUES[name])

    def fields(
        self, fields: dict[str, Any], above: Path, tested: Path, *, one_of: bool = False
    ) -> dict[str, Any]:
        wanted = [
            name
            for name, argument in fields.items()
            if (*above, name) == tested[: len(above) + 1]
            or (isinstance(argument.type, GraphQLNonNull) and not one_of)
        ]
        if one_of and not wanted:
            wanted = list(fields)[:1]
        given = {name: self.value(fields[name], (*above, name), tested) for name in wanted}
        return given if above else given | ALSO.get((self.root, tested), {})


def replaced(variables: Any, path: Path, value: str) -> Any:
    """The variables with `value` at `path`, in a list where a list is taken."""
    if not path:
        return [value] if isinstance(variables, list) else value
    if isinstance(variables, list):
        return [replaced(one, path, value) for one in variables]
    return {**variables, path[0]: replaced(variables[path[0]], path[1:], value)}


def document(operation: str, root: str, variables: dict[str, Any]) -> str:
    kind = type_of(operation)
    its = kind.fields[root]
    declared = ", ".join(f"${name}: {its.args[name].type}" for name in variables)
    given = ", ".join(f"{name}: ${name}" for name in variables)
    return (
        f"{operation}{f'({declared})' if declared else ''} "
        f"{{ {root}{f'({given})' if given else ''} {SHOWN.get(root) or selection(its.type)} }}"
    )


def selection(kind: Any) -> str:
    named = get_named_type(kind)
    fields = getattr(named, "fields", {})
    if "nodes" in fields:
        count = "totalCount" if "totalCount" in fields else ""
        return f"{{ nodes {selection(fields['nodes'].type)} {count} }}"
    if "id" in fields:
        return "{ id }"
    for number in ("total", "count"):
        if number in fields:
            return f"{{ {number} }}"
    return "{ __typename }" if fields or hasattr(named, "types") else ""


async def rows_of(db: Database, team_id: UUID) -> dict[str, list[str]]:
    """Everything the database holds of a team."""
    tables = ("team", "membership", "api_key", "image", "tag", "image_tag", "collection",
              "collection_image", "dataset", "draw_head", "draw_line", "image_job", "upload_ticket", "not_duplicate",
              "duplicate", "bulk_job", "bulk_part")  # fmt: skip
    found = {}
    async with db.transaction() as session:
        for table in tables:
            column = "id" if table == "team" else "team_id"
            query = text(f"select t::text from {table} t where {column} = :team order by 1")
            found[table] = list(await session.scalars(query, {"team": team_id}))
    return found


def comparable(answer: Any, used: UUID | str) -> str:
    """The answer without the id that was asked for, and that of what was made, which is all that may differ."""
    made = (answer.data or {}).get("exportDataset") or {"id": "nothing"}
    text = json.dumps([answer.data, answer.errors], sort_keys=True, default=str)
    return text.replace(str(used), "ID").replace(made["id"], "NEW")


@pytest.mark.parametrize(
    ("operation", "root", "path"), PLACES, ids=[f"{o[0]}.{r}.{'.'.join(p)}" for o, r, p in PLACES]
)
async def test_a_foreign_id_is_an_id_that_never_was(
    client: Client, db: Database, world: World, operation: str, root: str, path: Path
) -> None:
    kind = type_of(operation)
    right = Caller(client, root, world.own).fields(kind.fields[root].args, (), path)
    foreign, never = str(world.foreign[kind_of(root, path)]), str(uuid4())
    unreadable = f"no id: {never}"
    query = document(operation, root, right)
    before = await rows_of(db, world.foreign["team"])

    unknown = await client.ask(world.actor, query, **replaced(right, path, never))
    asked = await client.ask(world.actor, query, **replaced(right, path, foreign))
    unread = await client.ask(world.actor, query, **replaced(right, path, unreadable))

    assert comparable(asked, foreign) == comparable(unknown, never)
    assert comparable(unread, unreadable) == comparable(unknown, never)
    assert foreign not in json.dumps(asked.data, default=str)
    assert set(asked.codes) <= {"NOT_FOUND"}
    # A filter that matches nothing is no wrong argument.
    named = {one["extensions"].get("field", "filter").replace(".0", "") for one in asked.errors}
    assert named <= {"filter" if path[0] == "filter" else ".".join(path)}
    assert await rows_of(db, world.foreign["team"]) == before


@pytest.mark.parametrize("first", ["\n", " ", "+", "\u0660", "-0", "{0"])
async def test_no_other_spelling_of_an_id_is_one(
    client: Client, standing_world: World, first: str
) -> None:
    """Ids begin with 0 for centuries, which Python's int() need not be told."""
    query = "query($id: ID!) { node(id: $id) { id } }"
    own = str(standing_world.own["image"])
    assert own.startswith("0")

    spelled = [own, own.upper(), own.replace("-", ""), first + own[1:]]
    found = [await client.get(standing_world.actor, query, id=one) for one in spelled]

    assert [one["node"] for one in found] == [{"id": own}] * 3 + [None]


@pytest.mark.parametrize(
    "kind", sorted(set(KIND_OF_ARGUMENT.values()) | {"api_key", "audit_event", "dataset"})
)
async def test_no_node_of_another_team(client: Client, standing_world: World, kind: str) -> None:
    query = "query($id: ID!, $ids: [ID!]!) { node(id: $id) { id } nodes(ids: $ids) { id } }"
    foreign, own = str(standing_world.foreign[kind]), str(standing_world.own[kind])

    data = await client.get(standing_world.actor, query, id=foreign, ids=[foreign, own, "nonsense"])

    assert data == {"node": None, "nodes": [None, {"id": own}, None]}


@pytest.mark.parametrize(
    ("operation", "root"),
    [(o, r) for o, r, k in roots() if ROOT_FIELDS[f"{k.name}.{r}"].who is not Who.ANYONE],
)
async def test_nobody_gets_in_unknown(
    client: Client, db: Database, standing_world: World, operation: str, root: str
) -> None:
    kind = type_of(operation)
    variables = Caller(client, root, standing_world.own).fields(kind.fields[root].args, (), ())

    with counted_statements(db) as seen:
        answer = await client.ask(None, document(operation, root, variables), **variables)

    assert answer.codes == ["UNAUTHENTICATED"]
    assert seen == []


async def test_lists_show_own_rows_alone(client: Client, world: World) -> None:
    query = """{
      teams { nodes { id members { nodes { user { id } } } } totalCount }
      users { nodes { id } totalCount }
      images { nodes { id } totalCount }
      tags { nodes { id imageCount } totalCount }
      collections { nodes { id } totalCount }
      datasets { nodes { id files { sha256 } } totalCount }
      randomImages(count: 100) { id history { nodes { id subjectIds } totalCount } }
      auditEvents { nodes { id team { id } user { id } subjectIds } totalCount }
    }"""

    data = json.dumps(await client.get(world.actor, query))

    assert not [kind for kind, one in world.foreign.items() if str(one) in data]
    assert str(world.own["image"]) in data
