"""Every code of docs/errors.md, produced over HTTP with the status that the page tells; and what errors give away."""

import hashlib
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app import main
from app.graphql.schema import build_schema
from app.resources import Resources
from app.services.people import addresses
from app.services.people.addresses import Variant
from app.web import errors_page
from app.web.negotiation import GRAPHQL_RESPONSE
from tests.web.conftest import Clock, Member, app_on, client_on, stored_image

MODERN = {"Accept": GRAPHQL_RESPONSE}
SEARCH = "query($q: SearchQuery!) { searchImages(query: $q) { nodes { id } } }"
BULK = "mutation($i: PrepareBulkJobInput!) { prepareBulkJob(input: $i) { id } }"
UPLOAD = "mutation($i: UploadImageInput!) { uploadImage(input: $i) { created } }"
UPLOADS = "mutation($f: [Upload!]!) { uploadImages(input: {files: $f}) { __typename } }"
FILTER = "query($f: ImageFilter) { images(filter: $f) { totalCount } }"
CREATE = 'mutation($t: ID!) { createTag(teamId: $t, name: "One") { id } }'


def with_settings(resources: Resources, **changes: object) -> Resources:
    return replace(resources, settings=resources.settings.model_copy(update=changes))


@pytest.fixture
async def product(resources: Resources) -> AsyncIterator[httpx.AsyncClient]:
    settings = {"operation_timeout_seconds": 30, "cost_budget_per_minute": 60}
    async with client_on(main.create_app(with_settings(resources, **settings))) as client:
        yield client


class Asker:
    """Makes each code happen, of the product where that can be, else of the schema that echoes."""

    def __init__(
        self,
        product: httpx.AsyncClient,
        echo: httpx.AsyncClient,
        resources: Resources,
        member: Member,
    ) -> None:
        self.product, self.echo, self.resources, self.member = product, echo, resources, member

    async def ask(self, client: httpx.AsyncClient, query: str, **variables: Any) -> httpx.Response:
        body = {"query": query, "variables": variables}
        return await client.post("/graphql", json=body, headers=MODERN | self.member.headers)

    async def unauthenticated(self) -> httpx.Response:
        return await self.product.get("/random", headers={"X-API-Key": "pic_wrong"})

    async def forbidden(self) -> httpx.Response:
        """An address that has expired."""
        image_id = await stored_image(self.resources, self.member.team_id, b"x")
        key = self.resources.settings.signing_key
        return await self.product.get(
            addresses.sign(
                key,
                image_id=image_id,
                variant=Variant.ORIGINAL,
                actor=self.member.actor,
                expires_in=60,
                now=1_000_000,
            )
        )

    async def not_found(self) -> httpx.Response:
        return await self.product.get("/nowhere")

    async def bad_user_input(self) -> httpx.Response:
        return await self.ask(self.product, "query($id: ID!) { image(id: $id) { id } }")

    async def conflict(self) -> httpx.Response:
        await self.ask(self.product, CREATE, t=str(self.member.team_id))
        return await self.ask(self.product, CREATE, t=str(self.member.team_id))

    async def payload_too_large(self) -> httpx.Response:
        return await self.ask(self.product, "{ __typename } #" + "x" * 20_000)

    async def unsupported_media_type(self) -> httpx.Response:
        return await self.product.post(
            "/graphql", content=b"{}", headers={"Content-Type": "text/xml"}
        )

    async def rate_limited(self) -> httpx.Response:
        await self.ask(self.product, "{ images(first: 45) { totalCount } }")
        return await self.ask(self.product, "{ images(first: 45) { totalCount } }")

    async def query_too_complex(self) -> httpx.Response:
        return await self.ask(self.product, "{ images(first: 99) { nodes { tags { name } } } }")

    async def unavailable(self) -> httpx.Response:
        hasty = with_settings(self.resources, operation_timeout_seconds=0.5)
        async with client_on(app_on(hasty, Clock())) as client:
            return await self.ask(client, "{ slow }")

    async def internal_server_error(self) -> httpx.Response:
        return await self.ask(self.echo, "{ broken }")

    async def graphql_parse_failed(self) -> httpx.Response:
        return await self.ask(self.product, "{")

    async def graphql_validation_failed(self) -> httpx.Response:
        return await self.ask(self.product, "{ imagess }")

    async def persisted_query_not_found(self) -> httpx.Response:
        return await self.product.get("/graphql", params={"documentId": "0" * 64})

    async def persisted_query_not_supported(self) -> httpx.Response:
        hashed = '{"persistedQuery": {"version": 1, "sha256Hash": "' + "0" * 64 + '"}}'
        off = with_settings(self.resources, persisted_queries=False)
        async with client_on(main.create_app(off)) as client:
            return await client.get("/graphql", params={"extensions": hashed})


RAN = {"CONFLICT", "UNAVAILABLE", "INTERNAL_SERVER_ERROR"}
"""Here, of an operation that ran: the status is 200."""


@pytest.mark.parametrize("code", list(errors_page.ENTRIES))
async def test_each_code_of_the_page(
    code: str,
    product: httpx.AsyncClient,
    client: httpx.AsyncClient,
    resources: Resources,
    member: Member,
) -> None:
    asker = Asker(product, client, resources, member)
    produce: Callable[[], Awaitable[httpx.Response]] = getattr(asker, code.lower())
    response = await produce()
    (error,) = response.json()["errors"]
    facts = error["extensions"]
    assert facts["code"] == code
    assert facts["requestId"] == response.headers["x-request-id"]
    assert facts.keys() - {"code", "requestId"} <= set(errors_page.ENTRIES[code].extras)
    assert response.status_code == (200 if code in RAN else errors_page.status(code))
    if code == "RATE_LIMITED":
        assert response.headers["retry-after"] == str(facts["retryAfter"])


async def test_an_internal_error_is_found_in_the_log_by_its_request(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = await client.post("/graphql", json={"query": "{ broken }"})
    (error,) = response.json()["errors"]
    assert "a secret of the house" not in response.text
    (record,) = [
        one for one in caplog.records if error["extensions"]["requestId"] in one.getMessage()
    ]
    assert record.exc_info is not None
    assert "a secret of the house" in str(record.exc_info[1])


SUGGESTIVE = {
    "a field": ("{ imagess { totalCount } }", {}),
    "a field below": ("{ images { nodess { id } } }", {}),
    "an argument": ("{ images(frist: 1) { totalCount } }", {}),
    "a field of an input": ("{ images(filter: {tag: {}}) { totalCount } }", {}),
    "an enum's value": ("{ images(orderBy: {field: CREATED}) { totalCount } }", {}),
    "a type": ("query($f: ImageFiltr) { images(filter: $f) { totalCount } }", {}),
    "a type's condition": ("{ node(id: 1) { ... on Imagee { id } } }", {}),
    "an argument of a directive": ("{ images { totalCount @skip(iff: true) } }", {}),
    "a directive": ("{ images { totalCount @skipp(if: true) } }", {}),
    "a field of a variable": (
        "query($f: ImageFilter) { images(filter: $f) { totalCount } }",
        {"f": {"tag": {}}},
    ),
    "an enum's value in a variable": (
        "query($o: ImageOrder) { images(orderBy: $o) { totalCount } }",
        {"o": {"field": "CREATED"}},
    ),
}


def suggesting(resources: Resources, *, suggestions: bool) -> Starlette:
    return main.create_app(with_settings(resources, suggestions=suggestions))


@pytest.mark.parametrize("name", SUGGESTIVE)
async def test_errors_suggest_nothing_unless_they_may(
    resources: Resources, member: Member, name: str
) -> None:
    query, variables = SUGGESTIVE[name]
    body = {"query": query, "variables": variables}
    async with client_on(suggesting(resources, suggestions=False)) as client:
        shut = await client.post("/graphql", json=body, headers=member.headers)
    assert "errors" in shut.json()
    assert "Did you mean" not in shut.text
    if name in ("a directive",):  # graphql-core has no suggestion for it
        return
    async with client_on(suggesting(resources, suggestions=True)) as client:
        open_ = await client.post("/graphql", json=body, headers=member.headers)
    assert "Did you mean" in open_.text


SECRETS = {
    "a field's type": ("{ images }", {}),
    "a field's type below": ("{ images { nodes } }", {}),
    "a leaf's type": ("{ images { nodes { createdAt { x } } } }", {}),
    "the type that is asked": ("{ images { nodess } }", {}),
    "a required argument": ("{ image { id } }", {}),
    "a required field of an input": (
        "mutation { createCollection(input: {}) { id } }",
        {},
    ),
    "an input's type": ("{ images(filter: {tag: {}}) { totalCount } }", {}),
    "an input that is none": ("{ images(filter: 5) { totalCount } }", {}),
    "an enum's type": ("{ images(orderBy: {field: CREATED}) { totalCount } }", {}),
    "a type of one of": ("{ searchImages(query: {}) { candidateCount } }", {}),
    "a variable's place": ("query($a: Int) { images(filter: $a) { totalCount } }", {"a": 1}),
    "a variable's place in one of": (
        "query($t: String) { searchImages(query: {text: $t}) { candidateCount } }",
        {},
    ),
    "a fragment that never fits": (
        "{ images { nodes { ...f } } } fragment f on Query { __typename }",
        {},
    ),
    "a spread that never fits": ("{ images { ... on Query { __typename } } }", {}),
    "two types of one name": (
        '{ node(id: "") { ... on Image { a: createdAt } ... on Tag { a: name } } }',
        {},
    ),
    "a required field of a variable": (
        "mutation($i: CreateCollectionInput!) { createCollection(input: $i) { id } }",
        {"i": {}},
    ),
    "a type within a variable": (
        "query($f: ImageFilter) { images(filter: $f) { totalCount } }",
        {"f": {"tags": 1, "createdAt": {"x": 1}, "width": "it's"}},
    ),
    "an enum's type in a variable": (
        "query($f: ImageFilter) { images(filter: $f) { totalCount } }",
        {"f": {"formats": ["it's", 5, "x, found: y", "x' does 'not"]}},
    ),
    "one of in a variable": (
        "mutation($i: PrepareBulkJobInput!) { prepareBulkJob(input: $i) { id } }",
        {"i": {"teamId": "x", "change": {}}},
    ),
}
"""What errors would tell beside the client's own words."""


@pytest.mark.parametrize("name", SECRETS)
async def test_errors_name_nothing_that_the_client_did_not(
    resources: Resources, member: Member, name: str
) -> None:
    query, variables = SECRETS[name]
    body = {"query": query, "variables": variables}
    said = set(re.findall(r"\w+", json.dumps(body)))
    names = words_of_schema() - said

    async def told(**settings: bool) -> str:
        async with client_on(main.create_app(with_settings(resources, **settings))) as client:
            answer = await client.post("/graphql", json=body, headers=member.headers)
        return " ".join(error["message"] for error in answer.json()["errors"])

    shut = await told(introspection=False)
    assert set(re.findall(r"\w+", shut)) & names == set()
    assert "Did you mean" not in shut
    assert set(re.findall(r"\w+", await told())) & names != set()


def words_of_schema() -> set[str]:
    """All names in it, but for those that messages have as words of English."""
    words = {"String", "Int", "Float", "ID", "Boolean"}
    words |= {"if", "not", "to", "at", "since", "type", "types", "field", "fields", "value"}
    found: set[str] = set()
    for kind in build_schema()._schema.type_map.values():
        found |= {kind.name}
        for field, its in getattr(kind, "fields", {}).items():
            found |= {field, *getattr(its, "args", {})}
    return found - words


async def test_a_hint_for_a_selection_is_a_suggestion(resources: Resources) -> None:
    body = {"query": "{ images }"}
    told = []
    for suggestions in (False, True):
        async with client_on(suggesting(resources, suggestions=suggestions)) as client:
            answer = await client.post("/graphql", json=body)
        told.append(answer.json()["errors"][0]["message"])
    start = "Field 'images' of type 'ImageConnection!' must have a selection of subfields."
    assert told == [start, f"{start} Did you mean 'images {{ ... }}'?"]


ILL_FITTING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "two of one": (SEARCH, "q", {"q": {"text": "a", "imageId": "b"}}),
    "none of one": (SEARCH, "q", {"q": {}}),
    "a null of one": (SEARCH, "q.text", {"q": {"text": None}}),
    "none of one below": (BULK, "i.change", {"i": {"teamId": "x", "change": {}}}),
    "a null of one below": (
        BULK,
        "i.change.trash",
        {"i": {"teamId": "x", "change": {"trash": None}}},
    ),
    "text for a file": (UPLOAD, "i.file", {"i": {"file": "x"}}),
    "text for a file among files": (UPLOADS, "f.1", {"f": [None, "x"]}),
    "text for a file of one": (SEARCH, "q.image", {"q": {"image": "x"}}),
    "a member that is not known": (UPLOAD, "i.foo", {"i": {"foo": 1}}),
    "a member that is missing": (BULK, "i.change", {"i": {"teamId": "x"}}),
    "one that is not known, below": (FILTER, "f.tags.foo", {"f": {"tags": {"foo": 1}}}),
    "one that has no name": (FILTER, "f.tags", {"f": {"tags": {"a, found: b": 1}}}),
}


@pytest.mark.parametrize("name", ILL_FITTING)
async def test_the_place_in_a_variable_is_named(
    resources: Resources, member: Member, name: str
) -> None:
    query, field, variables = ILL_FITTING[name]
    body = {"query": query, "variables": variables}
    async with client_on(main.create_app(resources)) as client:
        answer = await client.post("/graphql", json=body, headers=MODERN | member.headers)
    assert answer.status_code == 400
    error = answer.json()["errors"][-1]
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", field)


PASSWORD = "mutation($i: ChangePasswordInput!) { changePassword(input: $i) { isOperator } }"
REPEATING: dict[str, tuple[str, Any]] = {
    "a member is missing": (PASSWORD, {"currentPassword": "hunter2"}),
    "a member too many": (
        PASSWORD,
        {"currentPassword": "hunter2", "newPassword": "hunter2", "confirm": "hunter2"},
    ),
    "a member misspelt": (PASSWORD, {"currentPassword": "hunter2", "newPasword": "hunter2"}),
    "no object": (PASSWORD, "hunter2"),
    "no text": (PASSWORD, {"currentPassword": ["hunter2"], "newPassword": {"a": "hunter2"}}),
    "a number": (PASSWORD, {"currentPassword": 1, "newPassword": 4077_1942}),
    "a literal with too little": (
        'mutation { changePassword(input: {currentPassword: "hunter2"}) { isOperator } }',
        None,
    ),
    "a literal with a member misspelt": (
        'mutation { changePassword(input: {curentPassword: "hunter2", newPassword: "hunter2"}) { isOperator } }',
        None,
    ),
    "a literal without its colon": (
        'mutation { changePassword(input: {currentPassword "hunter2"}) { isOperator } }',
        None,
    ),
    "a literal with a quote in it": (
        'mutation { changePassword(input: {currentPassword: "my"a"hunter2"}) { isOperator } }',
        None,
    ),
    "a block": ('mutation { changePassword(input: """hunter2\'.""" """hunter2""") }', None),
    "a number at a wrong place": (
        "mutation { setPassword(token: 1 40771942) { expiresAt } }",
        None,
    ),
    "a fraction at a wrong place": ("mutation { setPassword(token 4077.1942e3) }", None),
    "a literal that is no object": (
        'mutation { changePassword(input: "hunter2") { isOperator } }',
        None,
    ),
    "a literal that is no text": (
        'mutation { setPassword(token: ["hunter2"], password: 40771942) { expiresAt } }',
        None,
    ),
}


@pytest.mark.parametrize("name", REPEATING)
async def test_a_value_that_does_not_fit_is_not_repeated(
    resources: Resources, member: Member, name: str
) -> None:
    """It may be a password, and what reports errors keeps their messages."""
    query, value = REPEATING[name]
    body = {"query": query, "variables": {"i": value}}
    async with client_on(suggesting(resources, suggestions=True)) as client:
        answer = await client.post("/graphql", json=body, headers=member.headers)
    assert answer.json()["errors"]
    assert "hunter2" not in answer.text
    assert "40771942" not in answer.text
    assert "4077.1942" not in answer.text


async def test_null_is_called_null(product: httpx.AsyncClient) -> None:
    for query in (
        "query($n: Int!) { randomImages(count: $n) { id } }",
        "{ node(id: null) { id } }",
    ):
        body = {"query": query, "variables": {"n": None}}
        (error,) = (await product.post("/graphql", json=body)).json()["errors"]
        assert error["message"].endswith("not to be null.")


async def test_one_of_is_refused_once_in_a_document(product: httpx.AsyncClient) -> None:
    for given in ("{}", '{text: "a", imageId: "b"}', "{text: null}"):
        query = f"{{ searchImages(query: {given}) {{ candidateCount }} }}"
        (error,) = (await product.post("/graphql", json={"query": query})).json()["errors"]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Image") { name } }',
        "{ ...f } fragment f on Query { one: __schema { types { name } } }",
        '{ ... @include(if: true) { two: __type(name: "Image") { fields { name } } } }',
        "mutation { __schema { queryType { name } } }",
    ],
)
async def test_introspection_is_shut_wherever_it_is_asked(resources: Resources, query: str) -> None:
    async with client_on(main.create_app(with_settings(resources, introspection=False))) as client:
        refused = await client.post("/graphql", json={"query": query})
        assert "data" not in refused.json()
        assert refused.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert (await client.get("/schema.graphql")).status_code == 404
        named = await client.post("/graphql", json={"query": "{ __typename }"})
        assert named.json()["data"] == {"__typename": "Query"}


async def test_what_is_said_by_hash_is_said(resources: Resources, member: Member) -> None:
    """The names in a document that is known here are its client's own, whether or not it sends them again."""
    query = "query Named($imageId: ID!) { image(id: $imageId) { id } }"
    sha256 = hashlib.sha256(query.encode()).hexdigest()
    body: dict[str, Any] = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256}}}
    async with client_on(main.create_app(with_settings(resources, introspection=False))) as client:
        for sent in (body | {"query": query}, body):
            answer = await client.post("/graphql", json=sent, headers=member.headers)
            (error,) = answer.json()["errors"]
            assert "'$imageId'" in error["message"]


async def test_how_a_value_is_written_is_said(resources: Resources, member: Member) -> None:
    query = "query($from: DateTime) { images(filter: {takenAt: {from: $from}}) { totalCount } }"
    body = {"query": query, "variables": {"from": "yesterday"}}
    async with client_on(main.create_app(with_settings(resources, introspection=False))) as client:
        answer = await client.post("/graphql", json=body, headers=member.headers)
    (error,) = answer.json()["errors"]
    assert "A DateTime is an ISO 8601 instant" in error["message"]
