"""Rules of the house that no tool checks: what is written down agrees with the code."""

from pathlib import Path

import pytest
from graphql import GraphQLNamedType, is_specified_scalar_type

from app.graphql import permissions
from app.graphql.schema import build_schema
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = build_schema()
TYPES = [
    kind
    for name, kind in SCHEMA._schema.type_map.items()
    if not name.startswith("__") and not is_specified_scalar_type(kind)
]


def test_the_exported_schema_is_the_code_s() -> None:
    assert (ROOT / "schema.graphql").read_text() == SCHEMA.as_str() + "\n"


def test_the_page_of_permissions_is_the_table_s() -> None:
    assert (ROOT / "docs" / "permissions.md").read_text() == permissions.page()


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
