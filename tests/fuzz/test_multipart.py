"""Uploads that are almost right: parts, headers, names, maps and boundaries, cut anywhere and sent in any pieces."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import judge
from tests.fuzz.hostile import damaged, encoded, evil_words, values
from tests.fuzz.target import Target, png
from tests.fuzz.test_envelopes import exchanged

ONE: Final = "mutation ($file: Upload!, $tags: [String!]) { uploadImage(input: {file: $file, tags: $tags}) { image { id } } }"
MANY: Final = """mutation ($files: [Upload!]!) { uploadImages(input: {files: $files}) {
    ... on UploadImagePayload { image { id } } ... on UploadRejection { code reason } } }"""
SEARCH: Final = "query ($file: Upload!) { searchImages(query: {image: $file}) { model } }"
OPERATIONS: Final[tuple[dict[str, Any], ...]] = (
    {"query": ONE, "variables": {"file": None, "tags": ["red"]}},
    {"query": MANY, "variables": {"files": [None, None]}},
    {"query": SEARCH, "variables": {"file": None}},
    {"query": "{ __typename }", "variables": {"file": None}},
)
PATHS: Final = (
    "variables.file", "variables.files.0", "variables.files.1", "variables.files.2", "variables.files.-1", "variables.files.00",
    "variables", "variables.", "variables..file", "query", "", ".", "variables.tags.0", "variables.file.x", "variables.__class__",
    "variables.files.9999999999", "variables.files.１", "0.variables.file", "variables.files", "operationName",
)  # fmt: skip
NAMES: Final = (
    "0",
    "1",
    "2",
    "",
    "operations",
    "map",
    "a" * 3_000,
    "é",
    "\u202e",
    "0\r\n",
    '"',
    "../x",
    "%00",
)
FILENAMES: Final = (
    "a.png", "", "../../../etc/passwd", "..\\..\\x", "a" * 10_000, 'a".png', "é.png", "\u202egnp.exe", "\x00.png", "/", ".", "CON",
    "a.png\r\nX: y", "😀" * 300, "' OR 1=1", "%2e%2e%2f",
)  # fmt: skip
DISPOSITIONS: Final = (
    'form-data; name="%n"; filename="%f"', 'form-data; name="%n"', "form-data; name=%n; filename=%f", 'form-data; filename="%f"',
    "attachment; name=\"%n\"", "form-data", "", "form-data; name=\"%n\"; filename*=UTF-8''%f", 'form-data; name="%n"; name="1"',
    'FORM-DATA; NAME="%n"; FILENAME="%f"', 'form-data; name="%n', "form-data;;;=;name", 'form-data; name="%n"; filename="C:\\x\\%f"',
    "form-data; name*0=\"%n\"; name*1=\"x\"", "form-data; name*=utf-16''%n", "form-data; name*=x'y'%FF%",
)  # fmt: skip
FILES: Final = (
    png(900), png(900)[:-9], png(900)[:40], b"", b"GIF89a", b"\xff\xd8\xff\xe0" + b"\0" * 90, b"<svg/>", b"x" * 100_001, b"PK\x03\x04",
    b"RIFF\xff\xff\xff\xffWEBPVP8X" + b"\xff" * 40, b"\0\0\0\x1cftypavif" + b"\0" * 60, b"\r\n--B--\r\n", b"%PDF-1.7", b"BM" + b"\0" * 50,
)  # fmt: skip
BOUNDARIES: Final = (
    "B",
    "-" * 70,
    "a" * 71,
    "",
    " ",
    '"',
    "B;x",
    "é",
    "=",
    "--",
    "a" * 5_000,
    "'()+_,-./:=?",
)

Part = tuple[bytes, bytes]
"""The header lines and the content."""


@st.composite
def parts(draw: st.DrawFn) -> list[Part]:
    """Operations, map and files in the order of the spec, and then a little of something else."""
    operations = json.loads(json.dumps(draw(st.sampled_from(OPERATIONS))))
    if draw(st.integers(0, 3)) == 0:
        operations[draw(st.sampled_from(("query", "variables", "x")))] = draw(values)
    right = {"0": ["variables.file"]}
    variables = operations.get("variables")
    if isinstance(variables, dict) and "files" in variables:
        right = {"0": ["variables.files.0"], "1": ["variables.files.1"]}
    hostile = st.dictionaries(
        st.sampled_from(NAMES),
        st.lists(st.sampled_from(PATHS) | evil_words, max_size=4) | values,
        max_size=4,
    )
    wanted: Any = draw(st.one_of(st.just(right), st.just(right), hostile, values))
    found = [_plain("operations", encoded(operations)), _plain("map", encoded(wanted))]
    found += [draw(_file(name)) for name in right]
    match draw(st.sampled_from(("right", "right", "shuffled", "doubled", "missing"))):
        case "shuffled":
            return draw(st.permutations(found))
        case "doubled":
            return [*found, draw(st.sampled_from(found))]
        case "missing":
            found.pop(draw(st.integers(0, len(found) - 1)))
    return found


def _plain(name: str, content: bytes) -> Part:
    return f'Content-Disposition: form-data; name="{name}"\r\n'.encode(), content


@st.composite
def _file(draw: st.DrawFn, name: str) -> Part:
    content = draw(st.sampled_from(FILES) | damaged(png(901)))
    if draw(st.booleans()):
        disposition = f'form-data; name="{name}"; filename="a.png"'
    else:
        other = draw(st.sampled_from((name, name, *NAMES)))
        filename = draw(st.sampled_from(FILENAMES))
        disposition = draw(st.sampled_from(DISPOSITIONS))
        disposition = disposition.replace("%n", other).replace("%f", filename)
    more = draw(st.sampled_from(MORE))
    return f"Content-Disposition: {disposition}\r\n{more}".encode(), content


MORE: Final = (
    "", "Content-Type: image/png\r\n", "Content-Type: text/html\r\n", "Content-Transfer-Encoding: base64\r\n", "X: " + "y" * 20_000 + "\r\n",
    "Content-Length: 5\r\n", "no colon\r\n", ": empty\r\n", " folded\r\n", "Content-Disposition: form-data; name=\"map\"\r\n", "X: 1\r\n" * 500,
)  # fmt: skip


def spelled(found: list[Part], boundary: str) -> bytes:
    edge = b"--" + boundary.encode()
    return b"".join(
        edge + b"\r\n" + head + b"\r\n" + content + b"\r\n" for head, content in found
    ) + edge + b"--\r\n"  # fmt: skip


def pieces(content: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cut for cut in cuts if cut < len(content)), len(content)]
    yield from (content[start:end] for start, end in pairwise(edges))


def took_in(answer: Any) -> bool:
    """Whether a picture was stored."""
    return '"image":{"id"' in json.dumps(answer, separators=(",", ":"))


@given(
    found=parts(),
    boundary=st.sampled_from(("B", "B", "B", *BOUNDARIES)),
    cuts=st.lists(st.integers(0, 3_000), max_size=5),
    breaking=st.booleans(),
    data=st.data(),
)
def test_forms(
    target: Target,
    found: list[Part],
    boundary: str,
    cuts: list[int],
    breaking: bool,
    data: st.DataObject,
) -> None:
    before = target.stored()
    content = spelled(found, boundary)
    if breaking:
        content = data.draw(damaged(content))
    media_type = f"multipart/form-data; boundary={boundary}".strip().encode()
    headers = target.headers | {"X-Requested-With": "fuzz"}
    response = target.http.post(
        "/graphql",
        content=pieces(content, cuts),
        headers=[*headers.items(), (b"content-type", media_type)],  # type: ignore[list-item]
    )
    judge.answer(response.status_code, response.headers, response.content)
    if not took_in(response.json()):
        target.unchanged_since(before)


WHOLE: Final = spelled(
    [
        _plain("operations", encoded(OPERATIONS[0])),
        _plain("map", b'{"0": ["variables.file"]}'),
        (b'Content-Disposition: form-data; name="0"; filename="a.png"\r\n', png(902)),
    ],
    "B",
)


@given(length=st.integers(0, len(WHOLE) - 1), announced=st.booleans())
def test_client_that_goes_away_leaves_nothing(target: Target, length: int, announced: bool) -> None:
    """Cut at any byte: said to be longer, or in chunks of which the last never comes."""
    before = target.stored()
    lines = [
        "POST /graphql HTTP/1.1", "Host: x", f"X-API-Key: {target.key}", "X-Requested-With: fuzz",
        "Content-Type: multipart/form-data; boundary=B",
        f"Content-Length: {len(WHOLE)}" if announced else "Transfer-Encoding: chunked",
    ]  # fmt: skip
    body = WHOLE[:length] if announced else b"%x\r\n%s\r\n" % (length, WHOLE[:length])
    heard = exchanged(target, ["\r\n".join(lines).encode() + b"\r\n\r\n" + body])
    if announced or length:
        assert heard[9:10] in (b"", b"4"), heard[:300]
    target.unchanged_since(before)
