"""An operation of a valid document, made ready once for all requests that run it."""

from collections.abc import Awaitable
from functools import cached_property
from typing import Any, Final, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    default_field_resolver,
    default_type_resolver,
    get_variable_values,
)
from graphql.execution import create_source_event_stream
from graphql.execution.collect_fields import FragmentDetails
from strawberry.execution import optimized_is_awaitable

from app.graphql.context import Context
from app.graphql.executor import Executor
from app.graphql.plans import Plan

MAX_VARIABLE_ERRORS: Final = 50
"""Of one request, which is not looked at further."""
MOST_KEPT: Final = 1_000
"""Selections. An operation with more, by fragments in fragments, finds them anew for each request."""


class Prepared:
    """`plan` says what it costs; `kept`, how many selections are kept from one request to the next."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        node: OperationDefinitionNode,
        plan: Plan,
        *,
        hide_suggestions: bool,
    ) -> None:
        self.plan = plan
        # Only a directive makes it depend on a variable which fields are executed.
        is_fixed = not plan.whole.directives and plan.whole.selections <= MOST_KEPT
        self.kept = plan.whole.selections if is_fixed else 0
        self._schema = schema
        self._document = document
        self._node = node
        self._hide_suggestions = hide_suggestions

    @property
    def kind(self) -> OperationType:
        return self._node.operation

    @property
    def name(self) -> str:
        """Empty for an operation without one."""
        return self._node.name.value if self._node.name else ""

    @property
    def text(self) -> str:
        """The whole document's."""
        return self._document.loc.source.body if self._document.loc else ""

    def execute(
        self, variables: dict[str, Any], context: Context, event: object = None
    ) -> ExecutionResult | Awaitable[ExecutionResult]:
        """The result of one request, or of one `event` of a subscription; at once where nothing has to be waited for."""
        executor = self._started(variables, context, event)
        if isinstance(executor, ExecutionResult):
            return executor
        return cast("ExecutionResult | Awaitable[ExecutionResult]", executor.execute_operation())

    async def source(self, variables: dict[str, Any], context: Context) -> Any:
        """The source of a subscription's events, or a result that says why there is none."""
        executor = self._started(variables, context)
        if isinstance(executor, ExecutionResult):
            return executor
        found = create_source_event_stream(executor)
        return await found if isinstance(found, Awaitable) else found

    def _started(
        self, variables: dict[str, Any], context: Context, event: object = None
    ) -> Executor | ExecutionResult:
        """The executor of one request; a result that says what is wrong with its variables."""
        values = get_variable_values(
            self._schema,
            self._node.variable_definitions or (),
            variables,
            max_errors=MAX_VARIABLE_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        if isinstance(values, list):
            return ExecutionResult(None, values)
        return self._executor.anew(values, context, event)

    @cached_property
    def _executor(self) -> Executor:
        """Made when it is first run: a document that was only read keeps its tree alone."""
        fragments = {
            one.name.value: one
            for one in self._document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        nothing = get_variable_values(self._schema, (), {})
        return Executor(
            self._schema,
            fragments,
            {name: FragmentDetails(one) for name, one in fragments.items()},
            None,
            None,
            self._node,
            nothing,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            is_awaitable=optimized_is_awaitable,
            hide_suggestions=self._hide_suggestions,
            is_fixed=self.kept > 0,
        )
