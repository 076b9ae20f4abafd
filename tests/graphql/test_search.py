"""searchImages over GraphQL: terms, orders, diversity, and what is wrong with them."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.domain import Actor
from app.embedding import Embedder, Vectors
from app.resources import Resources
from app.services import embedding_models
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client, png
from tests.services import planted
from tests.worker.wrapped import Wrapped

SEARCH = """query ($more: [SearchTerm!], $less: [SearchTerm!], $not: SearchQuery, $mode: SearchMode! = SEMANTIC,
    $orderBy: ImageOrder, $diversity: Float, $minScore: Float, $first: Int, $after: String) {
  searchImages(query: {text: "a red boat"}, more: $more, less: $less, not: $not, mode: $mode, orderBy: $orderBy,
      diversity: $diversity, minScore: $minScore, first: $first, after: $after) {
    nodes { title } pageInfo { endCursor hasNextPage } } }"""
BY_TITLE = {"field": "TITLE", "direction": "ASC"}


@pytest.fixture
async def actor(db: Database, resources: Resources) -> Actor:
    """Of a team whose pictures are what the model makes of their titles."""
    embedder = resources.embedder
    await embedder.warm()
    async with db.transaction() as session:
        model = await embedding_models.ensure(
            session,
            name=embedder.name,
            revision=embedder.revision,
            dimension=embedder.dimension,
        )
        # Another module's tests may have left one that no process has loaded.
        await embedding_models.activate(session, model)
    actor = await make.actor(db)
    titles = ["a red boat", "a red car", "a blue boat", "a blue boat at night", "snow", "a cat"]
    rows = await embedder.texts(titles)
    images = {
        await make.image(db, actor.team_ids[0], title=title): row
        for title, row in zip(titles, rows, strict=True)
    }
    await planted.vectors(db, model.id, images)
    return actor


async def titles(client: Client, actor: Actor, **variables: Any) -> list[str]:
    found = (await client.get(actor, SEARCH, **variables))["searchImages"]["nodes"]
    return [one["title"] for one in found]


async def test_more_and_less_move_the_ranking(client: Client, actor: Actor) -> None:
    assert (await titles(client, actor))[0] == "a red boat"
    night = {"text": "blue night", "weight": 3}
    assert (await titles(client, actor, more=[night]))[0] == "a blue boat at night"
    plain = await titles(client, actor)
    less = await titles(client, actor, less=[{"text": "a red car"}, {"text": "car"}])
    assert less.index("a red car") > plain.index("a red car")
    assert await titles(client, actor, more=[], less=[]) == plain
    assert await titles(client, actor, more=None, less=None, diversity=None, orderBy=None) == plain
    assert await titles(client, actor, less=[{"text": "car", "weight": 0}]) == plain


async def test_an_image_is_a_term(client: Client, db: Database, actor: Actor) -> None:
    nodes = "{ images(orderBy: {field: TITLE, direction: ASC}) { nodes { id title } } }"
    ids = {one["title"]: one["id"] for one in (await client.get(actor, nodes))["images"]["nodes"]}
    cat = [{"imageId": ids["a cat"], "weight": 6}]
    assert (await titles(client, actor, more=cat))[0] == "a cat"
    assert (await titles(client, actor, less=cat))[-1] == "a cat"
    stranger = await make.actor(db)
    assert await client.code(stranger, SEARCH, more=cat) == ("NOT_FOUND", "more.0.imageId")
    both = [{"text": "x"}, {"imageId": ids["snow"]}]
    assert await client.code(stranger, SEARCH, less=both) == ("NOT_FOUND", "less.1.imageId")
    unread = str(await make.image(db, actor.team_ids[0]))
    refused = await client.code(actor, SEARCH, less=[{"imageId": unread}])
    assert refused == ("CONFLICT", "less.0.imageId")


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"more": [{"text": "x"}] * 11}, "more"),
        ({"less": [{"text": "x"}] * 11}, "less"),
        ({"more": [{"text": "x"}, {"text": ""}]}, "more.1.text"),
        ({"less": [{"text": " \n "}]}, "less.0.text"),
        ({"less": [{"text": "x" * 1001}]}, "less.0.text"),
        ({"more": [{}]}, "more.0"),
        ({"more": [{"text": None}]}, "more.0"),
        ({"more": [{"text": "x", "imageId": "y"}]}, "more.0"),
        ({"more": [{"text": "x", "weight": -0.1}]}, "more.0.weight"),
        ({"less": [{"text": "x"}, {"text": "x", "weight": 10.1}]}, "less.1.weight"),
        ({"not": {"text": " "}}, "not.text"),
        ({"diversity": 1.1}, "diversity"),
        ({"diversity": -1}, "diversity"),
        ({"diversity": 0.5, "orderBy": BY_TITLE}, "diversity"),
        ({"diversity": 0.5, "first": 0}, "first"),
        ({"orderBy": BY_TITLE, "first": 101}, "first"),
        ({"orderBy": BY_TITLE, "after": "x"}, "after"),
        ({"minScore": 1.001}, "minScore"),
        ({"minScore": -1.001}, "minScore"),
        ({"minScore": 1e300, "mode": "HYBRID"}, "minScore"),
        ({"minScore": 2, "orderBy": BY_TITLE}, "minScore"),
    ],
)
async def test_what_is_wrong_is_named(
    client: Client, actor: Actor, variables: dict[str, Any], field: str
) -> None:
    assert await client.code(actor, SEARCH, **variables) == ("BAD_USER_INPUT", field)


async def test_a_cursor_of_a_list_is_told_from_one_of_a_search(
    client: Client, actor: Actor
) -> None:
    listed = await client.get(actor, "{ images(first: 1) { pageInfo { endCursor } } }")
    after = listed["images"]["pageInfo"]["endCursor"]
    (error,) = (await client.ask(actor, SEARCH, after=after)).errors
    assert error["message"] == "This is not a cursor of this search."


async def test_every_score_may_be_the_least(client: Client, actor: Actor) -> None:
    similar = """query($id: ID!, $least: Float) { image(id: $id) { similar(minScore: $least) { nodes { id } } } }"""
    (snow,) = (await client.get(actor, "{ images(first: 1) { nodes { id } } }"))["images"]["nodes"]

    assert len(await titles(client, actor, minScore=-1)) == 6
    assert len(await titles(client, actor, minScore=1)) <= 1
    for least in (-1.001, 1.001):
        code = await client.code(actor, similar, id=snow["id"], least=least)
        assert code == ("BAD_USER_INPUT", "minScore")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_what_is_no_number_is_refused(client: Client, actor: Actor, number: str) -> None:
    for variables in (
        {"diversity": float(number)},
        {"minScore": float(number)},
        {"more": [{"text": "x", "weight": float(number)}]},
    ):
        answer = await client.ask(actor, SEARCH, **variables)
        assert len(answer.errors) == 1
        assert answer.codes[0] in ("BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED")


async def test_orders_and_diversity_go_on_by_cursor(client: Client, actor: Actor) -> None:
    for variables in (
        {"orderBy": BY_TITLE},
        {"diversity": 0.5},
        {"mode": "HYBRID"},
        {"mode": "HYBRID", "diversity": 0.3, "more": [{"text": "night"}]},
        {"mode": "HYBRID", "orderBy": BY_TITLE, "minScore": 0},
    ):
        whole = await titles(client, actor, **variables)
        assert len(whole) == 6
        seen: list[str] = []
        after = None
        for _ in range(3):
            answer = await client.get(actor, SEARCH, **variables, first=2, after=after)
            found = answer["searchImages"]
            seen += [one["title"] for one in found["nodes"]]
            after = found["pageInfo"]["endCursor"]
        assert seen == whole
        assert not found["pageInfo"]["hasNextPage"]
    assert await titles(client, actor, orderBy=BY_TITLE) == sorted(whole)


class Counting(Wrapped):
    """Keeps what it was asked to read."""

    def __init__(self, inner: Embedder) -> None:
        super().__init__(inner)
        self.calls: list[list[str]] = []

    async def texts(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(list(texts))
        return await super().texts(texts)


async def test_all_texts_are_read_at_once(client: Client, actor: Actor) -> None:
    its = client.resources
    counting = Counting(its.embedder)
    own = Resources(its.settings, its.db, its.storage, its.decoder, counting)
    more = [{"text": "a"}, {"text": "b"}]
    without = {"not": {"text": "d"}}
    await titles(Client(client.schema, own), actor, more=more, less=[{"text": "c"}], **without)
    assert counting.calls == [["a red boat", "d", "a", "b", "c"]]


async def test_a_picture_asks_and_texts_draw(client: Client, actor: Actor) -> None:
    query = """query ($file: Upload!) { searchImages(query: {image: $file}, less: [{text: "snow", weight: 10}]) {
        nodes { title } } }"""
    file = client.file(png(3))
    found = (await client.get(actor, query, file=file))["searchImages"]["nodes"]
    assert found[-1]["title"] == "snow"


async def test_terms_cost_no_statement_but_their_images(
    client: Client, actor: Actor, db: Database
) -> None:
    nodes = "{ images { nodes { id } } }"
    ids = [one["id"] for one in (await client.get(actor, nodes))["images"]["nodes"]]
    plain = await client.statements(actor, SEARCH)
    texts = await client.statements(actor, SEARCH, more=[{"text": str(n)} for n in range(10)])
    images = await client.statements(actor, SEARCH, less=[{"imageId": one} for one in ids])
    assert len(texts) == len(plain)
    assert len(images) == len(plain) + 2
