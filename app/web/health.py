"""Whether the process is up, and whether it can do its work. Open to anyone, so cheap to ask again and again."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.errors import AppError
from app.resources import Resources

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 3.0
REMEMBERED_SECONDS: Final = 2.0
"""Storage is checked by writing to it: not more often than this, whoever asks."""


async def alive(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


class Readiness:
    """Checks the database and storage."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._lock = asyncio.Lock()
        self._found: dict[str, str] = {}
        self._until = 0.0

    async def get(self, _request: Request) -> Response:
        """200, or 503 with the part that does not answer."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._found = await self._check()
                self._until = time.monotonic() + REMEMBERED_SECONDS
        ready = all(state == "ok" for state in self._found.values())
        body = {"status": "ok" if ready else "unavailable", **self._found, **self._model}
        return JSONResponse(body, 200 if ready else 503)

    async def _check(self) -> dict[str, str]:
        database, storage = await asyncio.gather(
            _state("database", self._resources.db.check()),
            _state("storage", self._resources.storage.check()),
        )
        return {"database": database, "storage": storage}

    @property
    def _model(self) -> dict[str, str]:
        """Told, and no reason to be taken out of service: the model before goes on answering."""
        return {"model": self._resources.models.state}


async def _state(name: str, check: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check
    except (AppError, TimeoutError) as error:
        log.warning("%s is not ready: %s", name, error)
        return "unavailable"
    return "ok"
