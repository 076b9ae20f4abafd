"""Goes through all images of a tag, uploads a picture, and waits until it can be searched."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

from gql import Client, FileVar, GraphQLRequest
from gql.client import AsyncClientSession
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport

IMAGES = """
query Images($tags: [String!]!, $after: String) {
  images(filter: {tags: {all: $tags}}, first: 50, after: $after) {
    nodes { id title tags { name } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
UPLOAD = """
mutation Upload($file: Upload!, $tags: [String!]) {
  uploadImage(input: {file: $file, tags: $tags}) { created image { id title } }
}
"""
PROCESSING = """
subscription Processing($ids: [ID!]!) {
  imageProcessing(imageIds: $ids) { id processing { status error } }
}
"""


def request(document: str, **variables: Any) -> GraphQLRequest:
    return GraphQLRequest(document, variable_values=variables)


async def images(session: AsyncClientSession, *tags: str) -> AsyncIterator[dict[str, Any]]:
    page: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
    while page["hasNextPage"]:
        asked = request(IMAGES, tags=tags, after=page["endCursor"])
        found = (await session.execute(asked))["images"]
        for node in found["nodes"]:
            yield node
        page = found["pageInfo"]


async def main(address: str, key: str, photo: str) -> None:
    authorization = f"Bearer {key}"
    plain = AIOHTTPTransport(
        url=f"{address}/graphql",
        # Files travel only with a header that no page of another origin can send unasked.
        headers={"Authorization": authorization, "GraphQL-Require-Preflight": "1"},
    )
    socket = WebsocketsTransport(
        url=f"{address.replace('http', 'ws', 1)}/graphql",
        init_payload={"Authorization": authorization},
    )
    async with Client(transport=plain) as session, Client(transport=socket) as live:
        sent = request(UPLOAD, file=FileVar(photo), tags=["example"])
        uploaded = (await session.execute(sent, upload_files=True))["uploadImage"]
        print("uploaded" if uploaded["created"] else "was there already:", uploaded["image"])

        # The subscription ends by itself when the image is READY or FAILED.
        async for heard in live.subscribe(request(PROCESSING, ids=[uploaded["image"]["id"]])):
            print(heard["imageProcessing"]["processing"])

        async for image in images(session, "example"):
            print(image["title"], *[tag["name"] for tag in image["tags"]])


try:
    asyncio.run(main(os.environ["PICTOR"], os.environ["KEY"], sys.argv[1]))
except TransportQueryError as refused:
    for error in refused.errors or ():
        print(error["extensions"]["code"], error["message"], file=sys.stderr)
    sys.exit(1)
