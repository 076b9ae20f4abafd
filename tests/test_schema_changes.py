"""Since the last release nothing changed that may break a client, but what is declared with its reason (docs/schema.md)."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from graphql import GraphQLSchema, build_schema, find_breaking_changes, find_dangerous_changes
from graphql.utilities import DangerousChangeType

FOLDER: Final = Path(__file__).parents[1] / "docs" / "schema"
PRESENT: Final = FOLDER.parents[1] / "schema.graphql"
HARMLESS: Final = {
    DangerousChangeType.OPTIONAL_ARG_ADDED,
    DangerousChangeType.OPTIONAL_INPUT_FIELD_ADDED,
}
"""No client sees these before it uses them: they are how a schema grows."""


def changes(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[tuple[str, str]]:
    """Kind and description of whatever may break a client of the old schema."""
    for broken in find_breaking_changes(old, new):
        yield broken.type.name, broken.description
    for risky in find_dangerous_changes(old, new):
        if risky.type not in HARMLESS:
            yield risky.type.name, risky.description


def declared() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((FOLDER / "changes.toml").read_text()).get(
        "change", []
    )
    return found


def test_what_may_break_clients_is_declared() -> None:
    old, new = (build_schema(path.read_text()) for path in (FOLDER / "released.graphql", PRESENT))
    assert sorted(changes(old, new)) == sorted((one["kind"], one["what"]) for one in declared())


def test_declared_changes_have_reasons() -> None:
    for one in declared():
        assert one.keys() == {"kind", "what", "reason"}
        assert len(one["reason"].split()) >= 5


def test_changes_are_found_by_their_kinds() -> None:
    old = build_schema("type Query { a: Int b(c: Int): Int! d: E } enum E { A B }")
    new = build_schema("type Query { b(c: Int!, e: Int): Int d: E f: Int } enum E { A C }")
    assert {kind for kind, _ in changes(old, new)} == {
        "FIELD_REMOVED",
        "ARG_CHANGED_KIND",
        "FIELD_CHANGED_KIND",
        "VALUE_REMOVED_FROM_ENUM",
        "VALUE_ADDED_TO_ENUM",
    }
