"""Rules of the house that no tool checks: what is written down agrees with the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLNamedType,
    assert_interface_type,
    build_ast_schema,
    is_specified_scalar_type,
    parse,
    validate,
)

from app.errors import ErrorCode
from app.graphql import permissions
from app.graphql.schema import build_schema
from app.settings import Settings
from app.web import errors_page

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = build_schema()
TYPES = [
    kind
    for name, kind in SCHEMA._schema.type_map.items()
    if not name.startswith("__") and not is_specified_scalar_type(kind)
]


def test_the_exported_schema_is_the_code_s() -> None:
    text = (ROOT / "schema.graphql").read_text()
    assert text == SCHEMA.as_str() + "\n"
    # What introspection tells, and GraphiQL shows first.
    assert build_ast_schema(parse(text)).description == SCHEMA._schema.description != ""


def test_the_page_of_permissions_is_the_table_s() -> None:
    assert (ROOT / "docs" / "permissions.md").read_text() == permissions.page()


def test_the_page_of_errors_is_the_code_s() -> None:
    assert (ROOT / "docs" / "errors.md").read_text() == errors_page.page()
    assert {*ErrorCode} <= errors_page.ENTRIES.keys()


DOCUMENTS = [
    pytest.param(text, id=f"{path.name}-{number}")
    for path in sorted((ROOT / "docs").rglob("*.md"))
    for number, text in enumerate(
        re.findall(r"^```graphql\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)
    )
]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_what_the_documentation_shows_runs_as_it_stands(text: str) -> None:
    """Pasted whole: several operations have names, so that GraphiQL asks which."""
    assert validate(SCHEMA._schema, parse(text)) == []


def test_the_example_of_apollo_knows_every_node() -> None:
    """Apollo Client finds nothing by `... on Node` in a type that is not named there."""
    text = (ROOT / "docs" / "clients" / "apollo" / "src" / "main.ts").read_text()
    (named,) = re.findall(r"possibleTypes: \{\s*Node: \[(.*?)\]", text, re.DOTALL)
    node = assert_interface_type(SCHEMA._schema.type_map["Node"])
    types = sorted(one.name for one in SCHEMA._schema.get_possible_types(node))
    assert re.findall(r"\w+", named) == types


RAISERS = {
    "AppError": None,
    "bad_input": "BAD_USER_INPUT",
    "conflict": "CONFLICT",
    "not_found": "NOT_FOUND",
    "rate_limited": "RATE_LIMITED",
}
NOT_FACTS = {"code", "message"}


def raised_facts() -> Iterator[tuple[str, str, str]]:
    """Where errors are made: the place, the code (a dotted name's end), and each fact that is given by its name."""
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id not in RAISERS:
                continue
            first = node.args[0] if node.args else None
            code = RAISERS[node.func.id] or (first.attr if isinstance(first, ast.Attribute) else "")
            for one in node.keywords:
                if one.arg and one.arg not in NOT_FACTS:
                    yield f"{path.name}:{node.lineno}", code, one.arg


def test_every_fact_of_an_error_is_on_the_page() -> None:
    for place, code, fact in raised_facts():
        name = "retryAfter" if fact == "retry_after" else fact
        assert name in errors_page.EXTRAS, place
        assert code == "" or name in errors_page.ENTRIES[code].extras, (place, code)


@pytest.mark.parametrize("kind", TYPES, ids=[kind.name for kind in TYPES])
def test_everything_is_described(kind: GraphQLNamedType) -> None:
    described = {kind.name: kind.description}
    for name, field in getattr(kind, "fields", {}).items():
        described[f"{kind.name}.{name}"] = field.description
        for argument, its in getattr(field, "args", {}).items():
            described[f"{kind.name}.{name}({argument})"] = its.description
    for name, value in getattr(kind, "values", {}).items():
        described[f"{kind.name}.{name}"] = value.description

    assert [name for name, text in described.items() if not text] == []


def test_every_setting_is_documented() -> None:
    readme = (ROOT / "README.md").read_text()

    for name, field in Settings.model_fields.items():
        assert f"| `PICTOR_{name.upper()}` |" in readme
        assert field.description
        assert f"| {field.description} |" in readme


def test_secrets_are_hidden_from_logs() -> None:
    settings = Settings(
        secret_key="canary-1" * 4, storage_url="s3://k:canary-2@b", database_url="x://canary-3"
    )

    assert "canary" not in repr(settings)
