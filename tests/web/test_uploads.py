"""Upload tickets over HTTP: a real server with the product's own schema, and bytes by PUT."""

import asyncio
import hashlib
import io
import json
import os
import tracemalloc
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from PIL import Image as Picture
from sqlalchemy import delete, func, select, update
from starlette.applications import Starlette
from starlette.requests import Request

from app import main
from app.db.models import ApiKey, AuditEvent, Image, ImageJob, Membership, UploadTicket
from app.domain import ImageState, JobKind, Role
from app.errors import AppError, ErrorCode
from app.resources import Resources
from app.services.intake import intents, tickets
from app.settings import Settings
from app.storage import Storage, storage_from_url
from app.web import bodies
from app.web.gate import Gate
from app.web.problems import Refusal
from tests.database import Database
from tests.fixtures.s3 import BUCKET, S3Server
from tests.web.conftest import Member, client_on, new_member

REQUEST = """
mutation($input: RequestUploadInput!) {
  requestUpload(input: $input) {
    __typename
    ... on UploadTicket { ticket url expiresAt headers { name value } }
    ... on UploadImagePayload { created image { id trashedAt tags { name } } }
  }
}
"""
COMPLETE = """
mutation($ticket: String!) {
  completeUpload(ticket: $ticket) {
    created image { id title filename sha256 sizeBytes weight takenAt uploadedBy { id } tags { name } }
  }
}
"""


def picture(seed: int = 0, side: int = 40) -> bytes:
    """A small PNG; another seed, other bytes."""
    out = io.BytesIO()
    Picture.new("RGB", (side, side), (seed % 256, seed // 256 % 256, 7)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"operation_timeout_seconds": 60.0})


@pytest.fixture
def app(resources: Resources) -> Starlette:
    return main.create_app(resources)


@dataclass
class Client:
    """A program that uploads: it knows the server's address and its own key."""

    http: httpx.AsyncClient
    member: Member

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        response = await self.http.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers=self.member.headers,
        )
        answer: dict[str, Any] = response.json()
        return answer

    async def request(self, content: bytes, **given: Any) -> dict[str, Any]:
        """The ticket, or the image."""
        said = {
            "filename": "cat.png",
            "sizeBytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        answer = await self.ask(REQUEST, input=said | given)
        assert "errors" not in answer, answer
        found: dict[str, Any] = answer["data"]["requestUpload"]
        return found

    async def put(self, ticket: dict[str, Any], content: Any) -> httpx.Response:
        headers = {one["name"]: one["value"] for one in ticket["headers"]}
        return await self.http.put(ticket["url"], content=content, headers=headers)

    async def complete(self, ticket: dict[str, Any]) -> dict[str, Any]:
        answer = await self.ask(COMPLETE, ticket=ticket["ticket"])
        assert "errors" not in answer, answer
        found: dict[str, Any] = answer["data"]["completeUpload"]
        return found

    async def upload(self, content: bytes) -> str:
        """The id of the image that uploadImage answers."""
        query = "mutation($f: Upload!) { uploadImage(input: {file: $f}) { image { id } } }"
        found: str = (await self.send(query, content))["data"]["uploadImage"]["image"]["id"]
        return found

    async def send(self, query: str, content: bytes) -> Any:
        """What a query answers of which the variable `f` is a file."""
        operations = json.dumps({"query": query, "variables": {"f": None}})
        response = await self.http.post(
            "/graphql",
            data={"operations": operations, "map": '{"0": ["variables.f"]}'},
            files={"0": ("x.png", content)},
            headers=self.member.headers | {"GraphQL-Require-Preflight": "1"},
        )
        return response.json()

    async def refused(self, ticket: str) -> tuple[str, str | None]:
        """Code and field of a completion that must fail."""
        (error,) = (await self.ask(COMPLETE, ticket=ticket))["errors"]
        return error["extensions"]["code"], error["extensions"].get("field")


@pytest.fixture
async def http(server: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server, timeout=60) as http:
        yield http


@pytest.fixture
async def client(http: httpx.AsyncClient, db: Database) -> Client:
    return Client(http, await new_member(db, Role.EDITOR))


@pytest.fixture
def files(settings: Settings) -> Callable[[], list[Path]]:
    """What lies in the store and among the temporary files."""

    def found() -> list[Path]:
        folders = (settings.objects_dir, settings.tmp_dir)
        return [one for folder in folders for one in folder.rglob("*") if one.is_file()]

    return found


def problem(response: httpx.Response) -> tuple[int, str, str | None, str | None]:
    (error,) = response.json()["errors"]
    its = error["extensions"]
    return response.status_code, its["code"], its.get("reason"), its.get("field")


async def rows(db: Database, table: Any, team_id: UUID) -> list[Any]:
    async with db.transaction() as session:
        return list(await session.scalars(select(table).where(table.team_id == team_id)))


async def test_request_put_complete(client: Client, db: Database, files: Any) -> None:
    content = picture(1)

    ticket = await client.request(
        content, tags=["a", "b"], weight=2.5, takenAt="2020-02-03T04:05:06Z"
    )
    sent = await client.put(ticket, content)
    before = await client.ask("{ images { totalCount } }")
    done = await client.complete(ticket)

    assert ticket["__typename"] == "UploadTicket"
    assert (sent.status_code, sent.content) == (204, b"")
    assert before["data"]["images"]["totalCount"] == 0
    image = done["image"]
    assert done["created"] is True
    assert (image["title"], image["filename"], image["weight"]) == ("cat", "cat.png", 2.5)
    assert (image["sha256"], image["sizeBytes"]) == (
        hashlib.sha256(content).hexdigest(),
        len(content),
    )
    assert image["takenAt"] == "2020-02-03T04:05:06Z"
    assert image["uploadedBy"] == {"id": str(client.member.actor.user_id)}
    assert image["tags"] == [{"name": "a"}, {"name": "b"}]
    assert [one.read_bytes() for one in files()] == [content]
    kinds = {job.kind for job in await rows(db, ImageJob, client.member.team_id)}
    assert kinds == {JobKind.EMBED, JobKind.THUMBNAILS}


async def test_all_of_it_again_is_harmless(client: Client, db: Database, files: Any) -> None:
    content = picture(2)
    ticket = await client.request(content)
    for _ in range(2):
        assert (await client.put(ticket, content)).status_code == 204
    first = await client.complete(ticket)
    assert (await client.put(ticket, content)).status_code == 204

    assert await client.complete(ticket) == first
    async with db.transaction() as session:
        await session.execute(
            update(UploadTicket)
            .where(UploadTicket.team_id == client.member.team_id)
            .values(expires_at=func.now())
        )
    assert await client.complete(ticket) == first
    assert problem(await client.put(ticket, content))[:2] == (404, "NOT_FOUND")
    assert len(await rows(db, Image, client.member.team_id)) == 1
    assert len(files()) == 1


async def test_a_file_is_counted_once_however_often_it_is_completed(
    client: Client, resources: Resources
) -> None:
    content = picture(41)
    ticket = await client.request(content)
    await client.put(ticket, content)
    for _ in range(3):
        await client.complete(ticket)

    lines = resources.metrics.text().decode().splitlines()
    assert 'pictor_uploads_total{outcome="created",reason=""} 1.0' in lines
    assert f"pictor_upload_bytes_total {float(len(content))}" in lines


async def test_everything_at_once_is_one_image(client: Client, db: Database, files: Any) -> None:
    content = picture(3)
    two = [await client.request(content) for _ in range(2)]

    sent = await asyncio.gather(*(client.put(one, content) for one in [*two, *two]))
    done = await asyncio.gather(*(client.complete(one) for one in [*two, *two]))

    assert {one.status_code for one in sent} == {204}
    assert len({one["image"]["id"] for one in done}) == 1
    assert sorted(one["created"] for one in done) == [False, False, True, True]
    images = await rows(db, Image, client.member.team_id)
    assert sorted(one.state for one in images) == [ImageState.DELETED, ImageState.STORED]
    jobs = [one.kind for one in await rows(db, ImageJob, client.member.team_id)]
    assert sorted(jobs) == [JobKind.EMBED, JobKind.PURGE, JobKind.THUMBNAILS]


async def test_every_way_in_at_once_is_one_image(client: Client, db: Database) -> None:
    content = picture(30)
    ticket = await client.request(content)
    await client.put(ticket, content)

    async def completed() -> str:
        found: str = (await client.complete(ticket))["image"]["id"]
        return found

    ids = await asyncio.gather(
        completed(), client.upload(content), completed(), client.upload(content)
    )

    assert len(set(ids)) == 1
    images = await rows(db, Image, client.member.team_id)
    assert [one.state for one in images].count(ImageState.STORED) == 1
    assert {one.state for one in images} <= {ImageState.STORED, ImageState.DELETED}


async def test_other_bytes_are_refused_and_the_ticket_stays_good(
    client: Client, files: Any
) -> None:
    content = picture(4)
    ticket = await client.request(content)

    async def pieces(data: bytes) -> AsyncIterator[bytes]:
        """A body without a length."""
        for start in range(0, len(data), 20):
            yield data[start : start + 20]

    swapped = content[:-1] + bytes([content[-1] ^ 1])
    mismatch = (400, "BAD_USER_INPUT", "CHECKSUM_MISMATCH", "body")
    truncated = (400, "BAD_USER_INPUT", "TRUNCATED", "body")
    larger = (413, "PAYLOAD_TOO_LARGE", "TOO_LARGE", "body")
    assert problem(await client.put(ticket, swapped)) == mismatch
    assert problem(await client.put(ticket, content[:-1])) == truncated
    assert problem(await client.put(ticket, pieces(content[:-1]))) == truncated
    assert problem(await client.put(ticket, pieces(b""))) == truncated
    assert problem(await client.put(ticket, content + b"x")) == larger
    assert problem(await client.put(ticket, pieces(content + b"x"))) == larger
    assert files() == []
    assert await client.refused(ticket["ticket"]) == ("CONFLICT", "ticket")

    assert (await client.put(ticket, pieces(content))).status_code == 204
    assert (await client.complete(ticket))["created"] is True


async def test_what_is_no_picture_is_refused(client: Client, db: Database, files: Any) -> None:
    content = b"just some text, of some length"
    ticket = await client.request(content)

    assert problem(await client.put(ticket, content)) == (
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        "NOT_AN_IMAGE",
        "body",
    )
    assert files() == []
    assert await rows(db, Image, client.member.team_id) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (
            "mutation($f: Upload!) { uploadImage(input: {file: $f}) { created } }",
            "input.file",
        ),
        (
            "query($f: Upload!) { searchImages(query: {image: $f}) { model } }",
            "query.image",
        ),
    ],
)
@pytest.mark.parametrize("content", [b"just some text", b"", b"x" * 200_000])
async def test_a_refused_file_is_named_by_its_argument(
    client: Client, query: str, field: str, content: bytes
) -> None:
    """As everything else of that input is, whatever the client calls its variable."""
    (error,) = (await client.send(query, content))["errors"]
    assert error["extensions"]["field"] == field


async def test_too_much_is_refused_before_the_body(client: Client, server: str) -> None:
    ticket = await client.request(picture(5))
    address = urlsplit(ticket["url"])
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"PUT {address.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 500000000\r\n\r\n"
    writer.write(head.encode())

    answer = await reader.readuntil(b"\r\n")

    assert b" 413 " in answer
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_goes_leaves_nothing(client: Client, files: Any, server: str) -> None:
    content = picture(6)
    ticket = await client.request(content)
    address = urlsplit(ticket["url"])
    for _ in range(20):
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"PUT {address.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content[:50])
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    assert (await client.put(ticket, content)).status_code == 204
    assert (await client.complete(ticket))["created"] is True
    for _ in range(50):
        if len(files()) == 1:
            break
        await asyncio.sleep(0.1)
    assert len(files()) == 1


async def test_bytes_that_the_team_has_need_no_ticket(client: Client) -> None:
    content = picture(7)
    ticket = await client.request(content, tags=["a"])
    await client.put(ticket, content)
    image_id = (await client.complete(ticket))["image"]["id"]
    await client.ask("mutation($i: [ID!]!) { trashImages(ids: $i) { id } }", i=[image_id])

    again = await client.request(content, tags=["b"])

    assert again == {
        "__typename": "UploadImagePayload",
        "created": False,
        "image": {"id": image_id, "trashedAt": None, "tags": [{"name": "a"}, {"name": "b"}]},
    }


async def test_bytes_that_came_another_way_meanwhile(client: Client, db: Database) -> None:
    content, other = picture(8), picture(9)
    late, early = await client.request(content, tags=["late"]), await client.request(other)
    await client.put(late, content)
    for sent in (content, other):
        await client.upload(sent)

    done = await client.complete(late)

    assert done["created"] is False
    assert done["image"]["tags"] == [{"name": "late"}]
    # Even without bytes: requestUpload would answer this image now.
    assert (await client.complete(early))["created"] is False
    images = await rows(db, Image, client.member.team_id)
    assert [one.state for one in images].count(ImageState.STORED) == 2
    assert {one.state for one in images} == {ImageState.STORED, ImageState.DELETED}


async def test_a_ticket_is_its_team_s(client: Client, db: Database) -> None:
    content = picture(10)
    ticket = await client.request(content)
    await client.put(ticket, content)
    stranger = Client(client.http, await new_member(db))
    mate = await new_member(db, Role.EDITOR)
    async with db.transaction() as session:
        for table in (Membership, ApiKey):
            await session.execute(
                update(table)
                .where(table.user_id == mate.actor.user_id)
                .values(team_id=client.member.team_id)
            )

    assert await stranger.refused(ticket["ticket"]) == ("NOT_FOUND", "ticket")
    assert await stranger.refused("nonsense") == ("NOT_FOUND", "ticket")
    assert (await Client(client.http, mate).complete(ticket))["created"] is True
    assert await stranger.refused(ticket["ticket"]) == ("NOT_FOUND", "ticket")


async def test_access_is_checked_at_each_step(client: Client, db: Database) -> None:
    content = picture(11)
    ticket = await client.request(content)
    team_id, user_id = client.member.team_id, client.member.actor.user_id
    own = (Membership.team_id == team_id) & (Membership.user_id == user_id)

    async def change(statement: Any) -> None:
        async with db.transaction() as session:
            await session.execute(statement)

    await change(update(Membership).where(own).values(role=Role.VIEWER))
    assert problem(await client.put(ticket, content))[:2] == (403, "FORBIDDEN")
    await change(update(Membership).where(own).values(role=Role.EDITOR))
    await change(update(ApiKey).where(ApiKey.user_id == user_id).values(revoked_at=func.now()))
    assert problem(await client.put(ticket, content))[:2] == (404, "NOT_FOUND")
    await change(update(ApiKey).where(ApiKey.user_id == user_id).values(revoked_at=None))
    assert (await client.put(ticket, content)).status_code == 204
    viewer = Client(client.http, await new_member(db, Role.VIEWER))
    for table in (Membership, ApiKey):
        mine = table.user_id == viewer.member.actor.user_id
        await change(update(table).where(mine).values(team_id=team_id))
    assert await viewer.refused(ticket["ticket"]) == ("FORBIDDEN", None)
    await change(delete(Membership).where(own))
    assert problem(await client.put(ticket, content))[:2] == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("ended", "refusal"),
    [
        (update(ApiKey).values(revoked_at=func.now()), (404, "NOT_FOUND")),
        (delete(Membership), (404, "NOT_FOUND")),
        (update(Membership).values(role=Role.VIEWER), (403, "FORBIDDEN")),
    ],
)
async def test_access_that_ends_while_the_bytes_come_has_ended(
    client: Client, app: Starlette, db: Database, files: Any, ended: Any, refusal: Any
) -> None:
    content = picture(12)
    ticket = await client.request(content)

    async def slowly() -> AsyncIterator[bytes]:
        yield content[:-1]
        async with db.transaction() as session:
            await session.execute(ended.where(ended.table.c.user_id == client.member.actor.user_id))
        yield content[-1:]

    # Without a network between: the server asks for the last byte when it has the others.
    async with client_on(app) as http:
        sent = await replace(client, http=http).put(ticket, slowly())

    assert problem(sent)[:2] == refusal
    assert files() == []


async def test_a_ticket_ends_with_all_it_left(
    client: Client, db: Database, resources: Resources
) -> None:
    content = picture(12)
    ticket = await client.request(content)
    await client.put(ticket, content)
    (image,) = await rows(db, Image, client.member.team_id)
    (row,) = await rows(db, UploadTicket, client.member.team_id)
    assert (image.state, image.lease_until) == (ImageState.PENDING, row.expires_at)
    long_ago = datetime.now(UTC) - tickets.KEPT - timedelta(seconds=1)
    async with db.transaction() as session:
        await session.execute(
            update(UploadTicket).where(UploadTicket.id == row.id).values(expires_at=long_ago)
        )
        await session.execute(
            update(Image).where(Image.id == image.id).values(lease_until=long_ago)
        )

    assert problem(await client.put(ticket, content))[:2] == (404, "NOT_FOUND")
    assert await client.refused(ticket["ticket"]) == ("NOT_FOUND", "ticket")
    await db.worker.run(intents.expire)
    while await tickets.expire(db.worker, resources.storage):
        pass

    assert await rows(db, UploadTicket, client.member.team_id) == []
    (image,) = await rows(db, Image, client.member.team_id)
    assert image.state is ImageState.DELETED


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"filename": " "}, "BAD_USER_INPUT", "input.filename"),
        ({"sizeBytes": 0}, "BAD_USER_INPUT", "input.sizeBytes"),
        ({"sizeBytes": -1}, "BAD_USER_INPUT", "input.sizeBytes"),
        ({"sizeBytes": 100_001}, "PAYLOAD_TOO_LARGE", "input.sizeBytes"),
        ({"sha256": "0" * 63}, "BAD_USER_INPUT", "input.sha256"),
        ({"sha256": "g" * 64}, "BAD_USER_INPUT", "input.sha256"),
        ({"sha256": "0" * 64 + "\n"}, "BAD_USER_INPUT", "input.sha256"),
        ({"weight": -1}, "BAD_USER_INPUT", "input.weight"),
        ({"tags": ["a", ""]}, "BAD_USER_INPUT", "input.tags.1"),
        ({"title": "x" * 201}, "BAD_USER_INPUT", "input.title"),
        ({"description": "x" * 10_001}, "BAD_USER_INPUT", "input.description"),
        ({"collectionId": str(UUID(int=1))}, "NOT_FOUND", "input.collectionId"),
        ({"teamId": str(UUID(int=1))}, "NOT_FOUND", "input.teamId"),
    ],
)
async def test_what_is_wrong_is_said_before_the_bytes(
    client: Client, db: Database, given: dict[str, Any], code: str, field: str | None
) -> None:
    said = {"filename": "cat.png", "sizeBytes": 10, "sha256": "0" * 64}

    (error,) = (await client.ask(REQUEST, input=said | given))["errors"]

    assert (error["extensions"]["code"], error["extensions"].get("field")) == (code, field)
    assert await rows(db, UploadTicket, client.member.team_id) == []


async def test_what_became_wrong_meanwhile_is_said_at_the_end(client: Client) -> None:
    made = await client.ask(
        'mutation($t: ID!) { createCollection(input: {teamId: $t, name: "c"}) { id } }',
        t=str(client.member.team_id),
    )
    collection_id = made["data"]["createCollection"]["id"]
    content = picture(13)
    ticket = await client.request(content, collectionId=collection_id)
    await client.put(ticket, content)
    await client.ask("mutation($i: ID!) { deleteCollection(id: $i) }", i=collection_id)

    assert await client.refused(ticket["ticket"]) == ("NOT_FOUND", "ticket")


async def test_each_step_is_recorded(client: Client, db: Database) -> None:
    content = picture(14)
    ticket = await client.request(content)
    await client.put(ticket, content[:-1])
    await client.put(ticket, content)
    image_id = UUID((await client.complete(ticket))["image"]["id"])
    (row,) = await rows(db, UploadTicket, client.member.team_id)
    unknown = await client.http.put(ticket["url"][:-1] + "_", content=content)

    events = sorted(await rows(db, AuditEvent, client.member.team_id), key=lambda one: one.seq)

    assert [(one.action, one.outcome.value, one.subject_ids) for one in events] == [
        ("image.request_upload", "ALLOWED", [row.id]),
        ("image.put", "FAILED", []),
        ("image.put", "ALLOWED", [image_id]),
        ("image.upload", "ALLOWED", [image_id]),
    ]
    assert {one.user_id for one in events} == {client.member.actor.user_id}
    async with db.transaction() as session:
        denied = await session.scalar(
            select(AuditEvent).where(AuditEvent.request_id == unknown.headers["x-request-id"])
        )
    assert denied is not None
    assert (denied.action, denied.outcome.value, denied.team_id) == ("image.put", "DENIED", None)
    assert ticket["ticket"] not in json.dumps([one.detail for one in [*events, denied]])


async def test_only_put_is_answered(client: Client) -> None:
    ticket = await client.request(picture(15))
    for method in ("GET", "POST", "DELETE", "PATCH"):
        response = await client.http.request(method, ticket["url"])
        assert (response.status_code, response.headers["allow"]) == (405, "PUT")


async def test_pages_of_named_origins_may_put(resources: Resources) -> None:
    changed = resources.settings.model_copy(update={"cors_origins": ("https://a.example",)})
    app = main.create_app(replace(resources, settings=changed))
    asked = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://pictor.test"
    ) as http:
        named = await http.options("/uploads/x", headers=asked | {"Origin": "https://a.example"})
        other = await http.options("/uploads/x", headers=asked | {"Origin": "https://b.example"})

    assert named.status_code == 200
    assert named.headers["access-control-allow-origin"] == "https://a.example"
    assert "PUT" in named.headers["access-control-allow-methods"]
    assert other.status_code == 400


async def test_a_body_of_45_mb_takes_no_memory(db: Database, resources: Resources) -> None:
    out = io.BytesIO()
    side = 3_960
    Picture.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(
        out, "PNG", compress_level=0
    )
    content = out.getvalue()
    assert len(content) > 45_000_000
    changed = resources.settings.model_copy(update={"max_upload_bytes": 50_000_000})
    app = main.create_app(replace(resources, settings=changed))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://pictor.test", timeout=60
    ) as http:
        client = Client(http, await new_member(db))
        ticket = await client.request(content)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(content), 65_536):
                yield content[start : start + 65_536]

        tracemalloc.start()
        sent = await client.put(ticket, pieces())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert sent.status_code == 204
        assert peak < 8_000_000
        assert (await client.complete(ticket))["image"]["sizeBytes"] == len(content)


async def test_a_full_gate_refuses() -> None:
    gate, one, other, third = Gate(2, wait_seconds=0.01), *(UUID(int=n) for n in range(3))

    async def refused(user_id: UUID) -> bool:
        try:
            async with gate.entered(user_id):
                return False
        except AppError as refusal:
            return refusal.code is ErrorCode.RATE_LIMITED

    async with gate.entered(one):
        assert await refused(one)
        assert not await refused(other)
        async with gate.entered(other):
            assert await refused(third)
    assert not await refused(one)


async def test_who_waits_at_the_gate_comes_in() -> None:
    gate, one = Gate(1), UUID(int=1)
    done = []

    async def enter(name: str) -> None:
        async with gate.entered(one):
            await asyncio.sleep(0)
            done.append(name)

    await asyncio.gather(*(enter(name) for name in "abc"))
    assert done == ["a", "b", "c"]


async def test_a_body_that_stops_is_refused() -> None:
    messages = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.sleep(60)

    chunks = bodies.stream(
        Request({"type": "http", "method": "PUT", "headers": []}, receive), patience_seconds=0.01
    )
    assert await anext(chunks) == b"x"
    with pytest.raises(Refusal) as refusal:
        await anext(chunks)
    assert refusal.value.status == 408


# ───────────────────────────── straight to the bucket ─────────────────────────────


@pytest.fixture
async def bucket(s3_server: S3Server, tmp_path: Path) -> AsyncIterator[Storage]:
    storage = storage_from_url(s3_server.url(), tmp_path, clients_endpoint=s3_server.endpoint + "/")
    yield storage
    await storage.close()


@pytest.fixture
async def direct(db: Database, resources: Resources, bucket: Storage) -> AsyncIterator[Client]:
    """A client of a server whose clients send their bytes to the bucket."""
    app = main.create_app(replace(resources, storage=bucket))
    transport = {"http://pictor.test": httpx.ASGITransport(app)}
    async with httpx.AsyncClient(mounts=transport, base_url="http://pictor.test") as http:
        yield Client(http, await new_member(db))


async def keys(storage: Storage, prefix: str) -> list[str]:
    return [one.key async for one in storage.list(prefix)]


async def test_straight_to_the_bucket(
    direct: Client, bucket: Storage, s3_server: S3Server, files: Any
) -> None:
    content, team = picture(20), direct.member.team_id
    ticket = await direct.request(content, tags=["a"])
    assert ticket["url"].startswith(f"{s3_server.endpoint}/{BUCKET}/incoming/{team}/")
    assert await direct.refused(ticket["ticket"]) == ("CONFLICT", "ticket")

    assert (await direct.put(ticket, content)).status_code == 200
    first, second = await asyncio.gather(direct.complete(ticket), direct.complete(ticket))

    assert first == second
    assert (first["created"], first["image"]["tags"]) == (True, [{"name": "a"}])
    assert await keys(bucket, f"incoming/{team}/") == []
    assert len(await keys(bucket, f"t/{team}/")) == 1
    assert files() == []
    assert await direct.complete(ticket) == first


async def test_the_bucket_takes_nothing_else(direct: Client, bucket: Storage) -> None:
    content, team = picture(21), direct.member.team_id
    ticket = await direct.request(content)
    right = {one["name"]: one["value"] for one in ticket["headers"]}
    key = urlsplit(ticket["url"]).path.removeprefix(f"/{BUCKET}/")
    async with httpx.AsyncClient() as plain:
        longer = await plain.put(ticket["url"], content=content + b"x", headers={"Content-Type": right["Content-Type"]})  # fmt: skip
        page = await plain.put(
            ticket["url"], content=content, headers={"Content-Type": "text/html"}
        )
        copied = await plain.put(
            ticket["url"], content=content, headers=right | {"x-amz-copy-source": f"/{BUCKET}/t/x"}
        )
        moved = await plain.put(
            ticket["url"].replace(key, f"t/{team}/x"), content=content, headers=right
        )
        read = await plain.get(ticket["url"])
    assert {one.status_code for one in (longer, page, copied, moved, read)} == {403}
    assert await keys(bucket, f"incoming/{team}/") == []
    assert await keys(bucket, f"t/{team}/") == []


async def test_other_bytes_in_the_bucket_are_refused(
    direct: Client, bucket: Storage, db: Database, files: Any
) -> None:
    content = picture(22)
    ticket = await direct.request(content)
    await direct.put(ticket, content[:-1] + bytes([content[-1] ^ 1]))

    (error,) = (await direct.ask(COMPLETE, ticket=ticket["ticket"]))["errors"]

    assert error["extensions"]["reason"] == "CHECKSUM_MISMATCH"
    assert error["extensions"]["field"] == "ticket"
    assert files() == []
    assert await rows(db, Image, direct.member.team_id) == []
    await direct.put(ticket, content)
    assert (await direct.complete(ticket))["created"] is True


async def test_what_was_never_completed_leaves_the_bucket(
    direct: Client, bucket: Storage, db: Database
) -> None:
    content, team = picture(23), direct.member.team_id
    await direct.put(await direct.request(content), content)
    assert len(await keys(bucket, f"incoming/{team}/")) == 1
    async with db.transaction() as session:
        await session.execute(
            update(UploadTicket)
            .where(UploadTicket.team_id == team)
            .values(expires_at=func.now() - tickets.KEPT - timedelta(seconds=1))
        )

    while await tickets.expire(db.worker, bucket):
        pass

    assert await keys(bucket, f"incoming/{team}/") == []
    assert await rows(db, UploadTicket, team) == []


async def test_a_disk_that_takes_nothing_is_unavailable(
    direct: Client, settings: Settings, files: Any
) -> None:
    content = picture(24)
    ticket = await direct.request(content)
    await direct.put(ticket, content)
    if settings.tmp_dir.exists():
        settings.tmp_dir.rmdir()
    settings.tmp_dir.write_bytes(b"not a folder")

    assert await direct.refused(ticket["ticket"]) == ("UNAVAILABLE", None)
    settings.tmp_dir.unlink()
    assert (await direct.complete(ticket))["created"] is True


async def test_who_completes_much_at_once_shuts_nobody_out(direct: Client, db: Database) -> None:
    other = Client(direct.http, await new_member(db))
    done: list[Client] = []

    async def complete(who: Client, ticket: dict[str, Any]) -> None:
        await who.complete(ticket)
        done.append(who)

    async def brought(who: Client, seed: int) -> dict[str, Any]:
        content = picture(seed, side=100)
        ticket = await who.request(content)
        await who.put(ticket, content)
        return ticket

    many = [await brought(direct, seed) for seed in range(300, 316)]
    one = await brought(other, 316)
    await asyncio.gather(*(complete(direct, ticket) for ticket in many), complete(other, one))

    assert done.index(other) < len(many) / 2
