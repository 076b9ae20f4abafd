"""The edge alone, with a schema that only echoes: what HTTP does is tested apart from what the product does."""

import asyncio
import hashlib
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route, WebSocketRoute

from app.domain import Actor, Role
from app.embedding import embedder_from_name
from app.errors import AppError
from app.imaging import Decoder
from app.resources import Resources
from app.services.people import api_keys
from app.settings import Settings
from app.storage import FolderStorage
from app.web import corked, problems
from app.web.auth import Authenticator
from app.web.budget import Budget
from app.web.draws import Draws
from app.web.execution import Execution
from app.web.gate import Gate
from app.web.graphql import Endpoint
from app.web.health import Readiness
from app.web.lasting import Lasting
from app.web.media import Media
from app.web.middleware import stack
from app.web.sockets import Sockets
from tests import make
from tests.database import Database
from tests.web import echo

BASE = "http://pictor.test"


@dataclass(frozen=True)
class Member:
    """An actor and the text of their API key."""

    actor: Actor
    key: str
    team_id: UUID

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@pytest.fixture
def operation_seconds() -> float:
    """Enough for what is to succeed, on a machine that is busy with other things too."""
    return 60


hasty = pytest.mark.parametrize("operation_seconds", [0.5])
"""For a test of what takes too long."""


@pytest.fixture
def settings(tmp_path: Path, operation_seconds: float) -> Settings:
    """Small limits, so that tests need little to pass them."""
    return Settings(
        data_dir=tmp_path,
        secret_key="t" * 32,
        worker=False,
        max_json_bytes=20_000,
        max_request_bytes=400_000,
        max_upload_bytes=100_000,
        max_upload_files=4,
        max_query_tokens=1_000,
        operation_timeout_seconds=operation_seconds,
        max_streams_per_user=5,
    )


@pytest.fixture
async def resources(db: Database, decoder: Decoder, settings: Settings) -> AsyncIterator[Resources]:
    storage = FolderStorage(settings.objects_dir, settings.tmp_dir)
    embedder = embedder_from_name(settings.embedding_model)
    yield Resources(settings, db, storage, decoder, embedder)
    await embedder.close()
    await storage.close()


class Clock:
    """Monotonic seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def app_on(
    resources: Resources, clock: Clock, *, init_seconds: float = 60, recheck_seconds: float = 60
) -> Starlette:
    """Every route but those of the product's own schema, and without the worker."""
    authenticator = Authenticator(resources.db, resources.settings, clock=clock)
    execution = Execution(resources, echo.build(), Budget(resources.settings))
    lasting = Lasting(
        resources.settings.max_streams_per_user,
        heartbeat_seconds=0.2,
        send_seconds=0.5,
        recheck_seconds=recheck_seconds,
    )
    gate = Gate(resources.settings.max_uploads_at_once)
    together = {"authenticator": authenticator, "lasting": lasting}
    app = Starlette(
        routes=[
            Route("/graphql", Endpoint(resources, execution, gate=gate, **together)),
            WebSocketRoute(
                "/graphql", Sockets(resources, execution, **together, init_seconds=init_seconds)
            ),
            Route("/images/{id}/{variant}", Media(resources).get),
            Route("/random", Draws(resources, authenticator).get),
            Route("/readyz", Readiness(resources, asyncio.Event()).get),
        ],
        middleware=stack(resources.settings),
        exception_handlers={
            AppError: problems.on_error,
            problems.Refusal: problems.on_error,
            HTTPException: problems.on_error,
        },
    )
    app.state.lasting = lasting
    return app


def client_on(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)


@pytest.fixture
def app(resources: Resources, clock: Clock) -> Starlette:
    return app_on(resources, clock)


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with client_on(app) as client:
        yield client


@pytest.fixture
async def member(db: Database) -> Member:
    return await new_member(db)


async def stored_image(
    resources: Resources,
    team_id: UUID,
    content: bytes,
    *,
    tags: tuple[str, ...] = (),
    **columns: Any,
) -> UUID:
    """An image whose bytes really lie in storage."""
    key = f"t/{team_id}/{secrets.token_hex(8)}"
    await put(resources, key, content)
    return await make.image(
        resources.db,
        team_id,
        tags=tags,
        object_key=key,
        sha256=hashlib.sha256(content).digest(),
        size_bytes=len(content),
        **columns,
    )


async def put(resources: Resources, key: str, content: bytes) -> None:
    path = resources.settings.data_dir / secrets.token_hex(8)
    path.write_bytes(content)
    await resources.storage.put(key, path, size=len(content))
    path.unlink()


async def new_member(db: Database, role: Role = Role.ADMIN, team_id: UUID | None = None) -> Member:
    actor = await make.actor(db, team_id, role)
    (team_id,) = actor.team_ids
    async with db.transaction() as session:
        _, key = await api_keys.add(
            session,
            team_id=team_id,
            user_id=actor.user_id,
            name="A key",
            role=role,
            expires_at=None,
        )
    return Member(actor, key, team_id)


class Ending(uvicorn.Server):
    """uvicorn's server, which ends what lasts before it waits for the rest, as the command's does."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._ending: asyncio.Event = app.state.lasting.ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending.set()
        await super().shutdown(sockets)


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """The application behind a real uvicorn on a free port of this machine: its address, and what stops it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app,
            http=corked.Protocol,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
            ws_per_message_deflate=False,
        )
        running = Ending(config, app)
        task = asyncio.create_task(running.serve(sockets=[listening]))
        while not running.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)

        async def stop() -> None:
            running.should_exit = True
            await task

        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", stop
        finally:
            await stop()


@pytest.fixture
async def server(app: Starlette) -> AsyncIterator[str]:
    """The base address of the same application behind a real server."""
    async with served(app) as (address, _):
        yield address
