"""Clients that upload, list and read through the proxy, and count what they are told."""

import asyncio
import hashlib
import io
import json
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import httpx
from PIL import Image as Picture

UPLOAD = "mutation ($file: Upload!) { uploadImage(input: {file: $file}) { image { id url } } }"
LIST = "{ images(first: 5) { nodes { id url } } }"
PAGE = "query ($after: String) { images(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { url sha256 } } }"
IMAGE = "query ($id: ID!) { image(id: $id) { url } }"


@dataclass(frozen=True)
class Found:
    images: int
    damaged: int


class Load:
    """`clients` of them, each with connections that it keeps, from entering to leaving the block."""

    def __init__(self, address: str, key: str, clients: int) -> None:
        self._address = address
        self._key = key
        self._clients = clients
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.last = b""

    @property
    def answered(self) -> int:
        return self.counts.total()

    @property
    def uploaded(self) -> int:
        return self.counts["upload"]

    async def __aenter__(self) -> Self:
        self._http = connection(self._address, self._key)
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        await self._http.aclose()

    async def _client(self) -> None:
        async with connection(self._address, self._key) as http:
            while not self._stopping.is_set():
                for kind, work in (("upload", _upload), ("list and read", _list_and_read)):
                    try:
                        await work(http, picture())
                        self.counts[kind] += 1
                    except (httpx.HTTPError, ValueError) as error:
                        self.failures.append(f"{kind}: {error!r}")

    async def upload(self) -> str:
        self.last = picture()
        return await _upload(self._http, self.last)

    async def bytes_of(self, image: str) -> bytes:
        answer = await _ask(self._http, IMAGE, {"id": image})
        return (await self._http.get(answer["image"]["url"])).raise_for_status().content


def connection(address: str, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=60
    )


def picture() -> bytes:
    """One that nobody has yet."""
    out = io.BytesIO()
    Picture.frombytes("RGB", (48, 32), os.urandom(48 * 32 * 3)).save(out, "PNG")
    return out.getvalue()


async def _upload(http: httpx.AsyncClient, data: bytes) -> str:
    operations = {"query": UPLOAD, "variables": {"file": None}}
    response = await http.post(
        "/graphql",
        data={"operations": json.dumps(operations), "map": '{"0": ["variables.file"]}'},
        files={"0": ("noise.png", data, "image/png")},
        headers={"GraphQL-Require-Preflight": "1"},
    )
    image: str = _data(response)["uploadImage"]["image"]["id"]
    return image


async def _list_and_read(http: httpx.AsyncClient, _data_unused: bytes) -> None:
    for node in (await _ask(http, LIST))["images"]["nodes"]:
        (await http.get(node["url"])).raise_for_status()


async def _ask(
    http: httpx.AsyncClient, query: str, variables: dict[str, Any] | None = None
) -> dict[str, Any]:
    return _data(await http.post("/graphql", json={"query": query, "variables": variables}))


def _data(response: httpx.Response) -> dict[str, Any]:
    """ValueError, with what was said, unless it is an answer without errors."""
    said: dict[str, Any] = {}
    with suppress(ValueError):
        said = response.json()
    if response.status_code != 200 or "errors" in said or not said:
        raise ValueError(f"{response.status_code}: {response.text[:300]}")
    found: dict[str, Any] = said["data"]
    return found


async def read_all(address: str, key: str) -> Found:
    """Reads every image and compares its bytes with its hash."""
    images = damaged = 0
    async with connection(address, key) as http:
        after, more = None, True
        while more:
            page = (await _ask(http, PAGE, {"after": after}))["images"]
            for node in page["nodes"]:
                response = await http.get(node["url"])
                images += 1
                whole = hashlib.sha256(response.content).hexdigest() == node["sha256"]
                damaged += response.status_code != 200 or not whole
            more, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
    return Found(images, damaged)
