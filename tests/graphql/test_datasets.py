"""Datasets over GraphQL: asked for, followed, listed and deleted; what a second click does, and what is refused."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, select, update

from app.db.models import AuditEvent, Dataset, ImageJob, Team
from app.domain import MAX_DATASETS_OF_TEAM, Actor, JobKind, JobState, Role
from app.services.exports import datasets
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client, png

EXPORT = """mutation($input: ExportDatasetInput!) {
  exportDataset(input: $input) { id name status error done imageCount sizeBytes archiveUrl files { name } }
}"""
FOLLOW = """query($id: ID!) {
  dataset(id: $id) {
    id name status error done imageCount sizeBytes createdAt snapshotAt finishedAt
    team { id } createdBy { id } archiveUrl(expiresIn: 600)
    files { name mediaType sizeBytes sha256 url(expiresIn: 600) }
  }
}"""
LIST = "query($team: ID) { datasets(teamId: $team, first: 2) { nodes { id } totalCount } }"
DELETE = "mutation($id: ID!) { deleteDataset(id: $id) }"
FILES = {
    "coco.json": {"key": "t/x/coco.json", "bytes": 5_000_000_000, "sha256": "b" * 64},
    "images.jsonl": {"key": "t/x/images.jsonl", "bytes": 7, "sha256": "a" * 64},
}


@pytest.fixture
async def actor(db: Database) -> Actor:
    return await make.actor(db, role=Role.EDITOR)


async def asked(client: Client, actor: Actor, name: str = "A set", **more: Any) -> dict[str, Any]:
    data = await client.get(actor, EXPORT, input={"name": name, **more})
    found: dict[str, Any] = data["exportDataset"]
    return found


async def count(db: Database, actor: Actor) -> int:
    async with db.transaction() as session:
        query = select(func.count()).where(Dataset.team_id == actor.team_ids[0])
        return await session.scalar(query) or 0


async def test_an_export_waits_for_a_worker(client: Client, db: Database, actor: Actor) -> None:
    found = await asked(client, actor, "  Cats,  first ", filter={"tags": {"all": ["cat"]}})
    assert found == {
        "id": found["id"],
        "name": "Cats, first",
        "status": "QUEUED",
        "error": None,
        "done": 0,
        "imageCount": None,
        "sizeBytes": 0,
        "archiveUrl": None,
        "files": [],
    }
    async with db.transaction() as session:
        row = await session.get_one(Dataset, UUID(found["id"]))
        job = (await session.scalars(select(ImageJob).where(ImageJob.image_id == row.id))).one()
    assert datasets.wanted(row).tags.all == ("cat",)
    assert datasets.wanted(row).team_id == actor.team_ids[0]
    assert row.created_by == actor.user_id
    assert (job.kind, job.state) == (JobKind.EXPORT, JobState.QUEUED)


async def test_a_ready_one_shows_its_files(client: Client, db: Database, actor: Actor) -> None:
    dataset_id = (await asked(client, actor))["id"]
    async with db.transaction() as session:
        done = {"files": FILES, "image_count": 2, "done": 2, "snapshot_at": func.now()}
        await session.execute(update(Dataset).where(Dataset.id == UUID(dataset_id)).values(done))
    found = (await client.get(actor, FOLLOW, id=dataset_id))["dataset"]

    assert (found["status"], found["imageCount"], found["sizeBytes"]) == ("READY", 2, 5_000_000_007)
    assert found["team"] == {"id": str(actor.team_ids[0])}
    assert found["createdBy"] == {"id": str(actor.user_id)}
    assert [(one["name"], one["mediaType"], one["sha256"]) for one in found["files"]] == [
        ("images.jsonl", "application/jsonl", "a" * 64),
        ("coco.json", "application/json", "b" * 64),
    ]
    for one in found["files"]:
        assert one["url"].startswith(f"http://test/datasets/{dataset_id}/{one['name']}?token=")
    assert found["archiveUrl"].startswith(f"http://test/datasets/{dataset_id}/archive.tar?token=")


@pytest.mark.parametrize(
    ("state", "status"),
    [(JobState.QUEUED, "QUEUED"), (JobState.RUNNING, "RUNNING"), (JobState.FAILED, "FAILED")],
)
async def test_its_job_tells_how_far_it_is(
    client: Client, db: Database, actor: Actor, state: JobState, status: str
) -> None:
    dataset_id = (await asked(client, actor))["id"]
    async with db.transaction() as session:
        own = update(ImageJob).where(ImageJob.image_id == UUID(dataset_id))
        await session.execute(own.values(state=state, error="Why."))
    found = (await client.get(actor, FOLLOW, id=dataset_id))["dataset"]
    assert (found["status"], found["error"]) == (status, "Why.")


async def test_a_second_click_is_the_same_dataset(
    client: Client, db: Database, actor: Actor
) -> None:
    both = await asyncio.gather(*(asked(client, actor) for _ in range(4)))
    assert len({one["id"] for one in both}) == 1
    other = await asked(client, actor, "Another name")
    filtered = await asked(client, actor, filter={"tags": {"any": ["cat"]}})
    assert (
        await asked(client, actor, filter={"tags": {"any": ["Cat", "cat"], "none": []}}) == filtered
    )
    assert len({both[0]["id"], other["id"], filtered["id"]}) == await count(db, actor) == 3
    async with db.transaction() as session:
        done = update(ImageJob).where(ImageJob.image_id == UUID(both[0]["id"]))
        await session.execute(done.values(state=JobState.DONE))
    assert (await asked(client, actor))["id"] != both[0]["id"]


async def test_a_team_keeps_so_many(client: Client, db: Database, actor: Actor) -> None:
    (team_id,) = actor.team_ids
    async with db.transaction() as session:
        values = {"team_id": team_id, "name": "d", "spec": {"filter": {}}, "fingerprint": b""}
        await session.execute(insert(Dataset), [values] * MAX_DATASETS_OF_TEAM)
        one = await session.scalar(select(Dataset.id).where(Dataset.team_id == team_id).limit(1))
    answer = await client.ask(actor, EXPORT, input={"name": "One more"})
    (error,) = answer.errors
    assert error["extensions"] | {"requestId": ""} == {
        "code": "BAD_USER_INPUT",
        "field": "input.teamId",
        "limit": MAX_DATASETS_OF_TEAM,
        "requestId": "",
    }
    await client.get(actor, DELETE, id=str(one))
    assert (await asked(client, actor, "One more"))["status"] == "QUEUED"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"name": " "}, ("BAD_USER_INPUT", "input.name")),
        ({"name": "x" * 201}, ("BAD_USER_INPUT", "input.name")),
        (
            {"name": "x", "filter": {"ids": [str(uuid4())] * 101}},
            ("BAD_USER_INPUT", "input.filter.ids"),
        ),
        ({"name": "x", "teamId": "nonsense"}, ("NOT_FOUND", "input.teamId")),
        ({"name": "x", "teamId": str(uuid4())}, ("NOT_FOUND", "input.teamId")),
    ],
)
async def test_what_is_wrong_makes_nothing(
    client: Client, db: Database, actor: Actor, given: dict[str, Any], error: Any
) -> None:
    assert await client.code(actor, EXPORT, input=given) == error
    assert await count(db, actor) == 0


async def test_who_belongs_to_several_teams_names_one(
    client: Client, db: Database, actor: Actor
) -> None:
    second = await make.team(db)
    both = replace(actor, roles={**actor.roles, second: Role.EDITOR})
    assert await client.code(both, EXPORT, input={"name": "x"}) == (
        "BAD_USER_INPUT",
        "input.teamId",
    )
    found = await asked(client, both, teamId=str(second))
    async with db.transaction() as session:
        row = await session.get_one(Dataset, UUID(found["id"]))
    assert row.team_id == datasets.wanted(row).team_id == second


async def test_roles(client: Client, db: Database, actor: Actor) -> None:
    dataset_id = (await asked(client, actor))["id"]
    viewer = await make.actor(db, actor.team_ids[0], Role.VIEWER)
    stranger = await make.actor(db)
    assert (await client.code(viewer, EXPORT, input={"name": "x"}))[0] == "FORBIDDEN"
    assert (await client.code(viewer, DELETE, id=dataset_id))[0] == "FORBIDDEN"
    assert (await client.get(viewer, FOLLOW, id=dataset_id))["dataset"]["id"] == dataset_id
    assert (await client.code(stranger, DELETE, id=dataset_id))[0] == "NOT_FOUND"
    assert (await client.get(stranger, FOLLOW, id=dataset_id))["dataset"] is None
    assert (await client.get(stranger, LIST, team=str(actor.team_ids[0])))["datasets"] == {
        "nodes": [],
        "totalCount": 0,
    }


async def test_newest_first_and_gone_when_deleted(
    client: Client, db: Database, actor: Actor
) -> None:
    ids = [(await asked(client, actor, f"Set {number}"))["id"] for number in range(3)]
    found = (await client.get(actor, LIST, team=str(actor.team_ids[0])))["datasets"]
    assert found == {"nodes": [{"id": ids[2]}, {"id": ids[1]}], "totalCount": 3}
    assert (await client.get(actor, DELETE, id=ids[2]))["deleteDataset"] == ids[2]
    assert await client.code(actor, DELETE, id=ids[2]) == ("NOT_FOUND", "id")
    assert (await client.get(actor, LIST))["datasets"]["totalCount"] == 2
    async with db.transaction() as session:
        jobs = await session.execute(
            select(ImageJob.kind, ImageJob.run_after > func.now() + timedelta(days=6)).where(
                ImageJob.image_id == UUID(ids[2])
            )
        )
        assert jobs.all() == [(JobKind.PURGE, True)]


async def test_it_is_recorded(client: Client, db: Database, actor: Actor) -> None:
    dataset_id = (await asked(client, actor))["id"]
    await client.get(actor, DELETE, id=dataset_id)
    async with db.transaction() as session:
        rows = await session.scalars(
            select(AuditEvent)
            .where(AuditEvent.subject_ids.contains([UUID(dataset_id)]))
            .order_by(AuditEvent.seq)
        )
        found = [(row.action, row.team_id, json.loads(row.detail)["field"]) for row in rows]
    (team_id,) = actor.team_ids
    assert found == [
        ("dataset.export", team_id, "exportDataset"),
        ("dataset.delete", team_id, "deleteDataset"),
    ]


async def test_statements(client: Client, db: Database, actor: Actor) -> None:
    for number in range(3):
        await asked(client, actor, f"Set {number}")
    dataset_id = (await asked(client, actor))["id"]
    short = "query($id: ID!) { dataset(id: $id) { name files { url } } }"
    assert len(await client.statements(actor, short, id=dataset_id)) == 1
    followed = "query($id: ID!) { dataset(id: $id) { status error } }"
    assert len(await client.statements(actor, followed, id=dataset_id)) == 2
    listed = "{ datasets { nodes { id status error createdBy { id } team { id } } } }"
    assert len(await client.statements(actor, listed)) == 4


async def test_how_a_tag_came(client: Client, db: Database, actor: Actor) -> None:
    """By hand, by a key, with an upload; what was there before stays what it was."""
    (team_id,) = actor.team_ids
    async with db.transaction() as session:
        await session.execute(update(Team).where(Team.id == team_id).values(tag_policy="OPEN"))
    upload = """mutation($file: Upload!, $tags: [String!]) {
      uploadImage(input: {file: $file, tags: $tags}) { image { id } }
    }"""
    file = client.file(png(41))
    data = await client.get(actor, upload, file=file, tags=["sent"])
    image_id = data["uploadImage"]["image"]["id"]
    add = (
        """mutation($id: ID!, $tags: [String!]!) { addTags(imageIds: [$id], tags: $tags) { id } }"""
    )
    program = replace(actor, api_key_id=uuid4())
    await client.get(actor, add, id=image_id, tags=["hand", "sent"])
    await client.get(program, add, id=image_id, tags=["key", "hand"])
    await client.get(actor, upload, file=client.file(png(41)), tags=["again", "key"])
    set_all = "mutation($id: ID!, $tags: [String!]!) { setTags(imageId: $id, tags: $tags) { id } }"
    await client.get(program, set_all, id=image_id, tags=["again", "hand", "key", "sent", "set"])

    asked = "query($id: ID!) { image(id: $id) { taggings { tag { name } source } } }"
    found = (await client.get(actor, asked, id=image_id))["image"]["taggings"]

    assert {one["tag"]["name"]: one["source"] for one in found} == {
        "again": "UPLOAD",
        "hand": "MANUAL",
        "key": "API",
        "sent": "UPLOAD",
        "set": "API",
    }
