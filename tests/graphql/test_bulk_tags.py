"""Tags of bulk jobs that are renamed, merged, deleted or made between the dry run and the last image."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from app.db.models import BulkJob, Tag, Team
from app.domain import Actor, Role, TagPolicy
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client
from tests.graphql.test_bulk import (
    CANCEL,
    START,
    advanced,
    carriers,
    claimed,
    ended,
    lose,
    lost_role,
    parts,
    prepared,
    sources,
    started,
)

RENAME = "mutation($i: ID!, $n: String!) { renameTag(id: $i, name: $n) { id } }"
MERGE = "mutation($s: [ID!]!, $t: ID!) { mergeTags(sourceIds: $s, targetId: $t) { id } }"
DELETE = "mutation($i: ID!) { deleteTag(id: $i) }"


async def tag_id(client: Client, actor: Actor, name: str) -> str | None:
    """Of the tag that has the name now."""
    query = "query($t: ID!, $n: String!) { tag(teamId: $t, name: $n) { id } }"
    found = (await client.get(actor, query, t=str(actor.team_ids[0]), n=name))["tag"]
    return found["id"] if found else None


async def names(db: Database, team_id: UUID) -> set[str]:
    """Of the tags that are on images."""
    return {name for name, _ in await sources(db, team_id)}


# ───────────────────────────── renamed, deleted or made before the start ─────────────────────────────


async def test_a_tag_that_is_renamed_after_the_dry_run_is_the_one(
    client: Client, db: Database
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = [await make.image(db, team_id) for _ in range(3)]
    tagged = await make.image(db, team_id, tags=("old", "off"))
    adding = await prepared(client, actor, {"addTags": ["old"]})
    removing = await prepared(client, actor, {"removeTags": ["OFF", "unknown"]})
    for name in ("old", "off"):
        renamed = await tag_id(client, actor, name)
        await client.get(actor, RENAME, i=renamed, n=f"{name} anew")

    for job in (adding, removing):
        await started(client, actor, job)
    added, removed = [await ended(client, actor, job) for job in (adding, removing)]

    assert (added["newTags"], added["status"], added["changed"]) == ([], "DONE", 3)
    assert set(await carriers(db, team_id, "old anew")) == {*ids, tagged}
    assert (removed["status"], removed["changed"]) == ("DONE", 1)
    assert await names(db, team_id) == {"old anew"}
    assert await tag_id(client, actor, "old") is None


async def test_what_was_known_and_is_gone_is_to_be_prepared_anew(
    client: Client, db: Database
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id, tags=("a", "b", "c"))
    adding = await prepared(client, actor, {"addTags": ["A", "b", "new"]})
    removing = await prepared(client, actor, {"removeTags": ["a", "c"]})
    await client.get(actor, DELETE, i=await tag_id(client, actor, "a"))

    refused = await client.ask(actor, START, id=adding["id"])
    await started(client, actor, removing)
    removed = await ended(client, actor, removing)

    (error,) = refused.errors
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("CONFLICT", "id")
    assert error["message"] == 'The tag "A" was deleted meanwhile. Prepare it anew.'
    assert await tag_id(client, actor, "new") is None
    # It is off the images, as it was to be.
    assert (removed["status"], removed["changed"]) == ("DONE", 1)
    assert await names(db, team_id) == {"b"}


@pytest.mark.parametrize("change", ["addTags", "removeTags"])
async def test_a_new_name_that_somebody_made_meanwhile_is_theirs(
    client: Client, db: Database, change: str
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id)
    job = await prepared(client, actor, {change: ["Soon", "known"]})
    await make.image(db, team_id, tags=("soon",))
    theirs = await tag_id(client, actor, "soon")

    await started(client, actor, job)
    now = await ended(client, actor, job)

    assert now["status"] == "DONE"
    assert await tag_id(client, actor, "Soon") == theirs
    assert len(await carriers(db, team_id, "soon")) == (2 if change == "addTags" else 1)


# ───────────────────────────── deleted while it waits or runs ─────────────────────────────


@pytest.mark.parametrize("half_way", [False, True])
async def test_a_tag_that_is_deleted_under_a_job_fails_it_by_name(
    client: Client, db: Database, half_way: bool
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id, tags=("stay", "going", "Gone"))
    await make.images(db, team_id, 520)
    untagged = {"tags": {"none": ["stay"]}}
    job = await prepared(client, actor, {"addTags": ["going", "stay", "gone"]}, filter=untagged)
    await started(client, actor, job)
    if half_way:
        assert await advanced(db, await claimed(db, job))
    for name in ("going", "gone"):
        await client.get(actor, DELETE, i=await tag_id(client, actor, name))

    await lose(db, job)
    now = await ended(client, actor, job)

    told = 'The tags "going", "gone" were deleted meanwhile.'
    assert (now["status"], now["error"]) == ("FAILED", told)
    assert now["done"] == (500 if half_way else 0)
    # What is done stays done.
    assert len(await carriers(db, team_id, "stay")) == now["done"] + 1
    assert await parts(db, job) == 0


async def test_a_tag_to_take_off_may_be_deleted_under_a_job(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id, tags=("a", "b"))
    await make.image(db, team_id, tags=("a",))
    job = await prepared(client, actor, {"removeTags": ["a", "b"]})
    await started(client, actor, job)
    await client.get(actor, DELETE, i=await tag_id(client, actor, "a"))

    now = await ended(client, actor, job)

    assert (now["status"], now["done"], now["changed"]) == ("DONE", 2, 1)
    assert await names(db, team_id) == set()


# ───────────────────────────── merged ─────────────────────────────


async def merge(client: Client, actor: Actor, source: str, target: str) -> None:
    ids = [await tag_id(client, actor, name) for name in (source, target)]
    await client.get(actor, MERGE, s=ids[:1], t=ids[1])


@pytest.mark.parametrize("when", ["prepared", "queued", "half-way"])
@pytest.mark.parametrize("other", ["cat", "kitty"])
async def test_a_job_follows_a_tag_into_another(
    client: Client, db: Database, when: str, other: str
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id, tags=("kitten", "cat", "kitty"))
    await make.images(db, team_id, 520)
    job = await prepared(client, actor, {"addTags": ["kitten", other, "new"]})
    if when != "prepared":
        await started(client, actor, job)
    if when == "half-way":
        assert await advanced(db, await claimed(db, job))
    await merge(client, actor, "kitten", "cat")

    await started(client, actor, job)
    await lose(db, job)
    now = await ended(client, actor, job)

    assert (now["status"], now["done"], now["changed"]) == ("DONE", 521, 521)
    assert await names(db, team_id) == {"cat", "kitty", "new"}
    for name in ("cat", "new", other):
        assert len(await carriers(db, team_id, name)) == 521


async def test_a_job_that_takes_a_tag_off_leaves_what_it_was_merged_into(
    client: Client, db: Database
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = {await make.image(db, team_id, tags=one) for one in (("kitten",), ("cat", "dog"))}
    job = await prepared(client, actor, {"removeTags": ["kitten", "dog"]})
    await started(client, actor, job)
    await merge(client, actor, "kitten", "cat")

    now = await ended(client, actor, job)

    assert (now["status"], now["changed"]) == ("DONE", 1)
    assert set(await carriers(db, team_id, "cat")) == ids


async def test_a_merge_waits_for_a_part_and_holds_no_tag_meanwhile(
    client: Client, db: Database
) -> None:
    """A part locks its job, then its tags: the other way round, the two would wait for each other."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id, tags=("kitten", "cat"))
    job = await prepared(client, actor, {"addTags": ["kitten"]})
    await started(client, actor, job)
    waiting = text(
        "select true from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    )

    async def waits() -> bool:
        # In a transaction of its own: in one, PostgreSQL shows who is there as of the first look.
        async with db.transaction() as other:
            return bool(await other.scalar(waiting))

    async with db.transaction() as session:
        mine = select(BulkJob.id).where(BulkJob.id == UUID(job["id"])).with_for_update()
        await session.execute(mine)
        merging = asyncio.create_task(merge(client, actor, "kitten", "cat"))
        while not await waits():
            assert not merging.done()
            await asyncio.sleep(0.01)
        tags = select(Tag.id).where(Tag.team_id == team_id).with_for_update(nowait=True)
        assert len((await session.scalars(tags)).all()) == 2
    await merging

    assert (await ended(client, actor, job))["status"] == "DONE"
    assert await names(db, team_id) == {"cat"}


async def test_a_merge_reads_the_jobs_once(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0], tags=("a", "b", "c"))
    job = await prepared(client, actor, {"addTags": ["a"]})
    tags = [await tag_id(client, actor, name) for name in ("b", "c", "a")]

    unused = await client.statements(actor, MERGE, s=tags[:1], t=tags[1])
    used = await client.statements(actor, MERGE, s=tags[2:], t=tags[1])

    # How many images, the jobs, the tags, the images' tags, the tags that go; then the head of the chain and the event.
    assert len(unused) == 5 + 2
    assert [one for one in used if one.startswith("UPDATE bulk_job")] != []
    assert len(used) == 6 + 2
    assert (await started(client, actor, job))["status"] == "QUEUED"


# ───────────────────────────── new tags ─────────────────────────────


async def test_a_new_tag_comes_with_its_first_image(client: Client, db: Database) -> None:
    """No tag is left behind by a job that was cancelled or stopped, or found its images gone."""
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    member = await make.actor(db, team_id, Role.EDITOR)
    gone = await make.image(db, team_id, title="gone")
    await make.image(db, team_id)
    cancelled = await prepared(client, admin, {"addTags": ["cancelled"]})
    stopped = await prepared(client, member, {"addTags": ["stopped"]})
    late = await prepared(client, admin, {"addTags": ["late"]}, filter={"ids": [str(gone)]})
    empty = await prepared(client, admin, {"addTags": ["empty"]}, filter={"ids": [str(uuid4())]})
    for actor, job in ((admin, cancelled), (member, stopped), (admin, late), (admin, empty)):
        await started(client, actor, job)
    await client.get(admin, CANCEL, id=cancelled["id"])
    await lost_role(db, member)
    await client.get(admin, "mutation($i: [ID!]!) { deleteImages(ids: $i) }", i=[str(gone)])

    ends = [await ended(client, admin, job) for job in (cancelled, stopped, late, empty)]

    assert [one["status"] for one in ends] == ["CANCELLED", "FAILED", "DONE", "DONE"]
    assert (await client.get(admin, "{ tags { nodes { name } } }"))["tags"]["nodes"] == []


async def test_a_team_that_was_closed_after_the_start_gets_no_new_tag(
    client: Client, db: Database
) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id, tags=("cat",))
    job = await prepared(client, actor, {"addTags": ["cat", "dog"]})
    await started(client, actor, job)
    async with db.transaction() as session:
        (await session.get_one(Team, team_id)).tag_policy = TagPolicy.CLOSED

    now = await ended(client, actor, job)

    told = "This team takes its own tags only, and not: dog."
    assert (now["status"], now["done"], now["error"]) == ("FAILED", 0, told)
    assert await names(db, team_id) == {"cat"}


async def test_two_jobs_of_one_new_name_make_one_tag(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = await make.images(db, team_id, 520)
    adding = [await prepared(client, actor, {"addTags": [name]}) for name in ("New", "new")]
    removing = await prepared(client, actor, {"removeTags": ["NEW"]})
    for job in (*adding, removing):
        await started(client, actor, job)
    run = await claimed(db, adding[0])
    assert await advanced(db, run)
    first = await tag_id(client, actor, "new")
    await lose(db, adding[0])

    ends = [await ended(client, actor, job) for job in adding]
    assert await carriers(db, team_id, "New") == dict.fromkeys(ids, actor.user_id)
    assert await tag_id(client, actor, "new") == first
    ends.append(await ended(client, actor, removing))

    assert [(one["status"], one["changed"]) for one in ends] == [
        ("DONE", 520),
        ("DONE", 0),
        ("DONE", 520),
    ]
    assert await carriers(db, team_id, "New") == {}
