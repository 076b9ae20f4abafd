"""Serves /metrics beside a command, on a port of its own. No command."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from app.cli import listening
from app.resources import Resources
from app.web import corked
from app.web.metrics import metrics_app


class _Server(uvicorn.Server):
    """Signals are for the command beside it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def metrics_served(resources: Resources) -> AsyncIterator[None]:
    """As long as the block, where PICTOR_METRICS_PORT is set. OSError where the address is taken."""
    settings = resources.settings
    if settings.metrics_port is None:
        yield
        return
    with listening.listener(settings.metrics_host, settings.metrics_port) as listener:
        config = uvicorn.Config(
            metrics_app(resources),
            http=corked.Protocol,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        print(f"Metrics are served at {listening.url(listener)}/metrics", flush=True)
        try:
            yield
        finally:
            server.should_exit = True
            await serving
