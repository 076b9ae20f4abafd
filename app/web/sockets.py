"""GraphQL over WebSocket: the protocol graphql-transport-ws, to the letter, and no other.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md says what each message and close code means. What an
operation does is the execution's; what lasts ends with the access of whoever opened the socket.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final

from graphql import OperationType
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.errors import AppError, ErrorCode, forbidden, rate_limited
from app.graphql import errors
from app.resources import Resources
from app.web import bodies, cookies, frames, leaving, operations, problems
from app.web.auth import Authenticator, Identity
from app.web.callers import Caller
from app.web.execution import Body, Execution, Failed
from app.web.frames import Closed
from app.web.lasting import RETRY_SECONDS, Lasting
from app.web.operation_log import Shaped, logged
from app.web.operations import Operation

log = logging.getLogger(__name__)

PROTOCOL: Final = "graphql-transport-ws"
INIT_SECONDS: Final = 10.0
CREDENTIALS: Final = {
    "authorization": "authorization",
    "x-api-key": "x-api-key",
    "apikey": "x-api-key",
}
"""Members of the payload of connection_init, in any case, and the header that each stands for."""


class Sockets:
    """The ASGI application behind /graphql for WebSockets."""

    def __init__(
        self,
        resources: Resources,
        execution: Execution,
        *,
        authenticator: Authenticator,
        lasting: Lasting,
        init_seconds: float = INIT_SECONDS,
    ) -> None:
        self.resources = resources
        self.execution = execution
        self.authenticator = authenticator
        self.lasting = lasting
        self.init_seconds = init_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        if not self._is_from_here(socket):
            refusal = forbidden("Pages of this origin may not open a socket here.")
            answer = problems.response(refusal, problems.request_id(scope))
            await socket.send_denial_response(answer)
            return
        offered = PROTOCOL in scope["subprotocols"]
        await socket.accept(PROTOCOL if offered else None)
        if offered:
            closed = await _Session(self, socket).run()
        else:
            closed = Closed(frames.SUBPROTOCOL, "Subprotocol not acceptable")
        if closed.code != frames.GONE:
            try:
                await socket.close(closed.code, closed.reason)
            except (WebSocketDisconnect, RuntimeError):
                log.debug("a socket was gone before it was closed")

    def _is_from_here(self, socket: WebSocket) -> bool:
        """Browsers let any page open a socket anywhere, and tell whose page it is; other clients need not."""
        origin = socket.headers.get("origin")
        settings = self.resources.settings
        own = cookies.own_origin(socket, settings)
        return (
            origin is None
            or "*" in settings.cors_origins
            or origin in (own, *settings.cors_origins)
        )


class _Session:
    """One socket: reads messages in their order, and runs each operation beside the others."""

    def __init__(self, sockets: Sockets, socket: WebSocket) -> None:
        self._sockets = sockets
        self._socket = socket
        self._settings = sockets.resources.settings
        self._request_id = problems.request_id(socket.scope)
        self._caller: Caller | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._changing: set[asyncio.Task[Any] | None] = set()
        self._count = 0
        self._place = AsyncExitStack()

    async def run(self) -> Closed:
        """Until either side ends it. Nothing that it started is left then."""
        closed = Closed(frames.GONE)
        try:
            async with self._place, asyncio.TaskGroup() as tasks:
                await self._read(tasks)
        except* Closed as group:
            closed = frames.first(group)
        except* Exception:
            log.exception("the socket of request %s failed", self._request_id)
            closed = Closed(frames.INTERNAL, "Internal error")
        return closed

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        opened = asyncio.get_running_loop().time()
        while True:
            until = opened + self._sockets.init_seconds if self._caller is None else None
            try:
                async with asyncio.timeout_at(until):
                    message = await self._receive()
            except TimeoutError:
                raise Closed(frames.INIT_TIMEOUT, "Connection initialisation timeout") from None
            match message["type"]:
                case "connection_init":
                    caller = await self._init(frames.member(message, "payload"))
                    tasks.create_task(self._attend(caller))
                case "ping":
                    await self._send("pong", payload=frames.member(message, "payload"))
                case "pong":
                    frames.member(message, "payload")
                case "subscribe":
                    await self._subscribe(message, tasks)
                case "complete":
                    task = self._running.pop(frames.id_of(message), None)
                    if task is not None:
                        task.cancel()
                case unknown:
                    raise Closed(frames.INVALID, f"Invalid message type {unknown!r:.40}")

    async def _receive(self) -> dict[str, Any]:
        event = await self._socket.receive()
        if event["type"] == "websocket.disconnect":
            raise Closed(frames.GONE)
        text = event.get("text")
        if text is None:
            raise Closed(frames.INVALID, "Messages are JSON in text frames")
        limit = self._settings.max_json_bytes
        if len(text) > limit or len(text.encode(errors="replace")) > limit:
            raise Closed(frames.TOO_BIG, f"A message has at most {limit} bytes")
        try:
            message = bodies.decode(text, "message")
            bodies.check_value(frames.envelope(message), "message")
        except AppError as error:
            raise Closed(frames.INVALID, error.message) from error
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Closed(frames.INVALID, "A message is an object with a type")
        return message

    async def _init(self, payload: Mapping[str, Any] | None) -> Caller:
        """Lets in whoever has a key, in the payload or the headers, or a login, in the cookie."""
        if self._caller is not None:
            raise Closed(frames.TOO_MANY_INITS, "Too many initialisation requests")
        presented = [*self._socket.headers.raw]
        for name, value in (payload or {}).items():
            header = CREDENTIALS.get(name.lower())
            if header is not None:
                if not isinstance(value, str):
                    raise Closed(frames.INVALID, f"`{header}` must be a string")
                presented.append((header.encode(), value.encode("latin-1", errors="replace")))
        sockets = self._sockets
        caller = Caller(
            sockets.resources, sockets.authenticator, self._socket, Headers(raw=presented)
        )
        try:
            actor = await caller.identify()
            self._place.enter_context(sockets.lasting.one(actor))
        except AppError as refusal:
            code = (
                frames.FORBIDDEN if refusal.code is ErrorCode.UNAUTHENTICATED else frames.TRY_LATER
            )
            raise Closed(code, refusal.message) from refusal
        self._caller = caller
        await self._send("connection_ack")
        return caller

    async def _attend(self, caller: Caller) -> None:
        """Ends a socket on which nothing runs with its caller's access, and gives its place back. What runs looks itself."""
        while True:
            await asyncio.sleep(self._sockets.lasting.recheck_seconds)
            if self._running:
                continue
            try:
                await caller.identify(is_use=False)
            except AppError as refusal:
                if refusal.code is ErrorCode.UNAUTHENTICATED:
                    raise Closed(frames.UNAUTHORIZED, "Unauthorized") from refusal

    async def _subscribe(self, message: Mapping[str, Any], tasks: asyncio.TaskGroup) -> None:
        if self._caller is None:
            raise Closed(frames.UNAUTHORIZED, "Unauthorized")
        id = frames.id_of(message)
        if id in self._running:
            raise Closed(frames.SUBSCRIBER_EXISTS, f"Subscriber for {id} already exists")
        self._count += 1
        request_id = f"{self._request_id[:48]}-{self._count}"
        try:
            bodies.check_value(message.get("payload"), "payload")
            self._check_room()
        except AppError as refusal:
            await self._send("error", id, [errors.from_app_error(refusal, request_id)])
            return
        try:
            operation = operations.of(message.get("payload"))
        except AppError as error:
            raise Closed(frames.INVALID, error.message) from error
        self._running[id] = tasks.create_task(
            self._operate(id, operation, self._caller, request_id)
        )

    def _check_room(self) -> None:
        limit = self._settings.max_socket_operations
        # A mutation keeps its place until its end, though its client waits for it no longer.
        if len({*self._running.values(), *self._changing}) >= limit:
            busy = rate_limited(f"A socket runs {limit} operations at once.", RETRY_SECONDS)
            busy.extras["limit"] = limit
            raise busy

    async def _operate(
        self, id: str, operation: Operation, caller: Caller, request_id: str
    ) -> None:
        """One operation, to its end: `complete`, or `error`. The socket ends with the caller's access."""
        shaped: Shaped = []
        try:
            await self._run(id, operation, caller, request_id)
        except Closed:
            raise
        except Failed as failed:
            shaped = failed.errors
        except Exception as error:
            if not isinstance(error, AppError | problems.Refusal):
                log.exception("request %s failed", request_id)
            shaped = [errors.from_app_error(problems.shown(error), request_id)]
        # Before the last word: whoever hears it may use the id again.
        if self._running.get(id) is asyncio.current_task():
            del self._running[id]
        if not shaped:
            await self._send("complete", id)
            return
        await self._send("error", id, shaped)
        if shaped[0]["extensions"]["code"] == ErrorCode.UNAUTHENTICATED:
            raise Closed(frames.UNAUTHORIZED, "Unauthorized")

    async def _run(self, id: str, operation: Operation, caller: Caller, request_id: str) -> None:
        execution = self._sockets.execution
        with logged(request_id, self._sockets.resources.metrics) as line:
            line.actor = await caller.identify()
            prepared = await execution.prepare(self._socket, operation, line)
            kind = prepared.kind
            context = execution.context(
                self._socket, Identity(line.actor), request_id, caller, takes_cookies=False
            )
            if kind is OperationType.SUBSCRIPTION:
                answers = await execution.subscribe(
                    self._socket, prepared, operation, context, line
                )
            else:
                work = execution.run(self._socket, prepared, operation, context, line)
                body = await (self._to_its_end(work) if kind is OperationType.MUTATION else work)
        if kind is not OperationType.SUBSCRIPTION:
            await self._send("next", id, body)
            return
        async with aclosing(answers):
            async for body in answers:
                await self._send("next", id, body)

    async def _to_its_end(self, mutation: Coroutine[Any, Any, Body]) -> Body:
        self._changing.add(task := asyncio.current_task())
        try:
            return await leaving.finished(mutation)
        finally:
            self._changing.discard(task)

    async def _send(self, kind: str, id: str | None = None, payload: Any = None) -> None:
        message = {"type": kind, "id": id, "payload": payload}
        text = problems.encode({name: one for name, one in message.items() if one is not None})
        try:
            async with asyncio.timeout(self._sockets.lasting.send_seconds):
                await self._socket.send_text(text.decode())
        except (TimeoutError, WebSocketDisconnect, RuntimeError) as error:
            log.debug("the client of request %s takes nothing any more", self._request_id)
            raise Closed(frames.GONE) from error
