"""Clients as an installation knows them: they upload, note what was acknowledged, and try again what failed."""

# ruff: noqa: ASYNC110  Nothing here is told when a count is reached.

import asyncio
import hashlib
import io
import json
import os
import random
import struct
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from PIL import Image

from tests.faults.stand import Stand

ONE = "mutation($input: UploadImageInput!) { uploadImage(input: $input) { image { id sha256 } } }"
MANY = """mutation($input: UploadImagesInput!) { uploadImages(input: $input) {
  ... on UploadImagePayload { image { id sha256 } } ... on UploadRejection { code message } } }"""
PAGE = "{ images(first: 20) { nodes { id title createdAt } } }"
DELETE = "mutation($ids: [ID!]!) { trashImages(ids: $ids) { id } deleteImages(ids: $ids) }"
LOST = "connection lost"
BOUNDARY = b"fault-suite-boundary"
PATIENCE_SECONDS = 90.0


def picture(size: int = 0) -> bytes:
    """A small picture that no other has the bytes of; `size` bytes or a few more of it are a comment."""
    size = size or random.choice((500, 4_000, 30_000, 150_000))
    if random.random() < 0.5:
        return with_comment(_plain("JPEG"), size)
    png = _plain("PNG")
    data = b"no\0" + os.urandom(size)
    check = zlib.crc32(b"teSt" + data)
    return png[:33] + struct.pack(">I", len(data)) + b"teSt" + data + struct.pack(">I", check) + png[33:]  # fmt: skip


def with_comment(jpeg: bytes, size: int) -> bytes:
    comments = []
    while size > 0:
        part = os.urandom(min(size, 60_000))
        comments.append(b"\xff\xfe" + struct.pack(">H", len(part) + 2) + part)
        size -= len(part)
    return jpeg[:2] + b"".join(comments) + jpeg[2:]


@cache
def _plain(kind: str) -> bytes:
    out = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").resize((96, 72)).save(out, kind)
    return out.getvalue()


@dataclass(frozen=True)
class Answer:
    """What came back. `code` is of the first error, LOST where no whole answer came, None where all is well."""

    code: str | None
    data: dict[str, Any]
    seconds: float


async def ask(stand: Stand, query: str, **variables: Any) -> Answer:
    body = json.dumps({"query": query, "variables": variables}).encode()
    return await send(stand, b"application/json", body)


async def upload(stand: Stand, pictures: Sequence[bytes]) -> Answer:
    """One by uploadImage, several by uploadImages."""
    return await send(stand, b"multipart/form-data; boundary=" + BOUNDARY, form(pictures))


def form(pictures: Sequence[bytes]) -> bytes:
    if len(pictures) == 1:
        operations = {"query": ONE, "variables": {"input": {"file": None}}}
        places = {"0": ["variables.input.file"]}
    else:
        files = {"files": [None] * len(pictures)}
        operations = {"query": MANY, "variables": {"input": files}}
        places = {str(n): [f"variables.input.files.{n}"] for n in range(len(pictures))}
    parts = [
        _part("operations", json.dumps(operations).encode()),
        _part("map", json.dumps(places).encode()),
        *(_part(str(n), data, "picture.jpg") for n, data in enumerate(pictures)),
    ]
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def _part(name: str, data: bytes, filename: str = "") -> bytes:
    named = f'; filename="{filename}"' if filename else ""
    head = f'Content-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
    return b"--" + BOUNDARY + b"\r\n" + head + data + b"\r\n"


def head(stand: Stand, content_type: bytes, length: int) -> bytes:
    return (
        b"POST /graphql HTTP/1.1\r\nhost: localhost\r\nx-requested-with: suite\r\n"
        + f"x-api-key: {stand.api_key}\r\ncontent-length: {length}\r\n".encode()
        + b"content-type: " + content_type + b"\r\n\r\n"
    )  # fmt: skip


async def send(stand: Stand, content_type: bytes, body: bytes) -> Answer:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
            try:
                writer.write(head(stand, content_type, len(body)) + body)
                top = await reader.readuntil(b"\r\n\r\n")
                length = top.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                answer = json.loads(await reader.readexactly(int(length)))
            finally:
                writer.close()
    except (OSError, EOFError, ValueError, TimeoutError):
        return Answer(LOST, {}, time.monotonic() - begun)
    errors = answer.get("errors") or []
    code = errors[0].get("extensions", {}).get("code", "no code") if errors else None
    return Answer(code, answer.get("data") or {}, time.monotonic() - begun)


async def download(stand: Stand, address: str) -> tuple[int, bytes | None]:
    """The status, and the body where all of it came."""
    path = "/" + address.split("/", 3)[3]
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            top = await reader.readuntil(b"\r\n\r\n")
            length = top.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            return int(top.split(b" ")[1]), await reader.readexactly(int(length))
    except (OSError, EOFError):
        return 0, None
    finally:
        writer.close()


@dataclass
class Load:
    """What came of the uploads and of the reads beside them."""

    stand: Stand
    acknowledged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    slowest_refusal: float = 0
    last_acknowledged: float = 0
    reads: list[float] = field(default_factory=list)
    failed_reads: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    """Of the images that were acknowledged and that nobody has begun to delete."""

    def note(self, image: dict[str, Any], data: bytes) -> None:
        """Writes the acknowledgement down; the server's word must be about these very bytes."""
        sha256 = hashlib.sha256(data).hexdigest()
        if image["sha256"] != sha256:
            self.refused["wrong sha256"] += 1
            return
        self.write_down(id=image["id"], sha256=sha256)
        self.ids.append(image["id"])
        self.acknowledged += 1
        self.last_acknowledged = time.monotonic()

    def write_down(self, **facts: str) -> None:
        with self.stand.journal.open("a") as journal:
            journal.write(json.dumps(facts) + "\n")

    async def reached(self, count: int) -> None:
        """Until so many uploads were acknowledged."""
        while self.acknowledged < count:
            await asyncio.sleep(0.1)

    async def give(self, pictures: list[bytes]) -> list[bytes]:
        """Uploads them once; those that were not acknowledged."""
        answer = await upload(self.stand, pictures)
        payload = answer.data.get("uploadImage" if len(pictures) == 1 else "uploadImages")
        results = [payload] if isinstance(payload, dict) else payload or []
        left = []
        for number, data in enumerate(pictures):
            result = results[number] if number < len(results) else {}
            if "image" in result:
                self.note(result["image"], data)
            else:
                self.refused[result.get("code") or answer.code or "no answer"] += 1
                left.append(data)
        if left:
            self.slowest_refusal = max(self.slowest_refusal, answer.seconds)
        return left


@asynccontextmanager
async def load(stand: Stand, *, clients: int = 8, pause: float = 0.02) -> AsyncIterator[Load]:
    """Clients that upload one picture (now and then three) after the other, and send again what failed, until the block ends.

    What is under way then is sent to its end.
    """
    seen = Load(stand)
    stopping = asyncio.Event()

    async def uploads() -> None:
        left: list[bytes] = []
        while not stopping.is_set():
            if not left:
                left = [picture() for _ in range(random.choice((1, 1, 1, 3)))]
            left = await seen.give(left)
            await asyncio.sleep(0.2 if left else pause)

    tasks = [asyncio.create_task(uploads()) for _ in range(clients)]
    try:
        yield seen
    finally:
        stopping.set()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def readers(seen: Load) -> AsyncIterator[None]:
    """Two clients that look at the first page over and over, until the block ends."""

    async def read() -> None:
        answer = await ask(seen.stand, PAGE)
        if answer.code is None:
            seen.reads.append(answer.seconds)
        else:
            seen.failed_reads[answer.code] += 1

    async with _again_and_again(read, pause=0.05), _again_and_again(read, pause=0.05):
        yield


@asynccontextmanager
async def deleters(seen: Load) -> AsyncIterator[None]:
    """A client that deletes an image now and then, until the block ends. What it begins, and what was acknowledged, is written down."""

    async def delete() -> None:
        if not seen.ids:
            return
        image_id = seen.ids.pop(random.randrange(len(seen.ids)))
        seen.write_down(deleting=image_id)
        answer = await ask(seen.stand, DELETE, ids=[image_id])
        if answer.code is None:
            seen.write_down(deleted=image_id)

    async with _again_and_again(delete, pause=0.3):
        yield


@asynccontextmanager
async def _again_and_again(
    step: Callable[[], Awaitable[None]], *, pause: float
) -> AsyncIterator[None]:
    stopping = asyncio.Event()

    async def steps() -> None:
        while not stopping.is_set():
            await step()
            await asyncio.sleep(pause)

    task = asyncio.create_task(steps())
    try:
        yield
    finally:
        stopping.set()
        await task
