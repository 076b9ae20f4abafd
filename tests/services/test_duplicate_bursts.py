"""Bursts of near-copies: more of one picture than a group has. Nobody is left alone, and no copy costs more than the last."""

from collections.abc import AsyncIterator
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import func, select, union_all
from sqlalchemy.dialects.postgresql import insert

from app.db.database import counted_statements
from app.db.models import Duplicate, DuplicateCheck, DuplicatePair
from app.domain import Actor
from app.services import duplicates, images
from app.services.duplicate_groups import MAX_GROUP
from tests import make
from tests.database import Database
from tests.services import planted
from tests.services.test_duplicates import add, copies, groups, look, mark

ROOM = 8
"""Images of a group here, and three neighbours: a burst of forty is what one of some hundreds is otherwise."""
BLURS = [0.0, 0.002, 0.01]
"""Copies of a similarity of 1, 0.9999 and 0.998."""


@pytest.fixture(autouse=True)
async def model_put_back(db: Database) -> AsyncIterator[None]:
    async with planted.put_back(db):
        yield


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.duplicate_groups.MAX_GROUP", ROOM)
    monkeypatch.setattr("app.services.duplicate_bursts.MAX_GROUP", ROOM)
    monkeypatch.setattr("app.services.duplicates.NEIGHBOURS", 3)


def burst(count: int, blur: float = 0.0) -> planted.Rows:
    return copies(planted.random(1, seed=31)[0], count, seed=7, blur=blur)


async def upload(db: Database, actor: Actor, rows: planted.Rows) -> list[UUID]:
    """One by one, as people do."""
    model_id, ids = await planted.model(db), []
    for row in rows:
        ids += await add(db, model_id, actor.team_ids[0], row[None])
        await look(db)
    return ids


async def sizes(db: Database, actor: Actor) -> list[int]:
    return sorted(len(one) for one in await groups(db, actor))


async def most_pairs(db: Database, actor: Actor) -> int:
    """Of one image."""
    ends = union_all(
        *(
            select(one.label("image_id")).where(DuplicatePair.team_id == actor.team_ids[0])
            for one in (DuplicatePair.low_id, DuplicatePair.high_id)
        )
    ).subquery()
    counts = select(func.count()).select_from(ends).group_by(ends.c.image_id)
    async with db.transaction() as session:
        return max(await session.scalars(counts))


@pytest.mark.parametrize("blur", BLURS)
async def test_all_of_a_burst_are_grouped(db: Database, blur: float) -> None:
    actor, count = await make.actor(db), 2 * MAX_GROUP + 10
    await add(db, await planted.model(db), actor.team_ids[0], burst(count, blur))
    await look(db)
    assert sum(await sizes(db, actor)) == count
    assert max(await sizes(db, actor)) <= MAX_GROUP


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("blur", BLURS)
async def test_who_stands_together_stays_so_while_more_come(db: Database, blur: float) -> None:
    actor = await make.actor(db)
    ids: list[UUID] = []
    before: list[list[UUID]] = []
    for row in burst(4 * ROOM + 3, blur):
        ids += await upload(db, actor, row[None])
        now = await groups(db, actor)
        assert all(any(set(old) <= set(new) for new in now) for old in before)
        assert len(ids) - sum(map(len, now)) <= 1, "the one that opens the next group"
        before = now
    assert await sizes(db, actor) == [3, ROOM, ROOM, ROOM, ROOM]


@pytest.mark.usefixtures("_small")
async def test_one_copy_more_costs_what_the_one_before_did(db: Database) -> None:
    actor = await make.actor(db)
    costs = []
    for rows in np.split(burst(7 * ROOM), 7):
        await upload(db, actor, rows[:-1])
        await add(db, await planted.model(db), actor.team_ids[0], rows[-1:])
        with counted_statements(db) as statements:
            await db.worker.run(duplicates.check_some)
        costs.append(len(statements))
        assert await most_pairs(db, actor) <= 2 * ROOM
    assert len(set(costs[1:])) == 1, costs


@pytest.mark.usefixtures("_small")
async def test_a_mark_inside_a_burst_is_for_ever(db: Database) -> None:
    actor = await make.actor(db)
    await upload(db, actor, burst(3 * ROOM))
    group = (await groups(db, actor))[1]
    one, other = group[2], group[5]
    await mark(db, actor, one, other)
    ids = await upload(db, actor, burst(3 * ROOM))
    async with db.transaction() as session:
        values = [{"team_id": actor.team_ids[0], "image_id": its} for its in (one, other, *ids)]
        await session.execute(insert(DuplicateCheck), values)
    await look(db)
    found = await groups(db, actor)
    assert not [its for its in found if {one, other} <= set(its)]
    assert sum(map(len, found)) >= 6 * ROOM - 1


@pytest.mark.usefixtures("_small")
async def test_the_next_copy_takes_the_place_of_one_that_was_deleted(db: Database) -> None:
    actor = await make.actor(db)
    ids = await upload(db, actor, burst(2 * ROOM))
    gone = ids[ROOM - 1]
    await db.acting(actor).run(lambda s: images.delete_forever(s, actor, [gone]))
    assert await sizes(db, actor) == [ROOM - 1, ROOM]
    await upload(db, actor, burst(1))
    assert await sizes(db, actor) == [ROOM, ROOM]


@pytest.mark.usefixtures("_small")
async def test_a_burst_of_before_is_grouped_when_it_is_looked_at_again(db: Database) -> None:
    """Pairs only with the same three, and one group, which is full."""
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    ids = await add(db, model_id, team_id, burst(4 * ROOM))
    pairs = [
        {"team_id": team_id, "low_id": hub, "high_id": one, "model_id": model_id, "score": 1.0}
        for n, hub in enumerate(ids[:3])
        for one in ids[n + 1 :]
    ]
    members = [{"team_id": team_id, "image_id": one, "group_id": ids[0]} for one in ids[:ROOM]]
    async with db.transaction() as session:
        await session.execute(insert(DuplicatePair), pairs)
        await session.execute(insert(Duplicate), members)
    assert await sizes(db, actor) == [ROOM]
    await look(db)
    assert await sizes(db, actor) == [ROOM] * 4
    assert (await groups(db, actor))[-1] == ids[:ROOM]
