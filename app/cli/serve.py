"""`pictor serve`: the server, with its worker inside; `--demo` fills a gallery and shows the way in."""

import argparse
import asyncio
import gc
import json
import logging
import os
import socket
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import uvicorn
from starlette.applications import Starlette

from app.cli import listening, seed
from app.cli.logs import configure
from app.cli.metrics import metrics_served
from app.cli.stopping import stopping
from app.domain import Actor
from app.main import create_app
from app.resources import Resources, open_resources
from app.services.people import api_keys, operators
from app.settings import Settings
from app.web import corked

log = logging.getLogger(__name__)

CARD = """
  Pictor is serving {address}

  GraphiQL   {address}/graphql   (open it in a browser: the key is filled in)
  API key    {key}

  Three queries to paste:

  1. What lies near a sentence
     {{ searchImages(query: {{text: "a cat on the beach"}}, first: 3) {{ edges {{ score node {{ title url }} }} }} }}
  2. A weighted random draw
     {{ randomImage(filter: {{tags: {{all: ["cat"]}}}}) {{ title weight url }} }}
  3. The pictures of a span of time
     {{ images(filter: {{takenAt: {{from: "{year}-01-01T00:00:00Z"}}}}, first: 5) {{ totalCount nodes {{ title takenAt tags {{ name }} }} }} }}

  Ctrl-C stops it. Everything is kept in {data_dir}.
"""


REQUESTS_SECONDS: Final = 20
"""What runs when the listener closes has this long to end; then it is cancelled."""
GARBAGE_THRESHOLD: Final = 50_000
"""Objects after which the collector looks at the young ones; Python's own 700 has it run dozens of times in a request."""
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than a proxy keeps an idle connection (60 s are usual): else it sends a request into one that just closed."""


class Server(uvicorn.Server):
    """uvicorn's server, which says when it listens, leaves signals to others, and ends what lasts before it waits for the rest.

    It closes WebSockets by itself, with 1012; responses that stream events it would wait for.
    """

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._ending: asyncio.Event = app.state.lasting.ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.listening.set()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending.set()
        await super().shutdown(sockets)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on; :: is all of IPv4 and IPv6")
    parser.add_argument("--port", type=int, help="port to listen on")
    parser.add_argument("--demo", action="store_true", help="fill and show a demo gallery")
    parser.add_argument(
        "--no-worker", dest="worker", action="store_const", const=False, help="leave jobs to others"
    )


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    configure(settings.log_level if not asked.demo else "warning")
    if asked.demo:
        settings = settings.model_copy(update={"suggestions": True})
    # Bound before anything is opened: an address that is taken is known at once.
    listener = listening.listener(settings.host, settings.port, backlog=2048)
    with listener, stopping() as stop:
        async with open_resources(settings) as resources, metrics_served(resources):
            demo = await _demo_key(resources) if asked.demo else None
            app = create_app(resources, demo_key=demo[1] if demo else None, draining=stop)
            # Entered here and not by uvicorn: the worker ends after the last request and before the resources.
            async with app.router.lifespan_context(app):
                return await _serve(app, listener, stop, resources, demo)


async def _serve(
    app: Starlette,
    listener: socket.socket,
    stop: asyncio.Event,
    resources: Resources,
    demo: tuple[Actor, str] | None,
) -> int:
    server = Server(
        uvicorn.Config(
            app,
            http=corked.Protocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            # Ours, with PICTOR_TRUSTED_PROXIES; uvicorn's would trust any local peer first.
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=REQUESTS_SECONDS,
            ws="websockets-sansio",
            ws_max_size=resources.settings.max_json_bytes,
            # A client that went without a word is noticed within 40 s.
            ws_ping_interval=20,
            ws_ping_timeout=20,
            # Answers are small, and a compressor for each socket is not.
            ws_per_message_deflate=False,
        ),
        app,
    )
    spare_the_living()
    serving = asyncio.create_task(server.serve([listener]))
    greeting = asyncio.create_task(_greet(server, listener, resources, demo))
    leaving = asyncio.create_task(_leave(server, stop, resources.settings.drain_seconds))
    try:
        await asyncio.wait({serving, greeting}, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            await greeting
        await serving
    finally:
        for task in (serving, greeting, leaving):
            task.cancel()
        await asyncio.wait({serving, greeting, leaving})
    return 0 if server.started else 1


def spare_the_living() -> None:
    """What was made until now lives as long as the process: the garbage collector does not look at it again.

    Nor soon at what comes: a list of 50 makes tens of thousands of objects, none of which is garbage until it is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)


async def _leave(server: Server, stop: asyncio.Event, drain_seconds: float) -> None:
    """Once told to stop: goes on serving for the proxies to notice, then lets uvicorn end."""
    await stop.wait()
    log.info("stopping: the listener closes in %g s", drain_seconds)
    await asyncio.sleep(drain_seconds)
    server.should_exit = True


async def _greet(
    server: Server, listener: socket.socket, resources: Resources, demo: tuple[Actor, str] | None
) -> None:
    await server.listening.wait()
    address = listening.url(listener)
    if demo is None:
        print(f"Pictor is serving {address}", flush=True)
        return
    actor, key = demo
    (team_id,) = actor.team_ids
    await _fill(resources, actor, team_id)
    data_dir = resources.settings.data_dir
    print(
        CARD.format(address=address, key=key, data_dir=data_dir, year=datetime.now(UTC).year - 1),
        flush=True,
    )


async def _fill(resources: Resources, actor: Actor, team_id: UUID) -> None:
    """Draws the gallery once; a start that was broken off goes on where the last one stopped."""
    marker = resources.settings.data_dir / "demo.filled"
    if not marker.exists():
        await seed.fill(resources, actor, team_id, resources.settings.demo_pictures)
        marker.touch()
    await seed.until_ready(resources, actor, team_id)


async def _demo_key(resources: Resources) -> tuple[Actor, str]:
    """The demo's actor and key: the one kept in the data dir while it is valid, else a new one."""
    path = resources.settings.data_dir / "demo.json"
    if path.exists():
        key = json.loads(path.read_text())["apiKey"]
        async with resources.db.login.transaction() as session:
            actor = await api_keys.authenticate(session, key)
        if actor is not None:
            return actor, key
    made = await resources.db.owner.run(
        lambda session: operators.bootstrap(
            session, team=seed.TEAM, email=seed.EMAIL, key_name="demo"
        )
    )
    _keep(path, made.api_key)
    async with resources.db.login.transaction() as session:
        actor = await api_keys.authenticate(session, made.api_key)
    if actor is None:
        raise RuntimeError("a key that was just made must be valid")
    return actor, made.api_key


def _keep(path: Path, key: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"apiKey": key}, file)
