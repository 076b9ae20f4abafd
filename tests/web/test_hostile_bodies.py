"""No body, however malformed, gets anything but a well-formed error with its code."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message

from app.web import bodies
from app.web.problems import Refusal
from tests.web.conftest import Member

JSON = {"Content-Type": "application/json"}
ECHO = "query ($t: String, $n: Float) { echo(text: $t, number: $n) }"


def body(**members: Any) -> bytes:
    return json.dumps({"query": ECHO, **members}).encode()


def raw(variables: str) -> bytes:
    return f'{{"query": {json.dumps(ECHO)}, "variables": {variables}}}'.encode()


HOSTILE = {
    "nothing": b"",
    "white space": b"  \n ",
    "null": b"null",
    "true": b"true",
    "a string": b'"x"',
    "a number": b"1",
    "an empty object": b"{}",
    "an empty list": b"[]",
    "a batch": b'[{"query": "{ hello }"}, {"query": "{ hello }"}]',
    "half of it": b'{"query": "{ hello }"',
    "something behind": b'{"query": "{ hello }"} x',
    "not UTF-8": b'{"query": "{ hello }", "x": "\xff"}',
    "UTF-16": '{"query": "{ hello }"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + b'{"query": "{ hello }"}',
    "a surrogate in UTF-8": b'{"query": "{ hello }", "x": "\xed\xa0\x80"}',
    "compressed": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "deep lists": raw("[" * 5_000 + "]" * 5_000),
    "deep objects": raw('{"t":' * 2_000 + "1" + "}" * 2_000),
    "nesting beyond the limit": raw('{"t": ' + "[" * 70 + "]" * 70 + "}"),
    "unclosed lists": b"[" * 15_000,
    "a huge integer": raw('{"n": ' + "9" * 5_000 + "}"),
    "an integer beyond floats": raw('{"n": ' + "9" * 400 + "}"),
    "NaN": raw('{"n": NaN}'),
    "Infinity": raw('{"n": Infinity}'),
    "a float beyond floats": raw('{"n": 1e999}'),
    "NUL in a variable": body(variables={"t": "a\0b"}),
    "NUL in a key": body(variables={"a\0": 1}),
    "NUL deep inside": body(variables={"t": {"x": ["ok", {"y": "\0"}]}}),
    "a lone surrogate": raw('{"t": "\\ud800"}'),
    "a lone surrogate in a key": raw('{"\\udfff": 1}'),
    "NUL in the query": b'{"query": "{ hello \\u0000 }"}',
    "NUL spelled in the query": b'{"query": "{ echo(text: \\"a\\\\u0000b\\") }"}',
    "a surrogate in the query": b'{"query": "{ hello } # \\ud800"}',
    "a literal beyond floats": b'{"query": "{ echo(number: 1e999) }"}',
    "NUL in the name": body(operationName="\0"),
    "NUL in the extensions": body(extensions={"x": "\0"}),
    "no query": b'{"variables": {}}',
    "an empty query": b'{"query": ""}',
    "a null query": b'{"query": null}',
    "a query of another type": b'{"query": 1}',
    "a list as query": b'{"query": ["{ hello }"]}',
    "variables as text": body(variables="{}"),
    "variables as a list": body(variables=[1]),
    "variables as a number": body(variables=0),
    "a name of another type": body(operationName=1),
    "extensions of another type": body(extensions="x"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_malformed_body_is_bad_input(client: httpx.AsyncClient, name: str) -> None:
    headers = JSON | {"Accept": "application/graphql-response+json"}
    response = await client.post("/graphql", content=HOSTILE[name], headers=headers)
    assert response.status_code == 400, response.text
    assert response.headers["content-type"].startswith("application/graphql-response+json")
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["requestId"] == response.headers["x-request-id"]
    assert len(response.content) < 2_000


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (HOSTILE["NUL in a variable"], "t"),
        (HOSTILE["NUL deep inside"], "t.x.1.y"),
        (HOSTILE["a lone surrogate"], "t"),
        (HOSTILE["a float beyond floats"], "n"),
        (HOSTILE["NUL in a key"], "variables"),
        (HOSTILE["NUL in the query"], "query"),
        (HOSTILE["NUL in the extensions"], "extensions.x"),
        (raw('{"t": {"' + "x" * 9_000 + '": "\\u0000"}}'), "t." + "x" * 198),
    ],
)
async def test_input_at_fault_is_named(
    client: httpx.AsyncClient, content: bytes, field: str
) -> None:
    response = await client.post("/graphql", content=content, headers=JSON)
    assert response.json()["errors"][0]["extensions"]["field"] == field


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_status_of_a_malformed_body_is_the_same_in_both_types(
    client: httpx.AsyncClient, accept: str
) -> None:
    for content in (b"null", b"[", HOSTILE["a lone surrogate"], HOSTILE["NUL in the query"]):
        response = await client.post("/graphql", content=content, headers=JSON | {"Accept": accept})
        assert response.status_code == 400


async def test_parameter_at_fault_is_named(client: httpx.AsyncClient) -> None:
    for query, field in (
        ("query=%7Bhello%7D%00", "query"),
        ("query=%7Bhello%7D&variables=%7B%22a%22:%22%5Cu0000%22%7D", "a"),
        ("query=%7Bhello%7D&variables=%7B", "variables"),
        ("extensions=%7B%22", "extensions"),
    ):
        response = await client.get(f"/graphql?{query}")
        assert response.json()["errors"][0]["extensions"]["field"] == field


@pytest.mark.parametrize(
    "query",
    [
        "query=%7B%20hello%20%7D&variables=%5B",
        "query=%7B%20hello%20%7D&variables=1",
        "query=%7B%20hello%20%7D&extensions=null%2C",
        "query=%7Bhello%7D%00",
        "query=",
        "",
        "variables=%7B%7D",
        "%FF=%FF&query=&&&=",
    ],
)
async def test_malformed_address_is_bad_input(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/graphql?{query}")
    assert response.status_code == 400, response.text
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_body_beyond_its_limit_is_refused(client: httpx.AsyncClient) -> None:
    whole = body(variables={"t": "x" * 30_000})
    response = await client.post("/graphql", content=whole, headers=JSON)
    assert response.status_code == 413
    found = response.json()["errors"][0]["extensions"]
    assert (found["code"], found["reason"]) == ("PAYLOAD_TOO_LARGE", "TOO_LARGE")


async def test_body_without_a_length_is_counted_as_it_comes(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        for _ in range(1_000):
            sent += 10_000
            yield b" " * 10_000

    response = await client.post("/graphql", content=endless(), headers=JSON)
    assert response.status_code == 413
    assert sent <= 40_000


@pytest.mark.parametrize("digits", [18, 19, 5_000])
async def test_a_length_of_any_size_is_a_number(client: httpx.AsyncClient, digits: int) -> None:
    headers = JSON | {"Content-Length": "9" * digits}
    response = await client.post("/graphql", content=b"{}", headers=headers)
    assert response.status_code == 413


async def test_body_that_comes_too_slowly_is_given_up() -> None:
    async def receive() -> Message:
        return await asyncio.get_running_loop().create_future()

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with pytest.raises(Refusal) as refusal:
        await bodies.read(request, 1, patience_seconds=0.01)
    assert refusal.value.status == 408


async def test_error_repeats_no_megabyte_of_its_input(
    client: httpx.AsyncClient, member: Member
) -> None:
    name = "x" * 10_000
    for content in (body(variables={"n": name}), json.dumps({"query": f"{{ {name} }}"}).encode()):
        response = await client.post("/graphql", content=content, headers=JSON | member.headers)
        assert len(response.content) < 1_000
