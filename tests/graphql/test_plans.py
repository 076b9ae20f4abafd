"""What a document asks for: depth, aliases, directives, root fields and cost, each definition read once."""

import sys
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from graphql import build_schema, get_introspection_query, parse

from app.domain import Actor, Role
from app.errors import AppError, ErrorCode
from app.graphql import limits, plans
from app.graphql.cost_inputs import Request
from app.graphql.plans import Plan, Sum
from app.graphql.price_list import PriceList
from app.graphql.schema import Schema
from app.settings import Settings

SMALL = PriceList(
    build_schema("""
    type Query { a: T, b: T, c: Int, page(first: Int, last: Int): ThingConnection!, list(ids: [ID!]): [T] }
    type Mutation { a: Int, b: Int, c: Int }
    type T { a: T, b: T, c: T, d: T, x: Int, page(first: Int): ThingConnection! }
    type ThingConnection { edges: [ThingEdge!]!, nodes: [T!]!, pageInfo: PageInfo!, totalCount: Int! }
    type ThingEdge { node: T!, cursor: String! }
    type PageInfo { hasNextPage: Boolean! }
    """)
)


@pytest.fixture(scope="session")
def prices(schema: Schema) -> PriceList:
    return PriceList(schema._schema)


def sum_of(text: str, prices: PriceList = SMALL) -> Sum:
    return next(plans.read(parse(text), prices).sums())


def plan_of(text: str, prices: PriceList = SMALL) -> Plan:
    return next(iter(plans.read(parse(text), prices).operations.values()))


def cost_of(
    text: str, prices: PriceList = SMALL, actor: Actor | None = None, **variables: Any
) -> int:
    return plan_of(text, prices).cost(Request.of(variables, actor))


def calls_of(work: Callable[[], object]) -> int:
    """How many Python functions it calls: work that is counted, not timed."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("{ a }", 1),
        ("{ a { b { c } } d }", 3),
        ("{ ... { a { ... on T { b } } } }", 2),
        ("{ a { ...f } } fragment f on T { b { ...g } } fragment g on T { c { d } }", 4),
        ("query A { a } query B { a { b { c } } }", 1),
        ("{ ...f } fragment f on T { a { b } } fragment unused on T { a { b { c { d } } } }", 2),
        ("{ ...f } fragment f on T { a { ...g } } fragment g on T { b { ...f } }", 2),
        ("{ ...missing a }", 1),
        ("{ a { __typename } }", 2),
        (get_introspection_query(), 1),
        ('{ __type(name: "T") { fields { type { name } } } a { b } }', 2),
    ],
)
def test_depth_counts_fields_and_fragments_where_they_are_spread(text: str, depth: int) -> None:
    assert sum_of(text).depth == depth


@pytest.mark.parametrize(
    ("text", "aliases"),
    [
        ("{ a { x } b { x } }", 0),
        ("{ one: a { x } two: a { y: x } }", 3),
        ("{ a { x } a { x } a { x } }", 2),
        ("{ a { x ... { x } } }", 1),
        ("{ a { ... on T { x } ... on T { x } } }", 0),
        ("{ a { ...f } b { ...f } } fragment f on T { one: x two: x }", 4),
        ("{ one: __schema { two: types { name } } }", 2),
    ],
)
def test_aliases_and_names_given_twice_count_where_they_are_spread(text: str, aliases: int) -> None:
    assert sum_of(text).aliases == aliases


def test_directives_count_wherever_they_stand() -> None:
    text = """query Q($v: Int @a) @b { a @c { ...f @d } ... @e { c } b { ...f } }
      fragment f on T @g { x @h }"""
    assert sum_of(text).directives == 5 + 2 * 2


def test_root_fields_count_those_of_fragments() -> None:
    text = "mutation { ...f x: c ... { c } ...f } fragment f on Mutation { a b }"
    assert sum_of(text).fields == 6


def test_beyond_each_limit_is_told_with_it() -> None:
    tight = Settings(
        max_query_depth=3,
        max_query_aliases=1,
        max_query_directives=1,
        max_mutation_fields=2,
        max_query_cost=40,
    )
    beyond = {
        "{ a { b { c { d } } } }": 3,
        "{ a { one: x two: x } }": 1,
        "{ a @include(if: true) @skip(if: false) { x } }": 1,
        "mutation { a b c }": 2,
        "{ page(first: 40) { nodes { x } } }": 40,
        "{ c } fragment unused on T { a { b { c { d } } } }": 3,
        "query A { c } query B { a { b { c { d } } } }": 3,
    }
    for text in (
        "{ a { b { c } } }",
        "{ a { one: x } }",
        "mutation { a b }",
        "{ page(first: 20) { nodes { x } } }",
    ):
        limits.check(plans.read(parse(text), SMALL), tight)
    for text, limit in beyond.items():
        with pytest.raises(AppError) as refused:
            limits.check(plans.read(parse(text), SMALL), tight)
        assert refused.value.code is ErrorCode.QUERY_TOO_COMPLEX
        assert refused.value.extensions["limit"] == limit


@pytest.mark.parametrize(
    ("text", "variables", "rows"),
    [
        ("{ c }", {}, 1),
        ("{ a { x } }", {}, 2),
        ("{ page(first: 20) { pageInfo { hasNextPage } } }", {}, 22),
        ("{ page { nodes { x } } }", {}, 61),
        ("{ page(first: null) { nodes { x } } }", {}, 61),
        ("{ page(last: 100) { nodes { x } } }", {}, 121),
        ("{ page(first: 1000000) { nodes { x } } }", {}, 121),
        ("{ page(first: 20) { edges { node { a { x } } } } }", {}, 21 + 2 + 2 + 20 + 2),
        ("query($n: Int) { page(first: $n) { nodes { x } } }", {"n": 50}, 51 + 10 + 1),
        ("query($n: Int) { page(first: $n) { nodes { x } } }", {"n": 50.0}, 51 + 10 + 1),
        ("query($n: Int) { page(first: $n) { nodes { x } } }", {"n": "many"}, 121),
        ("query($n: Int) { page(first: $n) { nodes { x } } }", {"n": True}, 121),
        ("query($n: Int) { page(first: $n) { nodes { x } } }", {}, 61),
        ("query($n: Int) { page(first: $n) { nodes { x } } }", {"n": None}, 61),
        ("query($n: Int = 30) { page(first: $n) { nodes { x } } }", {}, 31 + 6 + 1),
        ("query($n: Int = 30) { page(first: $n) { nodes { x } } }", {"n": 5}, 7 + 1),
        ("query($n: Int = 30) { page(first: $n) { nodes { x } } }", {"n": None}, 61),
        ("query($i: [ID!]) { list(ids: $i) { x } }", {"i": ["1"] * 7}, 22),
        ("query($i: ID!) { list(ids: [$i, $i]) { x } }", {"i": "1"}, 7),
        ("query($i: [ID!]) { list(ids: $i) { x } }", {"i": "1"}, 4),
    ],
)
def test_cost_is_rows_and_a_tenth_for_each_value(
    text: str, variables: dict[str, Any], rows: int
) -> None:
    assert cost_of(text, **variables) == pytest.approx(rows, abs=1)


def test_lists_in_lists_multiply(prices: PriceList) -> None:
    text = "query($n: Int) { images(first: 100) { nodes { similar(first: $n) { nodes { id } } } } }"
    assert cost_of(text, prices, n=100) > 100 * (100 + 100)
    assert cost_of(text, prices, n=1) < cost_of(text, prices, n=100) / 1.5
    spread = """query($n: Int) { images(first: 100) { ...page } }
      fragment page on ImageConnection { nodes { ...found } }
      fragment found on Image { similar(first: $n) { nodes { id } } }"""
    assert cost_of(spread, prices, n=100) == cost_of(text, prices, n=100)


def test_names_of_a_filter_and_memberships_depend_on_who_asks(prices: PriceList) -> None:
    one = Actor(uuid4(), {uuid4(): Role.VIEWER})
    many = Actor(uuid4(), {uuid4(): Role.VIEWER for _ in range(10)})
    text = "query($f: ImageFilter) { images(filter: $f, first: 1) { totalCount } }"
    names = {"tags": {"any": ["a", "b"], "none": ["c"]}}
    assert cost_of(text, prices, many, f=names) - cost_of(text, prices, one, f=names) == 2 * 3 * 9
    text = "{ viewer { user { memberships { id } } } }"
    operator = Actor(uuid4(), {}, is_operator=True)
    assert (
        cost_of(text, prices, one) < cost_of(text, prices, many) < cost_of(text, prices, operator)
    )
    everyone = "{ users { nodes { memberships { team { name } } } } }"
    assert cost_of(everyone, prices, operator) < Settings().max_query_cost
    some = text.replace("memberships", "memberships(first: 20)")
    assert cost_of(some, prices, many) == cost_of(text, prices, many)
    assert cost_of(some, prices, operator) < cost_of(text, prices, operator) / 4


def test_the_full_introspection_query_passes(prices: PriceList) -> None:
    settings = Settings()
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True
    )
    limits.check_size(query, settings)
    limits.check(plans.read(parse(query), prices), settings)
    assert 1_000 < cost_of(query, prices) < settings.max_query_cost / 5


def test_doubling_fragments_are_read_once_each() -> None:
    def doubling(length: int) -> str:
        return (
            "query($n: Int) { ...f0 }"
            + "".join(
                f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(length)
            )
            + f"fragment f{length} on Query {{ page(first: $n) {{ nodes {{ x }} }} }}"
        )

    documents = [parse(doubling(length)) for length in (100, 200)]
    few, many = (calls_of(lambda one=one: plans.read(one, SMALL)) for one in documents)
    assert many < 2.1 * few
    few, many = (
        calls_of(lambda plan=plan: plan.cost(Request({"n": 1})))
        for plan in (next(iter(plans.read(one, SMALL).operations.values())) for one in documents)
    )
    assert many < 2.1 * few
    assert cost_of(doubling(95), n=1) == plans.CAP // 10


def test_fragments_in_a_circle_end() -> None:
    text = "{ ...f0 }" + "".join(
        f"fragment f{n} on Query {{ {' '.join(f'...f{k}' for k in range(30))} c }}"
        for n in range(30)
    )
    document = parse(text)
    assert calls_of(lambda: plans.read(document, SMALL)) < 20_000
