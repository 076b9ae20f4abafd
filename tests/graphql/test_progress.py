"""bulkJobProgress and datasetProgress: what is told, until when, and to whom."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from graphql import ExecutionResult
from sqlalchemy import delete, func, update

from app.db.database import counted_statements
from app.db.models import BulkJob, Dataset, ImageJob
from app.domain import Actor, BulkStatus, JobState, Role
from app.errors import AppError
from app.graphql.context import Context
from app.resources import Resources
from app.worker.bulk import Bulk
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client
from tests.graphql.test_processing import Access

PREPARE = "mutation($i: PrepareBulkJobInput!) { prepareBulkJob(input: $i) { id } }"
START = "mutation($id: ID!) { startBulkJob(id: $id) { status } }"
CANCEL = "mutation($id: ID!) { cancelBulkJob(id: $id) { status } }"
EXPORT = 'mutation { exportDataset(input: {name: "A set"}) { id } }'
DELETE = "mutation($id: ID!) { deleteDataset(id: $id) }"
OF_JOB = "subscription($id: ID!) { bulkJobProgress(id: $id) { id status total done changed } }"
OF_SET = "subscription($id: ID!) { datasetProgress(id: $id) { id status error done imageCount } }"
FILES = {"images.jsonl": {"key": "t/x/images.jsonl", "bytes": 7, "sha256": "a" * 64}}
BOTH = pytest.mark.parametrize("query", [OF_JOB, OF_SET])


@pytest.fixture(autouse=True)
def nothing_is_left(resources: Resources) -> Iterator[None]:
    yield
    assert resources.changes._watching == set()


class Reader:
    """Reads a subscription, each event as what its field tells. Nothing that an earlier one loaded is used again, as at the edge."""

    def __init__(self, stream: Any, context: Context) -> None:
        self._stream = stream
        self._context = context

    async def one(self) -> dict[str, Any]:
        self._context.__dict__.pop("loaders", None)
        result: ExecutionResult = await asyncio.wait_for(anext(self._stream), 20)
        assert not result.errors, result.errors
        assert result.data is not None
        (told,) = result.data.values()
        return dict(told)

    async def rest(self) -> list[dict[str, Any]]:
        """Everything until the end."""
        found = []
        while True:
            try:
                found.append(await self.one())
            except StopAsyncIteration:
                return found


@asynccontextmanager
async def watching(
    client: Client, actor: Actor, query: str, id: str, access: Access | None = None
) -> AsyncIterator[Reader]:
    context = Context(resources=client.resources, actor=actor, request_id="test", identify=access)
    stream = await client.begun(context, query, id=id)
    assert not isinstance(stream, ExecutionResult), stream.errors
    yield Reader(stream, context)
    await stream.aclose()


async def job(client: Client, actor: Actor) -> str:
    """A prepared one, for all images of the team."""
    wanted = {"teamId": str(actor.team_ids[0]), "change": {"addTags": ["new"]}}
    id: str = (await client.get(actor, PREPARE, i=wanted))["prepareBulkJob"]["id"]
    return id


async def dataset(client: Client, actor: Actor) -> str:
    id: str = (await client.get(actor, EXPORT))["exportDataset"]["id"]
    return id


async def made(client: Client, actor: Actor, query: str) -> str:
    return await (job if query is OF_JOB else dataset)(client, actor)


async def be(db: Database, table: type[Any], id: str, **columns: object) -> None:
    key = table.image_id if table is ImageJob else table.id
    async with db.transaction() as session:
        await session.execute(update(table).where(key == UUID(id)).values(**columns))


async def test_a_job_is_followed_from_its_dry_run_to_its_end(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    for _ in range(250):
        await make.image(db, actor.team_ids[0])
    id = await job(client, actor)
    await be(db, BulkJob, id, part_size=100)
    worker = Bulk(client.resources)

    async with watching(client, actor, OF_JOB, id) as reader:
        told = [await reader.one()]
        await client.get(actor, START, id=id)
        told.append(await reader.one())
        assert [(one["status"], one["done"]) for one in told] == [("PREPARED", 0), ("QUEUED", 0)]
        rest = asyncio.create_task(reader.rest())
        while not rest.done():
            await worker.turn()
            await asyncio.sleep(0)
        told = await rest

    assert told[-1] == {"id": id, "status": "DONE", "total": 250, "done": 250, "changed": 250}
    steps = [one["done"] for one in told]
    assert steps == sorted(steps)
    assert {one["status"] for one in told[:-1]} <= {"RUNNING"}


async def test_each_step_of_a_job_is_told_once(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    id = await job(client, actor)
    async with watching(client, actor, OF_JOB, id) as reader:
        await reader.one()
        # Nothing that anybody is shown.
        await be(db, BulkJob, id, attempts=1)
        await be(db, BulkJob, id, status=BulkStatus.RUNNING)
        assert (await reader.one())["status"] == "RUNNING"
        await be(db, BulkJob, id, lease_until=func.now())
        for done in (100, 200):
            await be(db, BulkJob, id, done=done)
            assert (await reader.one())["done"] == done
        await client.get(actor, CANCEL, id=id)
        assert [one["status"] for one in await reader.rest()] == ["CANCELLED"]


async def test_an_export_is_followed_to_its_end(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    id = await dataset(client, actor)
    async with watching(client, actor, OF_SET, id) as reader:
        told = [await reader.one()]
        await be(db, ImageJob, id, state=JobState.RUNNING)
        told.append(await reader.one())
        await be(db, Dataset, id, done=1)
        told.append(await reader.one())
        await be(db, ImageJob, id, state=JobState.QUEUED, error="Storage was away.")
        told.append(await reader.one())
        await be(db, Dataset, id, done=2, files=FILES, image_count=2)
        told += await reader.rest()

    waits = {"id": id, "status": "QUEUED", "error": None, "done": 0, "imageCount": None}
    assert told == [
        waits,
        waits | {"status": "RUNNING"},
        waits | {"status": "RUNNING", "done": 1},
        waits | {"status": "QUEUED", "done": 1, "error": "Storage was away."},
        waits | {"status": "READY", "done": 2, "imageCount": 2},
    ]


@BOTH
async def test_what_has_ended_is_told_and_ends(client: Client, db: Database, query: str) -> None:
    actor = await make.actor(db)
    id = await made(client, actor, query)
    if query is OF_JOB:
        await be(db, BulkJob, id, status=BulkStatus.FAILED)
    else:
        await be(db, ImageJob, id, state=JobState.FAILED)
    async with watching(client, actor, query, id) as reader:
        assert [one["status"] for one in await reader.rest()] == ["FAILED"]


@BOTH
async def test_what_is_deleted_ends(client: Client, db: Database, query: str) -> None:
    actor = await make.actor(db)
    id = await made(client, actor, query)
    async with watching(client, actor, query, id) as reader:
        await reader.one()
        if query is OF_JOB:
            async with db.transaction() as session:
                await session.execute(delete(BulkJob).where(BulkJob.id == UUID(id)))
        else:
            await client.get(actor, DELETE, id=id)
        assert await reader.rest() == []


@BOTH
async def test_stranger_and_nonsense_are_not_found(
    client: Client, db: Database, query: str
) -> None:
    owner, stranger = await make.actor(db), await make.actor(db)
    id = await made(client, owner, query)
    for one in (id, str(uuid4()), "nonsense"):
        answer = await client.ask(stranger, query, id=one)
        (error,) = answer.errors
        assert error["extensions"] == {
            "code": "NOT_FOUND", "field": "id", "ids": [one], "requestId": "test",
        }  # fmt: skip


@BOTH
async def test_viewers_follow_and_end_with_their_access(
    client: Client, db: Database, query: str
) -> None:
    owner = await make.actor(db)
    (team_id,) = owner.team_ids
    viewer = Actor((await make.actor(db)).user_id, {team_id: Role.VIEWER})
    elsewhere = Actor(viewer.user_id, {await make.team(db): Role.VIEWER})
    for lost, code in ((None, "UNAUTHENTICATED"), (elsewhere, "NOT_FOUND")):
        access = Access(viewer)
        id = await made(client, owner, query)
        async with watching(client, viewer, query, id, access) as reader:
            await reader.one()
            access.actor = lost
            with pytest.raises(AppError) as raised:
                await reader.rest()
            assert raised.value.code.value == code


@BOTH
async def test_what_was_missed_is_looked_at(client: Client, db: Database, query: str) -> None:
    """As after a lost connection to the database."""
    actor = await make.actor(db)
    id = await made(client, actor, query)
    changes = client.resources.changes
    async with watching(client, actor, query, id) as reader:
        await reader.one()
        (watch,) = changes._watching
        watch.follow(())
        if query is OF_JOB:
            await be(db, BulkJob, id, status=BulkStatus.CANCELLED)
        else:
            await be(db, ImageJob, id, state=JobState.FAILED)
        changes._heard(None)
        assert [one["status"] for one in await reader.rest()] in (["CANCELLED"], ["FAILED"])


async def test_a_step_takes_one_look(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    id = await job(client, actor)

    def looks(seen: list[str]) -> int:
        return len([one for one in seen if "FROM bulk_job" in one and one.startswith("SELECT")])

    with counted_statements(client.resources.db) as seen:
        async with watching(client, actor, OF_JOB, id) as reader:
            await reader.one()
            began = looks(seen)
            await be(db, BulkJob, id, status=BulkStatus.CANCELLED)
            await reader.rest()
    assert (began, looks(seen)) == (1, 2)
