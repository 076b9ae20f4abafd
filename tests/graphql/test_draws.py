"""Draws as clients ask for them: seeds, pages of a seeded order, recency, and what is refused."""

from typing import Any

import pytest

from app.domain import Actor
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client

SHUFFLED = """
query($seed: String!, $filter: ImageFilter, $recency: Recency, $first: Int, $after: String) {
  shuffledImages(seed: $seed, filter: $filter, recency: $recency, first: $first, after: $after) {
    totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}
"""
RANDOM = """
query($seed: String, $filter: ImageFilter, $recency: Recency, $count: Int! = 3) {
  randomImages(seed: $seed, filter: $filter, recency: $recency, count: $count) { id }
}
"""
ONE = (
    "query($seed: String, $recency: Recency) { randomImage(seed: $seed, recency: $recency) { id } }"
)


async def walk(client: Client, actor: Actor, **variables: Any) -> list[str]:
    seen: list[str] = []
    after = None
    while True:
        data = await client.get(actor, SHUFFLED, after=after, **variables)
        page = data["shuffledImages"]
        seen += [one["id"] for one in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            assert page["totalCount"] == len(seen)
            return seen
        after = page["pageInfo"]["endCursor"]


async def test_a_seeded_draw_is_the_start_of_its_order(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    ids = [str(await make.image(db, actor.team_ids[0], tags=("sea",))) for _ in range(7)]
    await make.image(db, actor.team_ids[0], weight=0)
    for more in ({}, {"recency": {"halfLifeDays": 2.5}}, {"filter": {"tags": {"all": ["SEA"]}}}):
        order = await walk(client, actor, seed="monday", first=3, **more)
        assert sorted(order) == sorted(ids)
        drawn = await client.get(actor, RANDOM, seed="monday", **more)
        assert [one["id"] for one in drawn["randomImages"]] == order[:3]
    one = await client.get(actor, ONE, seed="monday")
    assert one["randomImage"]["id"] == (await walk(client, actor, seed="monday"))[0]


async def test_statements(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0], tags=("sea",))
    page = SHUFFLED.replace("totalCount ", "")
    assert len(await client.statements(actor, page, seed="monday")) == 1
    assert len(await client.statements(actor, SHUFFLED, seed="monday")) == 2
    nested = page.replace("{ id }", "{ id tags { name } team { name } }")
    assert len(await client.statements(actor, nested, seed="monday")) == 3
    assert len(await client.statements(actor, RANDOM, seed="monday")) == 1
    assert len(await client.statements(actor, RANDOM, count=1)) == 1
    assert len(await client.statements(actor, RANDOM, count=1, recency={"halfLifeDays": 1})) == 1


@pytest.mark.parametrize("days", [0, -3, 1e300, 0.001])
async def test_bad_half_lives(client: Client, db: Database, days: float) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0])
    expected = ("BAD_USER_INPUT", "recency.halfLifeDays")
    recency = {"halfLifeDays": days}
    assert await client.code(actor, RANDOM, recency=recency) == expected
    assert await client.code(actor, ONE, recency=recency) == expected
    assert await client.code(actor, SHUFFLED, seed="monday", recency=recency) == expected


async def test_what_else_is_refused(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    for _ in range(3):
        await make.image(db, actor.team_ids[0])
    for seed in ("", "x" * 201):
        assert await client.code(actor, SHUFFLED, seed=seed) == ("BAD_USER_INPUT", "seed")
        assert await client.code(actor, RANDOM, seed=seed) == ("BAD_USER_INPUT", "seed")
    for first in (0, 101, -1):
        code = await client.code(actor, SHUFFLED, seed="monday", first=first)
        assert code == ("BAD_USER_INPUT", "first")
    assert await client.code(actor, RANDOM, count=101, seed="a") == ("BAD_USER_INPUT", "count")
    data = await client.get(actor, SHUFFLED, seed="monday", first=1)
    cursor = data["shuffledImages"]["pageInfo"]["endCursor"]
    for seed, after in (
        ("tuesday", cursor),
        ("monday", "x"),
        ("monday", cursor[:-4]),
        ("monday", ""),
    ):
        code = await client.code(actor, SHUFFLED, seed=seed, after=after)
        assert code == ("BAD_USER_INPUT", "after")
    assert await client.code(await make.actor(db), ONE, seed="monday") == ("NOT_FOUND", None)


SPELLINGS: dict[str, tuple[Any, Any]] = {
    "nothing": (None, {"tags": None, "formats": None, "width": {}, "createdAt": {}, "text": " "}),
    "nothing in lists": ({}, {"tags": {"all": [], "none": []}, "taggedAt": {"from": None}}),
    "the order of tags": (
        {"tags": {"all": ["sea", "Sun"], "any": ["sea", "sun"]}},
        {"tags": {"all": ["SUN", " sea", "sun"], "any": ["sun", "sea"], "none": None}},
    ),
    "the order of kinds": (
        {"formats": ["PNG", "JPEG"], "processing": ["READY", "PENDING"]},
        {"formats": ["JPEG", "PNG", "JPEG"], "processing": ["PENDING", "READY"]},
    ),
    "the trash": ({"trashed": False}, {"trashed": None}),
    "a day": (
        {"createdAt": {"from": "2020-01-01T00:00:00Z"}},
        {"createdAt": {"from": "2020-01-01T02:00:00+02:00", "to": None}},
    ),
}
OTHERS: dict[str, tuple[Any, Any]] = {
    "a list that is empty": ({}, {"formats": []}),
    "no tag of none": ({}, {"tags": {"any": []}}),
    "a date at all": ({}, {"takenAt": {}}),
    "one more": ({"formats": ["JPEG"]}, {"formats": ["PNG", "JPEG"]}),
}


@pytest.mark.parametrize("name", SPELLINGS | OTHERS)
async def test_a_cursor_knows_its_filter_in_any_spelling(
    client: Client, db: Database, name: str
) -> None:
    actor = await make.actor(db)
    for _ in range(3):
        await make.image(db, actor.team_ids[0], tags=("sea", "sun"))
    one, other = (SPELLINGS | OTHERS)[name]
    page = (await client.get(actor, SHUFFLED, seed="monday", first=1, filter=one))["shuffledImages"]
    after = page["pageInfo"]["endCursor"]
    assert after is not None
    whole = await walk(client, actor, seed="monday", filter=one)

    answer = await client.ask(actor, SHUFFLED, seed="monday", filter=other, after=after)

    if name in OTHERS:
        assert answer.codes == ["BAD_USER_INPUT"]
    else:
        assert answer.data is not None
        assert [one["id"] for one in answer.data["shuffledImages"]["nodes"]] == whole[1:]
    if name == "the order of tags":
        by_ids = {"filter": {"ids": whole[:2]}, "seed": "monday"}
        found = (await client.get(actor, SHUFFLED, first=1, **by_ids))["shuffledImages"]
        by_ids |= {"filter": {"ids": whole[1::-1]}, "after": found["pageInfo"]["endCursor"]}
        assert len((await client.get(actor, SHUFFLED, **by_ids))["shuffledImages"]["nodes"]) == 1


async def test_a_stranger_shuffles_nothing(client: Client, db: Database) -> None:
    actor, stranger = await make.actor(db), await make.actor(db)
    await make.image(db, actor.team_ids[0], tags=("sea",))
    foreign = {"teamId": str(actor.team_ids[0])}
    for wanted in (None, foreign, {"tags": {"all": ["sea"]}}):
        assert await walk(client, stranger, seed="monday", filter=wanted) == []
