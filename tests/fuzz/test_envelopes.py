"""Requests to /graphql that are almost right: methods, headers, bodies, addresses, and bytes that are hardly HTTP at all."""

import contextlib
import json
import socket
from itertools import pairwise
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import judge
from tests.fuzz.hostile import damaged, encoded, evil_words, values
from tests.fuzz.target import Target

OPERATIONS: Final[tuple[dict[str, Any], ...]] = (
    {"query": "{ __typename }"},
    {
        "query": "query A { viewer { user { name } } } query B { __typename }",
        "operationName": "A",
    },
    {
        "query": "query P($f: Int, $w: ImageFilter) { images(first: $f, filter: $w) { totalCount nodes { title tags { name } } } }",
        "variables": {"f": 2, "w": {"tags": {"any": ["red"]}}},
        "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}},
    },
    {"query": 'mutation { createTag(teamId: "x", name: "n") { id } }'},
    {"query": "subscription { imageProcessing { id } }"},
    {"query": "{ searchImages(query: {text: \"sun\"}, first: 1) { edges { score } } }"},
    {"query": "{ __schema { queryType { name } } __type(name: \"Image\") { kind } }"},
)  # fmt: skip
METHODS: Final = ("POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
CONTENT_TYPES: Final = (
    "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-16", 'application/json; charset="utf-8"',
    "application/json; charset=nonsense", "APPLICATION/JSON", "application/json;;;", "application/json; charset", "text/plain", "",
    "application/x-www-form-urlencoded", "application/graphql", "multipart/form-data", "multipart/form-data; boundary=",
    "multipart/form-data; boundary=x", "application/graphql-response+json", ", application/json", "application/json, text/html",
)  # fmt: skip
ACCEPTS: Final = (
    "*/*", "application/json", "application/graphql-response+json", "text/html", "text/event-stream", "application/*;q=0.1",
    "application/json;q=0", "application/json;q=nan", "application/json;q=1e999", ";q=1", ",,,", "text/event-stream, application/json",
    "*/*;q=0", "a/b", "application/json;charset=utf-16", "image/*, application/graphql-response+json;q=0.001", "*",
)  # fmt: skip
HEADERS: Final = {
    "content-encoding": ("gzip", "identity", "br", "identity, gzip", "", "IDENTITY"),
    "content-length": ("0", "1", "-1", "99999999", "1e3", "９", " 5"),
    "x-request-id": ("abc", "a b", "x" * 65, "<script>", ""),
    "x-api-key": ("", "pic_", "pic_a_b", "x" * 5_000, "Bearer"),
    "authorization": ("", "Bearer", "Basic eDp5", "Bearer pic_x", "Bearer \xff", "Digest a"),
    "cookie": ("", "pictor_session=x", "=;=;", "pictor_session=" + "a" * 3_000, "a=\xff"),
    "origin": ("null", "http://evil.example", "x", "http://[", ""),
    "host": ("", "evil.example", "[", "a:b", "a" * 300, "\xff"),
    "x-forwarded-for": ("1.2.3.4", ",", "x", "[::1]:99999"),
    "x-forwarded-host": ("evil.example", "["),
    "apollo-require-preflight": ("1", ""),
    "apollographql-client-name": ("web", "\xff", "x" * 3_000),
    "if-none-match": ("*", '"a"', "W/", ","),
    "range": ("bytes=0-1", "bytes=-0", "x"),
    "expect": ("100-continue", "x"),
    "upgrade": ("websocket", "h2c"),
}  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A request's JSON with members replaced, added, doubled, in another encoding, or broken."""
    members = dict(draw(st.sampled_from(OPERATIONS)))
    for name in draw(st.lists(st.sampled_from(MEMBERS), max_size=2)):
        members[name] = draw(values)
    raw = encoded(members)
    match draw(
        st.sampled_from(("as it is", "as it is", "broken", "doubled", "encoded", "wrapped"))
    ):
        case "broken":
            return draw(damaged(raw))
        case "doubled":
            return raw[:-1] + b"," + raw[1:]
        case "encoded":
            codec = draw(st.sampled_from(("utf-16", "utf-32", "utf-8-sig", "utf-7", "cp037")))
            return raw.decode().encode(codec)
        case "wrapped":
            return encoded(draw(st.sampled_from(([members], {"a": members}, json.dumps(members)))))
        case _:
            return raw


MEMBERS: Final = ("query", "operationName", "variables", "extensions", "id", "documentId", "map")


@st.composite
def headers(draw: st.DrawFn) -> dict[str, str]:
    found = {}
    for name in draw(st.lists(st.sampled_from(sorted(HEADERS)), max_size=3)):
        found[name] = draw(st.sampled_from(HEADERS[name]))
    return found


def judged(response: httpx.Response) -> None:
    """GraphiQL's page for those who ask for it, a stream of events, or an answer in JSON."""
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if response.request.method == "HEAD":
        assert response.status_code < 500
    elif media_type == "text/html":
        assert response.status_code == 200
        assert "text/html" in response.request.headers["accept"]
    elif media_type == "text/event-stream":
        assert response.status_code == 200
        for line in response.text.splitlines():
            if line.startswith("data: "):
                judge.body(judge.strict(line.removeprefix("data: ")))
    else:
        judge.answer(response.status_code, response.headers, response.content)


def send(target: Target, request: httpx.Request) -> None:
    """The answer is judged; of a stream that does not end by itself, the beginning."""
    response = target.http.send(request, stream=True)
    with contextlib.closing(response):
        endless = response.headers.get("content-type", "").startswith("text/event-stream")
        if not (endless and b"subscription" in request.url.query + request.read()):
            response.read()
            judged(response)
        else:
            assert response.status_code == 200


@given(
    method=st.sampled_from(("POST", "POST", "POST", *METHODS)),
    content=bodies(),
    content_type=st.sampled_from(("application/json", "application/json", *CONTENT_TYPES)),
    accept=st.sampled_from(ACCEPTS),
    more=headers(),
    known=st.booleans(),
)
def test_bodies_and_headers(
    target: Target,
    method: str,
    content: bytes,
    content_type: str,
    accept: str,
    more: dict[str, str],
    known: bool,
) -> None:
    given = target.headers if known else {}
    named = given | {"content-type": content_type, "accept": accept} | more
    # Those that say how long the body is come as raw bytes below.
    named = {name: one for name, one in named.items() if name not in ("content-length", "expect")}
    spelled = {name: one.encode("latin-1", "replace") for name, one in named.items()}
    request = target.http.build_request(method, "/graphql", content=content, headers=spelled)
    send(target, request)


@given(
    members=st.dictionaries(st.sampled_from(MEMBERS) | evil_words, evil_words, max_size=4),
    operation=st.sampled_from(OPERATIONS),
    tail=st.sampled_from(("", "&", "&query=x", "%FF=%FF", "&variables=[", "&variables=%7B%22a%22:1e999%7D", "&%")),
    accept=st.sampled_from(ACCEPTS),
)  # fmt: skip
def test_addresses(
    target: Target, members: dict[str, str], operation: dict[str, Any], tail: str, accept: str
) -> None:
    whole = {
        name: one if isinstance(one, str) else json.dumps(one) for name, one in operation.items()
    }
    query = urlencode(whole | members, errors="surrogatepass") + tail
    if len(query) > 30_000:
        query = query[:30_000]
    address = f"/graphql?{query}"
    request = target.http.build_request("GET", address, headers=target.headers | {"accept": accept})
    send(target, request)


LINES: Final = (
    b"POST /graphql HTTP/1.1", b"POST /graphql HTTP/1.0", b"POST /graphql HTTP/9.9", b"GET /graphql?query={__typename} HTTP/1.1",
    b"POST http://x/graphql HTTP/1.1", b"POST /graphql", b"POST  /graphql HTTP/1.1", b"\x16\x03\x01\x02\x00\x01", b"PRI * HTTP/2.0",
    b"POST /graphql%00 HTTP/1.1", b"POST //graphql HTTP/1.1", b"POST /graphql/ HTTP/1.1", b"GET /../../etc/passwd HTTP/1.1",
    b"GET /\xff HTTP/1.1", b"CONNECT x:1 HTTP/1.1", b"OPTIONS * HTTP/1.1",
)  # fmt: skip
FRAMINGS: Final = (
    b"Content-Length: %d", b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 999999999", b"Content-Length: x",
    b"Content-Length: %d\r\nContent-Length: 3", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: x",
    b"Transfer-Encoding: chunked\r\nContent-Length: %d", b"", b"Content-Length: %d\r\nExpect: 100-continue", b"X: " + b"y" * 9_000,
    b"Content-Length: %d\r\nUpgrade: websocket\r\nConnection: Upgrade", b"Content-Length: %d\r\n folded: yes", b"No colon",
)  # fmt: skip
BODIES: Final = (
    b'{"query":"{__typename}"}', b'18\r\n{"query":"{__typename}"}\r\n0\r\n\r\n', b"FFFFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n", b"-1\r\n\r\n",
    b"5;ext=\xff\r\nhello\r\n0\r\nTrailer: x\r\n\r\n", b"3\r\nabcdef\r\n0\r\n\r\n", b"0\r\n\r\n", b"zz\r\n", b"", b"\r\n\r\n",
    b'{"query":"{__typename}"}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
)  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """What one connection carries, in the pieces in which it is sent."""
    whole = b""
    for _ in range(draw(st.integers(1, 3))):
        content = draw(st.sampled_from(BODIES))
        framing = draw(st.sampled_from(FRAMINGS)).replace(b"%d", str(len(content)).encode())
        head = draw(st.sampled_from(LINES)) + b"\r\nHost: x\r\nContent-Type: application/json\r\n"
        whole += head + (framing + b"\r\n" if framing else b"") + b"\r\n" + content
    whole = draw(damaged(whole))
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    edges = [0, *cuts, len(whole)]
    return [whole[start:end] for start, end in pairwise(edges)]


def exchanged(target: Target, pieces: list[bytes]) -> bytes:
    """All that the server says to these bytes, until it closes, or has nothing to say for a moment."""
    heard = bytearray()
    connection = socket.create_connection((target.host, target.port), timeout=0.15)
    with connection, contextlib.suppress(OSError):
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while some := connection.recv(65_536):
            heard += some
    return bytes(heard)


@given(pieces=streams())
def test_raw_bytes(target: Target, pieces: list[bytes]) -> None:
    heard = exchanged(target, pieces)
    statuses = [line.split(b" ")[1] for line in heard.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    assert not heard or heard.startswith(b"HTTP/1.")
    assert all(status < b"500" for status in statuses), heard[:2_000]
    target.alive()


def test_paths_and_their_names(target: Target) -> None:
    @given(path=st.lists(evil_words, max_size=3))
    def walk(path: list[str]) -> None:
        spelled = "/".join(quote(one, errors="surrogatepass", safe="%") for one in path)[:4_000]
        judge.answer(*answered(target, "GET", f"/x{spelled}"))

    walk()


def answered(target: Target, method: str, path: str) -> tuple[int, httpx.Headers, bytes]:
    response = target.http.request(method, path)
    return response.status_code, response.headers, response.content
