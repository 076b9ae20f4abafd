"""The operations that GraphiQL opens with are valid against the schema, and so are their variables."""

import json
from pathlib import Path

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate
from graphql.execution import get_variable_values

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "app/web/examples").glob("*.graphql"))


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema.graphql").read_text("utf-8"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path: Path, schema: GraphQLSchema) -> None:
    document = parse(path.read_text("utf-8"))
    beside = path.with_suffix(".json")
    variables = json.loads(beside.read_text("utf-8")) if beside.exists() else {}

    assert validate(schema, document) == []
    names = set()
    for operation in document.definitions:
        assert isinstance(operation, OperationDefinitionNode)
        assert operation.name is not None
        definitions = operation.variable_definitions or ()
        values = get_variable_values(schema, definitions, variables)
        assert not isinstance(values, list), values
        names |= {definition.variable.name.value for definition in definitions}

    assert set(variables) <= names


def test_each_begins_with_its_name_in_the_menu() -> None:
    names = [path.read_text("utf-8").partition("\n")[0] for path in EXAMPLES]

    assert len(names) == 19
    assert all(name.startswith("# ") and 10 <= len(name) <= 60 for name in names)
    assert len(set(names)) == len(names)


def test_lines_fit_the_editor_of_a_laptop() -> None:
    lines = [line for path in EXAMPLES for line in path.read_text("utf-8").splitlines()]

    assert max(len(line) for line in lines) <= 54


def test_variables_belong_to_an_example() -> None:
    stems = {path.stem for path in EXAMPLES}

    assert {path.stem for path in (ROOT / "app/web/examples").glob("*.json")} <= stems
