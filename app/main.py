"""The web application: which path leads where, and the worker that runs beside it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from app.errors import AppError, not_found
from app.graphql.schema import build_schema
from app.resources import Resources
from app.services.auditing import audit_months
from app.services.intake import folders
from app.web import health, problems
from app.web.assets import Assets
from app.web.auth import Authenticator
from app.web.budget import Budget
from app.web.datasets import Datasets
from app.web.draws import Draws
from app.web.execution import Execution
from app.web.gate import Gate
from app.web.graphiql import STATIC, Page
from app.web.graphql import Endpoint
from app.web.lasting import Lasting
from app.web.media import Media
from app.web.metrics import Counted
from app.web.middleware import Shortcut, stack
from app.web.sockets import Sockets
from app.web.uploads import Uploads
from app.worker import Worker, gate, models, working

GRAPHQL: Final = "/graphql"


def create_app(
    resources: Resources,
    demo_key: str | None = None,
    *,
    draining: asyncio.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """The ASGI application on resources that its caller closes.

    `demo_key`: an API key that GraphiQL offers to browsers on this machine. `draining`: set when the process is to end.
    `clock`: seconds for which it is remembered who holds a key.
    `state.lasting` is for whoever serves it: a server that stops waits for its responses, and those of subscriptions end by
    its `ending` alone.
    """
    draining = draining or asyncio.Event()
    lasting = Lasting(resources.settings.max_streams_per_user)
    authenticator = Authenticator(resources.db, resources.settings, clock=clock)
    routes = _routes(resources, authenticator, lasting, demo_key, draining)
    (graphql,) = [one for one in routes if isinstance(one, Route) and one.path == GRAPHQL]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(health.Parting, draining=draining),
            *stack(resources.settings),
            Middleware(Counted, metrics=resources.metrics),
            Middleware(Shortcut, route=graphql),
        ],
        exception_handlers={
            AppError: problems.on_error,
            problems.Refusal: problems.on_error,
            HTTPException: problems.on_error,
        },
        lifespan=_lifespan(resources, draining),
    )
    # Such a redirect names the scheme that the server sees: behind a proxy that ends TLS, a key or ticket would go out in clear.
    app.router.redirect_slashes = False
    app.state.lasting = lasting
    return app


def _routes(
    resources: Resources,
    authenticator: Authenticator,
    lasting: Lasting,
    demo_key: str | None,
    draining: asyncio.Event,
) -> list[BaseRoute]:
    settings = resources.settings
    schema = build_schema()
    # GraphiQL asks for the schema first, which is no trusted document.
    is_open = not settings.trusted_documents_only
    page = Page(endpoint=GRAPHQL, demo_key=demo_key) if settings.graphiql and is_open else None
    gate, budget = Gate(settings.max_uploads_at_once), Budget(settings)
    execution = Execution(resources, schema, budget)
    endpoint = Endpoint(
        resources, execution, authenticator=authenticator, gate=gate, lasting=lasting, page=page
    )
    sockets = Sockets(resources, execution, authenticator=authenticator, lasting=lasting)
    return [
        Route(GRAPHQL, endpoint),
        Route(f"{GRAPHQL}/", endpoint),
        Route("/", _to_graphql),
        WebSocketRoute(GRAPHQL, sockets),
        WebSocketRoute(f"{GRAPHQL}/", sockets),
        Route(
            "/schema.graphql",
            _schema_page(schema.as_str() if settings.introspection and is_open else None),
        ),
        Route("/images/{id}/{variant}", Media(resources, budget).get),
        Route("/datasets/{id}/{file}", Datasets(resources, budget).get),
        Route("/uploads/{ticket}", Uploads(resources, gate, budget).put, methods=["PUT"]),
        Route("/random", Draws(resources, authenticator, budget).get),
        Route("/healthz", health.alive),
        Route("/readyz", health.Readiness(resources, draining).get),
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


def _lifespan(
    resources: Resources, draining: asyncio.Event
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    settings = resources.settings

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(folders.sweep, settings.tmp_dir, now=time.time())
        # Before the first question comes, so that the right model begins to load.
        with suppress(AppError):
            (await models.refresh(resources)).prepare()
        pictures = gate.Gate()
        upkeep = [
            asyncio.create_task(audit_months.keep_ahead(resources.db.audit)),
            asyncio.create_task(models.keep(resources, building=settings.worker, gate=pictures)),
        ]
        try:
            if not settings.worker:
                yield
                return
            async with working(lambda: Worker(resources, pictures), draining):
                yield
        finally:
            for task in upkeep:
                task.cancel()
            await asyncio.wait(upkeep)

    return lifespan
