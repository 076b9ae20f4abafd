"""The executor answers exactly as graphql-core's own does, which executes the same resolvers here."""

import asyncio
from datetime import UTC, datetime
from enum import Enum
from inspect import isawaitable
from typing import Annotated, Any

import pytest
import strawberry
from graphql import ExecutionResult, execute, parse
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.graphql import ahead
from app.graphql.executor import Executor, shorten


class Refusal(Exception):
    """One that str() would take for a text."""


@strawberry.enum
class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Wheel:
    size: float

    @strawberry.field
    def broken(self) -> int:
        raise ValueError("a broken wheel")


@strawberry.type
class Car(Named):
    colour: Colour
    made: datetime
    wheels: list[Wheel]
    note: str | None = None
    price: int = 1

    @strawberry.field
    def doubled(self, info: strawberry.Info) -> str:
        return f"{self.name} {self.name} at {info.path.key} for {info.context}"

    @strawberry.field
    async def slow(self) -> str:
        await asyncio.sleep(0)
        return self.name.upper()

    @strawberry.field
    async def slow_failure(self) -> str | None:
        await asyncio.sleep(0)
        raise ValueError(f"too slow: {self.name}")

    @strawberry.field
    def times(self, number: int = 2) -> str:
        return self.name * number

    @strawberry.field
    def none_where_none_may_be(self) -> str:
        return None  # type: ignore[return-value]

    @strawberry.field
    async def spare(self) -> Wheel | None:
        return Wheel(size=15)

    @strawberry.field
    def trailer(self) -> "Car | None":
        return None


@strawberry.type
class Boat(Named):
    sails: int


Vehicle = Annotated[Car | Boat, strawberry.union("Vehicle")]


def cars() -> list[Car]:
    made = datetime(2024, 2, 29, 12, tzinfo=UTC)
    return [
        Car(name="Ada", colour=Colour.RED, made=made, wheels=[Wheel(size=1.5), Wheel(size=2)]),
        Car(name="Bob", colour=Colour.BLUE, made=made, wheels=[], note="old"),
    ]


@strawberry.type
class Query:
    @strawberry.field
    def cars(self) -> list[Car]:
        return cars()

    @strawberry.field
    async def fleet(self) -> list[Vehicle]:
        return [*cars(), Boat(name="Cleo", sails=2)]

    @strawberry.field
    def named(self) -> list[Named]:
        return [Boat(name="Cleo", sails=2), *cars()]

    @strawberry.field
    def odd(self) -> Car | None:
        """Attributes that no field of theirs allows."""
        return Car(name=None, colour="green", made="today", wheels=None, price="many")  # type: ignore[arg-type]

    @strawberry.field
    def another(self) -> Car | None:
        return Boat(name="Cleo", sails=2)  # type: ignore[return-value]

    @strawberry.field
    def some_missing(self) -> list[Car | None]:
        return [None, cars()[0]]

    @strawberry.field
    def awaited_attribute(self) -> Car | None:
        async def name() -> str:
            return "later"

        return Car(name=name(), colour=Colour.RED, made=datetime.now(UTC), wheels=[])  # type: ignore[arg-type]

    @strawberry.field
    def raised_attribute(self) -> Car | None:
        (car,) = cars()[:1]
        car.note = Refusal("an exception as a value")  # type: ignore[assignment]
        return car


PLAIN = strawberry.Schema(Query, types=[Car, Boat])
SHORT = strawberry.Schema(Query, types=[Car, Boat], execution_context_class=Executor)
shorten(SHORT._schema)

DOCUMENTS = [
    "{ __typename }",
    "{ cars { __typename name colour made wheels { size } note price } }",
    "{ first: cars { n: name name t: __typename } cars { note } }",
    "{ cars { ...A ... on Named { name } } } fragment A on Car { price wheels { ...W } } fragment W on Wheel { size }",
    "{ cars { ... { name } } cars { wheels { size } colour } }",
    "query($yes: Boolean!, $no: Boolean!) { cars { name @skip(if: $yes) note @include(if: $yes) price @include(if: $no) } }",
    "{ fleet { __typename ... on Car { name slow doubled } ... on Boat { sails name } } }",
    "{ named { __typename name ... on Car { wheels { size } } } }",
    "{ cars { slow spare { size } times(number: 3) other: times } }",
    "{ cars { slowFailure name } }",
    "{ cars { wheels { broken size } } }",
    "{ cars { noneWhereNoneMayBe } }",
    "{ odd { name } }",
    "{ odd { colour } }",
    "{ odd { made note } }",
    "{ odd { wheels { size } } }",
    "{ odd { price note } }",
    "{ another { note } }",
    "{ someMissing { name trailer { name } } }",
    "{ awaitedAttribute { name note } }",
    "{ raisedAttribute { note name } }",
    "{ slow: cars { slow } fast: cars { noneWhereNoneMayBe slow } }",
    "{ cars { times(number: null) } }",
    '{ __schema { types { name fields { name type { name } } } } __type(name: "Car") { name kind } }',
]


async def answer(schema: strawberry.Schema, kind: Any, text: str) -> dict[str, Any]:
    result = execute(
        schema._schema,
        parse(text),
        context_value="everybody",
        variable_values={"yes": True, "no": False},
        executor_class=kind,
        is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
    )
    found = await result if isawaitable(result) else result
    assert isinstance(found, ExecutionResult)
    # What is not needed any more after an error is awaited in the background.
    if current := asyncio.current_task():
        await asyncio.gather(*(asyncio.all_tasks() - {current}), return_exceptions=True)
    return dict(found.formatted)


@pytest.mark.parametrize("text", DOCUMENTS)
async def test_both_executors_answer_alike(text: str) -> None:
    expected = await answer(PLAIN, StrawberryGraphQLCoreExecutionContext, text)
    assert await answer(SHORT, Executor, text) == expected
    # In the same order too, which a comparison of dicts does not see.
    assert repr((await answer(SHORT, Executor, text)).get("data")) == repr(expected.get("data"))


ROWS = [
    ("{ images { nodes { id tags { name } } } }", {"id", "tags"}),
    ("{ images { edges { node { team { name } } cursor } } }", {"team"}),
    ("{ images { ...C } } fragment C on C { nodes { ...R ... on R { b } } } fragment R on R { a }", {"a", "b"}),
    ("{ images { nodes { a @include(if: true) ...R @skip(if: false) b } } } fragment R on R { c }", {"b"}),
    ("{ images { totalCount } }", set()),
]  # fmt: skip


@pytest.mark.parametrize(("text", "names"), ROWS)
def test_looking_ahead_finds_what_is_asked_of_the_rows(text: str, names: set[str]) -> None:
    found: list[set[str]] = []

    @strawberry.type
    class Root:
        @strawberry.field
        def images(self, info: strawberry.Info) -> int:
            found.append(ahead.of_rows(info._raw_info))
            return 1

    execute(strawberry.Schema(Root)._schema, parse(text))
    assert found == [names]
