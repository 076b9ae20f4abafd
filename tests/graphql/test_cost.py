"""The cost of an operation is never below the rows that it reads: queries are generated over the whole schema,
with literals and with variables, run on real rows, and the rows of every statement are counted.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
    parse,
    parse_value,
)
from sqlalchemy import event

from app.db.models import Collection, CollectionImage, Membership
from app.domain import Actor, Role
from app.graphql import cost, plans
from app.graphql.cost_inputs import Given, Request
from app.graphql.price_list import PriceList, is_connection
from app.resources import Resources
from app.services import embedding_models
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client
from tests.graphql.test_strangers import GRAPHQL, things
from tests.services import planted

PRICES = PriceList(GRAPHQL)
TAGS = [f"tag {n}" for n in range(6)]
PLAIN = {"seed": "monday", "timeZone": "UTC", "mode": None, "by": None, "field": None}
"""Arguments that must not be null; without a value here, the schema's."""
DEEPEST = 8
LONGEST = 30
QUERIES = 39
SEEDS = 4
ENTERED: Counter[tuple[str, str]] = Counter()
"""How often a field was selected, over all seeds of this module: the rarest comes next."""


@dataclass
class World:
    actor: Actor
    ids: dict[str, list[UUID]]


@pytest.fixture
async def world(db: Database, resources: Resources) -> World:
    """An ADMIN of two teams: images with tags, collections and vectors, people, keys and events in both."""
    embedder = resources.embedder
    await embedder.warm()
    async with db.transaction() as session:
        await embedding_models.ensure(
            session,
            name=embedder.name,
            revision=embedder.revision,
            dimension=embedder.dimension,
        )
    first, second = await make.actor(db), await make.actor(db)
    actor = Actor(first.user_id, {**first.roles, **second.roles})
    ids: dict[str, list[UUID]] = {}
    for one in (first, second):
        for kind, its in (await things(db, one)).items():
            ids.setdefault(kind, []).append(its)
        ids["image"] += await _pictures(db, one, embedder.dimension)
    async with db.transaction() as session:
        (team_id,) = second.team_ids
        session.add(Membership(team_id=team_id, user_id=first.user_id, role=Role.ADMIN))
    return World(actor, ids)


async def _pictures(db: Database, actor: Actor, dimension: int) -> list[UUID]:
    (team_id,) = actor.team_ids
    images = [
        await make.image(db, team_id, tags=tuple(TAGS[: 2 + number]), uploaded_by=actor.user_id)
        for number in range(4)
    ]
    async with db.transaction() as session:
        active = await embedding_models.require(session)
        for number in range(3):
            collection = Collection(team_id=team_id, name=f"Collection {number}")
            session.add(collection)
            await session.flush()
            session.add_all(
                CollectionImage(
                    team_id=team_id,
                    collection_id=collection.id,
                    image_id=one,
                    created_at=collection.created_at,
                )
                for one in images
            )
        for _ in range(3):
            session.add(Membership(team_id=team_id, user_id=await make.user(db), role=Role.EDITOR))
    vectors = planted.random(len(images), dimension=dimension)
    await planted.vectors(db, active.id, dict(zip(images, vectors, strict=True)))
    return images


@dataclass
class Writer:
    """Writes a query; each argument becomes a literal or a variable by chance."""

    chance: random.Random
    world: World
    variables: dict[str, Any] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    left: int = LONGEST

    def query(self) -> str:
        assert GRAPHQL.query_type is not None
        body = self.selection(GRAPHQL.query_type, 0)
        head = f"query({', '.join(self.declared)})" if self.declared else "query"
        return f"{head} {body} {' '.join(self.fragments)}"

    def selection(self, kind: Any, depth: int) -> str:
        if isinstance(kind, GraphQLInterfaceType):
            members = GRAPHQL.get_possible_types(kind)
            some = self.chance.sample(members, 2)
            return (
                "{ id "
                + " ".join(f"... on {m.name} {self.selection(m, depth)}" for m in some)
                + " }"
            )
        fields = dict(kind.fields)
        leaves = [
            name for name, one in fields.items() if not is_composite_type(get_named_type(one.type))
        ]
        inner = [name for name in fields if name not in leaves]
        chosen = self.rarest(kind, leaves, 2)
        if depth < DEEPEST and self.left > 0:
            most = 2 if self.left > LONGEST / 2 or is_connection(kind) else 1
            chosen += self.rarest(kind, inner, most)
            self.left -= len(chosen)
        chosen = chosen or ["__typename"]
        text = " ".join(self.field(kind, name, fields.get(name), depth) for name in chosen)
        if depth and self.chance.random() < 0.2:
            name = f"f{len(self.fragments)}"
            self.fragments.append(f"fragment {name} on {kind.name} {{ {text} }}")
            text = f"...{name}"
        return "{ __typename " + text + " }"

    def rarest(self, kind: Any, names: list[str], most: int) -> list[str]:
        self.chance.shuffle(names)
        return sorted(names, key=lambda name: ENTERED[kind.name, name])[:most]

    def field(self, kind: Any, name: str, one: GraphQLField | None, depth: int) -> str:
        if one is None:
            return name
        ENTERED[kind.name, name] += 1
        given = {
            argument: text
            for argument, its in one.args.items()
            if (text := self.argument(kind, name, argument, its)) is not None
        }
        text = f"{name}({', '.join(f'{a}: {v}' for a, v in given.items())})" if given else name
        its = get_named_type(one.type)
        # Names of their own, so that nothing has to be merged.
        text = f"x{next(self.numbers)}: {text}"
        return f"{text} {self.selection(its, depth + 1)}" if is_composite_type(its) else text

    def argument(self, kind: Any, name: str, argument: str, its: GraphQLArgument) -> str | None:
        value = self.value(kind, name, argument, its)
        if value is None:
            return None
        if self.chance.random() < 0.5:
            variable = f"v{len(self.declared)}"
            self.declared.append(f"${variable}: {its.type}")
            self.variables[variable] = value
            return f"${variable}"
        return literal(value, its.type)

    def value(self, kind: Any, name: str, argument: str, its: GraphQLArgument) -> Any:
        ids, chance = self.world.ids, self.chance
        if argument in ("first", "count"):
            return chance.choice([1, 2, 3, 5, 100, None])
        if argument == "ids":
            return [str(chance.choice(chance.choice(list(ids.values())))) for _ in range(6)]
        if argument == "id":
            own = {"node": "image", "bulkJob": "bulk_job"}.get(name, name)
            if name == "tag":
                return None
            return str(chance.choice(ids[own]))
        if (kind.name, name, argument) == ("Query", "tag", "name"):
            return chance.choice(TAGS)
        if argument == "filter":
            return chance.choice(
                [None, {"tags": {"any": TAGS[:3]}}, {"tags": {"all": [TAGS[0]], "none": TAGS[4:]}}]
            )
        if argument == "slug" or not isinstance(its.type, GraphQLNonNull):
            return None
        if argument == "query":
            return chance.choice([{"text": "a cat"}, {"imageId": str(ids["image"][-1])}])
        if argument in PLAIN:
            return PLAIN[argument]
        raise AssertionError(f"no value for {kind.name}.{name}({argument})")


def literal(value: Any, kind: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {literal(one, None)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(one, None) for one in value) + "]"
    return str(value) if isinstance(get_named_type(kind), GraphQLEnumType) else json.dumps(value)


@contextmanager
def rows_read(db: Database) -> Iterator[list[int]]:
    """The rows that each statement inside the block gives back."""
    seen: list[int] = []

    def note(_conn: Any, cursor: Any, *_rest: Any) -> None:
        if cursor.description is not None:
            seen.append(cursor.rowcount)

    event.listen(db.engine.sync_engine, "after_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine.sync_engine, "after_cursor_execute", note)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_cost_is_never_below_the_rows_read(
    client: Client, db: Database, world: World, seed: int
) -> None:
    chance = random.Random(seed)
    total = 0
    for _ in range(QUERIES):
        writer = Writer(chance, world)
        query = writer.query()
        (plan,) = plans.read(parse(query), PRICES).operations.values()
        price = plan.cost(Request.of(writer.variables, world.actor))
        with rows_read(db) as rows:
            answer = await client.ask(world.actor, query, **writer.variables)
        assert set(answer.codes) <= {"NOT_FOUND"}, (query, answer.errors[:3])
        assert sum(rows) <= price, (query, writer.variables, rows, price)
        total += sum(rows)
    assert total > 500


async def test_a_page_that_is_full_is_nearly_what_it_costs(client: Client, db: Database) -> None:
    """The bound is near, where lists are full: a cost far above the rows would refuse what is harmless."""
    actor = await make.actor(db)
    for _ in range(60):
        await make.image(db, actor.team_ids[0], uploaded_by=actor.user_id)
    query = "{ images(first: 50) { nodes { id team { id } uploadedBy { id } } } }"
    (plan,) = plans.read(parse(query), PRICES).operations.values()
    price = plan.cost(Request.of({}, actor))
    with rows_read(db) as rows:
        await client.get(actor, query)
    assert sum(rows) == 51 + 1 + 1
    assert price < 51 + 50 * 2 + 40


def test_rows_that_an_offset_steps_over_are_paid_for_wherever_there_is_one() -> None:
    """PostgreSQL reads them all the same, in a list of its own for each alias."""
    actor = Actor(user_id=UUID(int=1), roles={UUID(int=2): Role.VIEWER})
    skipping = [
        PRICES.of(kind, name)
        for kind in GRAPHQL.type_map.values()
        for name, one in getattr(kind, "fields", {}).items()
        if "offset" in getattr(one, "args", {})
    ]
    assert len(skipping) >= 8
    for price in skipping:
        (near, size), (far, same) = (
            price(Given({"offset": parse_value(offset)}, Request.of({}, actor)))
            for offset in ("0", "100000")
        )
        assert (far - near, same) == (cost.ROW * 10_000, size)


@pytest.mark.parametrize(
    ("offset", "stepped"),
    [(0, 0), (None, 0), (-5, 0), (10, 1), (1_000, 100), (100_000, 10_000), (10**9, 10_000)],
)
def test_an_offset_costs_the_same_as_a_literal_and_as_a_variable(
    offset: int | None, stepped: int
) -> None:
    actor = Actor(user_id=UUID(int=1), roles={UUID(int=2): Role.VIEWER})
    page = "images(first: 1, offset: {}, orderBy: {{field: TITLE}}) {{ nodes {{ id }} }}"

    def price(query: str, **variables: Any) -> int:
        (plan,) = plans.read(parse(query), PRICES).operations.values()
        return plan.cost(Request.of(variables, actor))

    first = price("{ " + page.format(0) + " }")
    assert first <= 3
    literal_ = "null" if offset is None else str(offset)
    assert price("{ " + page.format(literal_) + " }") == first + stepped
    assert price(f"query($o: Int) {{ {page.format('$o')} }}", o=offset) == first + stepped
    many = " ".join(f"a{n}: {page.format(literal_)}" for n in range(100))
    assert price("{ " + many + " }") >= 100 * stepped


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "mode: HYBRID",
        "mode: HYBRID, diversity: 0.5",
        "mode: HYBRID, orderBy: {field: TITLE}, minScore: 0",
        "diversity: 0.5",
        "orderBy: {field: TITLE}",
        "orderBy: {field: TITLE}, minScore: -1",
        'more: [{text: "red"}, {imageId: "IMAGE"}], less: {imageId: "IMAGE"}, not: {imageId: "IMAGE"}',
    ],
)
async def test_a_search_costs_what_it_is_chosen_from(
    client: Client, db: Database, world: World, asked: str
) -> None:
    """More images than a short list holds, and all of them fit every ranking."""
    first = await make.image(db, world.actor.team_ids[0], tags=("cat",), title="a cat")
    image_ids = [first, *await make.copies(db, first, 230)]
    async with db.transaction() as session:
        active = await embedding_models.require(session)
    vectors = planted.random(len(image_ids), dimension=client.resources.embedder.dimension)
    await planted.vectors(db, active.id, dict(zip(image_ids, vectors, strict=True)))
    asked = asked.replace("IMAGE", str(image_ids[0]))
    query = f'{{ searchImages(query: {{text: "a cat"}}, first: 100 {asked}) {{ nodes {{ id }} }} }}'
    (plan,) = plans.read(parse(query), PRICES).operations.values()
    with rows_read(db) as rows:
        data = await client.get(world.actor, query)
    assert len(data["searchImages"]["nodes"]) == 100
    assert 100 < sum(rows) <= plan.cost(Request.of({}, world.actor))


@pytest.mark.parametrize(
    "change",
    [
        'renameTag(id: "x", name: "y") { id }',
        'mergeTags(sourceIds: ["x"], targetId: "y") { id }',
        'deleteTag(id: "x")',
    ],
)
def test_what_changes_all_images_of_a_tag_pays_for_them(change: str) -> None:
    (plan,) = plans.read(parse(f"mutation {{ {change} }}"), PRICES).operations.values()
    actor = Actor(user_id=UUID(int=1), roles={UUID(int=2): Role.EDITOR})
    assert plan.cost(Request.of({}, actor)) >= cost.SWEEP / cost.ROW


def test_the_generated_queries_reach_the_whole_schema() -> None:
    """Runs last in this module."""
    reachable: set[tuple[str, str]] = set()
    assert GRAPHQL.query_type is not None
    todo: list[GraphQLNamedType] = [GRAPHQL.query_type]
    while todo:
        kind = todo.pop()
        if not isinstance(kind, GraphQLObjectType):
            todo += GRAPHQL.get_possible_types(kind) if is_abstract_type(kind) else []
            continue
        for name, one in kind.fields.items():
            if (kind.name, name) not in reachable:
                reachable.add((kind.name, name))
                todo.append(get_named_type(one.type))
    missed = sorted(reachable - ENTERED.keys())
    assert missed == []


def test_every_list_has_a_price_of_its_own() -> None:
    """A plain list of rows without a size in its arguments is as long as its bound says, which somebody decided."""
    for kind in GRAPHQL.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, one in kind.fields.items():
                nullable = one.type.of_type if isinstance(one.type, GraphQLNonNull) else one.type
                rows = is_list_type(nullable) and is_composite_type(get_named_type(one.type))
                if rows and not is_connection(kind) and not one.args:
                    assert f"{kind.name}.{name}" in cost.PRICES


def test_no_price_is_for_a_field_that_is_gone() -> None:
    fields = {
        f"{kind.name}.{name}"
        for kind in GRAPHQL.type_map.values()
        for name in getattr(kind, "fields", {})
    }
    assert cost.PRICES.keys() <= fields
