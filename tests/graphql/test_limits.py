"""What is refused for its text or its literals alone."""

import pytest
from graphql import parse

from app.errors import AppError, ErrorCode
from app.graphql import limits
from app.settings import Settings
from tests.graphql.test_plans import calls_of

TIGHT = Settings(max_query_tokens=10, max_query_characters=300)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("{ a b c d e f g h }", None),
        ("{ a b c d e f g h i }", 10),
        ("{ a } # " + "x " * 100, None),
        ("{ a } " + "# x\n" * 50 + "{ a b c d e f }", 10),
        ('{ a(x: "b c d e f \\" g h") }', None),
        ('{ a(x: """b c "" d \\""" e f g h i j""") }', None),
        ('{ a(x: """b c d e f g h i j k l m', None),
        ("{ a }" + "," * 294, None),
        ("{ a }" + "," * 296, 300),
    ],
)
def test_length_and_tokens_are_told_from_the_text(text: str, limit: int | None) -> None:
    if limit is None:
        limits.check_size(text, TIGHT)
        return
    with pytest.raises(AppError) as refused:
        limits.check_size(text, TIGHT)
    assert refused.value.code is ErrorCode.QUERY_TOO_COMPLEX
    assert refused.value.extensions["limit"] == limit


@pytest.mark.parametrize(
    "part", ['"""', '\\"""', '\\"""\n', '"\\', '"', '"""\\', "#", "...", "1.", "a ", '"""a""" ']
)
def test_counting_tokens_looks_at_nothing_twice(part: str) -> None:
    """A text that tempts the pattern into starting again and again would call for a billion steps."""
    text = part * (100_000 // len(part))
    settings = Settings(max_query_tokens=200_000)
    assert calls_of(lambda: limits.check_size(text, settings)) < 200_000


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
