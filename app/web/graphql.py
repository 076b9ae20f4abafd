"""The endpoint of GraphQL over HTTP: negotiates, authenticates, executes, and answers in the one form."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import strawberry
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLSyntaxError,
    OperationType,
    execute,
)
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.execution import optimized_is_awaitable

from app.errors import AppError, ErrorCode, unavailable
from app.graphql import errors
from app.graphql.context import Context
from app.resources import Resources
from app.web import audit, cookies, negotiation, operations, problems
from app.web.auth import Authenticator, Identity
from app.web.documents import Document, Documents, InvalidDocument
from app.web.gate import Gate
from app.web.graphiql import Page
from app.web.negotiation import GRAPHQL_RESPONSE
from app.web.operation_log import Line, logged
from app.web.operations import Operation
from app.web.problems import JSON, Refusal
from app.web.proxies import base_url

log = logging.getLogger(__name__)

METHODS: Final = ("GET", "HEAD", "POST")
BAD_REQUEST_STATUS: Final = 400
"""Of a document or of variables that were not executed, in the media type that has statuses for it."""

Shaped = list[dict[str, Any]]


class Endpoint:
    """The ASGI application behind /graphql.

    Documents are prepared here and handed to graphql-core directly: each is parsed, limited and validated once
    for as long as it is cached, and nothing is logged that is the client's own mistake.
    """

    def __init__(
        self,
        resources: Resources,
        schema: strawberry.Schema,
        *,
        authenticator: Authenticator,
        gate: Gate,
        page: Page | None = None,
    ) -> None:
        """`gate`: for requests with files. `page`: GraphiQL, for browsers; None where it is switched off."""
        self._resources = resources
        self._schema = schema._schema  # graphql-core's own; there is no public name for it
        self._executor = schema.execution_context_class
        self._documents = Documents(self._schema, resources.settings)
        self._authenticator = authenticator
        self._gate = gate
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._respond(request)
        response.headers["vary"] = "Accept"
        response.headers.setdefault("cache-control", problems.NO_STORE)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        media_type = JSON
        try:
            if request.method not in METHODS:
                raise _not_allowed("GraphQL is asked by GET or POST.", allow="GET, POST")
            if self._page is not None and _wants_page(request):
                return self._page.response(request)
            media_type = negotiation.choose(request.headers.get("accept"))
            return await self._run(request, media_type)
        except ClientDisconnect:
            raise
        except Exception as error:
            request_id = problems.request_id(request.scope)
            if not isinstance(error, AppError | Refusal):
                log.exception("request %s failed", request_id)
            failure = problems.failure(error)
            return problems.response(failure, request_id, media_type=media_type)

    async def _run(self, request: Request, media_type: str) -> Response:
        with logged(problems.request_id(request.scope)) as line:
            return await self._operate(request, media_type, line)

    async def _operate(self, request: Request, media_type: str, line: Line) -> Response:
        identity = await self._authenticator.identify(request)
        line.actor = identity.actor
        request_id = line.request_id
        if identity.refusal is not None:
            await audit.refused(self._resources, request)
        async with self._received(request, identity) as operation:
            line.asked(operation.query)
            try:
                document = self._documents.prepare(operation.query)
            except GraphQLSyntaxError as error:
                return _not_run(line.answered([errors.shape(error, request_id)]), media_type)
            except InvalidDocument as invalid:
                shaped = [errors.shape_invalid(error, request_id) for error in invalid.errors]
                return _not_run(line.answered(shaped), media_type)
            except AppError as refusal:
                if refusal.code is not ErrorCode.QUERY_TOO_COMPLEX:
                    raise
                shaped = [errors.from_app_error(refusal, request_id)]
                return _not_run(line.answered(shaped), media_type)
            kind = document.type_of(operation.name)
            line.running(kind.value, operation.name or next(iter(document.operations)))
            _check_type(kind, request.method)
            context = self._context(request, identity, request_id)
            response = await self._answer(document, operation, context, media_type, line)
            if context.cookie is not None:
                cookies.write(response, request, self._resources.settings, context.cookie)
            return response

    @asynccontextmanager
    async def _received(self, request: Request, identity: Identity) -> AsyncIterator[Operation]:
        """The operation; that nobody known sent files is recorded before it is refused."""
        async with AsyncExitStack() as stack:
            receiving = operations.received(request, self._resources.settings, identity, self._gate)
            try:
                operation = await stack.enter_async_context(receiving)
            except AppError as error:
                if error.code is ErrorCode.UNAUTHENTICATED and identity.refusal is None:
                    await audit.refused(self._resources, request)
                raise
            yield operation

    def _context(self, request: Request, identity: Identity, request_id: str) -> Context:
        where = audit.origin(request)
        return Context(
            resources=self._resources,
            actor=identity.actor,
            request_id=request_id,
            client_ip=where.client_ip,
            client_name=where.client_name,
            base_url=base_url(request, self._resources.settings),
            refusal=identity.refusal,
        )

    async def _answer(
        self,
        document: Document,
        operation: Operation,
        context: Context,
        media_type: str,
        line: Line,
    ) -> Response:
        """What came of it, once it is recorded who saw and did what."""
        response = await self._executed(document, operation, context, media_type, line)
        await self._resources.audit.record(context.trail.events())
        return response

    async def _executed(
        self,
        document: Document,
        operation: Operation,
        context: Context,
        media_type: str,
        line: Line,
    ) -> Response:
        try:
            async with asyncio.timeout(self._resources.settings.operation_timeout_seconds):
                result = await self._execute(document, operation, context)
        except TimeoutError:
            log.warning("request %s took too long and was stopped", context.request_id)
            late = unavailable("The operation took too long and was stopped.")
            shaped = line.answered([errors.from_app_error(late, context.request_id)])
            return _json({"data": None, "errors": shaped}, 200, media_type)
        shaped = [errors.shape(error, context.request_id) for error in result.errors or ()]
        line.answered(shaped)
        for error in result.errors or ():
            cause = errors.root_cause(error)
            if isinstance(cause, AppError) and error.path and len(error.path) > 1:
                context.trail.refused_inside(len(error.path), cause)
        if _was_not_run(result.data, result.errors or ()):
            return _not_run(shaped, media_type)
        body = {"data": result.data} | ({"errors": shaped} if shaped else {})
        return _json(body, 200, media_type)

    async def _execute(
        self, document: Document, operation: Operation, context: Context
    ) -> ExecutionResult:
        result = execute(
            self._schema,
            document.ast,
            context_value=context,
            variable_values=operation.variables,
            operation_name=operation.name,
            executor_class=self._executor,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # a bool, no TypeGuard
            hide_suggestions=True,
            operation_extensions=operation.extensions,
        )
        return result if isinstance(result, ExecutionResult) else await result


def _wants_page(request: Request) -> bool:
    """A browser that was given this address; one with a query in it is answered by GraphQL."""
    return (
        request.method != "POST"
        and "query" not in request.query_params
        and negotiation.prefers_page(request.headers.get("accept"))
    )


def _check_type(operation_type: OperationType, method: str) -> None:
    if operation_type is OperationType.SUBSCRIPTION:
        raise AppError(ErrorCode.BAD_USER_INPUT, "Subscriptions are not answered over plain HTTP.")
    if operation_type is OperationType.MUTATION and method != "POST":
        raise _not_allowed("A mutation is sent by POST.", allow="POST")


def _not_allowed(message: str, *, allow: str) -> Refusal:
    error = AppError(ErrorCode.BAD_USER_INPUT, message)
    return Refusal(error, status=405, headers={"allow": allow})


def _was_not_run(data: object, found: Sequence[GraphQLError]) -> bool:
    """No field was reached: the variables did not fit their types."""
    return data is None and bool(found) and all(error.path is None for error in found)


def _not_run(shaped: Shaped, media_type: str) -> Response:
    """An answer without `data`: 200 in the old media type, whose clients read errors from nothing else."""
    status = BAD_REQUEST_STATUS if media_type == GRAPHQL_RESPONSE else 200
    return _json({"errors": shaped}, status, media_type)


def _json(body: dict[str, Any], status: int, media_type: str) -> Response:
    return Response(problems.encode(body), status, media_type=f"{media_type}; charset=utf-8")
