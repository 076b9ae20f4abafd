"""Near-copies after a change of the model: all images are looked at again, some at a time, and the switch waits for none."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import delete, select

from app.db.database import counted_statements
from app.db.models import DuplicateCheck, DuplicatePair, EmbeddingModel
from app.domain import Actor, ModelState
from app.errors import AppError
from app.services import duplicates, embedding_models, images, reembedding
from tests import make
from tests.database import Database
from tests.services import planted
from tests.services.test_duplicates import Groups, add, copies, groups


@pytest.fixture
def db(own_db: Database) -> Database:
    return own_db


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.duplicates.QUEUED_AT_ONCE", 2)


@dataclass
class Library:
    """To the old model the first three images are copies, to the new one the last three; it is ready to take over."""

    actor: Actor
    ids: list[UUID]
    old: int
    new: int

    @property
    def first(self) -> Groups:
        return [self.ids[:3]]

    @property
    def last(self) -> Groups:
        return [self.ids[3:]]


@pytest.fixture
async def library(db: Database) -> Library:
    actor = await make.actor(db)
    one, other, *rest = planted.random(5, seed=3)
    old = await planted.model(db)
    rows = np.concatenate([copies(one, 3, seed=1), np.stack(rest)])
    ids = await add(db, old, actor.team_ids[0], rows)
    await work(db)
    new = await planted.model(db, "next", state=ModelState.BUILDING)
    rows = np.concatenate([np.stack(rest), copies(other, 3, seed=1)])
    await planted.vectors(db, new, dict(zip(ids, rows, strict=True)))
    library = Library(actor, ids, old, new)
    assert await groups(db, actor) == library.first
    return library


async def work(db: Database) -> None:
    """What a worker does until there is nothing left."""
    while await check(db) or await queue(db):
        pass


async def check(db: Database) -> int:
    return await db.worker.run(duplicates.check_some)


async def queue(db: Database) -> int:
    return await db.worker.run(duplicates.queue_some)


async def switch(db: Database, library: Library) -> None:
    assert await db.worker.run(lambda session: reembedding.switch(session, library.new))


async def waiting(db: Database) -> list[UUID]:
    async with db.transaction() as session:
        found = await session.scalars(
            select(DuplicateCheck.image_id).order_by(DuplicateCheck.image_id)
        )
        return list(found)


async def notes(db: Database) -> dict[int, UUID | None]:
    async with db.transaction() as session:
        found = await session.execute(select(EmbeddingModel.id, EmbeddingModel.duplicates_after))
        return {row.id: row.duplicates_after for row in found}


async def found_by(db: Database) -> set[int]:
    async with db.transaction() as session:
        return set(await session.scalars(select(DuplicatePair.model_id)))


async def test_the_switch_writes_nothing_of_each_image(db: Database, library: Library) -> None:
    with counted_statements(db) as statements:
        await switch(db, library)
    assert not [one for one in statements if "duplicate_check" in one]
    assert await waiting(db) == []
    assert await groups(db, library.actor) == library.first, "they stand where they stood"


async def test_all_are_looked_at_again_some_at_a_time(db: Database, library: Library) -> None:
    await switch(db, library)
    seen: list[UUID] = []
    while count := await queue(db):
        assert count == len(await waiting(db)) == 2
        seen += await waiting(db)
        assert await check(db) == 2
    assert seen == library.ids
    assert await groups(db, library.actor) == library.last
    assert await found_by(db) == {library.new}
    assert set((await notes(db)).values()) == {None}
    assert await queue(db) == 0


async def test_every_team_s_are(db: Database, library: Library) -> None:
    stranger = await make.actor(db)
    (one,) = planted.random(1, seed=9)
    theirs = await add(db, library.new, stranger.team_ids[0], copies(one, 3, seed=2))
    async with db.transaction() as session:
        await session.execute(delete(DuplicateCheck))
    await switch(db, library)
    await work(db)
    assert await groups(db, stranger) == [theirs]
    assert await groups(db, library.actor) == library.last


async def test_a_worker_that_dies_has_not_gone_on(db: Database, library: Library) -> None:
    await switch(db, library)
    await queue(db)
    before = await notes(db)
    with pytest.raises(AppError, match="cannot be reached"):
        await queue_and_die(db)
    assert await notes(db) == before
    assert await waiting(db) == library.ids[:2]
    await work(db)
    assert await groups(db, library.actor) == library.last


async def queue_and_die(db: Database) -> None:
    async with db.worker.transaction() as session:
        assert await duplicates.queue_some(session) == 2
        raise ConnectionAbortedError


async def test_one_worker_does_it_and_the_others_wait_for_nothing(
    db: Database, library: Library
) -> None:
    await switch(db, library)
    async with db.worker.transaction() as session:
        assert await duplicates.queue_some(session) == 2
        assert await queue(db) == 0
        late = await make.image(db, library.actor.team_ids[0])
        await planted.vectors(db, library.new, {late: planted.random(1)[0]})
    assert await waiting(db) == library.ids[:2]


async def test_the_way_back_looks_at_all_again_from_the_first(
    db: Database, library: Library
) -> None:
    await switch(db, library)
    for _ in range(2):
        await queue(db)
        await check(db)
    assert await db.worker.run(reembedding.rollback) == f"{planted.NAME} ({planted.REVISION})"
    assert (await notes(db))[library.new] is None
    await work(db)
    assert await groups(db, library.actor) == library.first
    assert await found_by(db) == {library.old}


async def test_what_is_deleted_or_unread_is_left_out(db: Database, library: Library) -> None:
    actor = library.actor
    await switch(db, library)
    unread = await make.image(db, actor.team_ids[0])
    await db.acting(actor).run(lambda s: images.delete_forever(s, actor, library.ids[1:2]))
    seen: list[UUID] = []
    while await queue(db):
        seen += await waiting(db)
        await check(db)
    assert seen == [library.ids[0], *library.ids[2:]]
    assert unread not in seen


async def test_the_first_model_has_nothing_to_look_at(db: Database) -> None:
    async with db.transaction() as session:
        await embedding_models.ensure(session, name="first", revision="1", dimension=8)
    assert await queue(db) == 0
    assert set((await notes(db)).values()) == {None}
