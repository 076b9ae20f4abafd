"""Groups of near-copies as clients see them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import update

from app.db.models import Image
from app.domain import Role
from app.services import duplicates
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client
from tests.services import planted
from tests.services.test_duplicates import add, copies, look

GROUPS = """query($team: ID!, $first: Int, $after: String) { team(id: $team) { duplicateGroups(first: $first, after: $after) {
  totalCount nodes { images { id } } edges { cursor } pageInfo { hasNextPage hasPreviousPage } } } }"""
TRASH = "mutation($ids: [ID!]!) { trashImages(ids: $ids) { id } }"
RESTORE = "mutation($ids: [ID!]!) { restoreImages(ids: $ids) { id } }"
MARK = "mutation($ids: [ID!]!) { markNotDuplicates(imageIds: $ids) { id } }"


@pytest.fixture(autouse=True)
async def model_put_back(db: Database) -> AsyncIterator[None]:
    async with planted.put_back(db):
        yield


async def test_groups_page_and_marks(client: Client, db: Database) -> None:
    model_id, actor = await planted.model(db), await make.actor(db, role=Role.EDITOR)
    (team_id,) = actor.team_ids
    team = str(team_id)
    one, other = planted.random(2, seed=21)
    first = [str(its) for its in await add(db, model_id, team_id, copies(one, 3, seed=1))]
    second = [str(its) for its in await add(db, model_id, team_id, copies(other, 2, seed=2))]
    await look(db)

    page = (await client.get(actor, GROUPS, team=team, first=1))["team"]["duplicateGroups"]
    rest = (await client.get(actor, GROUPS, team=team, after=page["edges"][0]["cursor"]))["team"]
    marked = await client.get(actor, MARK, ids=first[:2])
    after = (await client.get(actor, GROUPS, team=team))["team"]["duplicateGroups"]

    def ids(groups: dict) -> list[list[str]]:  # type: ignore[type-arg]
        return [[image["id"] for image in group["images"]] for group in groups["nodes"]]

    assert page["totalCount"] == 2
    assert page["pageInfo"] == {"hasNextPage": True, "hasPreviousPage": False}
    assert ids(page) + ids(rest["duplicateGroups"]) == [second, first]
    assert [image["id"] for image in marked["markNotDuplicates"]] == first[:2]
    assert len(ids(after)) == 2
    assert all(not {*first[:2]} <= set(group) for group in ids(after))
    assert (await client.get(actor, MARK, ids=[]))["markNotDuplicates"] == []
    twice = [second[0], second[0]]
    assert await client.code(actor, MARK, ids=twice) == ("BAD_USER_INPUT", "imageIds")
    same = (await client.get(actor, GROUPS, team=team))["team"]["duplicateGroups"]
    assert ids(same) == ids(after)
    assert await client.code(actor, GROUPS, team=team, first=0) == ("BAD_USER_INPUT", "first")
    assert await client.code(actor, GROUPS, team=team, after="x") == ("BAD_USER_INPUT", "after")


async def test_the_oldest_of_a_group_is_first(client: Client, db: Database) -> None:
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    (one,) = planted.random(1, seed=23)
    new, old, middle = await add(db, model_id, team_id, copies(one, 3, seed=3))
    for days, image_id in enumerate((new, middle, old)):
        born = update(Image).where(Image.id == image_id)
        async with db.transaction() as session:
            await session.execute(born.values(created_at=datetime(2024, 1, 9 - days, tzinfo=UTC)))
    await look(db)
    (group,) = (await client.get(actor, GROUPS, team=str(team_id)))["team"]["duplicateGroups"][
        "nodes"
    ]
    assert [image["id"] for image in group["images"]] == [str(old), str(middle), str(new)]


async def test_a_page_is_read_by_three_statements(client: Client, db: Database) -> None:
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    for seed, picture in enumerate(planted.random(4, seed=22)):
        await add(db, model_id, team_id, copies(picture, 2, seed=seed))
    await look(db)
    query = GROUPS.replace("totalCount ", "")
    for first in (1, 4):
        seen = await client.statements(actor, query, team=str(team_id), first=first)
        assert len(seen) == 3, seen


async def test_a_check_waits_for_a_vector(db: Database) -> None:
    """What was deleted, or lost its vector, before its turn came holds nobody up."""
    model_id, actor = await planted.model(db), await make.actor(db)
    (team_id,) = actor.team_ids
    rows = np.stack([planted.random(1, seed=23)[0]] * 2)
    await add(db, model_id, team_id, rows)
    await planted.model(db, "next", 8)
    while await db.worker.run(duplicates.check_some):
        pass
    async with db.acting(actor).transaction() as session:
        assert (await session.scalars(duplicates.groups_of(actor, team_id))).all() == []


async def test_a_group_has_two_images_whatever_is_trashed_meanwhile(
    client: Client, db: Database
) -> None:
    model_id, actor = await planted.model(db), await make.actor(db, role=Role.EDITOR)
    (team_id,) = actor.team_ids
    (one,) = planted.random(1, seed=24)
    both = [str(its) for its in await add(db, model_id, team_id, copies(one, 2, seed=4))]
    await look(db)

    async def to_and_fro() -> None:
        while True:
            await client.get(actor, TRASH, ids=both)
            await client.get(actor, RESTORE, ids=both)

    trashing = asyncio.create_task(to_and_fro())
    sizes = set()
    for _ in range(400):
        groups = (await client.get(actor, GROUPS, team=str(team_id)))["team"]["duplicateGroups"]
        sizes |= {len(group["images"]) for group in groups["nodes"]}
    trashing.cancel()
    await asyncio.gather(trashing, return_exceptions=True)
    assert sizes == {2}
