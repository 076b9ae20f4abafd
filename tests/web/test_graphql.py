"""GraphQL over HTTP: methods, media types, statuses, and the one form of every error."""

import json
import logging
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query

from app.web.negotiation import GRAPHQL_RESPONSE
from app.web.problems import JSON
from tests.web.conftest import Member, hasty

MODERN = {"Accept": GRAPHQL_RESPONSE}


async def post(
    client: httpx.AsyncClient, query: str, headers: dict[str, str] | None = None, **rest: Any
) -> httpx.Response:
    return await client.post("/graphql", json={"query": query, **rest}, headers=headers)


def extensions(response: httpx.Response) -> dict[str, Any]:
    """Those of the only error; each names its code and the request."""
    (error,) = response.json()["errors"]
    found: dict[str, Any] = error["extensions"]
    assert found["requestId"] == response.headers["x-request-id"]
    return found


@pytest.mark.parametrize("media_type", [JSON, GRAPHQL_RESPONSE])
async def test_query_is_answered_in_the_type_asked_for(
    client: httpx.AsyncClient, media_type: str
) -> None:
    response = await post(client, "{ hello }", {"Accept": media_type})
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.headers["vary"] == "Accept, Authorization, X-API-Key, Cookie, Origin"
    assert response.headers["cache-control"] == "private, no-store"
    assert response.json()["data"] == {"hello": "hello"}


async def test_query_by_get_with_all_parameters(client: httpx.AsyncClient) -> None:
    parameters = {
        "query": "query A { hello } query B($text: String!) { echo(text: $text) }",
        "operationName": "B",
        "variables": '{"text": "ä"}',
        "extensions": "{}",
    }
    response = await client.get("/graphql", params=parameters)
    assert response.json()["data"] == {"echo": "ä/None"}
    empty = {"query": "{ hello }", "operationName": "", "variables": "", "extensions": ""}
    assert (await client.get("/graphql", params=empty)).json()["data"] == {"hello": "hello"}


async def test_names_and_variables_may_be_null(client: httpx.AsyncClient) -> None:
    response = await post(client, "{ hello }", operationName=None, variables=None, extensions=None)
    assert response.json()["data"] == {"hello": "hello"}


async def test_mutation_by_get_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql", params={"query": "mutation { bump }"})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert extensions(response)["code"] == "BAD_USER_INPUT"
    assert (await post(client, "mutation { bump }")).json()["data"] == {"bump": 1}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_other_methods_are_refused(client: httpx.AsyncClient, method: str) -> None:
    for accept, spoken in (
        ("*/*", "application/json"),
        ("application/graphql-response+json", "application/graphql-response+json"),
        ("text/event-stream, application/json;q=0.1", "application/json"),
        ("image/png", "application/json"),
    ):
        response = await client.request(
            method, "/graphql", json={"query": "{ hello }"}, headers={"Accept": accept}
        )
        assert response.status_code == 405
        assert response.headers["allow"] == "GET, POST"
        assert response.headers["content-type"] == f"{spoken}; charset=utf-8"


async def test_head_is_a_get(client: httpx.AsyncClient) -> None:
    response = await client.head("/graphql", params={"query": "{ hello }"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("lines", "media_type"),
    [
        (("text/html", "application/json"), "application/json"),
        (("image/png", "application/graphql-response+json"), "application/graphql-response+json"),
        (("application/json;q=0.5", "text/event-stream"), "text/event-stream"),
    ],
)
async def test_accept_in_several_lines_is_one_list(
    client: httpx.AsyncClient, lines: tuple[str, ...], media_type: str
) -> None:
    headers = [("Accept", one) for one in lines]
    response = await client.post("/graphql", json={"query": "{ hello }"}, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == media_type


async def test_answer_in_no_acceptable_type(client: httpx.AsyncClient) -> None:
    response = await post(client, "{ hello }", {"Accept": "image/png"})
    assert response.status_code == 406
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert extensions(response)["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/plain,application/json",
        "application/json-patch+json",
        "application/x-www-form-urlencoded",
        "application/graphql",
        "application/json; charset=utf-16",
    ],
)
async def test_body_of_another_type(client: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = await client.post("/graphql", content=b'{"query": "{ hello }"}', headers=headers)
    assert response.status_code == 415
    assert extensions(response)["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON ; Charset=UTF-8", 'application/json; charset="utf-8"'],
)
async def test_body_of_json(client: httpx.AsyncClient, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    response = await client.post("/graphql", content=b'{"query": "{ hello }"}', headers=headers)
    assert response.status_code == 200


async def test_compressed_body_is_not_taken(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    response = await client.post("/graphql", content=b"\x1f\x8b\x08", headers=headers)
    assert response.status_code == 415


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ helo }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ hello(x: 1) }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ box(box: {wide: 1}) }", "GRAPHQL_VALIDATION_FAILED"),
        ('mutation { store(file: "x") { size } }', "GRAPHQL_VALIDATION_FAILED"),
        ("fragment f on Query { hello }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { hello } query B { hello }", "BAD_USER_INPUT"),
        (r'{ echo(text: "\u0000") }', "BAD_USER_INPUT"),
        ("{ " + "hello " * 1_000 + "}", "QUERY_TOO_COMPLEX"),
        ("{ node { " * 1 + "inner { " * 15 + "name" + " }" * 17, "QUERY_TOO_COMPLEX"),
        ("{ node " * 300, "QUERY_TOO_COMPLEX"),
    ],
)
async def test_document_that_is_not_executed(
    client: httpx.AsyncClient, query: str, code: str
) -> None:
    modern = await post(client, query, MODERN)
    assert modern.status_code == 400
    assert "data" not in modern.json()
    assert {one["extensions"]["code"] for one in modern.json()["errors"]} == {code}
    classic = await post(client, query)
    assert classic.status_code == 200
    assert "data" not in classic.json()
    assert "Did you mean" not in classic.text


async def test_validation_stops_after_some_errors(client: httpx.AsyncClient) -> None:
    response = await post(client, "{ " + "".join(f"x{n} " for n in range(500)) + "}")
    assert len(response.json()["errors"]) == 21


async def test_variables_that_do_not_fit(client: httpx.AsyncClient) -> None:
    query = "query ($b: Box!) { box(box: $b) }"
    wrong: dict[str, dict[str, Any]] = {
        "b": {},
        "b.width": {"b": {"width": "x"}},
        "b.labels.1": {"b": {"width": 1, "labels": ["a", 2]}},
    }
    for field, variables in wrong.items():
        response = await post(client, query, MODERN, variables=variables)
        assert response.status_code == 400
        assert "data" not in response.json()
        assert "Did you mean" not in response.text
        assert extensions(response)["code"] == "BAD_USER_INPUT"
        assert extensions(response)["field"] == field
    assert (await post(client, query, variables={})).status_code == 200


async def test_upload_is_never_spelled_in_json(client: httpx.AsyncClient) -> None:
    query = "mutation ($f: Upload!) { store(file: $f) { size } }"
    for value in ("photo.jpg", 1, {"path": "/etc/passwd"}, ["x"], None):
        response = await post(client, query, MODERN, variables={"f": value})
        assert response.status_code == 400
        assert extensions(response)["code"] == "BAD_USER_INPUT"


async def test_null_for_an_argument_with_a_default_is_the_clients_mistake(
    client: httpx.AsyncClient,
) -> None:
    response = await post(client, "query ($n: Int) { first(first: $n) }", variables={"n": None})
    assert response.status_code == 200
    found = extensions(response)
    assert (found["code"], found["field"]) == ("BAD_USER_INPUT", "first")


async def test_operation_is_chosen_by_its_name(client: httpx.AsyncClient) -> None:
    query = "query A { hello } query B { first }"
    assert (await post(client, query, operationName="B")).json()["data"] == {"first": 50}
    for name in ("C", None, ""):
        # A request error like any other: 200 in the type whose clients read nothing else.
        for headers, status in ((None, 200), (MODERN, 400)):
            response = await post(client, query, headers, operationName=name)
            assert response.status_code == status
            assert "data" not in response.json()
            found = extensions(response)
            assert (found["code"], found["field"]) == ("BAD_USER_INPUT", "operationName")


@pytest.mark.parametrize("headers", [{}, MODERN])
async def test_error_of_the_product_is_shown_with_its_facts(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await post(client, "{ hello missing }", headers)
    assert response.status_code == 200
    assert response.json()["data"] == {"hello": "hello", "missing": None}
    (error,) = response.json()["errors"]
    assert error == {
        "message": "Image not found.",
        "locations": [{"line": 1, "column": 9}],
        "path": ["missing"],
        "extensions": {
            "code": "NOT_FOUND",
            "ids": ["1"],
            "requestId": response.headers["x-request-id"],
        },
    }


@pytest.mark.parametrize("field", ["broken", "nothing"])
async def test_any_other_error_is_masked_and_logged_with_the_request(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    with caplog.at_level(logging.ERROR):
        response = await post(client, f"{{ {field} }}", {"X-Request-Id": "my-own-id"})
    assert response.status_code == 200
    assert "secret" not in response.text
    assert extensions(response) == {"code": "INTERNAL_SERVER_ERROR", "requestId": "my-own-id"}
    assert response.json()["errors"][0]["message"] == "Something went wrong on our side."
    (record,) = [one for one in caplog.records if one.name == "app.graphql.errors"]
    assert "my-own-id" in record.getMessage()
    assert record.exc_info is not None


async def test_clients_mistakes_are_not_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for query in ("{", "{ helo }", "{ missing }", "{ viewer }"):
            await post(client, query)
    assert [one for one in caplog.records if one.name.startswith(("app", "strawberry"))] == []


@hasty
async def test_operation_that_takes_too_long_is_stopped(client: httpx.AsyncClient) -> None:
    response = await post(client, "{ slow }")
    assert response.status_code == 200
    assert response.json()["data"] is None
    assert extensions(response)["code"] == "UNAVAILABLE"
    assert (await post(client, "{ slow(seconds: 0) }")).json()["data"] == {"slow": "done"}


async def test_introspection_passes_the_limits(client: httpx.AsyncClient) -> None:
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True
    )
    response = await post(client, query)
    assert response.json()["data"]["__schema"]["queryType"]["name"] == "Query"


async def test_viewer_needs_a_key(client: httpx.AsyncClient, member: Member) -> None:
    response = await post(client, "{ __typename viewer }")
    assert extensions(response)["code"] == "UNAUTHENTICATED"
    assert (await post(client, "{ __typename }")).json()["data"] == {"__typename": "Query"}
    response = await post(client, "{ viewer }", member.headers)
    assert response.json()["data"] == {"viewer": str(member.actor.user_id)}


async def test_non_ascii_is_answered_as_utf8(client: httpx.AsyncClient) -> None:
    response = await post(client, '{ echo(text: "日本 😀") }')
    assert "日本 😀" in response.content.decode()
    response = await post(client, "query ($t: String) { echo(text: $t) }", variables={"t": "😀"})
    assert json.loads(response.content)["data"]["echo"] == "😀/None"
