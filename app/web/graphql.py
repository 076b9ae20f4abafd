"""The endpoint of GraphQL over HTTP: negotiates, authenticates, and answers what was executed in the one form."""

import logging
from contextlib import AsyncExitStack, suppress
from typing import Final

from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.errors import AppError, ErrorCode
from app.graphql.context import Context
from app.graphql.errors import PERSISTED_NOT_FOUND, PERSISTED_NOT_SUPPORTED
from app.graphql.prepared import Prepared
from app.resources import Resources
from app.web import audit, cookies, event_stream, negotiation, operations, problems
from app.web.auth import Authenticator, Identity
from app.web.callers import Caller
from app.web.conditional import VARY, conditional
from app.web.event_stream import EventStream
from app.web.execution import Body, Execution, Failed
from app.web.gate import Gate
from app.web.graphiql import Page
from app.web.headers import combined
from app.web.lasting import Lasting
from app.web.negotiation import EVENT_STREAM, GRAPHQL_RESPONSE
from app.web.operation_log import Line, logged
from app.web.operations import Operation
from app.web.problems import JSON, Refusal

log = logging.getLogger(__name__)

METHODS: Final = ("GET", "HEAD", "POST")
BAD_REQUEST_STATUS: Final = 400
"""Of a document or of variables that were not executed, in the media type that has statuses for it."""
ASK_AGAIN: Final = "private, no-cache, must-revalidate"
RAW_NO_STORE: Final = (b"cache-control", problems.NO_STORE.encode())


class Endpoint:
    """The ASGI application behind /graphql, for plain requests and those that are answered by a stream of events."""

    def __init__(
        self,
        resources: Resources,
        execution: Execution,
        *,
        authenticator: Authenticator,
        gate: Gate,
        lasting: Lasting,
        page: Page | None = None,
    ) -> None:
        """`gate`: for requests with files. `page`: GraphiQL, for browsers; None where it is switched off."""
        self._resources = resources
        self._execution = execution
        self._authenticator = authenticator
        self._gate = gate
        self._lasting = lasting
        self._page = page
        # Where pages of other origins may ask, the middleware for them names Origin in every answer.
        vary = VARY.removesuffix(", Origin") if resources.settings.cors_origins else VARY
        self._vary = (b"vary", vary.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive))
        given = response.raw_headers
        given.append(self._vary)
        if not any(name == b"cache-control" for name, _ in given):
            given.append(RAW_NO_STORE)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response | EventStream:
        media_type = JSON
        try:
            if request.method not in METHODS:
                with suppress(Refusal):
                    media_type = negotiation.choose(combined(request, b"accept"))
                raise _not_allowed("GraphQL is asked by GET or POST.", allow="GET, POST")
            if self._page is not None and _wants_page(request):
                return self._page.response(request)
            media_type = negotiation.choose(combined(request, b"accept"))
            return await self._run(request, media_type)
        except ClientDisconnect:
            raise
        except Exception as error:
            request_id = problems.request_id(request.scope)
            if not isinstance(error, AppError | Refusal):
                log.exception("request %s failed", request_id)
            failure = problems.failure(error)
            # A request that is turned away has its status, which no stream of events can tell.
            form = JSON if media_type == EVENT_STREAM else media_type
            return problems.response(failure, request_id, media_type=form)

    async def _run(self, request: Request, media_type: str) -> Response | EventStream:
        with logged(problems.request_id(request.scope), self._resources.metrics) as line:
            return await self._operate(request, media_type, line)

    async def _operate(
        self, request: Request, media_type: str, line: Line
    ) -> Response | EventStream:
        identity = await self._authenticator.identify(request)
        line.actor = identity.actor
        # First: who asks too much is turned away, and leaves no record of it.
        self._execution.budget.admit(request, identity.actor)
        if identity.is_denied:
            await audit.refused(self._resources, request)
        settings = self._resources.settings
        if not operations.has_files(request):
            operation = await operations.received(request, settings)
            identity = await self._as_of_now(request, identity, line)
            return await self._answer(request, identity, operation, media_type, line)
        operations.check_form(request)
        if identity.actor is None and identity.refusal is None:
            # That nobody known sent files is recorded before it is refused.
            await audit.refused(self._resources, request)
        async with operations.with_files(request, settings, identity, self._gate) as operation:
            identity = await self._as_of_now(request, identity, line)
            return await self._answer(request, identity, operation, media_type, line)

    async def _as_of_now(self, request: Request, before: Identity, line: Line) -> Identity:
        """Who asks once the body is there: it may have taken minutes, and access ends meanwhile."""
        identity = await self._authenticator.still(request, before)
        line.actor = identity.actor
        if identity.is_denied and identity is not before:
            await audit.refused(self._resources, request)
        return identity

    async def _answer(
        self,
        request: Request,
        identity: Identity,
        operation: Operation,
        media_type: str,
        line: Line,
    ) -> Response | EventStream:
        try:
            prepared = await self._execution.prepare(request, operation, line)
            kind = prepared.kind
            _check_type(kind, request)
            caller = Caller(self._resources, self._authenticator, request)
            context = self._execution.context(request, identity, line.request_id, caller)
            if kind is OperationType.SUBSCRIPTION:
                media_type = EVENT_STREAM
                return await self._stream(request, prepared, operation, context, line)
            # What changes something goes on to its end, whether or not anybody waits for it.
            receive = request.receive if kind is OperationType.QUERY else None
            body = await self._execution.run(
                request, prepared, operation, context, line, receive=receive
            )
        except Failed as failed:
            return _not_run(failed, media_type)
        response = _answered(body, 200, media_type)
        if request.method != "POST" and media_type != EVENT_STREAM:
            response = conditional(request, response, body)
        if context.cookie is not None:
            cookies.write(response, request, self._resources.settings, context.cookie)
        return response

    async def _stream(
        self,
        request: Request,
        prepared: Prepared,
        operation: Operation,
        context: Context,
        line: Line,
    ) -> EventStream:
        async with AsyncExitStack() as stack:
            if context.actor is not None:
                stack.enter_context(self._lasting.one(context.actor))
            answers = await self._execution.subscribe(request, prepared, operation, context, line)
            stack.push_async_callback(answers.aclose)
            return EventStream(answers, stack.pop_all(), self._lasting)


def _wants_page(request: Request) -> bool:
    """A browser that was given this address; one with a query in it is answered by GraphQL."""
    return (
        request.method != "POST"
        and request.query_params.keys().isdisjoint(operations.DOCUMENT)
        and negotiation.prefers_page(combined(request, b"accept"))
    )


def _check_type(operation_type: OperationType, request: Request) -> None:
    if operation_type is OperationType.MUTATION and request.method != "POST":
        raise _not_allowed("A mutation is sent by POST.", allow="POST")
    if operation_type is not OperationType.SUBSCRIPTION:
        return
    if request.method == "HEAD":
        raise _not_allowed("A subscription is asked by GET or POST.", allow="GET, POST")
    if not negotiation.takes_events(combined(request, b"accept")):
        message = (
            f"A subscription is answered over a WebSocket, or where Accept names {EVENT_STREAM}."
        )
        raise Refusal(AppError(ErrorCode.BAD_USER_INPUT, message), status=406)


def _not_allowed(message: str, *, allow: str) -> Refusal:
    error = AppError(ErrorCode.BAD_USER_INPUT, message)
    return Refusal(error, status=405, headers={"allow": allow})


def _not_run(failed: Failed, media_type: str) -> Response:
    """An answer without `data`: 200 in the old media type, whose clients read errors from nothing else.

    Also 200 where a document's hash is not known: its client sends the document, and the same address answers then.
    """
    body = {"errors": failed.errors}
    if failed.code in (PERSISTED_NOT_FOUND, PERSISTED_NOT_SUPPORTED):
        response = _answered(body, 200, media_type)
        response.headers["cache-control"] = ASK_AGAIN
        return response
    return _answered(
        body, BAD_REQUEST_STATUS if media_type == GRAPHQL_RESPONSE else 200, media_type
    )


def _answered(body: Body, status: int, media_type: str) -> Response:
    if media_type == EVENT_STREAM:
        return event_stream.whole(body)
    return Response(problems.encode(body), status, media_type=f"{media_type}; charset=utf-8")
