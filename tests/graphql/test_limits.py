"""Depth of a document, found in time linear in its text."""

import time

import pytest
from graphql import get_introspection_query, parse

from app.errors import AppError, ErrorCode
from app.graphql import limits


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("{ a }", 1),
        ("{ a { b { c } } d }", 3),
        ("{ ... { a { ... on T { b } } } }", 2),
        ("{ a { ...f } } fragment f on T { b { ...g } } fragment g on T { c { d } }", 4),
        ("query A { a } query B { a { b { c } } }", 3),
        ("{ ...f } fragment f on T { a { b } } fragment unused on T { a { b { c { d } } } }", 2),
        ("{ ...f } fragment f on T { a { ...g } } fragment g on T { b { ...f } }", 2),
        ("{ ...missing a }", 1),
        ("{ a { __typename } }", 2),
        (get_introspection_query(), 1),
        ('{ __type(name: "T") { fields { type { name } } } a { b } }', 2),
    ],
)
def test_depth_counts_fields_and_fragments_where_they_are_spread(text: str, depth: int) -> None:
    assert limits.depth(parse(text)) == depth


def test_too_deep_is_told_with_its_limit() -> None:
    limits.check(parse("{ a { b { c } } }"), max_depth=3)
    with pytest.raises(AppError) as refused:
        limits.check(parse("{ a { b { c { d } } } }"), max_depth=3)
    assert refused.value.code is ErrorCode.QUERY_TOO_COMPLEX
    assert refused.value.extensions["limit"] == 3


def test_doubling_fragments_cost_no_more_than_their_text() -> None:
    doubling = "".join(f"fragment f{n} on T {{ ...f{n + 1} ...f{n + 1} }}" for n in range(400))
    document = parse("{ ...f0 }" + doubling + "fragment f400 on T { a { b } }")
    began = time.perf_counter()
    assert limits.depth(document) == 2
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    "literal",
    ['"a\\u0000b"', '["x", {y: "\\u0000"}]', '"""a\\u0000"""', "1e999", "-1e999", "9" * 400],
)
def test_values_that_nothing_can_hold(literal: str) -> None:
    document = parse(f"{{ a(x: {literal}) }}")
    if literal.startswith('"""'):  # a block string has no escapes: its text is what it is
        limits.check_literals(document)
        return
    with pytest.raises(AppError) as refused:
        limits.check_literals(document)
    assert refused.value.code is ErrorCode.BAD_USER_INPUT


def test_ordinary_values_pass() -> None:
    limits.check_literals(
        parse('{ a(x: ["ä", 1.5, -3, true, null, RED, {y: $v}]) @skip(if: false) }')
    )
