"""The schema with everything real beneath it: PostgreSQL, a folder of objects, the decoder, the model."""

import copy
import hashlib
import io
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from inspect import isawaitable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from graphql import ExecutionResult, parse, subscribe
from PIL import Image as Picture
from strawberry.extensions import ParserCache, ValidationCache

from app.db.database import counted_statements
from app.domain import Actor
from app.embedding import Embedder, embedder_from_name
from app.graphql.context import Context
from app.graphql.errors import shape
from app.graphql.schema import Schema, build_schema
from app.graphql.uploads import UploadedFile
from app.imaging import Decoder
from app.resources import Resources
from app.settings import Settings
from app.storage import FolderStorage
from tests.database import Database


@pytest.fixture(scope="session")
def schema() -> Schema:
    """A text that many ask is parsed and validated once, as a server does it (app/web/documents.py)."""
    schema = copy.copy(build_schema())
    schema.extensions = (ParserCache, ValidationCache)
    return schema


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return embedder_from_name("builtin")


@pytest.fixture
def resources(db: Database, decoder: Decoder, embedder: Embedder, tmp_path: Path) -> Resources:
    settings = Settings(data_dir=tmp_path, secret_key="t" * 32, open_registration=True)
    settings.tmp_dir.mkdir()
    storage = FolderStorage(settings.objects_dir, settings.tmp_dir)
    return Resources(settings, db, storage, decoder, embedder)


@dataclass
class Answer:
    data: dict[str, Any] | None
    errors: list[dict[str, Any]]

    @property
    def codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in self.errors]


@dataclass
class Client:
    """Runs operations as an actor."""

    schema: Schema
    resources: Resources

    async def ask(self, actor: Actor | None, query: str, /, **variables: Any) -> Answer:
        context = Context(
            resources=self.resources, actor=actor, request_id="test", base_url="http://test"
        )
        return await self.answer(context, query, **variables)

    async def answer(self, context: Context, query: str, /, **variables: Any) -> Answer:
        """Of a subscription: whether it begins."""
        if query.startswith("subscription"):
            begun = await self.begun(context, query, **variables)
            if not isinstance(begun, ExecutionResult):
                await begun.aclose()
                return Answer({}, [])
            return Answer(None, [shape(error, "test") for error in begun.errors or []])
        result = await self.schema.execute(query, variables, context_value=context)
        return Answer(result.data, [shape(error, "test") for error in result.errors or []])

    async def begun(
        self, context: Context, query: str, /, **variables: Any
    ) -> AsyncGenerator[ExecutionResult, None] | ExecutionResult:
        """The stream of a subscription, or why there is none."""
        found = subscribe(
            self.schema._schema,
            parse(query),
            context_value=context,
            variable_values=variables,
            executor_class=self.schema.execution_context_class,
        )
        return await found if isawaitable(found) else found

    async def get(self, actor: Actor | None, query: str, /, **variables: Any) -> dict[str, Any]:
        """The data of an operation that must not fail."""
        answer = await self.ask(actor, query, **variables)
        assert answer.errors == []
        assert answer.data is not None
        return answer.data

    async def code(
        self, actor: Actor | None, query: str, /, **variables: Any
    ) -> tuple[str, str | None]:
        """Code and field of the one error of an operation that must fail."""
        answer = await self.ask(actor, query, **variables)
        (error,) = answer.errors
        return error["extensions"]["code"], error["extensions"].get("field")

    async def statements(self, actor: Actor, query: str, /, **variables: Any) -> list[str]:
        """The SQL of an operation, without what only serves transactions."""
        with counted_statements(self.resources.db) as seen:
            await self.get(actor, query, **variables)
        for_transactions = ("begin", "commit", "rollback")
        return [one for one in seen if not one.lower().startswith(for_transactions)]

    def file(self, data: bytes, name: str = "picture.png") -> UploadedFile:
        path = self.resources.settings.tmp_dir / uuid4().hex
        path.write_bytes(data)
        return UploadedFile(
            path=path,
            filename=name,
            size=len(data),
            sha256=hashlib.sha256(data).digest(),
        )


@pytest.fixture
def client(schema: Schema, resources: Resources) -> Client:
    return Client(schema, resources)


def png(seed: int = 0, size: tuple[int, int] = (40, 30)) -> bytes:
    """A small picture; another seed, other bytes."""
    picture = Picture.new("RGB", size, (seed % 256, seed // 256 % 256, 99))
    picture.putpixel((seed % size[0], 0), (255, 255, 255))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def leftovers(resources: Resources) -> Callable[[], list[Path]]:
    """The files that lie under objects/ and tmp/."""

    def files() -> list[Path]:
        settings = resources.settings
        return [
            path
            for folder in (settings.objects_dir, settings.tmp_dir)
            for path in folder.rglob("*")
            if path.is_file()
        ]

    return files
