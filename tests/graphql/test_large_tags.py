"""Tags on more images than one operation has time for: what is refused, and what is done in parts."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.db.database import counted_statements
from app.domain import MAX_IMAGES_OF_CHANGED_TAG, Actor, Role
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client

TAGGED = text(
    "with made as (insert into tag (team_id, name, key) values (:team, :name, :name) returning id),"
    " put as (insert into image_tag (team_id, image_id, tag_id, created_at)"
    "  select i.team_id, i.id, made.id, i.created_at from image i, made"
    "  where i.team_id = :team order by i.id limit :count)"
    " select id from made"
)
TRASHED = text(
    "update image set trashed_at = now() where id in"
    " (select id from image where team_id = :team order by id limit 1000)"
)
MERGE = "mutation($s: [ID!]!, $t: ID!) { mergeTags(sourceIds: $s, targetId: $t) { id imageCount } }"
DELETE = "mutation($i: ID!) { deleteTag(id: $i) }"


async def tag(db: Database, team_id: UUID, name: str, count: int) -> str:
    """A new tag on so many of the team's images."""
    async with db.transaction() as session:
        # Counters, words and vectors play no part here: triggers would take half a minute for them.
        await session.execute(text("set local session_replication_role = replica"))
        found = await session.scalar(TAGGED, {"team": team_id, "name": name, "count": count})
        return str(found)


async def taggings(db: Database, team_id: UUID) -> int:
    async with db.transaction() as session:
        count = text("select count(*) from image_tag where team_id = :team")
        return int(await session.scalar(count, {"team": team_id}) or 0)


@pytest.fixture
async def library(db: Database) -> Actor:
    """An ADMIN of a team with one image more than a changed tag may be on, a thousand of them in the trash."""
    actor = await make.actor(db)
    await make.images(db, actor.team_ids[0], MAX_IMAGES_OF_CHANGED_TAG + 1)
    async with db.transaction() as session:
        await session.execute(TRASHED, {"team": actor.team_ids[0]})
    return actor


async def refusal(client: Client, actor: Actor, query: str, **variables: Any) -> dict[str, Any]:
    (error,) = (await client.ask(actor, query, **variables)).errors
    facts: dict[str, Any] = {**error["extensions"], "message": error["message"]}
    del facts["requestId"]
    return facts


async def test_a_tag_of_too_many_images_is_neither_merged_nor_deleted(
    client: Client, db: Database, library: Actor
) -> None:
    (team_id,) = library.team_ids
    large = await tag(db, team_id, "large", MAX_IMAGES_OF_CHANGED_TAG + 1)
    small = await tag(db, team_id, "small", 1)

    deleted = await refusal(client, library, DELETE, i=large)
    merged = await refusal(client, library, MERGE, s=[large], t=small)

    facts = {"code": "BAD_USER_INPUT", "limit": 10_000}
    assert deleted.items() >= {**facts, "field": "id"}.items()
    assert merged.items() >= {**facts, "field": "sourceIds"}.items()
    for said in (deleted["message"], merged["message"]):
        assert "10,000 images" in said
        assert "bulk job" in said
    assert await taggings(db, team_id) == MAX_IMAGES_OF_CHANGED_TAG + 2


async def test_sources_count_together(client: Client, db: Database, library: Actor) -> None:
    (team_id,) = library.team_ids
    sources = [await tag(db, team_id, name, 5_001) for name in ("one", "two")]
    target = await tag(db, team_id, "target", 0)

    refused = await refusal(client, library, MERGE, s=sources, t=target)

    assert (refused["field"], refused["limit"]) == ("sourceIds", 10_000)


async def test_nothing_is_locked_for_a_refusal(
    client: Client, db: Database, library: Actor
) -> None:
    (team_id,) = library.team_ids
    large = await tag(db, team_id, "large", MAX_IMAGES_OF_CHANGED_TAG + 1)
    target = await tag(db, team_id, "target", 0)

    with counted_statements(db) as statements:
        await refusal(client, library, DELETE, i=large)
        await refusal(client, library, MERGE, s=[large], t=target)

    assert len(statements) == 2
    assert [one for one in statements if "for update" in one.lower()] == []


async def test_whoever_may_not_change_a_large_tag_is_told_so_and_not_its_size(
    client: Client, db: Database, library: Actor
) -> None:
    (team_id,) = library.team_ids
    large = await tag(db, team_id, "large", MAX_IMAGES_OF_CHANGED_TAG + 1)
    viewer = await make.actor(db, team_id, Role.VIEWER)
    stranger = await make.actor(db)

    assert await client.code(viewer, DELETE, i=large) == ("FORBIDDEN", None)
    assert (await client.code(stranger, DELETE, i=large))[0] == "NOT_FOUND"
    assert (await client.code(stranger, MERGE, s=[large], t=large))[0] == "BAD_USER_INPUT"


async def test_a_bulk_job_takes_a_tag_off_all_images_it_is_on(client: Client, db: Database) -> None:
    """What the refusal says to do reaches the trash as well."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_ids = [str(await make.image(db, team_id, tags=("large",))) for _ in range(3)]
    trash = "mutation($i: [ID!]!) { trashImages(ids: $i) { id } }"
    await client.get(actor, trash, i=image_ids[:1])
    prepare = "mutation($i: PrepareBulkJobInput!) { prepareBulkJob(input: $i) { total } }"
    asked = {
        "teamId": str(team_id),
        "filter": {"tags": {"all": ["large"]}, "trashed": None},
        "change": {"removeTags": ["large"]},
    }

    job = (await client.get(actor, prepare, i=asked))["prepareBulkJob"]

    assert job == {"total": 3}
