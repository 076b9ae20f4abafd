"""What becomes of an operation, whichever transport brought it: prepared, executed, recorded, its errors shaped.

Documents are handed to graphql-core directly: each is parsed, limited and validated once for as long as it is cached,
and nothing is logged that is the client's own mistake.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import strawberry
from graphql import ExecutionResult, GraphQLError, GraphQLSyntaxError
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import Receive

from app.errors import AppError, ErrorCode, unavailable
from app.graphql import errors
from app.graphql.context import Context
from app.graphql.prepared import Prepared
from app.graphql.veil import Told, Veil
from app.resources import Resources
from app.web import audit, leaving, problems
from app.web.auth import Identity
from app.web.budget import Budget, Spent
from app.web.callers import Caller
from app.web.documents import Documents, InvalidDocument
from app.web.operation_log import Line, Shaped
from app.web.operations import Operation
from app.web.patience import Patience
from app.web.persisted import NotPersistedError, Persisted
from app.web.problems import Refusal
from app.web.proxies import base_url

log = logging.getLogger(__name__)

Body: TypeAlias = dict[str, Any]
"""An answer: `data`, `errors`, or both."""


class Failed(Exception):
    """There is no data: the operation did not begin, or its stream broke off. `errors`: as the client is told."""

    def __init__(self, shaped: Shaped) -> None:
        super().__init__(f"{len(shaped)} errors")
        self.errors = shaped

    @property
    def code(self) -> str:
        return str(self.errors[0]["extensions"]["code"])


class Execution:
    """Runs operations of one schema."""

    def __init__(self, resources: Resources, schema: strawberry.Schema, budget: Budget) -> None:
        """`budget`: what operations are charged; shared with the plain routes."""
        self._resources = resources
        # graphql-core's own schema; there is no public name for it.
        documents = Documents(schema._schema, resources.settings)
        self._persisted = Persisted(resources, documents)
        self._veil = Veil(schema._schema, resources.settings)
        self.budget = budget

    async def prepare(
        self, connection: HTTPConnection, operation: Operation, line: Line
    ) -> Prepared:
        """The operation that is to be run. Failed where it cannot be, which is charged too."""
        line.asked(operation.query, operation.document_id or operation.sha256)
        try:
            document = await self._persisted.document(operation, line.actor)
            prepared = document.operation(operation.name)
        except (GraphQLSyntaxError, InvalidDocument, NotPersistedError, AppError) as error:
            self.budget.fine(connection, line.actor)
            if isinstance(error, AppError) and error.code is ErrorCode.FORBIDDEN:
                await audit.untrusted(self._resources, connection, line.actor, line.document)
            told = self._veil.over(operation.query, operation.variables)
            raise Failed(line.answered(_unprepared(error, line.request_id, told))) from error
        line.running(prepared.kind.value, prepared.name)
        return prepared

    def charge(
        self,
        connection: HTTPConnection,
        prepared: Prepared,
        operation: Operation,
        context: Context,
    ) -> Spent:
        """What the operation costs, which is paid. Failed beyond the limit on one, RATE_LIMITED beyond the budget."""
        try:
            return self.budget.charge(connection, context.actor, prepared.plan, operation.variables)
        except AppError as refusal:
            self.budget.fine(connection, context.actor)
            raise Failed([errors.from_app_error(refusal, context.request_id)]) from refusal

    def _charge_first(
        self,
        connection: HTTPConnection,
        prepared: Prepared,
        operation: Operation,
        context: Context,
        line: Line,
    ) -> Spent:
        """Before anything runs: the line says so where that is all."""
        try:
            return self.charge(connection, prepared, operation, context)
        except Failed as failed:
            line.answered(failed.errors)
            raise

    def context(
        self,
        connection: HTTPConnection,
        identity: Identity,
        request_id: str,
        caller: Caller,
        *,
        takes_cookies: bool = True,
    ) -> Context:
        return Context(
            resources=self._resources,
            actor=identity.actor,
            request_id=request_id,
            client_ip=audit.client_ip(connection),
            client_name=audit.client_name(connection),
            base_url=base_url(connection, self._resources.settings),
            refusal=identity.refusal,
            identify=caller.identify,
            forget=caller.forget,
            takes_cookies=takes_cookies,
        )

    async def run(
        self,
        connection: HTTPConnection,
        prepared: Prepared,
        operation: Operation,
        context: Context,
        line: Line,
        *,
        receive: Receive | None = None,
    ) -> Body:
        """What came of a query or a mutation, once it is recorded who saw and did what.

        `receive`: tells when the client goes away; what it asked is cancelled then, and recorded as far as it came.
        """
        spent = self._charge_first(connection, prepared, operation, context, line)
        body = await self.answer(prepared, operation, context, spent, receive=receive)
        line.answered(body.get("errors", []))
        if "data" not in body:
            raise Failed(body["errors"])
        return body

    async def subscribe(
        self,
        connection: HTTPConnection,
        prepared: Prepared,
        operation: Operation,
        context: Context,
        line: Line,
    ) -> "Stream":
        """The answers to come, once it is recorded that it began, or that it was refused. Each is charged as a query's."""
        self._charge_first(connection, prepared, operation, context, line)
        try:
            with Patience(self._resources.settings.operation_timeout_seconds):
                found = await prepared.source(operation.variables, context)
        except TimeoutError:
            found = ExecutionResult(None, [GraphQLError("", original_error=_late(context))])
        try:
            await self._resources.audit.record(context.events())
        except BaseException:
            await _close(found)
            raise
        if isinstance(found, ExecutionResult):
            told = self._veil.over(prepared.text, operation.variables)
            failed = Failed(
                [errors.shape(one, context.request_id, told) for one in found.errors or ()]
            )
            line.answered(failed.errors)
            raise failed
        line.answered([])

        async def answer(again: Context, event: object) -> Body:
            spent = self.charge(connection, prepared, operation, again)
            return await self.answer(prepared, operation, again, spent, event)

        return Stream(found, context, answer)

    async def answer(
        self,
        prepared: Prepared,
        operation: Operation,
        context: Context,
        spent: Spent,
        event: object = None,
        receive: Receive | None = None,
    ) -> Body:
        """One answer, recorded. `event`: what the root field of a subscription gives. No `data` where nothing was run."""
        try:
            # What waits for nothing is over at once, and needs neither a clock nor a client.
            result = prepared.execute(operation.variables, context, event)
            if not isinstance(result, ExecutionResult):
                with Patience(self._resources.settings.operation_timeout_seconds):
                    async with leaving.attended(receive):
                        result = await result
        except (ClientDisconnect, asyncio.CancelledError):
            await self._resources.audit.record(context.events())
            raise
        except TimeoutError:
            body: Body = {
                "data": None,
                "errors": [errors.from_app_error(_late(context), context.request_id)],
            }
        else:
            body = {"data": result.data}
            if result.errors:
                told = self._veil.over(prepared.text, operation.variables)
                body = _shaped(result.data, result.errors, context, told)
        await self._resources.audit.record(context.events())
        return body | {"extensions": spent.extensions} if "data" in body else body


class Stream:
    """The answers of a subscription. Whoever has it closes it."""

    def __init__(
        self,
        source: AsyncIterator[object],
        context: Context,
        answer: Callable[[Context, object], Awaitable[Body]],
    ) -> None:
        self._source = source
        self._context = context
        self._answer = answer

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Body:
        """Each event in a context of its own: what an earlier one loaded is old. Failed where it breaks off."""
        # Others have their turn, also where neither the source nor the client makes this wait.
        await asyncio.sleep(0)
        try:
            event = await anext(self._source)
            return await self._answer(self._context.again(), event)
        except (StopAsyncIteration, Failed):
            raise
        except Exception as error:
            request_id = self._context.request_id
            if not isinstance(error, AppError | Refusal):
                log.exception("the subscription of request %s broke off", request_id)
            told = problems.shown(error)
            raise Failed([errors.from_app_error(told, request_id)]) from error

    async def aclose(self) -> None:
        await _close(self._source)


async def _close(source: object) -> None:
    if (close := getattr(source, "aclose", None)) is not None:
        await close()


def _unprepared(
    error: GraphQLSyntaxError | InvalidDocument | NotPersistedError | AppError,
    request_id: str,
    told: Told,
) -> Shaped:
    """Why a document does not run; an AppError that is not about the document says it in the way of all requests."""
    if isinstance(error, InvalidDocument):
        return [errors.shape_invalid(one, request_id, told) for one in error.errors]
    if isinstance(error, NotPersistedError):
        return [errors.not_persisted(error.code, str(error), request_id)]
    if isinstance(error, GraphQLSyntaxError):
        return [errors.shape(error, request_id)]
    if error.code not in (ErrorCode.QUERY_TOO_COMPLEX, ErrorCode.BAD_USER_INPUT):
        raise error
    return [errors.from_app_error(error, request_id)]


def _late(context: Context) -> AppError:
    log.warning("request %s took too long and was stopped", context.request_id)
    return unavailable("The operation took too long and was stopped.")


def _shaped(data: object, found: Sequence[GraphQLError], context: Context, told: Told) -> Body:
    shaped = [errors.shape(error, context.request_id, told) for error in found]
    for error in found:
        cause = errors.root_cause(error)
        if isinstance(cause, AppError) and error.path and len(error.path) > 1:
            context.trail.refused_inside(len(error.path), cause)
    # No field was reached where the variables did not fit their types.
    was_run = data is not None or any(error.path is not None for error in found)
    return {"data": data, "errors": shaped} if was_run else {"errors": shaped}
