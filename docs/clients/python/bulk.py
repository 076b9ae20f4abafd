"""Puts a tag on every image whose texts have some words: shows what it would do, and does it with --yes."""

import asyncio
import os
import sys
from typing import Any

from gql import Client, GraphQLRequest
from gql.client import AsyncClientSession
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError

MINE = "{ viewer { apiKey { team { id } } } }"
PREPARE = """
mutation Prepare($job: PrepareBulkJobInput!) {
  prepareBulkJob(input: $job) { id total newTags images(first: 5) { nodes { title } } }
}
"""
START = "mutation Start($id: ID!) { startBulkJob(id: $id) { status } }"
PROGRESS = """
query Progress($id: ID!) {
  bulkJob(id: $id) { status total done changed skipped skips { reason count } error }
}
"""


async def ask(session: AsyncClientSession, document: str, **variables: Any) -> Any:
    asked = GraphQLRequest(document, variable_values=variables)
    (answer,) = (await session.execute(asked)).values()
    return answer


async def main(address: str, key: str, words: str, tag: str, *, do_it: bool) -> None:
    plain = AIOHTTPTransport(url=f"{address}/graphql", headers={"Authorization": f"Bearer {key}"})
    async with Client(transport=plain) as session:
        job = {
            "teamId": (await ask(session, MINE))["apiKey"]["team"]["id"],
            "filter": {"text": words},
            "change": {"addTags": [tag]},
        }
        prepared = await ask(session, PREPARE, job=job)
        print(prepared["total"], "images, such as", *prepared["images"]["nodes"])
        if prepared["newTags"]:
            print("new tags:", *prepared["newTags"])
        if do_it:
            # Exactly what was shown. Sent again after a timeout, it is the same job.
            await ask(session, START, id=prepared["id"])
            await follow(session, prepared["id"])


async def follow(session: AsyncClientSession, job_id: str) -> None:
    while True:
        now = await ask(session, PROGRESS, id=job_id)
        print(now["status"], now["done"] + now["skipped"], "of", now["total"])
        if now["status"] not in ("QUEUED", "RUNNING"):
            break
        await asyncio.sleep(0.5)
    print("changed:", now["changed"], "left out:", now["skips"], now["error"] or "")


try:
    given = [one for one in sys.argv[1:] if one != "--yes"]
    asyncio.run(main(os.environ["PICTOR"], os.environ["KEY"], *given, do_it="--yes" in sys.argv))
except TransportQueryError as refused:
    for error in refused.errors or ():
        print(error["extensions"]["code"], error["message"], file=sys.stderr)
    sys.exit(1)
