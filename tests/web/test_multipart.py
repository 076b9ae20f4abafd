"""Uploads by the GraphQL multipart request spec: what is taken, what is refused, and that nothing stays behind."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.errors import AppError, ErrorCode
from app.settings import Settings
from app.web.spool import Spool
from tests.web.conftest import Member, hasty

STORE = "mutation ($file: Upload!) { store(file: $file) { filename size sha256 tooLarge onDisk } }"
STORE_ALL = (
    "mutation ($files: [Upload!]!) { storeAll(files: $files) { filename size tooLarge onDisk } }"
)
STORE_BOX = "mutation ($box: Box!) { storeBox(box: $box) { size } }"
PREFLIGHT = {"GraphQL-Require-Preflight": "1"}
BOUNDARY = "the-boundary"
Part = tuple[str, str | None, bytes]
"""Name, file name, bytes."""


def encoded(parts: list[Part], *, end: str = "--\r\n") -> bytes:
    body = b""
    for name, filename, content in parts:
        quoted = f'; filename="{filename}"' if filename is not None else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{quoted}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}{end}".encode()


def form(query: str, variables: Any, paths: Any, *files: Part) -> list[Part]:
    operations = json.dumps({"query": query, "variables": variables}).encode()
    return [("operations", None, operations), ("map", None, json.dumps(paths).encode()), *files]


def one_file(content: bytes = b"bytes", filename: str = "cat.jpg") -> list[Part]:
    return form(STORE, {"file": None}, {"0": ["variables.file"]}, ("0", filename, content))


async def send(
    client: httpx.AsyncClient,
    member: Member,
    parts: list[Part] | bytes,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    content = parts if isinstance(parts, bytes) else encoded(parts)
    own = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} | PREFLIGHT | member.headers
    return await client.post("/graphql", content=content, headers=own | (headers or {}))


def left_behind(settings: Settings) -> list[Path]:
    return list(settings.tmp_dir.glob("*")) if settings.tmp_dir.exists() else []


def extensions(response: httpx.Response) -> dict[str, Any]:
    (error,) = response.json()["errors"]
    found: dict[str, Any] = error["extensions"]
    return found


async def test_file_arrives_with_its_size_and_hash(
    client: httpx.AsyncClient, member: Member, settings: Settings
) -> None:
    content = bytes(range(256)) * 300
    response = await send(client, member, one_file(content))
    assert response.json()["data"] == {
        "store": {
            "filename": "cat.jpg",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "tooLarge": False,
            "onDisk": len(content),
        }
    }
    assert left_behind(settings) == []


async def test_several_files_and_one_file_twice(client: httpx.AsyncClient, member: Member) -> None:
    parts = form(
        STORE_ALL,
        {"files": [None, None, None]},
        {"a": ["variables.files.0", "variables.files.2"], "b": ["variables.files.1"]},
        ("a", "a.png", b"aaa"),
        ("b", "b.png", b""),
    )
    found = (await send(client, member, parts)).json()["data"]["storeAll"]
    assert [(one["filename"], one["size"]) for one in found] == [
        ("a.png", 3),
        ("b.png", 0),
        ("a.png", 3),
    ]


async def test_file_deep_in_an_input(client: httpx.AsyncClient, member: Member) -> None:
    box = {"box": {"width": 1, "file": None}}
    parts = form(STORE_BOX, box, {"0": ["variables.box.file"]}, ("0", "x", b"12"))
    response = await send(client, member, parts)
    assert response.json()["data"] == {"storeBox": {"size": 2}}


async def test_request_without_files_is_a_plain_one(
    client: httpx.AsyncClient, member: Member
) -> None:
    response = await send(client, member, form("{ hello }", {}, {}))
    assert response.json()["data"] == {"hello": "hello"}


async def test_what_httpx_sends(client: httpx.AsyncClient, member: Member) -> None:
    response = await client.post(
        "/graphql",
        data={
            "operations": json.dumps({"query": STORE, "variables": {"file": None}}),
            "map": '{"0": ["variables.file"]}',
        },
        files={"0": ("naïve ☃.jpg", b"x" * 5_000, "image/jpeg")},
        headers=member.headers | {"Apollo-Require-Preflight": "true"},
    )
    stored = response.json()["data"]["store"]
    assert (stored["filename"], stored["size"]) == ("naïve ☃.jpg", 5_000)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("na%C3%AFve%20%E2%98%83.jpg", "naïve ☃.jpg"),
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("100% of%20it.jpg", "100% of%20it.jpg"),
        ("my %22best%22 ☃, 100%%0D%0A.jpg", 'my "best" ☃, 100%.jpg'),
        ("na%EFve.jpg", "na%EFve.jpg"),
        ("C:\\Users\\ada\\cat.jpg", "cat.jpg"),
        ("a\tb\x7f.png", "ab.png"),
        ("   ", ""),
        ("x" * 300 + ".jpg", "x" * 251 + ".jpg"),
        ("..", ".."),
        ("", ""),
    ],
)
async def test_file_name_is_only_a_name(
    client: httpx.AsyncClient, member: Member, sent: str, kept: str
) -> None:
    response = await send(client, member, one_file(filename=sent))
    assert response.json()["data"]["store"]["filename"] == kept


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            """name=0; filename="=?utf-8?B?R3LDtsOfZS5qcGc=?="; filename*=utf-8''Gr%C3%B6%C3%9Fe.jpg""",
            "Größe.jpg",
        ),
        ("""name=0; filename=cat.jpg; filename*=utf-8''cat.jpg""", "cat.jpg"),
        ("""name="0"; filename*="UTF-8''Gr%C3%B6%C3%9Fe.jpg\"""", "Größe.jpg"),
        ("""name="0"; FileName* = UTF-8'de'..%2FK%C3%A4tzchen.jpg""", "Kätzchen.jpg"),
        ("""name="0"; filename="a; filename*=utf-8''b.jpg\"""", "a; filename*=utf-8''b.jpg"),
        ("""name="0"; filename="cat.jpg"; filename*=latin1''b.jpg""", "cat.jpg"),
        ("""name="0"; filename*=utf-8''%FF.jpg; filename="cat.jpg\"""", "\ufffd.jpg"),
    ],
)
async def test_file_name_as_others_than_browsers_send_it(
    client: httpx.AsyncClient, member: Member, sent: str, kept: str
) -> None:
    """The HttpClient of .NET, and Strawberry Shake with it, leaves the name of a part without quotes."""
    body = encoded(one_file()).replace(b'name="operations"', b"name=operations")
    own = b'name="0"; filename="cat.jpg"'
    assert own in body
    response = await send(client, member, body.replace(own, sent.encode()))
    assert response.json()["data"]["store"]["filename"] == kept


async def test_file_beyond_its_limit_is_not_kept_and_the_others_are(
    client: httpx.AsyncClient, member: Member, settings: Settings
) -> None:
    parts = form(
        STORE_ALL,
        {"files": [None, None, None]},
        {"0": ["variables.files.0"], "1": ["variables.files.1"], "2": ["variables.files.2"]},
        ("0", "a", b"a" * 100_000),
        ("1", "b", b"b" * 100_001),
        ("2", "c", b"c"),
    )
    found = (await send(client, member, parts)).json()["data"]["storeAll"]
    assert [(one["tooLarge"], one["size"], one["onDisk"]) for one in found] == [
        (False, 100_000, 100_000),
        (True, 100_001, 0),
        (False, 1, 1),
    ]
    assert left_behind(settings) == []


@pytest.mark.parametrize("header", [*PREFLIGHT, "X-Apollo-Operation-Name", "X-Requested-With"])
async def test_one_of_the_preflight_headers_is_enough(
    client: httpx.AsyncClient, member: Member, header: str
) -> None:
    parts = encoded(one_file())
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} | member.headers
    response = await client.post("/graphql", content=parts, headers=kind | {header: "x"})
    assert response.status_code == 200
    forged = await client.post("/graphql", content=parts, headers=kind)
    assert forged.status_code == 400
    assert "GraphQL-Require-Preflight" in forged.json()["errors"][0]["message"]


async def test_stranger_is_refused_before_a_byte_is_read(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for piece in (encoded(one_file(b"x" * 50_000)),):
            read += len(piece)
            yield piece

    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} | PREFLIGHT
    for headers in (kind, kind | {"X-API-Key": "pic_wrong"}):
        response = await client.post("/graphql", content=body(), headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert extensions(response)["code"] == "UNAUTHENTICATED"
    assert read == 0
    assert left_behind(settings) == []


MAP = {"0": ["variables.file"]}
FILE: Part = ("0", "cat.jpg", b"bytes")
OPERATIONS: Part = (
    "operations",
    None,
    json.dumps({"query": STORE, "variables": {"file": None}}).encode(),
)
MAPPED: Part = ("map", None, json.dumps(MAP).encode())


def mapped(paths: Any, variables: Any = None, *files: Part) -> list[Part]:
    return form(
        STORE, {"file": None} if variables is None else variables, paths, *(files or (FILE,))
    )


MALFORMED: dict[str, list[Part] | bytes] = {
    "nothing": b"",
    "no parts": encoded([]),
    "no form": b"{}",
    "only operations": [OPERATIONS],
    "no operations": [MAPPED, FILE],
    "the map first": [MAPPED, OPERATIONS, FILE],
    "a file first": [FILE, OPERATIONS, MAPPED],
    "a file before the map": [OPERATIONS, FILE, MAPPED],
    "operations twice": [OPERATIONS, OPERATIONS, MAPPED, FILE],
    "a file twice": [OPERATIONS, MAPPED, FILE, FILE],
    "a file that the map does not name": [OPERATIONS, MAPPED, FILE, ("1", "b.jpg", b"")],
    "a file that did not come": [OPERATIONS, MAPPED],
    "another name": [OPERATIONS, MAPPED, ("1", "cat.jpg", b"")],
    "operations that are no JSON": [("operations", None, b"{"), MAPPED, FILE],
    "operations that are null": [("operations", None, b"null"), MAPPED, FILE],
    "operations that are text": [("operations", None, b'"x"'), MAPPED, FILE],
    "operations not in UTF-8": [("operations", None, b'{"query": "\xff"}'), MAPPED, FILE],
    "operations with NUL": [("operations", None, b'{"query": "\\u0000"}'), MAPPED, FILE],
    "a batch": [("operations", None, b'[{"query": "{ hello }"}]'), MAPPED, FILE],
    "a map that is no JSON": [OPERATIONS, ("map", None, b"x"), FILE],
    "a map that is null": [OPERATIONS, ("map", None, b"null"), FILE],
    "a map that is a list": mapped([["variables.file"]]),
    "a path that is no list": mapped({"0": "variables.file"}),
    "a path that is a number": mapped({"0": [1]}),
    "no path": mapped({"0": []}),
    "one path twice": mapped({"0": ["variables.file", "variables.file"]}),
    "one path for two files": mapped(
        {"0": ["variables.file"], "1": ["variables.file"]}, None, FILE, ("1", "b", b"")
    ),
    "a path out of the variables": mapped({"0": ["query"]}),
    "the variables themselves": mapped({"0": ["variables"]}),
    "an empty step": mapped({"0": ["variables."]}),
    "a path to nowhere": mapped({"0": ["variables.other"]}),
    "a path through nowhere": mapped({"0": ["variables.file.x.y"]}),
    "a path to a value": mapped({"0": ["variables.file"]}, {"file": "x"}),
    "a path to an object": mapped({"0": ["variables.file"]}, {"file": {}}),
    "an index beyond the list": mapped({"0": ["variables.files.1"]}, {"files": [None]}),
    "a negative index": mapped({"0": ["variables.files.-1"]}, {"files": [None]}),
    "a word as index": mapped({"0": ["variables.files.x"]}, {"files": [None]}),
    "a padded index": mapped({"0": ["variables.files.00"]}, {"files": [None]}),
    "variables that are null": mapped({"0": ["variables.file"]}, {"x": None}),
    "an index into an object": mapped({"0": ["variables.file.0"]}, {"file": {"x": 1}}),
    "no end": encoded([OPERATIONS, MAPPED, FILE], end=""),
    "an end in a file": encoded([OPERATIONS, MAPPED, FILE])[:-30],
    "a part without a name": encoded([OPERATIONS]).replace(b'; name="operations"', b""),
    "a part of another kind": encoded([OPERATIONS]).replace(b"form-data", b"attachment"),
    "a part without headers": f"--{BOUNDARY}\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode(),
    "a header without end": f"--{BOUNDARY}\r\n".encode() + b"X: " + b"y" * 50_000,
    "many headers": f"--{BOUNDARY}\r\n".encode() + b"X: y\r\n" * 50,
    "another boundary": encoded([OPERATIONS]).replace(BOUNDARY.encode(), b"other"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_form_is_bad_input(
    client: httpx.AsyncClient, member: Member, settings: Settings, name: str
) -> None:
    response = await send(client, member, MALFORMED[name])
    assert response.status_code == 400, response.text
    assert extensions(response)["code"] == "BAD_USER_INPUT"
    assert left_behind(settings) == []


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'x' * 300}",
    ],
)
async def test_form_without_a_boundary(
    client: httpx.AsyncClient, member: Member, content_type: str
) -> None:
    response = await send(client, member, one_file(), {"Content-Type": content_type})
    assert response.status_code == 400


@pytest.mark.parametrize(
    "parts",
    [
        [("operations", None, b" " * 20_001), MAPPED],
        [OPERATIONS, ("map", None, b" " * 20_001)],
        mapped({str(n): [f"variables.files.{n}"] for n in range(5)}, {"files": [None] * 5}),
        mapped({"0": [f"variables.files.{n}" for n in range(5)]}, {"files": [None] * 5}),
        one_file(b"x" * 400_000),
    ],
    ids=["operations", "map", "files", "paths", "total"],
)
async def test_form_beyond_a_limit(
    client: httpx.AsyncClient, member: Member, settings: Settings, parts: list[Part]
) -> None:
    response = await send(client, member, parts)
    assert response.status_code == 413
    assert extensions(response)["code"] == "PAYLOAD_TOO_LARGE"
    assert left_behind(settings) == []


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_chunks_may_end_anywhere(
    client: httpx.AsyncClient, member: Member, size: int
) -> None:
    content = (f"\r\n--{BOUNDARY}"[:-1] + "\r\n-" + f"\r\n--{BOUNDARY}x\r\n--").encode() * 3
    whole = encoded(one_file(content))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), size):
            yield whole[start : start + size]

    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} | PREFLIGHT
    response = await client.post("/graphql", content=pieces(), headers=kind | member.headers)
    stored = response.json()["data"]["store"]
    assert stored["sha256"] == hashlib.sha256(content).hexdigest()


async def test_files_go_after_an_error(
    client: httpx.AsyncClient, member: Member, settings: Settings
) -> None:
    for query, code in (
        ("mutation ($file: Upload!) { refuse(file: $file) }", "BAD_USER_INPUT"),
        ("mutation ($file: Upload!) { unknown(file: $file) }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation ($file: Int!) { bump }", "GRAPHQL_VALIDATION_FAILED"),
    ):
        response = await send(client, member, form(query, {"file": None}, MAP, FILE))
        assert extensions(response)["code"] == code
        assert left_behind(settings) == []


@hasty
async def test_files_go_after_a_timeout(
    client: httpx.AsyncClient, member: Member, settings: Settings
) -> None:
    query = "mutation ($file: Upload!) { keep(file: $file, seconds: 5) }"
    response = await send(client, member, form(query, {"file": None}, MAP, FILE))
    assert extensions(response)["code"] == "UNAVAILABLE"
    assert left_behind(settings) == []


async def test_a_disk_that_takes_nothing_is_unavailable(
    client: httpx.AsyncClient, member: Member, settings: Settings
) -> None:
    if settings.tmp_dir.exists():
        settings.tmp_dir.rmdir()
    settings.tmp_dir.write_bytes(b"not a folder")
    assert extensions(await send(client, member, one_file()))["code"] == "UNAVAILABLE"
    settings.tmp_dir.unlink()
    assert (await send(client, member, one_file())).status_code == 200


async def test_a_disk_that_fills_up_is_unavailable(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "gone" / "0", filename="cat.jpg", limit=100)
    await spool.write(b"bytes")
    with pytest.raises(AppError) as caught:
        await spool.finish()
    assert caught.value.code is ErrorCode.UNAVAILABLE


async def test_file_for_a_variable_of_another_type(
    client: httpx.AsyncClient, member: Member
) -> None:
    parts = form("query ($file: String) { echo(text: $file) }", {"file": None}, MAP, FILE)
    response = await send(client, member, parts)
    assert extensions(response)["code"] == "BAD_USER_INPUT"
    assert "/" not in response.json()["errors"][0]["message"]


async def test_client_that_goes_away_leaves_nothing(
    server: str, member: Member, settings: Settings
) -> None:
    host, port = server.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    begin = encoded(one_file(b"x" * 90_000))[:-60_000]
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"GraphQL-Require-Preflight: 1\r\nX-API-Key: {member.key}\r\n\r\n"
    )
    writer.write(head.encode() + begin)
    await writer.drain()
    await _until(lambda: bool(left_behind(settings)))
    writer.close()
    await writer.wait_closed()
    await _until(lambda: not left_behind(settings))


async def test_client_that_sends_too_much_still_reads_the_answer(
    server: str, member: Member, settings: Settings
) -> None:
    parts = encoded(one_file(b"x" * 20_000_000))

    async def unannounced() -> AsyncIterator[bytes]:
        yield parts

    async with httpx.AsyncClient(base_url=server) as client:
        for content in (parts, unannounced()):
            response = await client.post(
                "/graphql",
                content=content,
                headers=PREFLIGHT
                | member.headers
                | {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
            )
            assert response.status_code == 413
            assert extensions(response)["reason"] == "TOO_LARGE"
            assert left_behind(settings) == []


async def _until(holds: Any) -> None:
    for _ in range(6_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")
