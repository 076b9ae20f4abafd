"""The audit log as its readers see it: who may, what it shows, and how it is paged."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.db.models import Membership
from app.domain import Actor, AuditOutcome, Role
from app.graphql.schema import build_schema
from app.graphql.trail import ACTIONS
from app.services.auditing import audit
from app.services.auditing.audit import Event, Origin
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client

SCHEMA = build_schema()._schema
PAGE = """query($team: ID, $user: ID, $action: String, $outcome: AuditOutcome, $at: DateTimeRange,
               $first: Int, $after: String) {
  auditEvents(teamId: $team, userId: $user, action: $action, outcome: $outcome, at: $at,
              first: $first, after: $after) {
    nodes { id at action outcome subjectId subjectIds requestId clientIp clientName detail
            user { id } team { id } apiKey { id } subject { __typename id } }
    pageInfo { hasNextPage endCursor } totalCount } }"""


async def record(db: Database, team_id: UUID | None, *actions: str, **facts: Any) -> None:
    said = [
        Event(
            action,
            facts.get("outcome", AuditOutcome.ALLOWED),
            Origin("r-1", "192.0.2.1", "tests"),
            team_id=team_id,
            user_id=facts.get("user_id"),
            subject_ids=facts.get("subject_ids", ()),
            detail=facts.get("detail", {"field": "image"}),
        )
        for action in actions
    ]
    await db.run(lambda session: audit.append(session, b"test", said))


async def actions(client: Client, actor: Actor, **variables: Any) -> list[str]:
    page = (await client.get(actor, PAGE, **variables))["auditEvents"]
    assert page["totalCount"] == len(page["nodes"])
    return [node["action"] for node in page["nodes"]]


def test_every_root_field_has_an_action() -> None:
    assert SCHEMA.query_type is not None
    assert SCHEMA.mutation_type is not None
    fields = {*SCHEMA.query_type.fields, *SCHEMA.mutation_type.fields}
    assert fields - set(ACTIONS) == set()
    assert max(map(len, ACTIONS.values())) <= 64


async def test_event_shows_everything(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_id = await make.image(db, team_id)
    await record(db, team_id, "image.read", user_id=actor.user_id, subject_ids=(image_id,))

    (event,) = (await client.get(actor, PAGE))["auditEvents"]["nodes"]

    at = datetime.fromisoformat(event.pop("at"))
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)
    again = await client.get(actor, "query($id: ID!) { node(id: $id) { id } }", id=event["id"])
    assert again == {"node": {"id": event.pop("id")}}
    assert event == {
        "action": "image.read",
        "outcome": "ALLOWED",
        "subjectId": str(image_id),
        "subjectIds": [str(image_id)],
        "requestId": "r-1",
        "clientIp": "192.0.2.1",
        "clientName": "tests",
        "detail": '{"field":"image"}',
        "user": {"id": str(actor.user_id)},
        "team": {"id": str(team_id)},
        "apiKey": None,
        "subject": {"__typename": "Image", "id": str(image_id)},
    }


async def test_pages_go_back_in_time(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await record(db, actor.team_ids[0], *(f"a.{number}" for number in range(7)))

    seen: list[str] = []
    after = None
    while True:
        page = (await client.get(actor, PAGE, first=3, after=after))["auditEvents"]
        seen += [node["action"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert seen == [f"a.{number}" for number in reversed(range(7))]


async def test_filters(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await record(db, team_id, "image.read", user_id=actor.user_id)
    await record(db, team_id, "image.draw", outcome=AuditOutcome.DENIED)

    assert await actions(client, actor, team=str(team_id)) == ["image.draw", "image.read"]
    assert await actions(client, actor, user=str(actor.user_id)) == ["image.read"]
    assert await actions(client, actor, action="image.draw") == ["image.draw"]
    assert await actions(client, actor, outcome="DENIED") == ["image.draw"]
    assert await actions(client, actor, outcome="FAILED") == []
    hour = timedelta(hours=1)
    past, future = ((datetime.now(UTC) + one).isoformat() for one in (-hour, hour))
    assert await actions(client, actor, at={"from": past, "to": future}) == [
        "image.draw",
        "image.read",
    ]
    assert await actions(client, actor, at={"from": future}) == []
    assert await actions(client, actor, at={"to": past}) == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
async def test_only_admins_read_it(client: Client, db: Database, role: Role) -> None:
    member = await make.actor(db, role=role)
    (team_id,) = member.team_ids
    image_id = await make.image(db, team_id)
    await record(db, team_id, "image.read", subject_ids=(image_id,))

    assert await client.code(member, "{ auditEvents { totalCount } }") == ("FORBIDDEN", None)
    assert await client.code(member, PAGE, team=str(team_id)) == ("FORBIDDEN", None)
    data = await client.get(
        member, "query($id: ID!) { image(id: $id) { history { totalCount } } }", id=str(image_id)
    )
    assert data == {"image": {"history": None}}


async def test_admin_of_one_team_is_not_admin_of_another(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    other = await make.team(db)
    both = Actor(actor.user_id, {**actor.roles, other: Role.VIEWER})
    await record(db, actor.team_ids[0], "image.read")
    await record(db, other, "image.draw")

    assert await actions(client, both) == ["image.read"]
    assert await client.code(both, PAGE, team=str(other)) == ("FORBIDDEN", None)
    assert await actions(client, both, team=str(uuid4())) == []


async def test_operator_reads_the_installation_s(client: Client, db: Database) -> None:
    operator = Actor(await make.user(db), {}, is_operator=True)
    action = f"test.{uuid4().hex[:8]}"
    team_id = await make.team(db)
    await record(db, None, action)
    await record(db, team_id, action)

    (event,) = (await client.get(operator, PAGE, action=action))["auditEvents"]["nodes"]

    assert event["team"] is None
    assert await actions(client, operator, team=str(team_id)) == []


async def test_history_has_what_happened_to_one_of_many(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_id, other = [await make.image(db, team_id) for _ in range(2)]
    await client.get(
        actor,
        """mutation($id: ID!, $ids: [ID!]!, $team: ID!) {
          createCollection(input: {teamId: $team, name: "Sea"}) { id }
          addTags(imageIds: $ids, tags: ["sea"]) { id }
          updateImage(input: {id: $id, title: "New"}) { id } }""",
        id=str(image_id),
        ids=[str(other), str(image_id)],
        team=str(team_id),
    )
    query = (
        "query($id: ID!) { image(id: $id) { history { totalCount nodes { action subjectId } } } }"
    )

    data = await client.get(actor, query, id=str(image_id))

    assert data["image"]["history"]["nodes"] == [
        {"action": "image.update", "subjectId": str(image_id)},
        {"action": "image.tag", "subjectId": None},
    ]
    collection = (await client.get(actor, "{ collections { nodes { id } } }"))["collections"]
    await client.get(
        actor,
        "mutation($to: ID!, $ids: [ID!]!) { addToCollection(collectionId: $to, imageIds: $ids) { id } }",
        to=collection["nodes"][0]["id"],
        ids=[str(other)],
    )
    data = await client.get(actor, query, id=str(other))
    assert [one["action"] for one in data["image"]["history"]["nodes"]] == [
        "collection.add",
        "image.tag",
    ]


async def test_each_team_of_an_account_is_told_of_its_end(client: Client, db: Database) -> None:
    first, second = await make.actor(db), await make.actor(db)
    operator = replace(await make.actor(db), is_operator=True)
    gone = await make.user(db)
    async with db.transaction() as session:
        its = [
            Membership(team_id=one.team_ids[0], user_id=gone, role=Role.ADMIN)
            for one in (first, second)
        ]
        session.add_all(its)

    await client.get(operator, "mutation($id: ID!) { deleteUser(id: $id) }", id=str(gone))

    asked = '{ auditEvents(action: "user.delete") { nodes { subjectIds user { id } } } }'
    for admin, membership in zip((first, second), its, strict=True):
        (event,) = (await client.get(admin, asked))["auditEvents"]["nodes"]
        assert event["subjectIds"] == [str(membership.id), str(gone)]


async def test_what_is_gone_is_still_named(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    query = 'mutation($team: ID!) { createTag(teamId: $team, name: "sea") { id } }'
    tag_id = (await client.get(actor, query, team=str(team_id)))["createTag"]["id"]
    await client.get(actor, "mutation($id: ID!) { deleteTag(id: $id) }", id=tag_id)

    deleted, created = (await client.get(actor, PAGE))["auditEvents"]["nodes"]

    for one, action in ((deleted, "tag.delete"), (created, "tag.create")):
        assert (one["action"], one["subjectId"], one["subject"]) == (action, tag_id, None)
        assert one["team"] == {"id": str(team_id)}


@pytest.mark.parametrize("milliseconds", [0, 253402300799998, 253402300799999, 2**48 - 1])
async def test_an_id_at_the_end_of_the_calendar_is_nobody_s(
    client: Client, db: Database, milliseconds: int
) -> None:
    """The id of an event says when it was. Who asks for one of the last millisecond spoils no list for the ADMIN either."""
    admin = await make.actor(db)
    id = str(UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62))

    asked = await client.get(admin, "query($id: ID!) { node(id: $id) { id } }", id=id)
    await record(db, admin.team_ids[0], "image.read", subject_ids=(UUID(id),))
    listed = await client.get(admin, "{ auditEvents { nodes { subjectId subject { id } } } }")

    assert asked == {"node": None}
    assert {"subjectId": id, "subject": None} in listed["auditEvents"]["nodes"]


async def test_change_that_fails_leaves_no_event_of_success(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    query = 'mutation($id: ID!) { updateImage(input: {id: $id, title: "New"}) { id } }'

    assert await client.code(actor, query, id=str(uuid4())) == ("NOT_FOUND", "input.id")

    assert await actions(client, actor) == []


async def test_change_over_two_teams_is_told_to_both(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    second = await make.team(db)
    both = Actor(actor.user_id, {**actor.roles, second: Role.ADMIN})
    images = {team: await make.image(db, team) for team in both.team_ids}
    await client.get(
        both,
        "mutation($ids: [ID!]!) { deleteImages(ids: $ids) }",
        ids=[str(one) for one in images.values()],
    )

    for team, image_id in images.items():
        (event,) = (await client.get(both, PAGE, team=str(team)))["auditEvents"]["nodes"]
        assert (event["action"], event["subjectIds"]) == ("image.delete", [str(image_id)])
        assert json.loads(event["detail"]) == {"field": "deleteImages", "count": 1}
