"""imageProcessing: what is told, in which order, until when, and to whom."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from graphql import ExecutionResult
from sqlalchemy import delete, update

from app.db.database import counted_statements
from app.db.models import Image, ImageJob, Membership
from app.domain import Actor, ImageState, JobState, ProcessingStatus
from app.errors import AppError, unauthenticated
from app.graphql.context import Context
from app.graphql.schema import Schema
from app.resources import Resources
from app.services import images, job_runs, jobs
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client

PENDING, PROCESSING, READY, FAILED = ProcessingStatus
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OF_IMAGES = (
    "subscription($ids: [ID!]) { imageProcessing(imageIds: $ids) { id processing { status } } }"
)
OF_TEAM = "subscription($team: ID) { imageProcessing(teamId: $team) { id processing { status } } }"
Told = tuple[UUID, str]


@pytest.fixture(autouse=True)
def nothing_is_left(resources: Resources) -> Iterator[None]:
    yield
    assert resources.changes._watching == set()


class Reader:
    """Reads a subscription."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def read(self, count: int) -> list[Told]:
        return [await self._one() for _ in range(count)]

    async def rest(self) -> list[Told]:
        """Everything until the end."""
        found = []
        while True:
            try:
                found.append(await self._one())
            except StopAsyncIteration:
                return found

    async def _one(self) -> Told:
        result: ExecutionResult = await asyncio.wait_for(anext(self._stream), 20)
        assert not result.errors, result.errors
        assert result.data is not None
        image = result.data["imageProcessing"]
        return UUID(image["id"]), image["processing"]["status"]


@asynccontextmanager
async def watching(
    client: Client, actor: Actor, query: str, /, **variables: Any
) -> AsyncIterator[Reader]:
    context = Context(resources=client.resources, actor=actor, request_id="test")
    async with watching_as(client, context, query, **variables) as reader:
        yield reader


@asynccontextmanager
async def watching_as(
    client: Client, context: Context, query: str, /, **variables: Any
) -> AsyncIterator[Reader]:
    stream = await client.begun(context, query, **variables)
    assert not isinstance(stream, ExecutionResult), stream.errors
    yield Reader(stream)
    await stream.aclose()


async def change(db: Database, *image_ids: UUID, **columns: object) -> None:
    async with db.transaction() as session:
        await session.execute(update(Image).where(Image.id.in_(image_ids)).values(**columns))


async def test_present_state_then_changes_then_the_end(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    first, second, third = [await make.image(db, actor.team_ids[0]) for _ in range(3)]
    await change(db, second, processing=READY)

    async with watching(
        client, actor, OF_IMAGES, ids=[str(third), str(second), str(first)]
    ) as reader:
        present = await reader.read(3)
        await change(db, first, processing=PROCESSING)
        begun = await reader.read(1)
        await change(db, first, processing=READY)
        done = await reader.read(1)
        await change(db, third, processing=FAILED)
        rest = await reader.rest()

    assert present == [(third, "PENDING"), (second, "READY"), (first, "PENDING")]
    assert [*begun, *done, *rest] == [(first, "PROCESSING"), (first, "READY"), (third, "FAILED")]


async def test_what_has_ended_already_ends_at_once(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    ready = await make.image(db, actor.team_ids[0], processing=READY)
    trashed = await make.image(db, actor.team_ids[0], trashed_at=datetime.now(UTC))

    async with watching(
        client, actor, OF_IMAGES, ids=[str(ready), str(trashed), str(ready)]
    ) as reader:
        assert await reader.rest() == [(ready, "READY"), (trashed, "PENDING")]
    async with watching(client, actor, OF_IMAGES, ids=[]) as reader:
        assert await reader.rest() == []


@pytest.mark.parametrize(
    "gone", [{"trashed_at": datetime.now(UTC)}, {"state": ImageState.DELETED}, None]
)
async def test_image_that_goes_is_waited_for_no_more(
    client: Client, db: Database, gone: dict[str, Any] | None
) -> None:
    actor = await make.actor(db)
    image_id = await make.image(db, actor.team_ids[0])

    async with watching(client, actor, OF_IMAGES, ids=[str(image_id)]) as reader:
        await reader.read(1)
        if gone is not None:
            await change(db, image_id, **gone)
        else:
            async with db.transaction() as session:
                await session.execute(delete(Image).where(Image.id == image_id))
        assert await reader.rest() == []


async def test_team_is_told_of_every_change(client: Client, db: Database) -> None:
    actor, stranger = await make.actor(db), await make.actor(db)
    (team_id,) = actor.team_ids
    foreign = await make.image(db, stranger.team_ids[0])
    first = await make.image(db, team_id)

    async with (
        watching(client, actor, OF_TEAM, team=str(team_id)) as one,
        watching(client, actor, OF_TEAM) as all_of_theirs,
    ):
        await change(db, foreign, processing=READY)
        new = await make.image(db, team_id, state=ImageState.PENDING)
        await change(db, new, state=ImageState.STORED)
        seen = await one.read(1)
        for status in (PROCESSING, READY, PENDING):
            await change(db, first, processing=status)
            seen += await one.read(1)
        assert await all_of_theirs.read(2) == [(new, "PENDING"), (first, "PENDING")]

    assert seen == [(new, "PENDING"), *((first, one) for one in ("PROCESSING", "READY", "PENDING"))]


async def test_slow_reader_hears_the_last_of_each(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    found = [await make.image(db, actor.team_ids[0]) for _ in range(150)]

    async with watching(client, actor, OF_TEAM) as reader:
        for status in (PROCESSING, PENDING, PROCESSING, READY):
            await change(db, *found, processing=status)
        last = dict(await reader.read(150))

    assert last == dict.fromkeys(found, "READY")


async def test_jobs_of_a_worker_are_seen(
    schema: Schema, resources: Resources, own_db: Database
) -> None:
    """In a queue that holds no other test's jobs, which would all be claimed before."""
    client, db = Client(schema, replace(resources, db=own_db)), own_db
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_id = await make.image(db, team_id)
    kinds = jobs.PROCESSING
    await db.run(lambda session: jobs.enqueue(session, team_id, image_id, kinds))

    async with watching(client, actor, OF_IMAGES, ids=[str(image_id)]) as reader:
        seen = await reader.read(1)
        claimed = await db.worker.run(
            lambda session: job_runs.claim(session, kinds, 100, timedelta(minutes=1))
        )
        seen += await reader.read(1)
        await db.worker.run(lambda session: job_runs.finish(session, claimed))
        seen += await reader.rest()
    assert seen == [(image_id, "PENDING"), (image_id, "PROCESSING"), (image_id, "READY")]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ids": [str(uuid4())]}, ("NOT_FOUND", "imageIds")),
        ({"ids": ["nonsense"]}, ("NOT_FOUND", "imageIds")),
        ({"ids": [str(uuid4()) for _ in range(101)]}, ("BAD_USER_INPUT", "imageIds")),
        ({"team": str(uuid4())}, ("NOT_FOUND", "teamId")),
        ({"team": "nonsense", "ids": []}, ("NOT_FOUND", "teamId")),
    ],
)
async def test_what_is_not_there_is_not_watched(
    client: Client, db: Database, variables: dict[str, Any], expected: tuple[str, str]
) -> None:
    query = "subscription($ids: [ID!], $team: ID) { imageProcessing(imageIds: $ids, teamId: $team) { id } }"
    assert await client.code(await make.actor(db), query, **variables) == expected


async def test_stranger_sees_nothing(client: Client, db: Database) -> None:
    owner, stranger = await make.actor(db), await make.actor(db)
    image_id = await make.image(db, owner.team_ids[0])

    answer = await client.ask(stranger, OF_IMAGES, ids=[str(image_id)])
    (error,) = answer.errors
    assert error["extensions"] == {
        "code": "NOT_FOUND", "field": "imageIds", "ids": [str(image_id)], "requestId": "test",
    }  # fmt: skip
    query = "subscription($t: ID, $i: [ID!]) { imageProcessing(teamId: $t, imageIds: $i) { id } }"
    mine = await make.image(db, stranger.team_ids[0])
    other = await make.team(db)
    both = Actor(stranger.user_id, {**stranger.roles, other: stranger.roles[stranger.team_ids[0]]})
    assert await client.code(both, query, t=str(other), i=[str(mine)]) == ("NOT_FOUND", "imageIds")


async def test_beginning_and_each_change_take_one_statement(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    found = [await make.image(db, actor.team_ids[0]) for _ in range(10)]

    def of_images(seen: list[str]) -> list[str]:
        return [one for one in seen if "from image" in one.lower()]

    query = "subscription($ids: [ID!]) { imageProcessing(imageIds: $ids) { id title } }"
    with counted_statements(client.resources.db) as seen:
        context = Context(resources=client.resources, actor=actor, request_id="test")
        stream = await client.begun(context, query, ids=[str(one) for one in found])
        assert not isinstance(stream, ExecutionResult)
        for _ in found:
            await anext(stream)
    assert len(of_images(seen)) == 1
    await change(db, *found, processing=READY)
    with counted_statements(client.resources.db) as seen:
        assert len([one async for one in stream]) == 10
    assert len(of_images(seen)) == 1


class Access:
    """Who the viewer is, as the edge finds out again and again."""

    def __init__(self, actor: Actor | None) -> None:
        self.actor = actor

    async def __call__(self) -> Actor:
        if self.actor is None:
            raise unauthenticated()
        return self.actor


async def code_at_the_end(reader: Reader) -> str:
    with pytest.raises(AppError) as raised:
        await reader.rest()
    return raised.value.code.value


async def test_ends_with_access(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    image_id = await make.image(db, actor.team_ids[0])
    elsewhere = await make.team(db)
    for lost, code in (
        (None, "UNAUTHENTICATED"),
        (Actor(actor.user_id, {elsewhere: actor.roles[actor.team_ids[0]]}), "NOT_FOUND"),
    ):
        for query, variables in (
            (OF_IMAGES, {"ids": [str(image_id)]}),
            (OF_TEAM, {"team": str(actor.team_ids[0])}),
        ):
            access = Access(actor)
            context = Context(
                resources=client.resources, actor=actor, request_id="test", identify=access
            )
            async with watching_as(client, context, query, **variables) as reader:
                if query is OF_IMAGES:
                    await reader.read(1)
                access.actor = lost
                await change(db, image_id, processing=PROCESSING)
                assert await code_at_the_end(reader) == code
            await change(db, image_id, processing=PENDING)


async def test_teams_follow_the_memberships(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    joined = await make.team(db)
    mine, theirs = await make.image(db, team_id), await make.image(db, joined)
    access = Access(actor)
    context = Context(resources=client.resources, actor=actor, request_id="test", identify=access)
    async with watching_as(client, context, OF_TEAM) as reader:
        await change(db, theirs, processing=PROCESSING)
        await change(db, mine, processing=PROCESSING)
        assert await reader.read(1) == [(mine, "PROCESSING")]
        async with db.transaction() as session:
            role = actor.roles[team_id]
            session.add(Membership(team_id=joined, user_id=actor.user_id, role=role))
        access.actor = Actor(actor.user_id, {team_id: role, joined: role})
        await change(db, mine, processing=READY)
        assert await reader.read(1) == [(mine, "READY")]
        await change(db, theirs, processing=READY)
        assert await reader.read(1) == [(theirs, "READY")]


async def test_what_was_missed_is_found(client: Client, db: Database) -> None:
    """Of teams, what the jobs tell; of named images, all."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    worked, long_ago, waits = [await make.image(db, team_id) for _ in range(3)]
    async with db.transaction() as session:
        for one in (worked, long_ago, waits):
            await jobs.enqueue(session, team_id, one, jobs.PROCESSING)
    await be(db, worked, state=JobState.DONE, run_after=LONG_AGO, finished_at=datetime.now(UTC))
    await be(db, long_ago, state=JobState.DONE, run_after=LONG_AGO, finished_at=LONG_AGO)
    await be(db, waits, run_after=LONG_AGO)

    async with db.acting(actor).transaction() as session:
        assert await images.processed_within(session, actor, [team_id], 3600, 100) == [worked]
        assert await images.processed_within(session, actor, [uuid4()], 3600, 100) == []
    await be(db, waits, state=JobState.RUNNING)
    async with db.acting(actor).transaction() as session:
        found = await images.processed_within(session, actor, [team_id], 3600, 100)
        assert set(found) == {worked, waits}
        assert len(await images.processed_within(session, actor, [team_id], 3600, 1)) == 1

    async with watching(client, actor, OF_TEAM) as reader:
        (watch,) = client.resources.changes._watching
        watch.lost(asyncio.get_running_loop().time())
        assert set(await reader.read(2)) == {(worked, "PENDING"), (waits, "PENDING")}


async def be(db: Database, image_id: UUID, **columns: object) -> None:
    """Sets columns of the image's jobs."""
    async with db.transaction() as session:
        await session.execute(
            update(ImageJob).where(ImageJob.image_id == image_id).values(**columns)
        )
