"""Near-copies: found by the worker's search, grouped, and never together again once somebody said so."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import event, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from app.db.models import Duplicate, DuplicateCheck, DuplicatePair, Image, ImageVector, NotDuplicate
from app.domain import Actor, Role, Window
from app.errors import AppError, ErrorCode
from app.services import duplicate_bursts, duplicate_groups, duplicates, images, paging
from app.services.duplicate_groups import MAX_GROUP, Pair, clusters
from app.services.duplicates import THRESHOLD
from app.services.intake import processing
from tests import make
from tests.database import Database
from tests.services import planted

Groups = list[list[UUID]]


@pytest.fixture(autouse=True)
async def model_put_back(db: Database) -> AsyncIterator[None]:
    async with planted.put_back(db):
        yield


def copies(of: planted.Rows, count: int, *, seed: int, blur: float = 0.01) -> planted.Rows:
    """Vectors whose similarity to `of`, and to each other, is about 1 - blur²·dimension."""
    noise = np.random.default_rng(seed).normal(size=(count, of.shape[-1])).astype(np.float32)
    return planted.unit(of + blur * noise)


async def add(db: Database, model_id: int, team_id: UUID, rows: planted.Rows) -> list[UUID]:
    """Images with these vectors, queued as the worker queues them."""
    ids = [await make.image(db, team_id) for _ in rows]
    await planted.vectors(db, model_id, dict(zip(ids, rows, strict=True)))
    async with db.transaction() as session:
        values = [{"team_id": team_id, "image_id": one} for one in ids]
        await session.execute(insert(DuplicateCheck), values)
    return ids


async def look(db: Database) -> None:
    while await db.worker.run(duplicates.check_some):
        pass


async def groups(db: Database, actor: Actor, limit: int = 100) -> Groups:
    """Every page of them, through the actor's own entrance."""
    found: Groups = []
    after = None
    (team_id,) = actor.team_ids
    while True:
        async with db.acting(actor).transaction() as session:
            page = await paging.page(
                session,
                duplicates.groups_of(actor, team_id),
                duplicates.NEWEST,
                Window(limit, after),
            )
            members = await duplicates.images_of(session, actor, team_id, page.rows)
        found += [[image.id for image in members[one]] for one in page.rows]
        if not page.has_next:
            return found
        after = page.cursors[-1]


async def mark(db: Database, actor: Actor, *ids: UUID) -> None:
    await db.acting(actor).run(lambda session: duplicates.mark(session, actor, ids))


async def test_copies_are_grouped_and_the_rest_is_not(db: Database) -> None:
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    one, other, *rest = planted.random(8, seed=3)
    first = await add(db, model_id, team_id, copies(one, 3, seed=1))
    second = await add(db, model_id, team_id, copies(other, 4, seed=2))
    await add(db, model_id, team_id, np.stack(rest))

    await look(db)

    assert await groups(db, actor) == [sorted(second), sorted(first)]
    assert await groups(db, actor, limit=1) == [sorted(second), sorted(first)]


async def test_a_copy_that_comes_later_joins(db: Database) -> None:
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    (one,) = planted.random(1, seed=4)
    ids = []
    for seed in range(4):
        ids += await add(db, model_id, team_id, copies(one, 1, seed=seed))
        await look(db)
    assert await groups(db, actor) == [ids]


async def test_another_team_has_its_own(db: Database) -> None:
    model_id, actor, stranger = (
        await planted.model(db),
        await make.actor(db),
        await make.actor(db),
    )
    (one,) = planted.random(1, seed=5)
    mine = await add(db, model_id, actor.team_ids[0], copies(one, 2, seed=1))
    theirs = await add(db, model_id, stranger.team_ids[0], copies(one, 2, seed=1))
    await look(db)

    assert await groups(db, actor) == [mine]
    assert await groups(db, stranger) == [theirs]
    with pytest.raises(AppError) as hidden:
        await mark(db, actor, *theirs)
    assert hidden.value.code is ErrorCode.NOT_FOUND
    both = Actor(actor.user_id, {**actor.roles, stranger.team_ids[0]: Role.EDITOR})
    with pytest.raises(AppError) as mixed:
        await mark(db, both, mine[0], theirs[0])
    assert mixed.value.extensions == {"code": "BAD_USER_INPUT", "field": "imageIds"}


async def test_trash_hides_and_restores(db: Database) -> None:
    model_id, actor = await planted.model(db), await make.actor(db)
    (one,) = planted.random(1, seed=6)
    ids = await add(db, model_id, actor.team_ids[0], copies(one, 3, seed=1))
    await look(db)
    for trashed, expected in ((ids[:1], [ids[1:]]), (ids[:2], []), ([], [ids])):
        async with db.transaction() as session:
            gone = func.now() if trashed else None
            await session.execute(
                update(Image).where(Image.id.in_(trashed or ids)).values(trashed_at=gone)
            )
        assert await groups(db, actor) == expected


async def test_what_a_deleted_image_held_together_falls_apart(db: Database) -> None:
    """A chain: the ends are like the middle, and not like each other."""
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    angles = np.arange(3) * np.arccos(0.99)
    rows = np.zeros((3, planted.DIMENSION), np.float32)
    rows[:, 0], rows[:, 1] = np.cos(angles), np.sin(angles)
    ids = await add(db, model_id, team_id, rows)
    await look(db)
    assert await groups(db, actor) == [ids]

    await db.acting(actor).run(lambda s: images.delete_forever(s, actor, [ids[1]]))

    assert await groups(db, actor) == []
    async with db.transaction() as session:
        left = select(func.count()).select_from(DuplicatePair)
        assert await session.scalar(left.where(DuplicatePair.team_id == team_id)) == 0
        assert await session.scalar(select(Duplicate).where(Duplicate.team_id == team_id)) is None


async def test_what_goes_wrong_in_one_team_holds_no_other_up(own_db: Database) -> None:
    db = own_db
    model_id, actor = await planted.model(db), await make.actor(db)
    (one,) = planted.random(1, seed=15)
    # Of another length: as an index that is damaged, this fails whoever searches the team.
    broken = await make.team(db)
    await add(db, model_id, broken, planted.random(2, dimension=8))
    await add(db, model_id, broken, planted.random(2))
    ids = await add(db, model_id, actor.team_ids[0], copies(one, 2, seed=1))
    failures = 0
    for _ in range(50):
        try:
            await db.worker.run(duplicates.check_some)
        except DBAPIError:
            failures += 1
    assert failures
    assert await groups(db, actor) == [ids]


async def waiting_for_a_lock(db: Database, count: int) -> None:
    """Returns when so many transactions do."""
    waiting = text("select count(*) from pg_locks where locktype = 'advisory' and not granted")
    async with asyncio.timeout(10):
        while True:
            async with db.transaction() as session:
                if await session.scalar(waiting) == count:
                    return
            await asyncio.sleep(0.01)


async def test_what_is_deleted_while_copies_are_looked_for_holds_nothing_together(
    db: Database,
) -> None:
    """The search has found it before its deletion was committed, and writes afterwards."""
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    angles = np.arange(3) * np.arccos(0.99)
    rows = np.zeros((3, planted.DIMENSION), np.float32)
    rows[:, 0], rows[:, 1] = np.cos(angles), np.sin(angles)
    middle = await add(db, model_id, team_id, rows[1:2])
    await look(db)
    ends = await add(db, model_id, team_id, rows[::2])

    async with db.acting(actor).transaction() as session:
        await images.delete_forever(session, actor, middle)
        looking = asyncio.create_task(look(db))
        await waiting_for_a_lock(db, 1)
    await looking

    assert await groups(db, actor) == []
    async with db.transaction() as session:
        left = select(func.count()).select_from(DuplicatePair)
        assert await session.scalar(left.where(DuplicatePair.team_id == team_id)) == 0
        grouped = await session.scalars(
            select(Duplicate.image_id).where(Duplicate.team_id == team_id)
        )
        assert not {*grouped} & {*ends, *middle}


async def test_deleting_what_waits_to_be_looked_at_meets_no_deadlock(db: Database) -> None:
    """Both take the team's lock, and have to do with the row by which the image waits."""
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    (one,) = planted.random(1, seed=14)
    ids = await add(db, model_id, team_id, copies(one, 3, seed=1))

    async def delete_one() -> None:
        # Not `run`, which would try again.
        async with db.acting(actor).transaction() as session:
            await images.delete_forever(session, actor, ids[:1])

    async def look_once() -> None:
        async with db.worker.transaction() as session:
            await duplicates.check_some(session)

    async with db.transaction() as session:
        await duplicate_groups.lock(session, team_id)
        deleting = asyncio.create_task(delete_one())
        await waiting_for_a_lock(db, 1)
        looking = asyncio.create_task(look_once())
        await waiting_for_a_lock(db, 2)
    await asyncio.gather(deleting, looking)

    await look(db)
    assert await groups(db, actor) == [ids[1:]]


async def full_groups(
    db: Database, actor: Actor, count: int, *, model_id: int
) -> tuple[list[UUID], list[UUID]]:
    """So many groups of MAX_GROUP images, each a chain, with one image that is near to the first of each; all images, and those
    first ones."""
    (team_id,) = actor.team_ids
    ids = sorted(await make.images(db, team_id, count * MAX_GROUP))
    hub, firsts = ids[1], ids[::MAX_GROUP]
    links = [(*two, 0.999) for n, two in enumerate(pairwise(ids), 1) if n % MAX_GROUP]
    links += [(hub, first, 0.99) for first in firsts[1:]]
    pairs = [
        {"team_id": team_id, "low_id": low, "high_id": high, "model_id": model_id, "score": score}
        for low, high, score in links
    ]
    members = [
        {"team_id": team_id, "image_id": one, "group_id": firsts[n // MAX_GROUP]}
        for n, one in enumerate(ids)
    ]
    async with db.transaction() as session:
        await session.execute(insert(DuplicatePair), pairs)
        await session.execute(insert(Duplicate), members)
    return ids, firsts


async def test_more_copies_than_a_statement_has_parameters(db: Database) -> None:
    """Deleting one image touches the groups of all that its companions are near to."""
    actor = await make.actor(db)
    ids, firsts = await full_groups(db, actor, 220, model_id=await planted.model(db))

    await db.acting(actor).run(lambda s: images.delete_forever(s, actor, [firsts[0]]))

    grouping = select(Duplicate.group_id, func.count()).where(
        Duplicate.team_id == actor.team_ids[0]
    )
    async with db.transaction() as session:
        found = dict((await session.execute(grouping.group_by(Duplicate.group_id))).all())
    assert found == {ids[1]: MAX_GROUP - 1} | dict.fromkeys(firsts[1:], MAX_GROUP)


@asynccontextmanager
async def turns(db: Database) -> AsyncIterator[dict[str, int]]:
    """How many turns others had in the loop since the statement before each."""
    turn, told, engine = 0, {}, db.engine.sync_engine

    def began(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        told[statement] = turn

    def ended(*_args: Any) -> None:
        nonlocal turn
        turn = 0

    async def wait() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    event.listen(engine, "before_cursor_execute", began)
    event.listen(engine, "after_cursor_execute", ended)
    waiting = asyncio.create_task(wait())
    try:
        yield told
    finally:
        waiting.cancel()
        event.remove(engine, "before_cursor_execute", began)
        event.remove(engine, "after_cursor_execute", ended)


@pytest.mark.parametrize(("count", "gives_way"), [(1, False), (20, True)])
async def test_nobody_waits_for_large_groups(db: Database, count: int, *, gives_way: bool) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids, _ = await full_groups(db, actor, count, model_id=await planted.model(db))

    async with turns(db) as told:
        await db.acting(actor).run(lambda s: duplicate_groups.regroup(s, team_id, ids))

    (afterwards,) = [one for one in told if one.startswith("DELETE FROM duplicate ")]
    assert (told[afterwards] > 0) is gives_way


async def new_to_statistics(db: Database) -> tuple[int, Actor]:
    """A model, and somebody whose team has come since PostgreSQL last looked at the groups."""
    model_id, others = await planted.model(db), await make.actor(db)
    await full_groups(db, others, 4, model_id=model_id)
    async with db.transaction() as session:
        await session.execute(text("analyze duplicate, duplicate_pair"))
    return model_id, await make.actor(db)


async def test_groups_of_a_team_that_is_new_to_statistics(db: Database) -> None:
    """PostgreSQL takes it for one row of each table."""
    model_id, actor = await new_to_statistics(db)
    (team_id,) = actor.team_ids
    ids, firsts = await full_groups(db, actor, 40, model_id=model_id)
    await db.acting(actor).run(lambda s: duplicate_groups.regroup(s, team_id, ids))
    async with db.transaction() as session:
        left = await session.scalar(select(func.count()).where(DuplicatePair.team_id == team_id))
    # What held each chain together; none of those between two.
    assert left == len(ids) - len(firsts)


async def test_a_burst_in_a_team_that_is_new_to_statistics(db: Database) -> None:
    """Whom its copies are compared with is looked up, and not found by comparing each image with each."""
    model_id, actor = await new_to_statistics(db)
    (team_id,) = actor.team_ids
    ids, _ = await full_groups(db, actor, 40, model_id=model_id)
    (burst,) = planted.random(1, seed=17)
    await planted.vectors(db, model_id, dict.fromkeys(ids[:MAX_GROUP], burst))
    new = await add(db, model_id, team_id, np.tile(burst, (10, 1)))
    near = {one: [Pair.of(one, its, 1.0) for its in ids[:5]] for one in new}
    read = "select sum(seq_tup_read + idx_tup_fetch) from pg_stat_xact_user_tables"
    async with db.transaction() as session:
        alone = await duplicate_groups.put_near(session, team_id, model_id, near)
        before = int(await session.scalar(text(read)) or 0)
        found = await duplicate_bursts.beside(session, team_id, model_id, alone, THRESHOLD)
        rows = int(await session.scalar(text(read)) or 0) - before
    assert alone == set(new)
    assert found.keys() == alone
    assert rows < 500_000


async def trio(db: Database, actor: Actor) -> list[UUID]:
    """Three copies, the first and the last of which somebody told apart; the two that still stand together, and the other."""
    (one,) = planted.random(1, seed=13)
    rows = copies(one, 3, seed=1)
    ids = await add(db, await planted.model(db), actor.team_ids[0], rows)
    await look(db)
    await mark(db, actor, ids[0], ids[2])
    (pair,) = await groups(db, actor)
    assert ids[1] in pair
    (partner,) = set(pair) - {ids[1]}
    (alone,) = set(ids) - set(pair)
    return [partner, ids[1], alone]


async def test_who_was_kept_out_joins_when_another_is_told_apart(db: Database) -> None:
    actor = await make.actor(db)
    partner, middle, alone = await trio(db, actor)
    await mark(db, actor, partner, middle)
    assert await groups(db, actor) == [sorted([middle, alone])]


async def test_who_was_kept_out_joins_when_another_is_deleted(db: Database) -> None:
    actor = await make.actor(db)
    partner, middle, alone = await trio(db, actor)
    await db.acting(actor).run(lambda s: images.delete_forever(s, actor, [partner]))
    assert await groups(db, actor) == [sorted([middle, alone])]


async def test_another_model_finds_others(db: Database) -> None:
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    (one,) = planted.random(1, seed=7)
    ids = await add(db, model_id, team_id, copies(one, 3, seed=1))
    await look(db)
    next_id = await planted.model(db, "next", 8)
    rows = planted.random(3, seed=8, dimension=8)
    rows[1] = rows[0]
    await planted.vectors(db, next_id, dict(zip(ids, rows, strict=True)))
    async with db.transaction() as session:
        values = [{"team_id": team_id, "image_id": one} for one in ids]
        await session.execute(insert(DuplicateCheck), values)

    await look(db)

    assert await groups(db, actor) == [ids[:2]]


async def test_one_that_is_read_anew_and_is_like_others_by_now_leaves_its_group(
    db: Database,
) -> None:
    """By the same model: from other thumbnails, or because its bytes were damaged before."""
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    one, other = planted.random(2, seed=16)
    ids = await add(db, model_id, team_id, copies(one, 3, seed=1))
    others = await add(db, model_id, team_id, copies(other, 1, seed=2))
    await look(db)
    assert await groups(db, actor) == [ids]

    async with db.worker.transaction() as session:
        await processing.write_vectors(session, model_id, {ids[1]: other})
        await processing.queue_checks(session, model_id, ids[1:2])
    await look(db)

    assert await groups(db, actor) == [[ids[1], *others], [ids[0], ids[2]]]


async def test_one_alone_leaves_its_group(db: Database) -> None:
    model_id, actor = await planted.model(db), await make.actor(db)
    (one,) = planted.random(1, seed=12)
    ids = await add(db, model_id, actor.team_ids[0], copies(one, 4, seed=1))
    await look(db)
    await mark(db, actor, ids[1])
    assert await groups(db, actor) == [[ids[0], *ids[2:]]]
    # It stands in no group any more, so there is nobody to tell it apart from.
    await mark(db, actor, ids[1])
    assert await groups(db, actor) == [[ids[0], *ids[2:]]]


async def test_a_viewer_marks_nothing(db: Database) -> None:
    actor = await make.actor(db, role=Role.VIEWER)
    ids = [await make.image(db, actor.team_ids[0]) for _ in range(2)]
    with pytest.raises(AppError) as refused:
        await mark(db, actor, *ids)
    assert refused.value.code is ErrorCode.FORBIDDEN


@dataclass
class Life:
    """A team's library to which anything may happen, in an order that the seed decides."""

    db: Database
    actor: Actor
    model_id: int
    rng: random.Random
    alive: list[UUID] = field(default_factory=list)
    apart: set[Pair] = field(default_factory=set)
    pictures: planted.Rows = field(default_factory=lambda: planted.random(3, seed=9))

    @property
    def team_id(self) -> UUID:
        return self.actor.team_ids[0]

    async def upload(self) -> None:
        picture, count = self.rng.choice(self.pictures), self.rng.randint(1, 3)
        rows = copies(picture, count, seed=self.rng.getrandbits(30))
        self.alive += await add(self.db, self.model_id, self.team_id, rows)

    async def tell_apart(self) -> None:
        if found := await groups(self.db, self.actor):
            group = self.rng.choice(found)
            ids = self.rng.sample(group, min(len(group), self.rng.randint(2, 3)))
            await mark(self.db, self.actor, *ids)
            self.apart.update(Pair.of(*two) for two in combinations(ids, 2))

    async def delete(self) -> None:
        if len(self.alive) > 4:
            gone = self.alive.pop(self.rng.randrange(len(self.alive)))
            acting = self.db.acting(self.actor)
            await acting.run(lambda s: images.delete_forever(s, self.actor, [gone]))

    async def trash(self) -> None:
        ids, trashed = [self.rng.choice(self.alive)], self.rng.random() < 0.5
        acting = self.db.acting(self.actor)
        await acting.run(lambda s: images.set_trashed(s, self.actor, ids, trashed=trashed))

    async def read_anew(self) -> None:
        """As a change of the model does."""
        every = select(ImageVector.team_id, ImageVector.image_id).where(
            ImageVector.team_id == self.team_id
        )
        new = insert(DuplicateCheck).from_select(["team_id", "image_id"], every)
        async with self.db.transaction() as session:
            await session.execute(new.on_conflict_do_nothing())

    async def marks(self) -> set[Pair]:
        query = select(NotDuplicate.low_id, NotDuplicate.high_id).where(
            NotDuplicate.team_id == self.team_id
        )
        async with self.db.transaction() as session:
            return {Pair(*row) for row in await session.execute(query)}


async def test_marked_images_never_meet_again(db: Database) -> None:
    """A hundred random operations: uploads of copies, marks, deletions, trash, everything checked anew."""
    life = Life(db, await make.actor(db), await planted.model(db), random.Random(19))
    await life.upload()
    for _ in range(100):
        await life.rng.choice(
            (life.upload, life.tell_apart, life.tell_apart, life.delete, life.trash, life.read_anew)
        )()
        if life.rng.random() < 0.7:
            await look(db)
        for group in await groups(db, life.actor):
            assert len(group) > 1
            assert not life.apart & {Pair.of(*two) for two in combinations(group, 2)}
    assert len(life.apart) > 20
    assert await life.marks() == {
        pair for pair in life.apart if {pair.low, pair.high} <= set(life.alive)
    }


def test_groups_are_bounded_and_made_of_the_nearest() -> None:
    ids = sorted(uuid4() for _ in range(MAX_GROUP + 5))
    chain = [Pair(*two, score=0.99) for two in pairwise(ids)]
    assert [len(one) for one in clusters(chain, [])] == [MAX_GROUP, 5]
    a, b, c = ids[:3]
    near = [Pair(a, b, 0.99), Pair(b, c, 0.999)]
    assert clusters(near, [Pair(a, c)]) == [[b, c]]
    assert clusters(near, [Pair(b, c)]) == [[a, b]]
    assert clusters(near, [Pair(a, c), Pair(b, c)]) == [[a, b]]
    assert clusters([], [Pair(a, c)]) == []


async def test_two_at_once_leave_one_grouping(db: Database) -> None:
    """The worker and a person at the same time: they take turns, whoever comes first."""
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    (one,) = planted.random(1, seed=11)
    ids = await add(db, model_id, team_id, copies(one, 6, seed=1))
    async with db.worker.transaction() as session:
        await duplicates.check_some(session)
        async with db.acting(actor).transaction() as other:
            await other.execute(select(func.set_config("lock_timeout", "50ms", True)))
            with pytest.raises(Exception, match="lock timeout"):
                await duplicate_groups.lock(other, team_id)
    await mark(db, actor, *ids[:2])
    assert all(not {*ids[:2]} <= set(group) for group in await groups(db, actor))


async def test_what_another_worker_has_taken_keeps_nobody_from_another_team(
    own_db: Database,
) -> None:
    """Whichever of the two teams is looked at first."""
    model_id = await planted.model(own_db)
    busy, free = await make.team(own_db), await make.team(own_db)
    await add(own_db, model_id, busy, planted.random(3, seed=1))
    async with own_db.worker.transaction() as session:
        while await session.scalar(select(func.count()).where(DuplicateCheck.team_id == busy)):
            await duplicates.check_some(session)
        for seed in range(10):
            await add(own_db, model_id, free, planted.random(1, seed=2 + seed))
            assert await own_db.worker.run(duplicates.check_some) == 1
        assert await own_db.worker.run(duplicates.check_some) == 0
