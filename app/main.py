"""The web application: which path leads where, and the worker that runs beside it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from app.errors import AppError, not_found
from app.graphql.schema import build_schema
from app.resources import Resources
from app.services import audit_months
from app.web import health, multipart, problems
from app.web.assets import Assets
from app.web.auth import Authenticator
from app.web.draws import Draws
from app.web.gate import Gate
from app.web.graphiql import STATIC, Page
from app.web.graphql import Endpoint
from app.web.media import Media
from app.web.middleware import stack
from app.web.uploads import Uploads
from app.worker import Worker

log = logging.getLogger(__name__)

GRAPHQL: Final = "/graphql"
RESTART_SECONDS: Final = 1.0
STOP_SECONDS: Final = 10.0


def create_app(resources: Resources, demo_key: str | None = None) -> Starlette:
    """The ASGI application on resources that its caller closes.

    `demo_key`: an API key that GraphiQL offers to browsers on this machine.
    """
    return Starlette(
        routes=_routes(resources, demo_key),
        middleware=stack(resources.settings),
        exception_handlers={
            AppError: problems.on_error,
            problems.Refusal: problems.on_error,
            HTTPException: problems.on_error,
        },
        lifespan=_lifespan(resources),
    )


def _routes(resources: Resources, demo_key: str | None) -> list[BaseRoute]:
    settings = resources.settings
    schema = build_schema()
    authenticator = Authenticator(resources.db, settings)
    page = Page(endpoint=GRAPHQL, demo_key=demo_key) if settings.graphiql else None
    gate = Gate(settings.max_uploads_at_once)
    endpoint = Endpoint(resources, schema, authenticator=authenticator, gate=gate, page=page)
    return [
        Route("/", _to_graphql),
        Route(GRAPHQL, endpoint),
        Route("/schema.graphql", _schema_page(schema.as_str() if settings.introspection else None)),
        Route("/images/{id}/{variant}", Media(resources).get),
        Route("/uploads/{ticket}", Uploads(resources, gate).put, methods=["PUT"]),
        Route("/random", Draws(resources, authenticator).get),
        Route("/healthz", health.alive),
        Route("/readyz", health.Readiness(resources).get),
        Mount("/static", Assets(directory=STATIC)),
    ]


async def _to_graphql(_request: Request) -> Response:
    return RedirectResponse(GRAPHQL)


def _schema_page(text: str | None) -> Callable[[Request], Awaitable[Response]]:
    async def page(_request: Request) -> Response:
        if text is None:
            raise not_found("Schema")
        return PlainTextResponse(text)

    return page


def _lifespan(resources: Resources) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    settings = resources.settings

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(multipart.sweep, settings.tmp_dir, now=time.time())
        upkeep = asyncio.create_task(audit_months.keep_ahead(resources.db.audit))
        try:
            if not settings.worker:
                yield
                return
            async with _working(lambda: Worker(resources)):
                yield
        finally:
            upkeep.cancel()
            await asyncio.wait([upkeep])

    return lifespan


@asynccontextmanager
async def _working(make: Callable[[], Worker]) -> AsyncIterator[None]:
    """A supervised worker beside the block; at its end the worker has STOP_SECONDS for what it is doing."""
    supervisor = _Supervisor(make)
    task = asyncio.create_task(supervisor.run())
    try:
        yield
    finally:
        await supervisor.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(task, STOP_SECONDS)


class _Supervisor:
    """Runs a worker until it is told to stop; one that dies is followed by a new one."""

    def __init__(self, make: Callable[[], Worker]) -> None:
        self._make = make
        self._worker: Worker | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        while not self._stopping.is_set():
            self._worker = self._make()
            try:
                await self._worker.run()
            except Exception:
                log.exception("the worker died; another one starts in %s s", RESTART_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), RESTART_SECONDS)

    async def stop(self) -> None:
        self._stopping.set()
        if self._worker is not None:
            await self._worker.stop()
