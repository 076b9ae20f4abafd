"""The routes beside GraphQL: tickets, signed addresses, ranges, labels."""

import hashlib
from typing import Final
from urllib.parse import quote, urlsplit

import httpx
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import judge
from tests.fuzz.hostile import NUMBERS, damaged, evil_words, words
from tests.fuzz.target import Target, png

REQUEST: Final = """mutation ($input: RequestUploadInput!) { requestUpload(input: $input) {
    ... on UploadTicket { ticket } ... on UploadImagePayload { image { id } } } }"""
RANGES: Final = (
    "bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-0", "bytes=5-2", "bytes=0-0,2-3", "bytes=99999999999-", "bytes=-99999999999999999999",
    "bytes", "bytes=", "bytes=a-b", "items=0-1", "bytes = 0 - 1", "bytes=0-1,", "bytes=１-２", "BYTES=0-3", "bytes=--1", "bytes=" + "0-1," * 999,
)  # fmt: skip


def escaped(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")[:8_000]


def refused(response: httpx.Response) -> None:
    assert 400 <= response.status_code < 500, (response.status_code, response.text[:500])
    judge.answer(response.status_code, response.headers, response.content)


@given(
    content=st.sampled_from((png(950), b"", b"x", b"x" * 100_001)) | damaged(png(950)),
    announced=st.integers(-2, 200) | st.sampled_from([one for one in NUMBERS if one == int(one)]),
    filename=words,
    known=st.booleans(),
    chunked=st.booleans(),
    token=evil_words,
)
def test_tickets(
    target: Target, content: bytes, announced: float, filename: str, known: bool, chunked: bool, token: str
) -> None:  # fmt: skip
    """Bytes that are not those that were announced store nothing, and an unknown ticket neither."""
    size = int(announced)
    digest = hashlib.sha256(content).hexdigest()
    wanted = {"filename": filename, "sizeBytes": size, "sha256": digest}
    asked = target.ask(REQUEST, {"input": wanted})
    codes = judge.body(asked)
    ticket = token
    if known and not codes:
        ticket = asked["data"]["requestUpload"].get("ticket") or token
    before = target.stored()
    body = iter([content[:9], content[9:]]) if chunked else content
    response = target.http.put(f"/uploads/{escaped(ticket)}", content=body)
    if response.status_code != 204:
        refused(response)
        target.unchanged_since(before)


@given(
    which=st.integers(0, 2),
    token=st.none() | evil_words,
    flipped=st.none() | st.integers(0, 200),
    variant=st.sampled_from(("original", "small", "medium", "large")) | evil_words,
    method=st.sampled_from(("GET", "HEAD", "POST")),
    ranges=st.none() | st.sampled_from(RANGES) | st.text("bytes=-0123456789, ", max_size=30),
    if_range=st.none() | st.sampled_from(('"a"', "W/\"a\"", "x", "Wed, 21 Oct 2015 07:28:00 GMT")),
    none_match=st.none() | st.sampled_from(("*", '"a"', ",", 'W/"a", "b"')),
)  # fmt: skip
def test_addresses_of_images(
    target: Target,
    which: int,
    token: str | None,
    flipped: int | None,
    variant: str,
    method: str,
    ranges: str | None,
    if_range: str | None,
    none_match: str | None,
) -> None:
    signed = urlsplit(target.images[which]["url"])
    good = signed.query.removeprefix("token=")
    if flipped is not None:
        at = flipped % len(good)
        token = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]
    path = signed.path if variant == "original" else f"/images/x/{escaped(variant)}"
    asked = escaped(good if token is None else token)
    given = {"range": ranges, "if-range": if_range, "if-none-match": none_match}
    headers = {name: one.strip().encode() for name, one in given.items() if one is not None}
    response = target.http.request(method, f"{path}?token={asked}", headers=headers)
    if token is not None and variant == "original" and token != good:
        assert response.status_code in (404, 405)
    if response.status_code in (200, 206):
        assert response.headers["content-type"] == "image/png"
        assert method == "HEAD" or len(response.content) == int(response.headers["content-length"])
    elif response.status_code != 304 and method != "HEAD":
        refused(response)


@given(
    labels=st.lists(st.sampled_from(("red", "blue")) | evil_words, max_size=60), known=st.booleans()
)
def test_labels_of_draws(target: Target, labels: list[str], known: bool) -> None:
    query = "&".join(f"label={escaped(one)}" for one in labels)[:20_000]
    response = target.http.get(f"/random?{query}", headers=target.headers if known else {})
    if response.status_code == 200:
        assert known
        assert response.headers["x-image-id"]
        assert response.headers["content-type"] == "image/png"
    else:
        refused(response)
        assert known or response.status_code == 401


@given(
    path=st.sampled_from(("/schema.graphql", "/static/", "/healthz", "/readyz", "/")), tail=words
)
def test_other_paths(target: Target, path: str, tail: str) -> None:
    response = target.http.get(path + escaped(tail))
    assert response.status_code < 500
    if response.status_code >= 400:
        refused(response)
