"""What the pages of docs/ ask of the API fits the schema, and finds something where it stands there complete."""

import re
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, OperationType, parse, validate

from app.resources import Resources
from app.services import embedding_models
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client

PAGES = sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
BLOCK = re.compile(r"^```graphql\n(.*?)^```", re.DOTALL | re.MULTILINE)
DOCUMENTS = {
    f"{page.stem} {place}": text
    for page in PAGES
    for place, text in enumerate(BLOCK.findall(page.read_text("utf-8")))
}
OF_THE_READER = "…"
"""Stands for an id or a text that a reader puts in."""


def test_documents_are_found() -> None:
    assert len(DOCUMENTS) >= 13


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_document_of_a_page(
    client: Client, db: Database, resources: Resources, name: str
) -> None:
    text = DOCUMENTS[name]
    document = parse(text)
    assert validate(client.schema._schema, document) == []
    (operation, *others) = (
        one for one in document.definitions if isinstance(one, OperationDefinitionNode)
    )
    is_complete = not others and not operation.variable_definitions and OF_THE_READER not in text
    if operation.operation is OperationType.SUBSCRIPTION or not is_complete:
        return
    await resources.embedder.warm()
    async with db.transaction() as session:
        its = resources.embedder
        model = await embedding_models.ensure(
            session, name=its.name, revision=its.revision, dimension=its.dimension
        )
        await embedding_models.activate(session, model)
    data = await client.get(await make.actor(db), text)
    assert None not in data.values()
