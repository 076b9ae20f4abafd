"""Every known bomb is refused before anything runs, by work that is counted: no clock. benchmarks/bombs.py times them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest

from app import main
from app.graphql.schema import Schema, build_schema
from app.resources import Resources
from app.settings import Settings
from app.web.documents import Documents
from app.web.negotiation import GRAPHQL_RESPONSE
from benchmarks.bombs import BOMBS, ORDINARY, TRIVIAL, prepare
from tests.graphql.test_plans import calls_of
from tests.web.conftest import Member, client_on

MOST_CALLS = 300_000
"""Python functions called, parsing included: 4,000 tokens alone take 150,000. Without its limits each takes millions."""
REFUSED = {"QUERY_TOO_COMPLEX", "GRAPHQL_VALIDATION_FAILED"}


@pytest.fixture(scope="module")
def schema() -> Schema:
    return build_schema()


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused_with_little_work(schema: Schema, name: str) -> None:
    documents = Documents(schema._schema, Settings())
    outcome: list[str] = []
    work = calls_of(lambda: outcome.append(prepare(documents, BOMBS[name])))
    assert outcome[0] in REFUSED
    assert work < MOST_CALLS


@pytest.mark.parametrize("text", [TRIVIAL, ORDINARY])
def test_a_document_that_is_known_is_not_read_again(schema: Schema, text: str) -> None:
    documents = Documents(schema._schema, Settings())
    first = calls_of(lambda: prepare(documents, text))
    again = calls_of(lambda: prepare(documents, text, {"first": 50}))
    assert again < 150 < first


@pytest.fixture
async def client(resources: Resources) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(data_dir=resources.settings.data_dir, secret_key="t" * 32, worker=False)
    async with client_on(main.create_app(replace(resources, settings=settings))) as client:
        yield client


async def test_bombs_over_http_leave_nothing_behind(
    client: httpx.AsyncClient, member: Member
) -> None:
    headers = member.headers | {"Accept": GRAPHQL_RESPONSE}
    for name, text in BOMBS.items():
        response = await client.post("/graphql", json={"query": text}, headers=headers)
        assert response.status_code in (400, 413), name
        assert "data" not in response.json()
        (code,) = {one["extensions"]["code"] for one in response.json()["errors"]}
        assert code in REFUSED | {"PAYLOAD_TOO_LARGE"}, name
    asked = await client.post("/graphql", json={"query": TRIVIAL}, headers=headers)
    assert asked.json()["data"] == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", "ids"),
        ("query($ids: [ID!]!) { images(filter: {ids: $ids}) { nodes { id } } }", "filter.ids"),
        ("mutation($ids: [ID!]!) { trashImages(ids: $ids) { id } }", "ids"),
        ("mutation($ids: [ID!]!) { restoreImages(ids: $ids) { id } }", "ids"),
        ("mutation($ids: [ID!]!) { addTags(imageIds: $ids, tags: []) { id } }", "imageIds"),
        ("mutation($ids: [ID!]!) { removeTags(imageIds: $ids, tags: []) { id } }", "imageIds"),
        (
            f'mutation($ids: [ID!]!) {{ mergeTags(sourceIds: $ids, targetId: "{uuid4()}") {{ id }} }}',
            "sourceIds",
        ),
        (
            f'mutation($ids: [ID!]!) {{ addToCollection(collectionId: "{uuid4()}", imageIds: $ids) {{ id }} }}',
            "imageIds",
        ),
        (
            f'mutation($ids: [ID!]!) {{ removeFromCollection(collectionId: "{uuid4()}", imageIds: $ids) {{ id }} }}',
            "imageIds",
        ),
        ("mutation($ids: [ID!]!) { deleteImages(ids: $ids) }", "ids"),
    ],
)
async def test_ids_by_variable_are_a_hundred_at_most(
    client: httpx.AsyncClient, member: Member, query: str, field: str
) -> None:
    """More are refused for their number, before one is read; ten thousand may be beyond the cost already."""
    for count in (101, 4_000):
        ids = [str(uuid4()) for _ in range(count)]
        body = {"query": query, "variables": {"ids": ids}}
        response = await client.post("/graphql", json=body, headers=member.headers)
        (error,) = response.json()["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["field"] == field
        assert error["extensions"]["limit"] == 100


@pytest.mark.parametrize(
    "query",
    [
        "{{ images(first: {}) {{ nodes {{ id }} }} }}",
        "{{ nodes(ids: [{}]) {{ id }} }}",
        "query($first: Int = {}) {{ images(first: $first) {{ nodes {{ id }} }} }}",
    ],
)
async def test_a_literal_of_more_digits_than_python_reads(
    client: httpx.AsyncClient, member: Member, query: str
) -> None:
    for digits in (400, 5_000):
        body = {"query": query.format("-" + "9" * digits)}
        response = await client.post("/graphql", json=body, headers=member.headers)
        assert response.status_code == 200
        assert "data" not in response.json()
        found = response.json()["errors"][0]["extensions"]
        assert (found["code"], found["field"]) == ("BAD_USER_INPUT", "query")
