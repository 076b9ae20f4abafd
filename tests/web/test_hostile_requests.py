"""No request, however strange its line, headers or address, gets a 5xx from any route: spoken byte by byte to a real server."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app import main
from app.resources import Resources
from app.web import corked
from tests.web.conftest import Member, served

QUERY = b"/graphql?query=%7B__typename%7D"
BODY = b'{"query": "{ __typename }"}'
NO_ID = str(UUID(int=0)).encode()
PATHS = {
    "the query": QUERY,
    "two slashes": b"//graphql?query=%7B__typename%7D",
    "a slash behind": b"/graphql/?query=%7B__typename%7D",
    "dots": b"/graphql/../graphql?query=%7B__typename%7D",
    "an absolute address": b"http://x/graphql?query=%7B__typename%7D",
    "another scheme": b"ftp://x:y/graphql",
    "a star": b"*",
    "an authority": b"x:80",
    "no path": b"?query=%7B__typename%7D",
    "bytes beyond ASCII": b"/graphql?query=\xff\xfe",
    "bytes beyond ASCII in the path": b"/graph\xffql",
    "wrong percents": b"/graphql?query=%&variables=%zz&%=%",
    "a surrogate": b"/graphql?query=%ED%A0%80",
    "NUL": b"/graphql?query=%00",
    "NUL in the path": b"/%00",
    "NUL in the id": b"/graphql?documentId=%00",
    "names twice": b"/graphql?query=%7B__typename%7D&query=1&documentId=x",
    "a thousand parameters": b"/graphql?" + b"a=1&" * 1_000,
    "deep variables": b"/graphql?query=%7B__typename%7D&variables=" + b"[" * 3_000,
    "a huge number": b"/graphql?query=%7B__typename%7D&variables=%7B%22a%22:"
    + b"9" * 5_000
    + b"%7D",
    "a hash that is none": b"/graphql?extensions=%7B%22persistedQuery%22:%7B%7D%7D",
    "a long address": b"/graphql?query=" + b"x" * 60_000,
    "a file above": b"/static/..%2f..%2f..%2fetc%2fpasswd",
    "a file with NUL": b"/static/%00",
    "a file with a surrogate": b"/static/%ED%A0%80",
    "a file with a long name": b"/static/" + b"x" * 5_000,
    "a folder": b"/static/graphiql",
    "an image": b"/images/" + NO_ID + b"/ORIGINAL",
    "an image of no id": b"/images/%00/%FF?sig=%FF",
    "an image with a signature": b"/images/" + NO_ID + b"/original?t=%00%FF&e=" + b"9" * 5_000,
    "a ticket": b"/uploads/%00",
    "a long ticket": b"/uploads/" + b"x" * 5_000,
    "a draw": b"/random?label=%00&label=%FF",
    "a draw of no parameter": b"/random?%00=1&%ED%A0%80=%FF&=",
    "a check": b"/readyz?only=%00",
    "a check of no parameter": b"/readyz?\xff=%00",
}
HEADERS = {
    "no host": [],
    "an empty host": [b"Host:"],
    "a wrong host": [b"Host: [", b"X-Forwarded-Host: ]["],
    "a host with spaces": [b"Host: a b<script>"],
    "a wrong port": [b"Host: x:99999999"],
    "no port": [b"Host: x:abc"],
    "a host beyond ASCII": [b"Host: \xff\xfe"],
    "two hosts": [b"Host: a", b"Host: b"],
    "a long host": [b"Host: " + b"x" * 10_000],
    "a thousand headers": [b"Host: x", *(b"A%d: x" % one for one in range(1_000))],
    "a long header": [b"Host: x", b"A: " + b"x" * 60_000],
    "wrong credentials": [b"Host: x", b"Authorization: \xff", b"X-API-Key: \xff"],
    "a wrong scheme": [b"Host: x", b"Authorization: Basic " + b"=" * 5_000],
    "a wrong key": [b"Host: x", b"Authorization: Bearer pic_\xe9_\xff"],
    "wrong cookies": [b"Host: x", b'Cookie: pictor_session="\\377\xff; =;; ;a=\x01'],
    "a wrong origin": [b"Host: x", b"Origin: \xff://[", b"Sec-Fetch-Site: \xff"],
    "wrong proxies": [b"Host: x", b"X-Forwarded-For: \xff, [::, 1.2.3.4:99999", b"Forwarded: for=\xff"],
    "a wrong Accept": [b"Host: x", b"Accept: ;q=,,/;q=nan, */*;q=inf, a/b;q=1e999, \xff"],
    "a long Accept": [b"Host: x", b"Accept: " + b"a/b;q=0.1," * 3_000],
    "wrong conditions": [b"Host: x", b"If-None-Match: W/\"\xff, *", b"Range: bytes=\xff-", b"If-Range: \xff"],
    "a wrong id": [b"Host: x", b"X-Request-Id: \xff\x01"],
    "a wrong protocol": [b"Host: x", b"Connection: upgrade", b"Upgrade: \xff", b"HTTP2-Settings: \xff"],
    "half a socket": [b"Host: x", b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 99"],
    "a wrong socket": [
        b"Host: x", b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: \xff", b"Sec-WebSocket-Protocol: \xff",
    ],
    "a preflight": [b"Host: x", b"Origin: http://x", b"Access-Control-Request-Method: \xff"],
    "an expectation": [b"Host: x", b"Expect: \xff"],
}  # fmt: skip
BODIES = {
    "a negative length": [b"Content-Length: -1"],
    "a huge length": [b"Content-Length: " + b"9" * 30],
    "a length of 5,000 digits": [b"Content-Length: " + b"9" * 5_000],
    "no number": [b"Content-Length: \xb2"],
    "two lengths": [b"Content-Length: 27", b"Content-Length: 28"],
    "a wrong coding": [b"Transfer-Encoding: \xff"],
    "wrong chunks": [b"Transfer-Encoding: chunked"],
    "a wrong type": [b"Content-Length: 27", b"Content-Type: \xff; charset=\xff"],
    "a wrong charset": [b"Content-Length: 27", b"Content-Type: application/json; charset=\xff"],
    "many parameters": [b"Content-Length: 27", b"Content-Type: application/json" + b"; a=b" * 2_000],
    "a wrong encoding": [b"Content-Length: 27", b"Content-Encoding: \xff"],
    "a wrong boundary": [b"Content-Length: 27", b"X-Requested-With: x", b"Content-Type: multipart/form-data; boundary=\xff"],
    "no boundary": [b"Content-Length: 27", b"X-Requested-With: x", b"Content-Type: multipart/form-data; boundary*=\xff''%ff"],
}  # fmt: skip


@pytest.fixture
async def server(resources: Resources) -> AsyncIterator[str]:
    patient = resources.settings.model_copy(
        update={"operation_timeout_seconds": 30, "cors_origins": ("https://a.example",)}
    )
    async with served(main.create_app(replace(resources, settings=patient))) as (address, _):
        yield address


async def say(address: str, request: bytes) -> list[int]:
    """The statuses of what comes back until the server closes, or says nothing more."""
    answer = await told(address, request)
    return [int(line[9:12]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


async def told(address: str, request: bytes) -> bytes:
    host, port = urlsplit(address).netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = b""
    try:
        async with asyncio.timeout(5):
            while chunk := await reader.read(65_536):
                answer += chunk
    except (TimeoutError, ConnectionResetError):
        pass
    finally:
        writer.close()
    return answer


def spoken(method: bytes, path: bytes, headers: list[bytes], body: bytes = b"") -> bytes:
    lines = [b"%s %s HTTP/1.1" % (method, path), *headers, b"Connection: close", b"", body]
    return b"\r\n".join(lines)


async def check(
    address: str, requests: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> dict[str, list[int]]:
    found = {}
    with caplog.at_level(logging.WARNING):
        for name, request in requests.items():
            found[name] = await say(address, request)
    assert {name: said for name, said in found.items() if any(one >= 500 for one in said)} == {}
    broken = [one for one in caplog.records if one.exc_info is not None]
    assert broken == []
    return found


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PUT"])
async def test_addresses(
    server: str, member: Member, caplog: pytest.LogCaptureFixture, method: bytes
) -> None:
    its = [b"Host: x", b"X-API-Key: " + member.key.encode(), b"Content-Length: 0"]
    found = await check(
        server, {name: spoken(method, path, its) for name, path in PATHS.items()}, caplog
    )
    if method == b"GET":
        assert found["the query"] == [200]
        assert all(found.values())


async def test_methods(server: str, caplog: pytest.LogCaptureFixture) -> None:
    methods = (
        b"HEAD",
        b"OPTIONS",
        b"TRACE",
        b"CONNECT",
        b"PATCH",
        b"DELETE",
        b"QUERY",
        b"get",
        b"FOO",
        b"\xff",
    )
    requests = {
        f"{method!r} {path!r}": spoken(method, path, [b"Host: x"])
        for method in methods
        for path in (QUERY, b"/random", b"/uploads/x", b"/images/x/y", b"/healthz", b"/static/x", b"/")
    }  # fmt: skip
    await check(server, requests, caplog)


async def test_headers(server: str, caplog: pytest.LogCaptureFixture) -> None:
    requests = {name: spoken(b"GET", QUERY, lines) for name, lines in HEADERS.items()}
    options = {
        f"OPTIONS {name}": spoken(b"OPTIONS", QUERY, lines) for name, lines in HEADERS.items()
    }
    pages = {
        f"page {name}": spoken(b"GET", b"/graphql", [*lines, b"Accept: text/html"])
        for name, lines in HEADERS.items()
    }
    await check(server, requests | options | pages, caplog)


async def test_bodies(server: str, member: Member, caplog: pytest.LogCaptureFixture) -> None:
    key = b"X-API-Key: " + member.key.encode()
    its = [b"Host: x", key, b"Content-Type: application/json"]
    requests = {
        name: spoken(
            b"POST",
            b"/graphql",
            [b"Host: x", key, *lines]
            if any(one.startswith(b"Content-Type") for one in lines)
            else [*its, *lines],
            BODY,
        )
        for name, lines in BODIES.items()
    }
    good = spoken(b"POST", b"/graphql", [*its, b"Content-Length: %d" % len(BODY)], BODY)
    found = await check(server, requests | {"good": good}, caplog)
    assert found["good"] == [200]


UNREADABLE = {
    "no words": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "a line of one word": b"GET\r\n\r\n",
    "another protocol": b"GET / FTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown method": spoken(b"FOO", b"/", [b"Host: x"]),
    "too long an address": spoken(b"GET", b"/graphql?query=" + b"x" * 70_000, [b"Host: x"]),
    "two lengths": spoken(b"POST", b"/graphql", [b"Host: x", *BODIES["two lengths"]], BODY),
    "a length and chunks": spoken(
        b"POST", b"/graphql", [b"Host: x", b"Content-Length: 4", b"Transfer-Encoding: chunked"], b"0\r\n\r\n"
    ),
    "a header without a name": b"GET / HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n",
    "chunks that are none": spoken(
        b"POST",
        b"/graphql",
        [b"Host: x", b"Content-Type: application/json", b"Transfer-Encoding: chunked"],
        b"nonsense\r\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_is_no_request_is_told_as_all_else(server: str, name: str) -> None:
    answer = await told(server, UNREADABLE[name])

    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert status == "HTTP/1.1 400 Bad Request"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["connection"] == "close"
    assert headers["x-content-type-options"] == "nosniff"
    assert int(headers["content-length"]) == len(body)
    assert len(headers) == len(lines)
    (error,) = json.loads(body)["errors"]
    expected = {"code": "BAD_USER_INPUT", "requestId": headers["x-request-id"]}
    assert error["extensions"] == expected


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_an_answer_that_has_begun_is_broken_off_without_a_word(before: bytes) -> None:
    """Also where another request stands between the two."""

    is_read = asyncio.Event()

    async def begins(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]}
        )
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await is_read.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(begins, http=corked.Protocol, log_config=None, lifespan="off")
        running = uvicorn.Server(config)
        serving = asyncio.create_task(running.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.readuntil(b"one")
        writer.write(before + b"nonsense\r\n\r\n")
        answer += await reader.read()
        is_read.set()
        writer.close()
        running.should_exit = True
        await serving

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\none")
