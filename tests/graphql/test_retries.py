"""What a team sees of the background work, and how it has given up work done again."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from app.db.models import ImageJob
from app.domain import Actor, JobKind, JobState, Role
from app.services import job_runs, jobs
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client

BOTH = (JobKind.EMBED, JobKind.THUMBNAILS)
RETRY = """mutation($ids: [ID!]!) {
  retryProcessing(ids: $ids) { id processing { status attempts error } }
}"""
COUNTS = """query($id: ID!) { team(id: $id) { stats { processing {
  pending processing ready failed waitingJobs oldestPendingAt
} } } }"""


async def queued(db: Database, team_id: UUID, **columns: Any) -> UUID:
    """An image whose jobs have these columns, as `image.processing` then follows."""
    image_id = await make.image(db, team_id)
    async with db.transaction() as session:
        await jobs.enqueue(session, team_id, image_id, BOTH)
        await session.execute(
            update(ImageJob)
            .where(ImageJob.image_id == image_id)
            .values(**columns or {"error": None})
        )
        await jobs.follow(session, [image_id])
    return image_id


async def given_up(db: Database, team_id: UUID) -> UUID:
    return await queued(db, team_id, state=JobState.FAILED, attempts=3, error="no colours")


async def rows(db: Database, image_id: UUID) -> list[ImageJob]:
    async with db.transaction() as session:
        return list(await session.scalars(select(ImageJob).where(ImageJob.image_id == image_id)))


async def test_what_was_given_up_begins_anew(client: Client, db: Database) -> None:
    editor = await make.actor(db, role=Role.EDITOR)
    (team_id,) = editor.team_ids
    failed = await given_up(db, team_id)
    before = await client.get(
        editor, f'{{ image(id: "{failed}") {{ processing {{ status error }} }} }}'
    )
    assert before["image"]["processing"] == {"status": "FAILED", "error": "no colours"}

    done = await client.get(editor, RETRY, ids=[str(failed), str(failed)])

    fresh = {"status": "PENDING", "attempts": 0, "error": None}
    assert done["retryProcessing"] == [{"id": str(failed), "processing": fresh}]
    for job in await rows(db, failed):
        assert (job.state, job.attempts) == (JobState.QUEUED, 0)
        assert job.run_after <= datetime.now(UTC)


async def test_only_the_job_that_failed_is_done_again(client: Client, db: Database) -> None:
    editor = await make.actor(db, role=Role.EDITOR)
    image_id = await queued(db, editor.team_ids[0], state=JobState.DONE, attempts=1)
    async with db.transaction() as session:
        await session.execute(
            update(ImageJob)
            .where(ImageJob.image_id == image_id, ImageJob.kind == JobKind.EMBED)
            .values(state=JobState.FAILED, attempts=3, error=job_runs.LOST)
        )
        await jobs.follow(session, [image_id])

    await client.get(editor, RETRY, ids=[str(image_id)])

    states = {job.kind: job.state for job in await rows(db, image_id)}
    assert states == {JobKind.EMBED: JobState.QUEUED, JobKind.THUMBNAILS: JobState.DONE}


@pytest.mark.parametrize(
    ("state", "shown"),
    [(JobState.DONE, "READY"), (JobState.RUNNING, "PROCESSING"), (JobState.QUEUED, "PENDING")],
)
async def test_what_was_not_given_up_stays(
    client: Client, db: Database, state: JobState, shown: str
) -> None:
    editor = await make.actor(db, role=Role.EDITOR)
    image_id = await queued(db, editor.team_ids[0], state=state, attempts=2, run_id=uuid4())

    done = await client.get(editor, RETRY, ids=[str(image_id)])

    assert done["retryProcessing"][0]["processing"]["status"] == shown
    assert {(job.state, job.attempts) for job in await rows(db, image_id)} == {(state, 2)}


async def test_all_or_none(client: Client, db: Database) -> None:
    editor = await make.actor(db, role=Role.EDITOR)
    mine = await given_up(db, editor.team_ids[0])
    theirs = await given_up(db, await make.team(db))

    code, _ = await client.code(editor, RETRY, ids=[str(mine), str(theirs)])

    assert code == "NOT_FOUND"
    for one in (mine, theirs):
        assert {job.state for job in await rows(db, one)} == {JobState.FAILED}


async def test_who_may_not_and_how_many(client: Client, db: Database) -> None:
    viewer = await make.actor(db, role=Role.VIEWER)
    mine = await given_up(db, viewer.team_ids[0])
    assert await client.code(viewer, RETRY, ids=[str(mine)]) == ("FORBIDDEN", None)
    assert {job.state for job in await rows(db, mine)} == {JobState.FAILED}
    editor = await make.actor(db, viewer.team_ids[0], Role.EDITOR)
    many = [str(uuid4()) for _ in range(101)]
    assert await client.code(editor, RETRY, ids=many) == ("BAD_USER_INPUT", "ids")
    assert (await client.get(editor, RETRY, ids=[]))["retryProcessing"] == []


async def test_statements_do_not_grow_with_the_images(client: Client, db: Database) -> None:
    editor = await make.actor(db, role=Role.EDITOR)
    query = RETRY.replace(" attempts error", "")

    async def statements(n: int) -> int:
        ids = [str(await given_up(db, editor.team_ids[0])) for _ in range(n)]
        return len(await client.statements(editor, query, ids=ids))

    # The first change of a team also begins its record.
    await statements(1)
    assert await statements(1) == await statements(100) <= 8


async def test_two_clicks_at_once_are_as_one(client: Client, db: Database) -> None:
    editor = await make.actor(db, role=Role.EDITOR)
    ids = [str(await given_up(db, editor.team_ids[0])) for _ in range(10)]

    answers = await asyncio.gather(
        *(client.get(editor, RETRY, ids=ids[::step]) for step in (1, -1, 1, -1))
    )

    for answer in answers:
        assert {one["processing"]["status"] for one in answer["retryProcessing"]} == {"PENDING"}


async def counts(client: Client, actor: Actor) -> dict[str, Any]:
    data = await client.get(actor, COUNTS, id=str(actor.team_ids[0]))
    found: dict[str, Any] = data["team"]["stats"]["processing"]
    return found


async def test_a_team_sees_what_waits_and_since_when(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await queued(db, await make.team(db), run_after=datetime(2020, 1, 1, tzinfo=UTC))
    nothing = dict.fromkeys(("pending", "processing", "ready", "failed", "waitingJobs"), 0)
    assert await counts(client, actor) == nothing | {"oldestPendingAt": None}

    since = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    await queued(db, team_id, run_after=since)
    await queued(db, team_id, run_after=since + timedelta(minutes=1))
    await queued(db, team_id, run_after=datetime.now(UTC) + timedelta(hours=1), attempts=1)
    await queued(db, team_id, state=JobState.DONE)
    await given_up(db, team_id)

    seen = await counts(client, actor)
    assert datetime.fromisoformat(seen.pop("oldestPendingAt")) == since
    assert seen == {"pending": 3, "processing": 0, "ready": 1, "failed": 1, "waitingJobs": 6}
