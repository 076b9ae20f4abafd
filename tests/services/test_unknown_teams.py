"""A team that PostgreSQL's statistics do not know is one row of each table to its planner: what takes all its images
must not take them again and again."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Dataset
from app.domain import Actor, ImageFilter, TagFilter
from app.services import facets
from app.services.exports import exporting
from tests import make
from tests.database import Database, outside
from tests.fixtures.own_database import own_database
from tests.services import planted

IMAGES = 600
TAGS = 20
READ = "select sum(seq_tup_read + idx_tup_fetch) from pg_stat_xact_user_tables"


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """With statistics of one team, before there is another."""
    async with own_database(database_url) as url:
        db = Database(url, pool_size=2)
        await filled(db, await make.actor(db))
        await outside(url, "analyze")
        yield db
        await db.close()


async def filled(db: Database, actor: Actor) -> None:
    """Three tags on each image."""
    tags = {f"t{n}": range(n % IMAGES, IMAGES, TAGS // 3) for n in range(TAGS)}
    rows = planted.random(IMAGES)
    await planted.library(db, actor.team_ids[0], await planted.model(db), rows, tags=tags)


async def read(session: AsyncSession) -> int:
    """Rows, by this transaction so far."""
    return int(await session.scalar(text(READ)) or 0)


async def test_tags_are_counted_once(db: Database) -> None:
    actor = await make.actor(db)
    await filled(db, actor)
    async with db.acting(actor).transaction() as session:
        match = await facets.read(session, actor, ImageFilter(tags=TagFilter(all=("t1",))))
        before = await read(session)
        found = await facets.tags(session, match, 50)
        rows = await read(session) - before
    assert found[0][1] == len(range(1, IMAGES, TAGS // 3))
    assert rows < 3_000_000


async def test_labels_of_an_export_are_looked_up(db: Database) -> None:
    actor = await make.actor(db)
    await filled(db, actor)
    (team_id,) = actor.team_ids
    async with db.acting(actor).transaction() as session:
        before = await read(session)
        view = await exporting.view(session, Dataset(team_id=team_id, spec={"filter": {}}))
        rows = await read(session) - before
    assert len(view.labels) == TAGS
    assert rows < 100_000
