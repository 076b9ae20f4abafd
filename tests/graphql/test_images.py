"""Lists of images: filters, orders, pages, and how many statements they cost."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from app.db.models import Image, ImageJob
from app.domain import Actor, ImageFormat
from app.resources import Resources
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client

NESTED = """
query($first: Int) {
  images(first: $first) {
    nodes { id title tags { name } uploadedBy { name } team { name } }
    pageInfo { hasNextPage }
  }
}
"""
IDS = """
query($filter: ImageFilter, $orderBy: ImageOrder, $first: Int, $after: String, $last: Int, $before: String,
      $offset: Int) {
  images(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before,
         offset: $offset) {
    nodes { id title } totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
START = datetime(2026, 1, 1, tzinfo=UTC)


async def titles(client: Client, actor: Actor, **variables: Any) -> list[str]:
    data = await client.get(actor, IDS, **variables)
    return [node["title"] for node in data["images"]["nodes"]]


async def test_nested_list_costs_the_same_for_any_length(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    for number in range(50):
        tags = ("all", f"tag {number % 7}")
        await make.image(db, team_id, tags=tags, uploaded_by=actor.user_id)

    few = await client.statements(actor, NESTED, first=5)
    many = await client.statements(actor, NESTED, first=50)

    assert len(few) == len(many) <= 4


async def test_forty_requests_at_once_pass_through_two_connections(
    client: Client, database_url: str, resources: Resources
) -> None:
    db = Database(database_url, pool_size=2)
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    for _ in range(5):
        await make.image(db, team_id, tags=("a", "b"), uploaded_by=actor.user_id)
    narrow = Client(
        client.schema,
        Resources(resources.settings, db, resources.storage, resources.decoder, resources.embedder),
    )

    answers = await asyncio.gather(*(narrow.get(actor, NESTED, first=50) for _ in range(40)))

    assert {len(answer["images"]["nodes"]) for answer in answers} == {5}
    await db.close()


async def test_every_condition_of_the_filter(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    other_id = await make.user(db)
    await make.image(
        db, team_id, title="cat", tags=("Cat", "animal"), taken_at=START, uploaded_by=actor.user_id
    )
    await make.image(
        db,
        team_id,
        title="dog",
        tags=("dog", "animal"),
        format=ImageFormat.PNG,
        width=2000,
        uploaded_by=other_id,
    )
    await make.image(db, team_id, title="bare", size_bytes=5, height=9, trashed_at=START)

    async def found(**wanted: Any) -> list[str]:
        return sorted(await titles(client, actor, filter=wanted))

    day = {"from": START.isoformat(), "to": (START + timedelta(days=1)).isoformat()}
    before = {"from": (START - timedelta(days=1)).isoformat(), "to": START.isoformat()}
    today = {"from": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
    assert await found() == ["cat", "dog"]
    assert await found(tags={"all": ["ANIMAL", "cat"]}) == ["cat"]
    assert await found(tags={"any": ["cat", "dog", "unknown"]}) == ["cat", "dog"]
    assert await found(tags={"any": []}) == []
    assert await found(tags={"none": ["cat"]}) == ["dog"]
    assert await found(tags={"all": ["animal"], "none": ["dog", "unknown"]}) == ["cat"]
    assert await found(tags={"all": ["unknown"]}) == []
    assert await found(takenAt=day) == ["cat"]
    assert await found(takenAt=before) == []
    assert await found(createdAt=today) == ["cat", "dog"]
    assert await found(taggedAt=today) == ["cat", "dog"]
    assert await found(taggedAt=today, tags={"any": ["dog"]}) == ["dog"]
    assert await found(taggedAt={"to": START.isoformat()}) == []
    assert await found(formats=["PNG"]) == ["dog"]
    assert await found(formats=[]) == []
    assert await found(width={"min": 1000}) == ["dog"]
    assert await found(width={"max": 640}, height={"min": 10}) == ["cat"]
    assert await found(sizeBytes={"max": 5}, trashed=True) == ["bare"]
    assert await found(trashed=None) == ["bare", "cat", "dog"]
    assert await found(uploadedById=str(other_id)) == ["dog"]
    assert await found(teamId=str(team_id)) == ["cat", "dog"]
    assert await found(teamId="no id at all") == []
    assert await found(processing=["PENDING"]) == ["cat", "dog"]
    assert await found(processing=["READY"]) == []
    assert await found(text="dog") == ["dog"]
    assert await found(text="cats -dog") == ["cat"]
    assert await found(ids=[]) == []


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("field", ["CREATED_AT", "TAKEN_AT", "TITLE", "SIZE_BYTES", "WEIGHT"])
async def test_every_order_pages_both_ways(
    client: Client, db: Database, field: str, direction: str
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    for number in range(11):
        await make.image(
            db,
            team_id,
            title=f"t{number % 3}",
            size_bytes=number % 4,
            weight=number % 5,
            taken_at=START + timedelta(days=number % 6) if number % 2 else None,
            created_at=START + timedelta(days=number % 2),
        )
    order = {"field": field, "direction": direction}

    async def walk(step: dict[str, Any], cursor: str, more: str, at: str) -> list[str]:
        seen: list[str] = []
        place: dict[str, Any] = {}
        while True:
            data = (await client.get(actor, IDS, orderBy=order, **step, **place))["images"]
            ids = [node["id"] for node in data["nodes"]]
            seen = seen + ids if "first" in step else ids + seen
            if not data["pageInfo"][more]:
                return seen
            place = {cursor: data["pageInfo"][at]}

    forward = await walk({"first": 3}, "after", "hasNextPage", "endCursor")
    backward = await walk({"last": 4}, "before", "hasPreviousPage", "startCursor")

    assert forward == backward
    assert len(set(forward)) == 11


async def test_paging_misses_and_repeats_nothing_while_rows_come_and_go(
    client: Client, db: Database
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    async with db.transaction() as session:
        staying = [
            Image(
                team_id=team_id,
                state="STORED",
                object_key=f"t/x/{number}",
                sha256=number.to_bytes(32, "big"),
                size_bytes=1,
                format=ImageFormat.PNG,
                width=1,
                height=1,
                created_at=START + timedelta(seconds=number // 3),
            )
            for number in range(500)
        ]
        session.add_all(staying)
        await session.flush()
        expected = {str(row.id) for row in staying}
    seen: list[str] = []
    place: dict[str, Any] = {}
    while True:
        data = (await client.get(actor, IDS, first=17, **place))["images"]
        seen += [node["id"] for node in data["nodes"]]
        passing = [
            await make.image(db, team_id, created_at=START + timedelta(seconds=second))
            for second in (0, 80, 300)
        ]
        if not data["pageInfo"]["hasNextPage"]:
            break
        place = {"after": data["pageInfo"]["endCursor"]}
        async with db.transaction() as session:
            await session.delete(await session.get_one(Image, passing[1]))

    assert len(seen) == len(set(seen))
    assert expected <= set(seen)


async def test_total_count_is_counted_only_when_selected(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    for number in range(4):
        await make.image(db, team_id, tags=("even",) if number % 2 else (), weight=0)
    await make.image(db, team_id, tags=("even",), trashed_at=START)

    data = await client.get(actor, IDS, filter={"tags": {"all": ["even"]}}, first=1)
    plain = await client.statements(actor, "{ images { nodes { id } } }")
    counted = await client.statements(actor, "{ images { nodes { id } totalCount } }")

    assert data["images"]["totalCount"] == 2
    assert len(plain) == 1
    assert len(counted) == 2
    assert "draw_head" in counted[1]


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"first": 0}, "first"),
        ({"first": 101}, "first"),
        ({"first": -1}, "first"),
        ({"last": 101}, "last"),
        ({"first": 1, "last": 1}, "first"),
        ({"offset": -1}, "offset"),
        ({"offset": 1, "after": "x"}, "offset"),
        ({"after": "x"}, "after"),
        ({"after": "W10"}, "after"),
        ({"before": "bnVsbA", "last": 1}, "before"),
        ({"filter": {"ids": ["x"] * 101}}, "filter.ids"),
        ({"filter": {"tags": {"any": ["x"] * 51}}}, "filter.tags.any"),
    ],
)
async def test_bad_pages_name_the_argument(
    client: Client, db: Database, variables: dict[str, Any], field: str
) -> None:
    actor = await make.actor(db)

    assert await client.code(actor, IDS, **variables) == ("BAD_USER_INPUT", field)


async def test_a_cursor_of_another_order_is_refused(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0])
    data = await client.get(actor, IDS, orderBy={"field": "TITLE"})
    cursor = data["images"]["pageInfo"]["endCursor"]

    assert await client.code(actor, IDS, after=cursor) == ("BAD_USER_INPUT", "after")


async def test_update_keeps_what_is_absent_and_clears_only_the_date(
    client: Client, db: Database
) -> None:
    actor = await make.actor(db)
    image_id = str(await make.image(db, actor.team_ids[0], title="old", taken_at=START))
    query = """mutation($input: UpdateImageInput!) {
      updateImage(input: $input) { title description weight takenAt updatedAt createdAt }
    }"""

    first = await client.get(actor, query, input={"id": image_id, "weight": 2.5})
    second = await client.get(actor, query, input={"id": image_id, "takenAt": None})

    assert first["updateImage"]["title"] == "old"
    assert first["updateImage"]["weight"] == 2.5
    assert first["updateImage"]["takenAt"] == "2026-01-01T00:00:00Z"
    assert second["updateImage"]["takenAt"] is None
    assert second["updateImage"]["weight"] == 2.5
    for bad, field in [
        ({"title": None}, "input.title"),
        ({"weight": -1}, "input.weight"),
        ({"weight": 1e7}, "input.weight"),
        ({"title": "x" * 201}, "input.title"),
    ]:
        got = await client.code(actor, query, input={"id": image_id, **bad})
        assert got == ("BAD_USER_INPUT", field)


async def test_of_several_changes_those_before_one_that_fails_are_done(
    client: Client, db: Database
) -> None:
    actor = await make.actor(db)
    one, other, last = [str(await make.image(db, actor.team_ids[0])) for _ in range(3)]
    query = """mutation($one: ID!, $other: ID!, $last: ID!) {
      one: updateImage(input: {id: $one, title: "new"}) { id }
      other: updateImage(input: {id: $other, title: "new"}) { %s }
      last: updateImage(input: {id: $last, title: "new"}) { id }
    }"""
    titles = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Image { title } } }"

    lost = await client.ask(actor, query % "id", one=one, other=str(uuid4()), last=last)
    told = await client.ask(
        actor, query % "similar(first: 0) { model }", one=one, other=other, last=last
    )
    seen = await client.get(actor, titles, ids=[one, other, last])

    assert [lost.data, told.data] == [None, None]
    assert [error["path"] for error in lost.errors] == [["other"]]
    assert [error["path"] for error in told.errors] == [["other", "similar"]]
    assert [node["title"] == "new" for node in seen["nodes"]] == [True, True, False]


async def test_bulk_changes_are_all_or_nothing(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    mine = str(await make.image(db, team_id))
    foreign = str(await make.image(db, await make.team(db)))
    query = "mutation($ids: [ID!]!) { trashImages(ids: $ids) { id trashedAt } }"

    answer = await client.ask(actor, query, ids=[mine, foreign])

    assert answer.codes == ["NOT_FOUND"]
    assert answer.errors[0]["extensions"]["ids"] == [foreign]
    assert len(await titles(client, actor)) == 1
    unreadable = await client.ask(actor, query, ids=[mine, "no id"])
    assert unreadable.codes == ["NOT_FOUND"]
    assert unreadable.errors[0]["extensions"]["ids"] == ["no id"]
    done = await client.get(actor, query, ids=[mine, mine])
    assert len(done["trashImages"]) == 1
    assert await titles(client, actor) == []
    await client.get(actor, "mutation($i:[ID!]!) { restoreImages(ids: $i) { id } }", i=[mine])
    assert len(await titles(client, actor)) == 1
    gone = await client.get(actor, "mutation($i:[ID!]!) { deleteImages(ids: $i) }", i=[mine])
    assert gone["deleteImages"] == [mine]
    async with db.transaction() as session:
        due = await session.scalar(
            select(ImageJob.run_after).where(ImageJob.image_id == UUID(mine))
        )
    assert due is not None
    assert timedelta(days=6) < due - datetime.now(UTC) < timedelta(days=8)
    assert await titles(client, actor, filter={"trashed": None}) == []


@pytest.mark.parametrize(
    "field",
    [
        "trashImages(ids: []) { id }",
        "restoreImages(ids: []) { id }",
        "deleteImages(ids: [])",
        "retryProcessing(ids: []) { id }",
        'addTags(imageIds: [], tags: ["cat"]) { id }',
        'removeTags(imageIds: [], tags: ["cat"]) { id }',
        "markNotDuplicates(imageIds: []) { id }",
    ],
)
async def test_a_change_of_no_images_changes_nothing(
    client: Client, db: Database, field: str
) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0])
    answer = await client.get(actor, f"mutation {{ its: {field} }}")
    assert answer["its"] == []
    assert len(await titles(client, actor)) == 1
