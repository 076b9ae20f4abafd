"""A schema that gives back what it is given, to test the edge with."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import strawberry
from strawberry.schema.config import StrawberryConfig

from app.errors import UploadProblem, bad_input, not_found
from app.graphql.context import Context
from app.graphql.uploads import UPLOAD, Upload

Info = strawberry.Info[Context, None]
OPEN: Counter[str] = Counter()


@strawberry.input
class Box:
    width: int
    labels: list[str] | None = None
    file: Upload | None = None


@strawberry.type
class Node:
    @strawberry.field
    def inner(self) -> "Node":
        return Node()

    @strawberry.field
    def name(self) -> str:
        return "node"


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "hello"

    @strawberry.field
    def echo(self, text: str | None = None, number: float | None = None) -> str:
        return f"{text}/{number}"

    @strawberry.field
    def box(self, box: Box) -> int:
        return box.width

    @strawberry.field
    def first(self, first: int = 50) -> int:
        return first

    @strawberry.field
    def node(self) -> Node:
        return Node()

    @strawberry.field
    def viewer(self, info: Info) -> str:
        return str(info.context.viewer.user_id)

    @strawberry.field
    def request(self, info: Info) -> list[str]:
        context = info.context
        return [context.request_id, context.client_ip or "", context.base_url]

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("a secret of the house")

    @strawberry.field
    def missing(self) -> str | None:
        raise not_found("Image", ids=["1"])

    @strawberry.field
    def nothing(self) -> str:
        return None  # type: ignore[return-value]  # what a bug in a resolver looks like

    @strawberry.field
    async def slow(self, seconds: float = 5) -> str | None:
        await asyncio.sleep(seconds)
        return "done"


@strawberry.type
class Stored:
    filename: str
    size: int
    sha256: str
    too_large: bool
    on_disk: int


@strawberry.type
class Mutation:
    @strawberry.mutation
    def bump(self) -> int:
        return 1

    @strawberry.mutation
    def store(self, file: Upload) -> Stored:
        return _stored(file)

    @strawberry.mutation
    def store_all(self, files: list[Upload]) -> list[Stored]:
        return [_stored(one) for one in files]

    @strawberry.mutation
    def store_box(self, box: Box) -> Stored | None:
        return _stored(box.file) if box.file is not None else None

    @strawberry.mutation
    def refuse(self, file: Upload) -> int | None:
        raise bad_input("file", "Not this one.", reason=UploadProblem.NOT_AN_IMAGE)

    @strawberry.mutation
    async def keep(self, file: Upload, seconds: float) -> int | None:
        await asyncio.sleep(seconds)
        return file.size


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, count: int = 1) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    @strawberry.subscription
    async def forever(self) -> AsyncIterator[int]:
        """One tick, and then nothing for ever; OPEN counts those that were begun and not ended."""
        OPEN["forever"] += 1
        try:
            yield 0
            await asyncio.Event().wait()
        finally:
            OPEN["forever"] -= 1

    @strawberry.subscription
    async def flood(self) -> AsyncIterator[str]:
        OPEN["flood"] += 1
        try:
            while True:
                yield "water" * 20_000
        finally:
            OPEN["flood"] -= 1

    @strawberry.subscription
    async def renewed(self, info: Info) -> AsyncIterator[str]:
        """Who asks, looked up again and again."""
        while True:
            yield str((await info.context.renew()).user_id)
            await asyncio.sleep(0.02)

    @strawberry.subscription
    async def refused(self) -> AsyncIterator[int]:
        raise not_found("Image", ids=["1"])

    @strawberry.subscription
    async def breaking(self) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("a secret of the house")


def _stored(file: Upload) -> Stored:
    return Stored(
        filename=file.filename,
        size=file.size,
        sha256=file.sha256.hex(),
        too_large=file.too_large,
        on_disk=file.path.stat().st_size,
    )


def build() -> strawberry.Schema:
    config = StrawberryConfig(scalar_map={Upload: UPLOAD})
    return strawberry.Schema(Query, Mutation, Subscription, config=config)
