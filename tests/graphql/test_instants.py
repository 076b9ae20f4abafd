"""Times at the very ends of the calendar, which the driver stores as infinities: Go's zero time is one of them."""

import pytest
from graphql import SourceLocation, parse, validate

from app.domain import Actor
from app.graphql.schema import Schema
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client

FIRST, LAST = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"
UPDATE = (
    "mutation ($id: ID!, $at: DateTime) { updateImage(input: {id: $id, takenAt: $at}) { takenAt } }"
)
LIST = """query ($after: String) {
    images(first: 1, after: $after, orderBy: {field: TAKEN_AT, direction: ASC}) {
        edges { cursor node { id takenAt } } } }"""
KEY = """mutation ($team: ID!, $at: DateTime) {
    createApiKey(input: {teamId: $team, name: "key", expiresAt: $at}) { apiKey { id expiresAt } } }"""
TIMELINE = """query ($zone: String!, $by: TimelineUnit!) {
    imageTimeline(timeZone: $zone, by: $by, field: TAKEN_AT) { label start end count } }"""
TAKEN = "query ($span: DateTimeRange!) { images(filter: {takenAt: $span}) { nodes { id } } }"
KEYS = "query ($team: ID!) { team(id: $team) { apiKeys { nodes { expiresAt } } } }"


@pytest.fixture
async def actor(db: Database) -> Actor:
    return await make.actor(db)


@pytest.mark.parametrize("at", [FIRST, LAST])
async def test_a_picture_of_then_is_read_again(
    client: Client, db: Database, actor: Actor, at: str
) -> None:
    image_id = await make.image(db, actor.team_ids[0])
    changed = await client.get(actor, UPDATE, id=str(image_id), at=at)
    assert changed == {"updateImage": {"takenAt": at}}
    read = await client.get(
        actor, "query ($id: ID!) { image(id: $id) { takenAt } }", id=str(image_id)
    )
    assert read == {"image": {"takenAt": at}}


async def test_a_cursor_stands_behind_them(client: Client, db: Database, actor: Actor) -> None:
    for at in (LAST, FIRST):
        image_id = await make.image(db, actor.team_ids[0])
        await client.get(actor, UPDATE, id=str(image_id), at=at)
    found, after = [], None
    for _ in range(2):
        (edge,) = (await client.get(actor, LIST, after=after))["images"]["edges"]
        after = edge["cursor"]
        found.append(edge["node"]["takenAt"])
    assert found == [FIRST, LAST]
    assert (await client.get(actor, LIST, after=after))["images"]["edges"] == []


async def test_a_key_until_then_is_listed(client: Client, actor: Actor) -> None:
    team = str(actor.team_ids[0])
    await client.get(actor, KEY, team=team, at=LAST)
    read = await client.get(actor, KEYS, team=team)
    assert read["team"]["apiKeys"]["nodes"] == [{"expiresAt": LAST}]


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+12", "Pacific/Kiritimati"])
async def test_they_are_in_a_timeline(
    client: Client, db: Database, actor: Actor, zone: str
) -> None:
    for at in (FIRST, LAST, None):
        image_id = await make.image(db, actor.team_ids[0])
        await client.get(actor, UPDATE, id=str(image_id), at=at)
    for by in ("DAY", "MONTH", "YEAR"):
        read = await client.get(actor, TIMELINE, zone=zone, by=by)
        assert [one["count"] for one in read["imageTimeline"]] == [1, 1]


async def test_the_last_span_finds_what_it_counts(
    client: Client, db: Database, actor: Actor
) -> None:
    image_id = str(await make.image(db, actor.team_ids[0]))
    await client.get(actor, UPDATE, id=image_id, at="9999-12-31T23:59:59.999998Z")
    for by in ("DAY", "MONTH", "YEAR"):
        read = await client.get(actor, TIMELINE, zone="UTC", by=by)
        (bucket,) = read["imageTimeline"]
        assert (bucket["end"], bucket["count"]) == (LAST, 1)
        span = {"from": bucket["start"], "to": bucket["end"]}
        read = await client.get(actor, TAKEN, span=span)
        assert read["images"]["nodes"] == [{"id": image_id}]


async def test_from_the_first_on_is_what_has_a_date(
    client: Client, db: Database, actor: Actor
) -> None:
    ids = [str(await make.image(db, actor.team_ids[0])) for _ in range(3)]
    for image_id, at in zip(ids, (FIRST, "2026-03-01T00:00:00Z", None), strict=True):
        await client.get(actor, UPDATE, id=image_id, at=at)
    for span in ({}, {"from": FIRST}, {"from": FIRST, "to": LAST}, {"to": LAST}):
        read = await client.get(actor, TAKEN, span=span)
        assert {one["id"] for one in read["images"]["nodes"]} == set(ids[:2])


@pytest.mark.parametrize(
    "literal",
    [
        '"2026-03-01"',
        '"2026-03-01T00:00:00"',
        '"2026-W10-7T00:00:00Z"',
        '"2026W107T000000Z"',
        '"2026-060T00:00:00Z"',
        '"20260301T000000Z"',
        '"2026-03-01x00:00:00Z"',
        '"2026-03-01T00Z"',
        '"2026-03-01T24:01:00Z"',
        '"2026-02-29T00:00:00Z"',
        '"٢٠٢٦-03-01T00:00:00Z"',
        '"2026-03-01T00:00:00Z "',
        "20260301",
        "NOW",
        "[]",
    ],
)
def test_a_wrong_literal_is_shown_where_it_stands(schema: Schema, literal: str) -> None:
    before = "{ images(filter: {takenAt: {from: "
    document = parse(f"{before}{literal}}}}}) {{ totalCount }} }}")
    (error,) = validate(schema._schema, document)
    assert error.message.startswith("A DateTime is an ISO 8601 instant")
    assert error.locations == [SourceLocation(1, len(before) + 1)]


async def test_a_right_literal_is_an_instant(client: Client, db: Database, actor: Actor) -> None:
    image_id = await make.image(db, actor.team_ids[0])
    for at in (
        "T00:00:00+01:00",
        "T02:30+0130",
        "T02:00:00.000000000+01",
        " 01:00:00Z",
        "T00:00:00-01:00",
        "t01:00:00z",
    ):
        change = f'{{id: "{image_id}", takenAt: "2026-03-01{at}"}}'
        read = await client.get(actor, f"mutation {{ updateImage(input: {change}) {{ takenAt }} }}")
    assert read == {"updateImage": {"takenAt": "2026-03-01T01:00:00Z"}}
