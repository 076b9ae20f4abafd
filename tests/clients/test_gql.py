"""gql, the Python client, over each of its transports against a running server."""

from pathlib import Path
from typing import Any

import pytest
from gql import Client, FileVar, GraphQLRequest
from gql.transport import AsyncTransport
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from PIL import Image as Picture

from tests.clients.conftest import Gallery

IMAGES = "query ($first: Int!) { images(first: $first) { nodes { id } } }"
UPLOAD = """
mutation ($file: Upload!) {
  uploadImage(input: {file: $file, tags: ["gql"]}) { created image { id filename } }
}"""
WATCH = "subscription ($ids: [ID!]!) { imageProcessing(imageIds: $ids) { processing { status } } }"
COLORS = {AIOHTTPTransport: "teal", HTTPXAsyncTransport: "olive"}


def request(query: str, **variables: Any) -> GraphQLRequest:
    return GraphQLRequest(query, variable_values=variables)


def headers(gallery: Gallery) -> dict[str, str]:
    return {"Authorization": f"Bearer {gallery.key}", "GraphQL-Require-Preflight": "1"}


@pytest.mark.parametrize("transport", COLORS)
async def test_queries_uploads_and_errors(
    gallery: Gallery, transport: type[AsyncTransport], tmp_path: Path
) -> None:
    """AIOHTTP escapes a file's name by percents, HTTPX sends it as it is."""
    photo = tmp_path / gallery.photo.name
    Picture.new("RGB", (40, 30), COLORS[transport]).save(photo)
    made = transport(url=f"{gallery.address}/graphql", headers=headers(gallery))  # type: ignore[call-arg]
    async with Client(transport=made, fetch_schema_from_transport=True) as session:
        listed = await session.execute(request(IMAGES, first=3))
        assert len(listed["images"]["nodes"]) == 3

        sent = request(UPLOAD, file=FileVar(str(photo)))
        uploaded = (await session.execute(sent, upload_files=True))["uploadImage"]
        assert (uploaded["created"], uploaded["image"]["filename"]) == (True, photo.name)

        with pytest.raises(TransportQueryError) as told:
            await session.execute(request(IMAGES, first=101))
    assert told.value.errors is not None
    assert told.value.errors[0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_subscribes_over_a_websocket(gallery: Gallery) -> None:
    made = WebsocketsTransport(
        url=f"{gallery.address.replace('http', 'ws')}/graphql",
        init_payload={"Authorization": f"Bearer {gallery.key}"},
    )
    async with Client(transport=made) as session:
        listed = await session.execute(request(IMAGES, first=1))
        ids = [one["id"] for one in listed["images"]["nodes"]]
        heard = [one async for one in session.subscribe(request(WATCH, ids=ids))]
    assert heard[-1]["imageProcessing"]["processing"]["status"] == "READY"
