"""Bulk jobs from end to end: what is shown is what is done, once, by whoever started it and as long as they may."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import delete, func, select, text, update

from app.db.models import (
    BulkJob,
    BulkPart,
    Collection,
    CollectionImage,
    Image,
    ImageTag,
    Membership,
    RelevanceFit,
    Tag,
    Team,
    User,
)
from app.domain import (
    MAX_TAGS_OF_IMAGE,
    MICRO,
    Actor,
    BulkStatus,
    Modality,
    Role,
    TagPolicy,
    TagSource,
)
from app.resources import Resources
from app.services.bulk_edits import bulk, bulk_lists, bulk_runs, bulk_selections
from app.services.bulk_edits.bulk_runs import Run, SupersededError
from app.services.people import api_keys
from app.worker.bulk import Bulk
from tests import make
from tests.database import Database, until_blocked
from tests.graphql.conftest import Client
from tests.services import planted

SHOWN = """
  id status action tags newTags weight relevanceBasis total done changed skipped skips { reason count } error
  createdAt startedAt finishedAt team { id } createdBy { id } startedBy { id } collection { id }
"""
PREPARE = f"""mutation($i: PrepareBulkJobInput!) {{
  prepareBulkJob(input: $i) {{ {SHOWN} images {{ nodes {{ id }} totalCount }} }}
}}"""
START = f"mutation($id: ID!) {{ startBulkJob(id: $id) {{ {SHOWN} }} }}"
CANCEL = f"mutation($id: ID!) {{ cancelBulkJob(id: $id) {{ {SHOWN} }} }}"
JOB = f"query($id: ID!) {{ bulkJob(id: $id) {{ {SHOWN} images {{ nodes {{ id }} totalCount }} }} }}"
OPEN = ("QUEUED", "RUNNING")
LEASE = timedelta(minutes=1)
KEY = b"k" * 32


def wanted(actor: Actor, change: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"teamId": str(actor.team_ids[0]), "change": change, **more}


@pytest.fixture(autouse=True)
async def model_put_back(db: Database) -> AsyncIterator[None]:
    async with planted.put_back(db):
        yield


async def prepared(
    client: Client, actor: Actor, change: dict[str, Any], **more: Any
) -> dict[str, Any]:
    data = await client.get(actor, PREPARE, i=wanted(actor, change, **more))
    job: dict[str, Any] = data["prepareBulkJob"]
    return job


async def started(client: Client, actor: Actor, job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(actor, START, id=job["id"]))["startBulkJob"]
    return found


async def seen(client: Client, actor: Actor, job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(actor, JOB, id=job["id"]))["bulkJob"]
    return found


async def ended(client: Client, actor: Actor, job: dict[str, Any]) -> dict[str, Any]:
    """The job after a worker's turns; jobs of other tests may lie in the same queue."""
    worker = Bulk(client.resources)
    while (now := await seen(client, actor, job))["status"] in OPEN:
        assert await worker.turn()
    return now


async def done(client: Client, actor: Actor, change: dict[str, Any], **more: Any) -> dict[str, Any]:
    job = await prepared(client, actor, change, **more)
    await started(client, actor, job)
    now = await ended(client, actor, job)
    assert (now["status"], now["done"] + now["skipped"]) == ("DONE", job["total"])
    return now


async def carriers(db: Database, team_id: UUID, name: str) -> dict[UUID, UUID | None]:
    """The images with this tag, and who put it there."""
    query = (
        select(ImageTag.image_id, ImageTag.tagged_by)
        .join(Tag, Tag.id == ImageTag.tag_id)
        .where(Tag.team_id == team_id, Tag.name == name)
    )
    async with db.transaction() as session:
        return dict((await session.execute(query)).all())


async def sources(db: Database, team_id: UUID) -> set[tuple[str, TagSource]]:
    """The tags that are on images, and how they came there."""
    query = select(Tag.name, ImageTag.source).join(Tag, Tag.id == ImageTag.tag_id)
    async with db.transaction() as session:
        rows = await session.execute(query.where(Tag.team_id == team_id))
        return {(row.name, row.source) for row in rows}


async def columns(db: Database, ids: Iterable[UUID]) -> list[tuple[int, bool]]:
    """Weight, and whether it is in the trash."""
    async with db.transaction() as session:
        rows = await session.scalars(select(Image).where(Image.id.in_(ids)).order_by(Image.id))
        return [(row.weight, row.trashed_at is not None) for row in rows]


async def collection(db: Database, team_id: UUID, ids: Iterable[UUID] = ()) -> UUID:
    async with db.transaction() as session:
        row = Collection(team_id=team_id, name="Best")
        session.add(row)
        await session.flush()
        for one in ids:
            session.add(
                CollectionImage(
                    team_id=team_id,
                    collection_id=row.id,
                    image_id=one,
                    created_at=row.created_at,
                )
            )
        return row.id


async def parts(db: Database, job: dict[str, Any]) -> int:
    query = select(func.count()).select_from(BulkPart).where(BulkPart.job_id == UUID(job["id"]))
    async with db.transaction() as session:
        return await session.scalar(query) or 0


async def claimed(db: Database, job: dict[str, Any]) -> Run:
    """A run of this job, whatever else is due."""
    while True:
        async with db.worker.transaction() as session:
            run = await bulk_runs.claim(session, LEASE)
        assert run is not None
        if str(run.job_id) == job["id"]:
            return run


async def advanced(db: Database, run: Run) -> bool:
    async with db.login.transaction() as session:
        actor = await bulk_runs.actor_of(session, run)
    async with db.acting(actor).transaction() as session:
        return await bulk_runs.advance(session, actor, run, LEASE, KEY)


async def lose(db: Database, job: dict[str, Any]) -> None:
    """The worker that had it is gone, and its lease has run out."""
    async with db.transaction() as session:
        lost = update(BulkJob).where(BulkJob.id == UUID(job["id"]))
        await session.execute(lost.values(lease_until=func.now()))


# ───────────────────────────── each action ─────────────────────────────


async def test_tags_are_put_on_and_taken_off(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = [await make.image(db, team_id) for _ in range(3)]
    other = await make.image(db, team_id, tags=("old", "sea"))

    shown = await prepared(client, actor, {"addTags": ["Sea", "new", "NEW"]})
    assert (shown["total"], shown["tags"], shown["newTags"]) == (4, ["Sea", "new"], ["new"])
    assert (await client.get(actor, "{ tags { totalCount } }"))["tags"]["totalCount"] == 2
    await started(client, actor, shown)
    now = await ended(client, actor, shown)

    assert (now["status"], now["done"], now["changed"], now["skipped"]) == ("DONE", 4, 4, 0)
    assert await carriers(db, team_id, "new") == dict.fromkeys([*ids, other], actor.user_id)
    assert set(await carriers(db, team_id, "sea")) == {*ids, other}
    bulk, before = TagSource.BULK, TagSource.UNKNOWN
    assert await sources(db, team_id) == {
        ("new", bulk),
        ("sea", bulk),
        ("sea", before),
        ("old", before),
    }
    counted = await client.get(actor, '{ tags(search: "new") { nodes { imageCount } } }')
    assert counted["tags"]["nodes"] == [{"imageCount": 4}]
    again = await done(client, actor, {"addTags": ["new"]})
    assert (again["done"], again["changed"]) == (4, 0)

    gone = await done(
        client, actor, {"removeTags": ["SEA", "unknown"]}, filter={"tags": {"none": ["old"]}}
    )
    assert (gone["total"], gone["changed"]) == (3, 3)
    assert set(await carriers(db, team_id, "sea")) == {other}


async def test_weights_are_set(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = [await make.image(db, team_id, weight=weight) for weight in (0, 1, 2.5)]

    now = await done(client, actor, {"setWeight": 2.5}, filter={"ids": list(map(str, ids))})

    assert (now["weight"], now["done"], now["changed"]) == (2.5, 3, 2)
    assert await columns(db, ids) == [(2_500_000, False)] * 3
    async with db.transaction() as session:
        line = text(
            "select sum(live) from draw_head where team_id = :team and tag_id = whole_team()"
        )
        assert await session.scalar(line, {"team": team_id}) == 7.5 * MICRO


async def test_collections_are_filled_and_emptied(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = [await make.image(db, team_id) for _ in range(3)]
    collection_id = await collection(db, team_id, ids[:1])
    count = "query($id: ID!) { collection(id: $id) { images { totalCount } } }"

    added = await done(client, actor, {"addToCollection": str(collection_id)})
    assert added["collection"] == {"id": str(collection_id)}
    assert (added["done"], added["changed"]) == (3, 2)
    found = await client.get(actor, count, id=str(collection_id))
    assert found["collection"]["images"]["totalCount"] == 3

    within = {"ids": [str(ids[0]), str(ids[1])]}
    removed = await done(client, actor, {"removeFromCollection": str(collection_id)}, filter=within)
    assert (removed["done"], removed["changed"]) == (2, 2)
    found = await client.get(actor, count, id=str(collection_id))
    assert found["collection"]["images"]["totalCount"] == 1


async def test_images_are_trashed_and_restored(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    ids = [await make.image(db, actor.team_ids[0], tags=("x",)) for _ in range(3)]

    trashed = await done(client, actor, {"trash": True}, filter={"tags": {"all": ["x"]}})
    assert trashed["changed"] == 3
    assert await columns(db, ids) == [(MICRO, True)] * 3
    assert (await prepared(client, actor, {"restore": True}))["total"] == 0

    restored = await done(client, actor, {"restore": True}, filter={"trashed": None})
    assert restored["changed"] == 3
    assert await columns(db, ids) == [(MICRO, False)] * 3


# ───────────────────────────── what is shown is what is done ─────────────────────────────


async def test_a_dry_run_changes_nothing_and_shows_all_of_it(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = await make.images(db, team_id, 1_120)
    page = """query($id: ID!, $after: String) { bulkJob(id: $id) { images(first: 100, after: $after) {
      nodes { id } totalCount pageInfo { hasNextPage endCursor } } } }"""

    shown = await prepared(client, actor, {"addTags": ["x"]})
    found: list[str] = []
    after = None
    while True:
        images = (await client.get(actor, page, id=shown["id"], after=after))["bulkJob"]["images"]
        assert images["totalCount"] == 1_120
        found += [one["id"] for one in images["nodes"]]
        after = images["pageInfo"]["endCursor"]
        if not images["pageInfo"]["hasNextPage"]:
            break

    assert (shown["status"], shown["total"]) == ("PREPARED", 1_120)
    assert [one["id"] for one in shown["images"]["nodes"]] == found[:10]
    assert found == list(map(str, reversed(ids)))
    assert await carriers(db, team_id, "x") == {}
    for place in (-2, 1_120, 2**62):
        forged = bulk_lists.PLACES.cursor(place)
        refused = await client.code(actor, page, id=shown["id"], after=forged)
        assert refused == ("BAD_USER_INPUT", "after")
    refused = await client.code(actor, page, id=shown["id"], after="x")
    assert refused == ("BAD_USER_INPUT", "after")


async def test_a_page_whose_images_are_gone_is_not_the_end(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    ids = [str(await make.image(db, actor.team_ids[0])) for _ in range(12)][::-1]
    page = """query($id: ID!, $after: String) { bulkJob(id: $id) { images(first: 2, after: $after) {
      nodes { id } pageInfo { hasNextPage endCursor } } } }"""
    shown = await prepared(client, actor, {"addTags": ["x"]})
    first = (await client.get(actor, page, id=shown["id"], after=None))["bulkJob"]["images"]
    gone = "mutation($i: [ID!]!) { deleteImages(ids: $i) }"
    await client.get(actor, gone, i=ids[2:9])

    found, info = [], first["pageInfo"]
    for _ in ids:
        if not info["hasNextPage"]:
            break
        query = client.get(actor, page, id=shown["id"], after=info["endCursor"])
        images = (await query)["bulkJob"]["images"]
        found += [one["id"] for one in images["nodes"]]
        info = images["pageInfo"]
    assert found == ids[9:]

    await client.get(actor, gone, i=ids[:2] + ids[9:])
    left = await client.get(actor, page, id=shown["id"], after=None)
    none = {"hasNextPage": False, "endCursor": None}
    assert left["bulkJob"]["images"] == {"nodes": [], "pageInfo": none}


async def test_the_last_page_is_the_last_though_images_after_it_are_gone(
    client: Client, db: Database
) -> None:
    """What is counted is the list as it was prepared, which says what the job is for."""
    actor = await make.actor(db)
    ids = [str(await make.image(db, actor.team_ids[0])) for _ in range(6)][::-1]
    page = """query($id: ID!) { bulkJob(id: $id) { total images(first: 2) {
      nodes { id } totalCount pageInfo { hasNextPage } } } }"""
    shown = await prepared(client, actor, {"trash": True})
    gone = "mutation($i: [ID!]!) { deleteImages(ids: $i) }"
    pages = []

    for deleted in ([ids[1]], ids[3:5], ids[5:]):
        await client.get(actor, gone, i=deleted)
        now = (await client.get(actor, page, id=shown["id"]))["bulkJob"]
        assert now["total"] == now["images"]["totalCount"] == 6
        found = [one["id"] for one in now["images"]["nodes"]]
        pages.append((found, now["images"]["pageInfo"]["hasNextPage"]))

    two = [ids[0], ids[2]]
    assert pages == [(two, True), (two, True), (two, False)]


async def test_five_thousand_images_are_done_as_they_were_when_shown(
    client: Client, db: Database
) -> None:
    """The filter would find other images while the job runs; the list stays."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = await make.images(db, team_id, 5_000)
    nothing_yet = {"tags": {"none": ["x"]}}

    shown = await prepared(client, actor, {"addTags": ["x"]}, filter=nothing_yet)
    late = await make.image(db, team_id)
    assert await parts(db, shown) == 10
    await started(client, actor, shown)
    now = await ended(client, actor, shown)

    assert (now["total"], now["done"], now["changed"], now["skipped"]) == (5_000, 5_000, 5_000, 0)
    assert await carriers(db, team_id, "x") == dict.fromkeys(ids, actor.user_id)
    assert late not in await carriers(db, team_id, "x")
    assert now["images"] == {"nodes": [], "totalCount": 0}
    assert await parts(db, shown) == 0
    left = await prepared(client, actor, {"addTags": ["x"]}, filter=nothing_yet)
    assert [one["id"] for one in left["images"]["nodes"]] == [str(late)]


async def test_nothing_found_is_done_at_once(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0])

    for nothing in (
        {"tags": {"any": []}},
        {"tags": {"all": ["unknown"]}},
        {"ids": ["nonsense", str(uuid4())]},
    ):
        now = await done(client, actor, {"trash": True}, filter=nothing)
        assert (now["total"], now["done"], now["skipped"]) == (0, 0, 0)


async def test_ids_of_another_team_find_nothing_there(client: Client, db: Database) -> None:
    actor, stranger = await make.actor(db), await make.actor(db)
    (foreign_team,) = stranger.team_ids
    image_id = await make.image(db, foreign_team)
    its_collection = await collection(db, foreign_team, [image_id])

    for filter in (
        {"ids": [str(image_id)]},
        {"teamId": str(foreign_team)},
        {"collectionId": str(its_collection)},
        {"uploadedById": str(stranger.user_id)},
    ):
        assert (await done(client, actor, {"trash": True}, filter=filter))["total"] == 0
    assert await columns(db, [image_id]) == [(MICRO, False)]


async def test_one_team_at_a_time(client: Client, db: Database) -> None:
    """Who belongs to two teams changes the named one alone, into its own collections."""
    actor, second = await make.actor(db), await make.actor(db)
    both = replace(actor, roles=actor.roles | second.roles)
    image_id = await make.image(db, second.team_ids[0])
    theirs = await collection(db, second.team_ids[0])
    await make.image(db, actor.team_ids[0])

    shown = await prepared(client, both, {"trash": True})
    assert (shown["total"], shown["team"]["id"]) == (1, str(actor.team_ids[0]))
    assert str(image_id) not in [one["id"] for one in shown["images"]["nodes"]]
    into = wanted(actor, {"addToCollection": str(theirs)})
    assert await client.code(both, PREPARE, i=into) == (
        "NOT_FOUND",
        "input.change.addToCollection",
    )


MEASURED = 0.5
"""What the best of unrelated images scores, give or take 0.05."""


@pytest.mark.parametrize(
    ("floor", "count", "basis"),
    [
        ({"minScore": 0.6}, 3, None),
        ({"minRelevance": 0.95}, 3, "TEAM"),
        ({"minRelevance": 0.95, "minScore": 0.8}, 2, "TEAM"),
        ({"minRelevance": 0.1, "minScore": 0.6}, 3, "TEAM"),
    ],
)
async def test_what_a_search_finds(
    client: Client, db: Database, floor: dict[str, float], count: int, basis: str | None
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    model_id = await planted.model(db)
    async with db.transaction() as session:
        session.add(
            RelevanceFit(
                team_id=team_id,
                model_id=model_id,
                modality=Modality.IMAGE,
                questions=100,
                images=100,
                location=MEASURED,
                spread=0.05,
            )
        )
    ids = [await make.image(db, team_id) for _ in range(6)]
    first, other = np.eye(2, planted.DIMENSION, dtype=np.float32)
    scores = [1.0, 0.9, 0.7, 0.5, 0.1]
    rows = [score * first + math.sqrt(1 - score**2) * other for score in scores]
    await planted.vectors(db, model_id, dict(zip(ids, rows, strict=False)))
    trashed = {"ids": [str(ids[1])]}
    like = {"imageId": str(ids[0]), **floor}

    shown = await prepared(client, actor, {"addTags": ["alike"]}, search=like)
    assert [one["id"] for one in shown["images"]["nodes"]] == list(map(str, ids[:count]))
    assert shown["relevanceBasis"] == basis
    within = await prepared(client, actor, {"trash": True}, search=like, filter=trashed)
    assert within["total"] == 1
    await done(client, actor, {"addTags": ["alike"]}, search=like)
    assert set(await carriers(db, team_id, "alike")) == set(ids[:count])


async def test_a_relevance_that_is_not_measured_is_told(client: Client, db: Database) -> None:
    """Also of a search that found nothing, and of a job that has ended."""
    actor = await make.actor(db)
    model_id = await planted.model(db)
    ids = [await make.image(db, actor.team_ids[0]) for _ in range(2)]
    await planted.vectors(db, model_id, dict(zip(ids, planted.random(2), strict=True)))
    like = {"imageId": str(ids[0]), "minRelevance": 0.95}

    for filter, total in (({}, 1), ({"ids": [str(ids[1])]}, 0)):
        now = await done(client, actor, {"trash": True}, search=like, filter=filter)
        assert (now["relevanceBasis"], now["total"]) == ("PRIOR", total)
    for plain in ({}, {"search": like, "filter": {"tags": {"any": []}}}):
        assert (await prepared(client, actor, {"trash": True}, **plain))["relevanceBasis"] is None


async def test_a_search_that_finds_too_much_is_refused(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = await make.actor(db)
    model_id = await planted.model(db)
    ids = [await make.image(db, actor.team_ids[0]) for _ in range(3)]
    await planted.vectors(db, model_id, dict(zip(ids, planted.random(3), strict=True)))
    monkeypatch.setattr(bulk_selections, "MAX_FOUND", 2)
    for floor, least in (("minScore", -1.0), ("minRelevance", 0.0)):
        search = {"imageId": str(ids[0]), floor: least}
        all_of_them = wanted(actor, {"trash": True}, search=search)
        assert await client.code(actor, PREPARE, i=all_of_them) == (
            "BAD_USER_INPUT",
            f"input.search.{floor}",
        )


# ───────────────────────────── what cannot be done ─────────────────────────────

NOTHING: dict[str, Any] = {"tags": {"all": ["on no image"]}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"change": {"addTags": []}}, "input.change.addTags"),
    ({"change": {"addTags": ["x"] * 51}}, "input.change.addTags"),
    ({"change": {"addTags": ["x", "x" * 101]}}, "input.change.addTags.1"),
    ({"change": {"removeTags": []}}, "input.change.removeTags"),
    ({"change": {"removeTags": ["\u0007"]}}, "input.change.removeTags.0"),
    ({"change": {"setWeight": -1.0}}, "input.change.setWeight"),
    ({"change": {"setWeight": 1_000_001.0}}, "input.change.setWeight"),
    ({"change": {"trash": False}}, "input.change.trash"),
    ({"change": {"restore": False}}, "input.change.restore"),
    ({"search": {"minScore": 0.5}}, "input.search.text"),
    ({"search": {"text": "a", "imageId": "b", "minScore": 0.5}}, "input.search.text"),
    ({"search": {"text": " ", "minScore": 0.5}}, "input.search.text"),
    ({"filter": {"ids": ["x"] * 101}}, "input.filter.ids"),
    ({"search": {"text": "a"}, "filter": NOTHING}, "input.search.minRelevance"),
    ({"search": {"text": "a", "minScore": 2.0}, "filter": NOTHING}, "input.search.minScore"),
    (
        {"search": {"text": "a", "minRelevance": -1.0}, "filter": NOTHING},
        "input.search.minRelevance",
    ),
]


@pytest.mark.parametrize(("given", "field"), REFUSED)
async def test_bad_input_names_its_field(
    client: Client, db: Database, given: dict[str, Any], field: str
) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0])
    asked = wanted(actor, {"trash": True}) | given

    assert await client.code(actor, PREPARE, i=asked) == ("BAD_USER_INPUT", field)
    assert (await client.get(actor, "{ bulkJobs { totalCount } }"))["bulkJobs"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("floor", "value"),
    [
        *(("minScore", one) for one in (1.1, -1.1, math.nan, math.inf)),
        *(("minRelevance", one) for one in (1.1, -0.1, math.nan, math.inf)),
        ("minRelevance", None),
    ],
)
async def test_a_floor_that_is_none(client: Client, db: Database, floor: str, value: float) -> None:
    actor = await make.actor(db)
    model_id = await planted.model(db)
    image_id = await make.image(db, actor.team_ids[0])
    await planted.vectors(db, model_id, {image_id: planted.random(1)[0]})
    search = {"imageId": str(image_id), floor: value}

    answer = await client.ask(actor, PREPARE, i=wanted(actor, {"trash": True}, search=search))

    assert answer.codes
    assert set(answer.codes) <= {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}


async def test_a_closed_team_refuses_unknown_names_at_once(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id, tags=("cat",))
    shown = await prepared(client, actor, {"addTags": ["dog"]})
    async with db.transaction() as session:
        (await session.get_one(Team, team_id)).tag_policy = TagPolicy.CLOSED

    answer = await client.ask(actor, PREPARE, i=wanted(actor, {"addTags": ["cat", "dog"]}))

    (error,) = answer.errors
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["field"] == "input.change.addTags"
    assert error["extensions"]["allowed"] == ["cat"]
    # What was prepared before the team was closed does not begin either.
    assert await client.code(actor, START, id=shown["id"]) == ("BAD_USER_INPUT", "id")
    assert (await done(client, actor, {"removeTags": ["dog"]}))["changed"] == 0


async def test_full_images_are_left_out_and_counted(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    names = tuple(f"tag {n}" for n in range(MAX_TAGS_OF_IMAGE))
    full = await make.image(db, team_id, tags=names)
    nearly = await make.image(db, team_id, tags=names[:-1])
    empty = await make.image(db, team_id)

    now = await done(client, actor, {"addTags": ["new", "tag 0"]})

    assert (now["total"], now["done"], now["changed"], now["skipped"]) == (3, 2, 2, 1)
    assert now["skips"] == [{"reason": "CROWDED", "count": 1}]
    assert set(await carriers(db, team_id, "new")) == {nearly, empty}
    assert full in await carriers(db, team_id, "tag 0")


async def test_a_tag_that_no_image_has_room_for_is_not_made(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    names = tuple(f"tag {n}" for n in range(MAX_TAGS_OF_IMAGE))
    await make.image(db, team_id, tags=names)
    await make.image(db, team_id, tags=names[:-1])

    now = await done(client, actor, {"addTags": ["new", "newer", "tag 0"]})

    assert (now["total"], now["done"], now["changed"], now["skipped"]) == (2, 0, 0, 2)
    assert now["skips"] == [{"reason": "CROWDED", "count": 2}]
    async with db.transaction() as session:
        made = select(Tag.name).where(Tag.team_id == team_id, Tag.name.startswith("new"))
        assert list(await session.scalars(made)) == []


async def test_images_that_are_gone_are_left_out_and_counted(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    ids = [str(await make.image(db, actor.team_ids[0])) for _ in range(3)]
    shown = await prepared(client, actor, {"addTags": ["x"]})
    await client.get(actor, "mutation($i: [ID!]!) { deleteImages(ids: $i) }", i=ids[:1])

    still = (await seen(client, actor, shown))["images"]
    await started(client, actor, shown)
    now = await ended(client, actor, shown)

    assert [one["id"] for one in still["nodes"]] == [ids[2], ids[1]]
    assert (now["status"], now["total"], now["done"]) == ("DONE", 3, 2)
    assert now["skips"] == [{"reason": "GONE", "count": 1}]


async def test_a_target_that_is_gone_ends_the_job(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id, tags=("x",))
    collection_id = await collection(db, team_id)
    tagging = await prepared(client, actor, {"addTags": ["x"]})
    collecting = await prepared(client, actor, {"addToCollection": str(collection_id)})
    for one in (tagging, collecting):
        await started(client, actor, one)
    async with db.transaction() as session:
        await session.execute(delete(Tag).where(Tag.team_id == team_id))
        await session.execute(delete(Collection).where(Collection.id == collection_id))

    first, second = [await ended(client, actor, one) for one in (tagging, collecting)]

    assert (first["status"], first["error"]) == ("FAILED", 'The tag "x" was deleted meanwhile.')
    assert (second["status"], second["collection"]) == ("FAILED", None)
    assert second["error"] == "The collection was deleted meanwhile."
    assert await parts(db, tagging) == await parts(db, collecting) == 0


# ───────────────────────────── once, and by whom ─────────────────────────────


async def test_a_second_click_does_nothing(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.images(db, actor.team_ids[0], 3)
    shown = await prepared(client, actor, {"setWeight": 3.0})

    first, second = await started(client, actor, shown), await started(client, actor, shown)
    assert first == second
    now = await ended(client, actor, shown)
    assert await started(client, actor, shown) == {
        name: value for name, value in now.items() if name != "images"
    }
    assert (now["done"], now["changed"]) == (3, 3)


async def test_a_worker_that_died_leaves_nothing_out_and_nothing_twice(
    client: Client, db: Database
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = await make.images(db, team_id, 1_200)
    shown = await prepared(client, actor, {"addTags": ["x"]})
    await started(client, actor, shown)
    dead = await claimed(db, shown)
    assert await advanced(db, dead)
    with suppress(ZeroDivisionError):
        async with db.acting(actor).transaction() as session:
            await bulk_runs.advance(session, actor, dead, LEASE, KEY)
            raise ZeroDivisionError
    half = await seen(client, actor, shown)
    assert (half["status"], half["done"]) == ("RUNNING", 500)
    assert len(await carriers(db, team_id, "x")) == 500
    await Bulk(client.resources).turn()
    assert await seen(client, actor, shown) == half

    await lose(db, shown)
    now = await ended(client, actor, shown)

    assert (now["status"], now["done"], now["changed"]) == ("DONE", 1_200, 1_200)
    assert await carriers(db, team_id, "x") == dict.fromkeys(ids, actor.user_id)
    with pytest.raises(SupersededError):
        await advanced(db, dead)


async def test_who_comes_back_too_late_writes_nothing(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.images(db, team_id, 600)
    shown = await prepared(client, actor, {"addTags": ["x"]})
    await started(client, actor, shown)
    late = await claimed(db, shown)
    await lose(db, shown)
    present = await claimed(db, shown)

    with pytest.raises(SupersededError):
        await advanced(db, late)
    async with db.worker.transaction() as session:
        assert not await bulk_runs.fail(session, late, "late", KEY)
        await bulk_runs.release(session, late)
    assert await carriers(db, team_id, "x") == {}
    assert await advanced(db, present)
    assert not await advanced(db, present)
    assert len(await carriers(db, team_id, "x")) == 600


async def test_a_job_that_kills_its_workers_is_given_up(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.images(db, actor.team_ids[0], 600)
    shown = await prepared(client, actor, {"addTags": ["x"]})
    await started(client, actor, shown)
    first = await claimed(db, shown)
    assert await advanced(db, first)
    for _ in range(2):
        await lose(db, shown)
        assert not (await claimed(db, shown)).is_spent
    await lose(db, shown)

    now = await ended(client, actor, shown)

    assert (now["status"], now["error"], now["done"]) == ("FAILED", bulk_runs.LOST, 500)


async def test_what_fails_is_tried_again_and_then_given_up(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0])
    shown = await prepared(client, actor, {"trash": True})
    await started(client, actor, shown)
    again = []
    for _ in range(bulk_runs.MAX_ATTEMPTS):
        await lose(db, shown)
        run = await claimed(db, shown)
        async with db.worker.transaction() as session:
            again.append(await bulk_runs.retry(session, run, "It broke.", KEY))

    now = await seen(client, actor, shown)
    assert again == [True, True, False]
    assert (now["status"], now["error"]) == ("FAILED", "It broke.")


async def test_jobs_of_a_team_keep_their_order(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.images(db, team_id, 600)
    adding = await prepared(client, actor, {"addTags": ["x"]})
    removing = await prepared(client, actor, {"removeTags": ["x"]})
    await started(client, actor, adding)
    await started(client, actor, removing)
    run = await claimed(db, adding)
    assert await advanced(db, run)

    await Bulk(client.resources).turn()
    assert (await seen(client, actor, removing))["status"] == "QUEUED"
    await lose(db, adding)
    assert (await ended(client, actor, removing))["changed"] == 600
    assert await carriers(db, team_id, "x") == {}


async def test_cancelling(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.images(db, team_id, 1_200)
    unstarted = await prepared(client, actor, {"trash": True})
    running = await prepared(client, actor, {"addTags": ["x"]})
    await started(client, actor, running)
    run = await claimed(db, running)
    assert await advanced(db, run)

    for job, count in ((unstarted, 0), (running, 500)):
        now = (await client.get(actor, CANCEL, id=job["id"]))["cancelBulkJob"]
        assert (now["status"], now["done"]) == ("CANCELLED", count)
        assert now["finishedAt"]
        assert await parts(db, job) == 0
        assert (await client.get(actor, CANCEL, id=job["id"]))["cancelBulkJob"] == now
        assert (await started(client, actor, job))["status"] == "CANCELLED"
    with pytest.raises(SupersededError):
        await advanced(db, run)
    assert len(await carriers(db, team_id, "x")) == 500


async def lost_role(db: Database, actor: Actor) -> None:
    async with db.transaction() as session:
        its = update(Membership).where(Membership.user_id == actor.user_id)
        await session.execute(its.values(role=Role.VIEWER))


async def lost_membership(db: Database, actor: Actor) -> None:
    async with db.transaction() as session:
        await session.execute(delete(Membership).where(Membership.user_id == actor.user_id))


async def deleted_user(db: Database, actor: Actor) -> None:
    async with db.transaction() as session:
        await session.execute(delete(User).where(User.id == actor.user_id))


async def revoked_key(db: Database, actor: Actor) -> None:
    async with db.transaction() as session:
        await session.execute(text("update api_key set revoked_at = now() where id = :id"), {"id": actor.api_key_id})  # fmt: skip


@pytest.mark.parametrize("lose_it", [lost_role, lost_membership, deleted_user, revoked_key])
async def test_who_may_not_any_more_is_stopped(
    client: Client, db: Database, lose_it: Callable[[Database, Actor], Any]
) -> None:
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    member = await make.actor(db, team_id, Role.EDITOR)
    async with db.transaction() as session:
        key, _ = await api_keys.add(
            session, team_id=team_id, user_id=member.user_id, name="k", role=Role.EDITOR, expires_at=None
        )  # fmt: skip
    if lose_it is revoked_key:
        member = replace(member, api_key_id=key.id)
    await make.images(db, team_id, 1_200)
    shown = await prepared(client, member, {"addTags": ["x"]})
    await started(client, member, shown)
    run = await claimed(db, shown)
    assert await advanced(db, run)

    await lose_it(db, member)
    await lose(db, shown)
    now = await ended(client, admin, shown)

    assert (now["status"], now["error"]) == ("FAILED", bulk_runs.NO_ACCESS)
    assert now["done"] == len(await carriers(db, team_id, "x")) == 500
    assert await parts(db, shown) == 0


async def test_another_editor_may_start_and_it_is_theirs(client: Client, db: Database) -> None:
    first = await make.actor(db)
    (team_id,) = first.team_ids
    second = await make.actor(db, team_id, Role.EDITOR)
    viewer = await make.actor(db, team_id, Role.VIEWER)
    image_id = await make.image(db, team_id)
    shown = await prepared(client, first, {"addTags": ["x"]})

    assert (await seen(client, viewer, shown))["total"] == 1
    assert await client.code(viewer, START, id=shown["id"]) == ("FORBIDDEN", None)
    assert await client.code(viewer, CANCEL, id=shown["id"]) == ("FORBIDDEN", None)
    await started(client, second, shown)
    now = await ended(client, viewer, shown)

    assert now["createdBy"] == {"id": str(first.user_id)}
    assert now["startedBy"] == {"id": str(second.user_id)}
    assert await carriers(db, team_id, "x") == {image_id: second.user_id}


async def test_a_team_that_ends_takes_its_jobs_along(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.images(db, team_id, 1_200)
    shown = await prepared(client, actor, {"addTags": ["x"]})
    await started(client, actor, shown)
    run = await claimed(db, shown)
    assert await advanced(db, run)
    slug = (await client.get(actor, "{ teams { nodes { slug } } }"))["teams"]["nodes"][0]["slug"]
    end = "mutation($id: ID!, $slug: String!) { deleteTeam(id: $id, confirmSlug: $slug) }"
    await client.get(actor, end, id=str(team_id), slug=slug)

    await lose(db, shown)
    while await Bulk(client.resources).turn():
        pass
    async with db.transaction() as session:
        row = await session.get_one(BulkJob, run.job_id)
    assert (row.status, row.error) == (BulkStatus.FAILED, bulk_runs.NO_ACCESS)
    async with db.worker.transaction() as session:
        await session.execute(text("delete from team where id = :id"), {"id": team_id})
    async with db.transaction() as session:
        assert await session.get(BulkJob, run.job_id) is None


# ───────────────────────────── how long, how many, and its record ─────────────────────────────


async def aged(db: Database, job: dict[str, Any], **columns: Any) -> None:
    async with db.transaction() as session:
        await session.execute(
            update(BulkJob).where(BulkJob.id == UUID(job["id"])).values(**columns)
        )


async def test_what_is_old_goes(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0])
    unstarted, finished, fresh = [await prepared(client, actor, {"trash": True}) for _ in range(3)]
    now = datetime.now(UTC)
    await aged(db, unstarted, created_at=now - bulk.PREPARED_FOR - timedelta(seconds=1))
    await client.get(actor, CANCEL, id=finished["id"])
    await aged(db, finished, finished_at=now - bulk.KEPT_FOR - timedelta(seconds=1))

    assert await client.code(actor, START, id=unstarted["id"]) == ("CONFLICT", "id")
    async with db.worker.transaction() as session:
        assert await bulk.forget(session) >= 2
    left = (await client.get(actor, "{ bulkJobs { nodes { id } } }"))["bulkJobs"]["nodes"]
    assert left == [{"id": fresh["id"]}]
    assert await parts(db, unstarted) == 0
    assert await parts(db, fresh) == 1


async def test_prepared_jobs_make_room_for_each_other(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    other = await make.actor(db, actor.team_ids[0])
    theirs = await prepared(client, other, {"trash": True})
    going = await prepared(client, actor, {"trash": True})
    await started(client, actor, going)
    mine = [
        (await prepared(client, actor, {"trash": True}))["id"]
        for _ in range(bulk.MOST_PREPARED + 1)
    ]

    jobs = (await client.get(actor, "{ bulkJobs { nodes { id } totalCount } }"))["bulkJobs"]

    kept = [*reversed(mine[1:]), going["id"], theirs["id"]]
    assert [one["id"] for one in jobs["nodes"]] == kept
    assert jobs["totalCount"] == len(kept)


async def test_a_job_that_is_being_started_makes_no_room(client: Client, db: Database) -> None:
    """Whoever prepares the next one meanwhile waits for the start, and then leaves the job alone."""
    actor = await make.actor(db)
    oldest, *_ = [await prepared(client, actor, {"trash": True}) for _ in range(bulk.MOST_PREPARED)]
    async with db.acting(actor).transaction() as session:
        await bulk.start(session, actor, UUID(oldest["id"]), "test")
        preparing = asyncio.create_task(prepared(client, actor, {"trash": True}))
        await until_blocked(db, session)
    await preparing

    assert (await seen(client, actor, oldest))["status"] == "QUEUED"


async def test_a_team_has_so_many_open_jobs(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    for _ in range(bulk.MOST_OPEN):
        await started(client, actor, await prepared(client, actor, {"trash": True}))
    one_more = await prepared(client, actor, {"trash": True})

    answer = await client.ask(actor, START, id=one_more["id"])

    assert answer.codes == ["RATE_LIMITED"]
    assert answer.errors[0]["extensions"]["retryAfter"] > 0
    await ended(client, actor, {"id": (await first_open(client, actor))})
    assert (await started(client, actor, one_more))["status"] == "QUEUED"


async def first_open(client: Client, actor: Actor) -> str:
    nodes = (await client.get(actor, "{ bulkJobs { nodes { id status } } }"))["bulkJobs"]["nodes"]
    found: str = [one["id"] for one in nodes if one["status"] == "QUEUED"][-1]
    return found


async def test_start_and_end_are_recorded(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0], tags=("word",))
    now = await done(client, actor, {"removeTags": ["word"]})
    query = """query($a: String!) { auditEvents(action: $a) { nodes {
      outcome user { id } subjectIds detail subject { id } requestId } } }"""

    for action, said in (
        ("bulk.prepare", '"images":1'),
        ("bulk.start", '"action":"REMOVE_TAGS","images":1,"tag_ids":["'),
        (
            "bulk.end",
            '"action":"REMOVE_TAGS","images":1,"done":1,"changed":1,"skipped":0,"tag_ids":["',
        ),
    ):
        (event,) = (await client.get(actor, query, a=action))["auditEvents"]["nodes"]
        assert event["outcome"] == "ALLOWED"
        assert event["user"] == {"id": str(actor.user_id)}
        assert event["subjectIds"] == [now["id"]]
        assert event["subject"] == {"id": now["id"]}
        assert event["requestId"] == "test"
        assert said in event["detail"]
        assert "word" not in event["detail"]


async def test_statements(client: Client, db: Database, resources: Resources) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.images(db, team_id, 600)
    for change in ({"addTags": ["a"]}, {"trash": True}):
        await client.get(actor, PREPARE, i=wanted(actor, change))
    plain = "mutation($i: PrepareBulkJobInput!) { prepareBulkJob(input: $i) { id total } }"
    filter = {"tags": {"none": ["b"]}}

    async def count(query: str, **variables: Any) -> int:
        return len(await client.statements(actor, query, **variables))

    async def fresh(change: dict[str, Any]) -> str:
        found: str = (await client.get(actor, plain, i=wanted(actor, change)))["prepareBulkJob"]["id"]  # fmt: skip
        return found

    # Beside the change: the head of the chain is locked and the event appended.
    assert await count(plain, i=wanted(actor, {"trash": True})) == 4 + 2
    assert await count(plain, i=wanted(actor, {"addTags": ["a"]}, filter=filter)) == 7 + 2
    start = "mutation($id: ID!) { startBulkJob(id: $id) { status } }"
    assert await count(start, id=await fresh({"trash": True})) == 4 + 2
    assert await count(start, id=await fresh({"addTags": ["a"]})) == 6 + 2
    cancel = "mutation($id: ID!) { cancelBulkJob(id: $id) { status } }"
    job_id = await fresh({"trash": True})
    assert await count("query($id: ID!) { bulkJob(id: $id) { done } }", id=job_id) == 1
    listed = "query($id: ID!) { bulkJob(id: $id) { images(first: 100) { nodes { id } } } }"
    assert await count(listed, id=job_id) == 3
    assert await count("{ bulkJobs { nodes { done } } }") == 1
    assert await count("{ bulkJobs { nodes { done } totalCount } }") == 2
    assert await count(cancel, id=job_id) == 3 + 2
