"""What requestUpload and completeUpload cost. What they do is tested over HTTP: tests/web/test_uploads.py."""

import secrets
from datetime import UTC, datetime, timedelta

from app.domain import ImageState
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client

REQUEST = """
mutation($input: RequestUploadInput!) {
  requestUpload(input: $input) { ... on UploadTicket { url } ... on UploadImagePayload { created } }
}
"""
COMPLETE = "mutation($t: String!) { completeUpload(ticket: $t) { created image { id } } }"
RECORD = 2
"""Statements that an event takes in its change's transaction: the head is locked, then both are written."""


async def test_statements_of_a_request(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0], tags=("word",))
    said = {"filename": "a.png", "sizeBytes": 1, "sha256": "0" * 64, "tags": ["word"]}
    await client.get(actor, REQUEST, input=said)

    # Tags, the bytes that the team has, id and time, the row.
    assert len(await client.statements(actor, REQUEST, input=said)) == 4 + RECORD


async def test_statements_of_a_completion(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    token, sha256 = secrets.token_hex(8), secrets.token_bytes(32)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    image_id = await make.image(
        db, actor.team_ids[0], state=ImageState.PENDING, sha256=sha256, lease_until=ahead
    )
    async with db.transaction() as session:
        session.add(make.ticket(actor, token, sha256=sha256, image_id=image_id))
    said = {"filename": "a.png", "sizeBytes": 1, "sha256": "0" * 64}
    await client.get(actor, REQUEST, input=said)

    first = await client.statements(actor, COMPLETE, t=token)
    again = await client.statements(actor, COMPLETE, t=token)

    # Where the bytes lie; ticket, policy, known bytes, intent, damaged twin, time; image, jobs (4), ticket.
    assert len(first) == 1 + 6 + 6 + RECORD
    # Where the bytes lie; ticket, image.
    assert len(again) == 1 + 2 + RECORD
