"""An operation that is made ready once answers each request as graphql-core's own executor does, which begins anew."""

import asyncio
from inspect import isawaitable
from typing import Any

import pytest
from graphql import ExecutionResult, OperationDefinitionNode, execute, parse
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.graphql import plans
from app.graphql.executor import Executor
from app.graphql.prepared import MOST_KEPT, Prepared
from app.graphql.price_list import PriceList
from tests.graphql.test_executor import DOCUMENTS, PLAIN, SHORT

VARIABLES = ({"yes": True, "no": False}, {"yes": False, "no": True}, {"yes": True, "no": True})
COUNTED = "query($number: Int!) { cars { name times(number: $number) doubled } }"


def prepared(text: str) -> Prepared:
    schema, ast = SHORT._schema, parse(text)
    (node,) = [one for one in ast.definitions if isinstance(one, OperationDefinitionNode)]
    plan = plans.read(ast, PriceList(schema)).operations[node.name.value if node.name else ""]
    return Prepared(schema, ast, node, plan, hide_suggestions=False)


async def told(result: Any) -> dict[str, Any]:
    found = await result if isawaitable(result) else result
    assert isinstance(found, ExecutionResult)
    return dict(found.formatted)


async def settled() -> None:
    """What is not needed any more after an error is awaited in the background."""
    current = asyncio.current_task()
    others = [one for one in asyncio.all_tasks() if one is not current]
    await asyncio.gather(*others, return_exceptions=True)


async def expected(text: str, variables: dict[str, Any], context: Any) -> dict[str, Any]:
    return await told(
        execute(
            PLAIN._schema,
            parse(text),
            context_value=context,
            variable_values=variables,
            executor_class=StrawberryGraphQLCoreExecutionContext,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
        )
    )


@pytest.mark.parametrize("text", DOCUMENTS)
async def test_each_request_is_answered_as_if_it_were_the_first(text: str) -> None:
    once = prepared(text)
    for number, variables in enumerate(VARIABLES * 2):
        context: Any = f"guest {number}"
        found = await told(once.execute(variables, context))
        assert repr(found) == repr(await expected(text, variables, context))
        await settled()


async def test_requests_side_by_side_have_variables_and_errors_of_their_own() -> None:
    once = prepared(COUNTED)
    numbers: list[Any] = [1, "many", 3, None, 2]
    answers = await asyncio.gather(
        *(told(once.execute({"number": one}, f"guest {one}")) for one in numbers)  # type: ignore[arg-type]
    )
    for number, found in zip(numbers, answers, strict=True):
        assert found == await expected(COUNTED, {"number": number}, f"guest {number}")


@pytest.mark.parametrize("text", DOCUMENTS)
async def test_it_keeps_nothing_of_a_request(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    once, made = prepared(text), []
    begin = Executor.anew

    def noted(executor: Executor, *args: Any) -> Executor:
        made.append(executor)
        return begin(executor, *args)

    monkeypatch.setattr(Executor, "anew", noted)
    sizes = []
    for _ in range(4):
        await told(once.execute(VARIABLES[0], "guest"))  # type: ignore[arg-type]
        await settled()
        (whole,) = set(made)
        kept = whole._roots, whole._steps, whole._relevant_sub_fields
        sizes.append([len(one) for one in kept])
    assert sizes[1:] == sizes[:1] * 3


def knotted(depth: int) -> str:
    """A short document that is large where its fragments are put in: two to the power of its depth."""
    spread = [
        f"fragment F{one} on Car {{ trailer {{ a: trailer {{ ...F{one + 1} }} ...F{one + 1} }} }}"
        for one in range(depth)
    ]
    return f"{{ cars {{ ...F0 }} }} {' '.join(spread)} fragment F{depth} on Car {{ name }}"


async def test_what_grows_beyond_its_text_is_not_kept() -> None:
    small, large = prepared(knotted(3)), prepared(knotted(10))
    assert 0 < small.kept <= MOST_KEPT
    assert large.kept == 0
    for once, depth in ((small, 3), (large, 10)):
        for _ in range(2):
            found = await told(once.execute({}, "guest"))  # type: ignore[arg-type]
            assert found == await expected(knotted(depth), {}, "guest")
    assert not large._executor._roots


def test_selections_are_counted_where_they_stand() -> None:
    # cars, trailer, a, name, name.
    assert prepared(knotted(1)).kept == 5
    assert prepared("{ __typename ... { cars { name } } }").kept == 3
