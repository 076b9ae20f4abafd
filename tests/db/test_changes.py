"""What the database announces of images, and how it reaches those who watch, whatever becomes of the connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import delete, text, update

from app.db import changes
from app.db.changes import CHANNEL, Changes, Watch
from app.db.models import Image
from app.domain import ImageState, ProcessingStatus
from app.errors import AppError
from tests import make
from tests.database import Database

STEPS = [
    ({"processing": ProcessingStatus.PROCESSING}, "PROCESSING"),
    ({"processing": ProcessingStatus.PROCESSING}, None),
    ({"title": "Other", "weight": 7}, None),
    ({"trashed_at": datetime.now(UTC)}, "GONE"),
    ({"processing": ProcessingStatus.READY}, "READY"),
    ({"trashed_at": None}, None),
    ({"state": ImageState.DELETED}, "GONE"),
    ({"processing": ProcessingStatus.FAILED}, None),
]


@asynccontextmanager
async def listening(database_url: str) -> AsyncIterator[list[str]]:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    heard: list[str] = []
    await connection.add_listener(CHANNEL, lambda *call: heard.append(call[-1]))
    yield heard
    await connection.close()


async def change(db: Database, *image_ids: UUID, **columns: object) -> None:
    async with db.transaction() as session:
        await session.execute(update(Image).where(Image.id.in_(image_ids)).values(**columns))


async def until(heard: list[str], count: int) -> None:
    async with asyncio.timeout(10):
        while len(heard) < count:  # noqa: ASYNC110  a list has no event
            await asyncio.sleep(0.01)


async def test_every_step_is_announced_whoever_takes_it(db: Database, database_url: str) -> None:
    team_id = await make.team(db)
    async with listening(database_url) as heard:
        image_id = await make.image(db, team_id, state=ImageState.PENDING)
        await change(db, image_id, state=ImageState.STORED)
        for columns, _ in STEPS:
            await change(db, image_id, **columns)
        other = await make.image(db, team_id)
        async with db.transaction() as session:
            await session.execute(delete(Image).where(Image.id.in_([image_id, other])))
        expected = [
            f"{team_id} {image_id} {one}" for one in ("PENDING", *(s for _, s in STEPS)) if one
        ]
        await until(heard, len(expected) + 1)
    assert heard == [*expected, f"{team_id} {other} GONE"]


async def test_nothing_is_announced_that_was_not_committed(db: Database, database_url: str) -> None:
    team_id = await make.team(db)
    first, second = [await make.image(db, team_id) for _ in range(2)]
    async with listening(database_url) as heard:
        async with db.transaction() as session:
            await session.execute(
                update(Image).where(Image.id == first).values(processing=ProcessingStatus.READY)
            )
            await session.rollback()
        await change(db, second, processing=ProcessingStatus.READY)
        await until(heard, 1)
    assert heard == [f"{team_id} {second} READY"]


async def taken(watch: Watch, count: int) -> list[UUID]:
    found: list[UUID] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            await watch.wait(1)
            found += watch.take(100)
    return found


async def test_watchers_hear_of_what_they_follow(db: Database) -> None:
    hub = Changes(db)
    mine, other = await make.team(db), await make.team(db)
    first, second = [await make.image(db, mine) for _ in range(2)]
    foreign = await make.image(db, other)
    async with hub.watch() as of_team, hub.watch() as of_image, hub.watch() as of_nothing:
        of_team.follow([mine])
        of_image.follow([first])
        for one in (foreign, first, second):
            await change(db, one, processing=ProcessingStatus.READY)
        assert await taken(of_team, 2) == [first, second]
        assert await taken(of_image, 1) == [first]
        await change(db, first, trashed_at=datetime.now(UTC))
        assert await taken(of_image, 1) == [first]
        assert (of_team.take(9), of_nothing.take(9)) == ([], [])
        of_image.follow([second])
        await change(db, first, second, processing=ProcessingStatus.FAILED)
        assert await taken(of_image, 1) == [second]
    assert hub._watches == {}
    assert hub._listener is None


async def test_an_image_waits_once_for_a_slow_reader(db: Database) -> None:
    hub, team_id = Changes(db), await make.team(db)
    first, second = [await make.image(db, team_id) for _ in range(2)]
    async with hub.watch() as slow, hub.watch() as quick:
        slow.follow([team_id])
        quick.follow([second])
        for status in (
            ProcessingStatus.PROCESSING,
            ProcessingStatus.PENDING,
            ProcessingStatus.READY,
        ):
            await change(db, first, processing=status)
        await change(db, second, processing=ProcessingStatus.READY)
        assert await taken(quick, 1) == [second]
        assert slow.take(100) == [first, second]


@pytest.mark.parametrize("turns", range(6))
async def test_whoever_leaves_just_when_something_changes_has_left(
    db: Database, turns: int
) -> None:
    """Whichever turn of the loop it is: `asyncio.wait_for` of Python 3.11 swallows the cancellation in some."""
    hub = Changes(db)

    async def begin() -> None:
        async with hub.watch() as watch:
            await watch.wait(60)

    async with hub.watch() as first:
        waiting = asyncio.create_task(first.wait(60))
        await asyncio.sleep(0.01)
        first.add([uuid4()])
        beginning = asyncio.create_task(begin())
        for _ in range(turns):
            await asyncio.sleep(0)
        asked = {waiting: waiting.cancel(), beginning: beginning.cancel()}
        assert not (await asyncio.wait(asked, timeout=10))[1]
        assert {one: one.cancelled() for one in asked} == asked
        assert hub._watching == {first}


async def test_reader_who_never_reads_costs_so_much_and_no_more() -> None:
    watch = Watch({})
    watch.add(uuid4() for _ in range(changes.MAX_WAITING * 3))
    assert len(watch._waiting) == changes.MAX_WAITING + 1
    with pytest.raises(AppError) as raised:
        watch.take(100)
    assert raised.value.code == "RATE_LIMITED"


async def test_lost_connection_is_made_again_and_the_loss_is_told(db: Database) -> None:
    hub, team_id = Changes(db), await make.team(db)
    image_id = await make.image(db, team_id)
    async with hub.watch() as watch:
        watch.follow([image_id])
        async with db.transaction() as session:
            await session.execute(
                text(
                    "select pg_terminate_backend(pid, 60000) from pg_stat_activity where pid <> pg_backend_pid()"
                    f" and query ilike 'listen%{CHANNEL}%'"
                )
            )
        async with asyncio.timeout(60):
            while watch.missed_since is None:
                await watch.wait(1)
        since = watch.missed_since
        watch.caught_up(since)
        assert watch.missed_since is None
        assert watch.take(1) == []
        await change(db, image_id, processing=ProcessingStatus.READY)
        assert await taken(watch, 1) == [image_id]
