"""Every access is recorded before it is answered: the whole application, over HTTP."""

import io
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from PIL import Image as Picture
from sqlalchemy import select
from starlette.requests import HTTPConnection

from app import main
from app.db.models import AuditEvent
from app.domain import Role
from app.errors import unavailable
from app.resources import Resources
from app.services.people import addresses, api_keys
from app.services.people.addresses import Variant
from app.web.audit import client_ip, client_name
from tests import make
from tests.database import Database
from tests.web.conftest import BASE, Member, new_member, stored_image

PICTURE = b"not decoded by anyone"


@pytest.fixture
async def client(resources: Resources) -> AsyncIterator[httpx.AsyncClient]:
    settings = resources.settings.model_copy(update={"operation_timeout_seconds": 60})
    app = main.create_app(replace(resources, settings=settings))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=("192.0.2.7", 4711)), base_url=BASE
        ) as client,
    ):
        yield client


async def ask(
    client: httpx.AsyncClient, member: Member | None, query: str, **variables: Any
) -> dict[str, Any]:
    headers = member.headers if member else {}
    body = {"query": query, "variables": variables}
    answer: dict[str, Any] = (await client.post("/graphql", json=body, headers=headers)).json()
    return answer


async def events(db: Database, **columns: Any) -> list[AuditEvent]:
    async with db.transaction() as session:
        rows = await session.scalars(
            select(AuditEvent).filter_by(**columns).order_by(AuditEvent.at)
        )
        return list(rows)


def told(event: AuditEvent) -> tuple[str, str, list[UUID], Any]:
    return event.action, event.outcome, event.subject_ids, json.loads(event.detail)


async def test_read_says_who_what_when_and_from_where(
    client: httpx.AsyncClient, db: Database, member: Member
) -> None:
    image_id = await make.image(db, member.team_id)
    request_id = f"r-{secrets.token_hex(8)}"

    response = await client.post(
        "/graphql",
        json={
            "query": "query($id: ID!) { image(id: $id) { title } }",
            "variables": {"id": str(image_id)},
        },
        headers=member.headers
        | {"X-Request-Id": request_id, "apollographql-client-name": "gallery"},
    )

    assert response.json()["data"]["image"]["title"] == "A picture"
    (event,) = await events(db, request_id=request_id, team_id=member.team_id)
    assert told(event) == ("image.read", "ALLOWED", [image_id], {"field": "image"})
    async with db.transaction() as session:
        key_id, team_id = await api_keys.named(session, member.key) or (None, None)
    assert (event.team_id, event.user_id, event.api_key_id) == (
        team_id,
        member.actor.user_id,
        key_id,
    )
    assert (event.client_ip, event.client_name) == ("192.0.2.7", "gallery")


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("Fotoübersicht 日本".encode(), "Fotoübersicht 日本"),
        ("Fotoübersicht".encode("latin-1"), "Fotoübersicht"),
        (b"a\tb", "ab"),
        ("ü".encode() * 200, "ü" * 100),
    ],
)
def test_a_client_s_name_is_read_as_it_was_written(sent: bytes, told: str) -> None:
    connection = HTTPConnection({"type": "http", "headers": [(b"x-client-name", sent)]})
    assert client_name(connection) == told


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("fe80::7%eth0", "fe80::7"),
        ("nowhere", None),
    ],
)
def test_an_address_is_recorded_in_one_form(peer: str, told: str | None) -> None:
    asked = HTTPConnection({"type": "http", "headers": [], "client": (peer, 1)})
    assert client_ip(asked) == told


async def test_list_names_every_row_at_every_depth(
    client: httpx.AsyncClient, db: Database, member: Member
) -> None:
    shown = [await make.image(db, member.team_id, tags=("word",)) for _ in range(3)]

    await ask(
        client, member, '{ images { nodes { id } } empty: tags(search: "none") { totalCount } }'
    )
    await ask(client, member, '{ tag(name: "word") { images(first: 2) { nodes { id } } } }')

    first, second, tag, nested = await events(db, team_id=member.team_id)
    listed, empty = sorted((first, second), key=lambda one: one.action)
    assert (listed.action, set(listed.subject_ids)) == ("image.list", set(shown))
    assert json.loads(listed.detail) == {"field": "images", "count": 3}
    assert told(empty) == ("tag.list", "ALLOWED", [], {"field": "tags", "count": 0})
    assert tag.action == "tag.read"
    assert (nested.action, set(nested.subject_ids)) == ("image.list", set(shown[1:]))


async def test_change_is_recorded_with_it(
    client: httpx.AsyncClient, db: Database, member: Member
) -> None:
    first, second = [await make.image(db, member.team_id) for _ in range(2)]
    await ask(
        client,
        member,
        """mutation($id: ID!, $ids: [ID!]!) {
          addTags(imageIds: $ids, tags: ["sea"]) { id }
          updateImage(input: {id: $id, title: "New"}) { id }
          trashImages(ids: $ids) { id }
          deleteImages(ids: [$id])
        }""",
        id=str(first),
        ids=[str(first), str(second)],
    )

    found = await events(db, team_id=member.team_id)
    both = [first, second]
    assert [told(one)[:3] for one in found] == [
        ("image.tag", "ALLOWED", both),
        ("image.update", "ALLOWED", [first]),
        ("image.trash", "ALLOWED", both),
        ("image.delete", "ALLOWED", [first]),
    ]


async def test_upload_is_recorded_where_it_becomes_visible(
    client: httpx.AsyncClient, db: Database, member: Member
) -> None:
    out = io.BytesIO()
    Picture.new("RGB", (64, 48), (200, 80, 40)).save(out, "PNG")
    query = (
        "mutation ($file: Upload!) { uploadImage(input: {file: $file}) { created image { id } } }"
    )
    for _ in range(2):
        response = await client.post(
            "/graphql",
            data={
                "operations": json.dumps({"query": query, "variables": {"file": None}}),
                "map": '{"0": ["variables.file"]}',
            },
            files={"0": ("sun.png", out.getvalue(), "image/png")},
            headers=member.headers | {"GraphQL-Require-Preflight": "1"},
        )
    image_id = UUID(response.json()["data"]["uploadImage"]["image"]["id"])

    found = await events(db, team_id=member.team_id)
    assert [told(one)[:3] for one in found] == [("image.upload", "ALLOWED", [image_id])] * 2


async def test_refused_and_failed_calls_are_recorded(
    client: httpx.AsyncClient, db: Database
) -> None:
    viewer = await new_member(db, Role.VIEWER)
    image_id = await make.image(db, viewer.team_id)

    await ask(
        client,
        viewer,
        "mutation($ids: [ID!]!) { trashImages(ids: $ids) { id } }",
        ids=[str(image_id)],
    )
    await ask(client, viewer, "{ images(first: 0) { nodes { id } } }")

    denied, failed = await events(db, team_id=viewer.team_id)
    assert told(denied) == (
        "image.trash", "DENIED", [image_id], {"field": "trashImages", "code": "FORBIDDEN"},
    )  # fmt: skip
    assert told(failed) == (
        "image.list", "FAILED", [], {"field": "images", "code": "BAD_USER_INPUT"},
    )  # fmt: skip


async def test_owner_is_told_of_a_stranger(
    client: httpx.AsyncClient, db: Database, member: Member
) -> None:
    stranger = await new_member(db)
    image_id = await make.image(db, member.team_id)
    never = uuid4()

    for one in (image_id, never):
        await ask(client, stranger, "query($id: ID!) { image(id: $id) { id } }", id=str(one))
    await ask(
        client, stranger, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        ids=[str(stranger.team_id), str(image_id)],
    )  # fmt: skip

    theirs = await events(db, team_id=member.team_id)
    assert [(one.action, one.user_id, one.outcome, one.subject_ids) for one in theirs] == [
        ("image.read", stranger.actor.user_id, "DENIED", [image_id]),
        ("node.list", stranger.actor.user_id, "DENIED", [image_id]),
    ]
    own = await events(db, team_id=stranger.team_id)
    assert [(one.action, one.outcome, one.subject_ids) for one in own] == [
        ("image.read", "DENIED", [image_id]),
        ("image.read", "DENIED", [never]),
        ("node.list", "DENIED", [image_id]),
        ("node.list", "ALLOWED", [stranger.team_id]),
    ]


async def test_nobody_known_is_recorded_with_the_installation(
    client: httpx.AsyncClient, db: Database
) -> None:
    request_id = f"r-{secrets.token_hex(8)}"
    await client.post(
        "/graphql",
        json={"query": "{ a: images { totalCount } viewer { isOperator } }"},
        headers={"X-Request-Id": request_id},
    )
    await client.get("/random", headers={"X-Request-Id": request_id})

    graphql, draw = await events(db, request_id=request_id)
    assert told(graphql) == ("auth.denied", "DENIED", [], {"fields": ["images", "viewer"]})
    assert told(draw) == ("auth.denied", "DENIED", [], {"path": "random"})
    assert (graphql.team_id, graphql.user_id, draw.team_id) == (None, None, None)


async def test_team_is_told_of_its_key_that_no_longer_counts(
    client: httpx.AsyncClient, db: Database, member: Member
) -> None:
    async with db.transaction() as session:
        key_id, _ = await api_keys.named(session, member.key) or (uuid4(), None)
        await api_keys.revoke(session, member.actor, key_id)

    answer = await ask(client, member, "{ images { totalCount } }")

    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    (event,) = await events(db, team_id=member.team_id)
    assert told(event) == ("auth.denied", "DENIED", [], {"path": "graphql"})
    assert (event.user_id, event.api_key_id) == (None, key_id)


async def test_downloads_and_draws_are_reads(
    client: httpx.AsyncClient, db: Database, resources: Resources, member: Member
) -> None:
    image_id = await stored_image(resources, member.team_id, PICTURE)
    async with db.transaction() as session:
        actor = await api_keys.authenticate(session, member.key)
    assert actor is not None

    good, late = (
        addresses.sign(
            resources.settings.signing_key,
            image_id=image_id,
            variant=Variant.ORIGINAL,
            actor=actor,
            expires_in=60,
            now=now,
        )
        for now in (time.time(), time.time() - 7200)
    )
    assert (await client.get(good)).content == PICTURE
    assert (await client.get(late)).status_code == 403
    forged = f"/images/{image_id}/original?token=abc"
    request_id = f"r-{secrets.token_hex(8)}"
    assert (await client.get(forged, headers={"X-Request-Id": request_id})).status_code == 404
    assert (await client.get("/random", headers=member.headers)).content == PICTURE

    read, refused, draw = await events(db, team_id=member.team_id)
    assert told(read) == ("image.download", "ALLOWED", [image_id], {"variant": "original"})
    assert told(refused) == (
        "image.download", "DENIED", [image_id], {"variant": "original", "code": "FORBIDDEN"},
    )  # fmt: skip
    assert told(draw)[:3] == ("image.draw", "ALLOWED", [image_id])
    for one in (read, refused, draw):
        assert (one.user_id, one.api_key_id) == (actor.user_id, actor.api_key_id)
    (guess,) = await events(db, request_id=request_id)
    assert (guess.team_id, guess.user_id, guess.outcome) == (None, None, "DENIED")


async def test_nothing_is_answered_that_cannot_be_recorded(
    resources: Resources, member: Member, db: Database
) -> None:
    await make.image(db, member.team_id, title="Unseen")
    app = main.create_app(resources)

    class Closed:
        """A recorder whose disk is full."""

        async def record(self, events: list[Any]) -> None:
            if events:
                raise unavailable("The disk is full.")

    resources.__dict__["audit"] = Closed()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        response = await client.post(
            "/graphql", json={"query": "{ images { nodes { title } } }"}, headers=member.headers
        )
        drawn = await client.get("/random", headers=member.headers)

    assert response.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert "Unseen" not in response.text
    assert drawn.status_code == 503


async def test_secrets_and_texts_stay_out(
    client: httpx.AsyncClient, db: Database, member: Member
) -> None:
    canary = f"canary{secrets.token_hex(6)}"
    image_id = await make.image(db, member.team_id, title=canary, tags=(canary,))
    await ask(
        client,
        member,
        f"""mutation Up($id: ID!) {{ updateImage(input: {{id: $id, title: "{canary}"}}) {{ id }}
          addTags(imageIds: [$id], tags: ["{canary} 2"]) {{ id }}
          createApiKey(input: {{teamId: "{member.team_id}", name: "{canary}"}}) {{ key }} }}""",
        id=str(image_id),
    )
    await ask(
        client,
        member,
        f'{{ {canary}: images(filter: {{text: "{canary}"}}) {{ nodes {{ title }} }} }}',
    )
    await client.get(f"/random?label={canary}", headers=member.headers)
    await client.get("/random", headers={"X-API-Key": canary})

    found = await events(db, team_id=member.team_id) + await events(db, team_id=None)
    assert len(found) >= 5
    written = " ".join(str(vars(one)) for one in found)
    assert canary not in written
    assert member.key.rpartition("_")[2] not in written
