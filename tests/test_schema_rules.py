"""The schema keeps the rules for its shape, and every rule finds what breaks it."""

from typing import Final

import pytest
from graphql import build_schema as read

from app.graphql.schema import build_schema
from tests import schema_rules
from tests.schema_rules import RULES, Rule

BROKEN: Final[dict[str, tuple[str, list[str]]]] = {
    "names_have_their_case": (
        "type Query { Big: Int small_one(An: Int): kind } enum kind { lower }",
        ["kind", "kind.lower", "Query.Big:Big", "Query.small_one:small_one", "Query.small_one:An"],
    ),
    "names_say_nothing_twice": (
        "type Query { getImage: Image kind: KindEnum } type Image { imageTitle: Int images: Int } enum KindEnum { A }",
        ["Query.getImage", "Image.imageTitle", "KindEnum"],
    ),
    "values_of_enums_are_unique_without_case": (
        "type Query { a: E } enum E { ONE One TWO }",
        ["E.ONE", "E.One"],
    ),
    "every_type_is_reached": (
        "type Query { a(i: I): N } interface N { b: U } type C implements N { b: U } union U = D type D { a: Int }"
        " input I { j: J } input J { k: Int } type Lost { a: Int } enum Gone { A }",
        ["Lost", "Gone"],
    ),
    "whatever_has_an_id_is_a_node": (
        "type Query { a: A b: B c: C } interface Node { id: ID } type A { id: ID! } type B implements Node { id: ID } type C { d: Int }",
        ["A", "B"],
    ),
    "ids_are_of_the_type_id": (
        "type Query { teamId: Int ids: [ID!] valid: Int a(userId: String, i: I): Int } input I { imageIds: [String!] }",
        ["Query.teamId", "Query.a.userId", "I.imageIds"],
    ),
    "connections_are_relay_s": (
        "type Query { a: AConnection p: PageInfo } type AConnection { edges: [AEdge] pageInfo: PageInfo! }"
        " type AEdge { cursor: ID! node: A } type A { b: Int } type PageInfo { hasNextPage: Boolean! }",
        ["PageInfo.hasPreviousPage", "PageInfo.startCursor", "PageInfo.endCursor", "AConnection.edges", "AEdge.cursor", "AEdge.node"],
    ),
    "pages_take_their_arguments": (
        "type Query { a(first: Int, after: String): AConnection b(first: Int): AConnection c(after: String): Int"
        " d(first: Int, after: String, last: Int): AConnection } type AConnection { b: Int }",
        ["Query.b(first)", "Query.c", "Query.d(last)"],
    ),
    "lookups_are_nullable": ("type Query { a: A b: A! c: [A!]! viewer: A! } type A { b: Int }", ["b"]),
    "lists_have_no_holes": (
        "type Query { a: [Int] b: [Int!] c: [Int]! nodes: [Int]! }",
        ["Query.a", "Query.c"],
    ),
    "mutations_take_one_input_or_few_arguments": (
        "type Query { a: Int } type Mutation { a(input: AInput!): Int b(input: AInput!): Int c(input: CInput): Int"
        " d(x: Int!, y: Int!): Int e(x: Int): Int f(x: Int!, y: Int!, z: Int!): Int } input AInput { a: Int } input CInput { a: Int }",
        ["b", "c", "e", "f"],
    ),
    "only_mutations_inputs_are_called_input": (
        "type Query { a(filter: AFilter, other: AInput): Int } type Mutation { b(input: BInput!, c: C): Int }"
        " input AFilter { a: Int } input AInput { a: Int } input BInput { a: Int } input C { a: Int }",
        ["AInput", "C"],
    ),
    "mutations_answer_what_they_changed": (
        "type Query { a: Int } type Mutation { a: A! b: A c: Int! deleteD: ID! e: ID! logout: Boolean! } type A { b: Int }",
        ["b", "c", "e"],
    ),
    "deprecations_say_what_and_when": (
        'type Query { a: Int @deprecated b: Int @deprecated(reason: "Ask for `c` until 2027-01-31.") '
        'c: Int @deprecated(reason: "Ends 2027-01-31.") d(e: Int @deprecated(reason: "Ask for `f`.")): E }'
        ' enum E { A @deprecated(reason: "Nothing replaces it; it ends 2027-01-31.") B @deprecated(reason: "No.") }',
        ["Query.a", "Query.c", "Query.d.e", "E.B"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_schema_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(build_schema()._schema)) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_finds_what_breaks_it(rule: Rule) -> None:
    text, wanted = BROKEN[rule.__name__]
    assert sorted(rule(read(text))) == sorted(wanted)


def test_exceptions_are_still_needed() -> None:
    schema = build_schema()._schema
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    assert schema_rules.MUST_BE_THERE.keys() <= schema.query_type.fields.keys()
    assert schema_rules.PLAIN_ANSWERS.keys() <= schema.mutation_type.fields.keys()
    assert {one.partition(".")[2] for one in schema_rules.HOLES} <= schema.query_type.fields.keys()
