"""Tags and collections: putting on, taking off, renaming, merging; names without regard to case."""

from typing import Any

from sqlalchemy import update

from app.db.models import Tag
from app.domain import Role, tag_key
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client
from tests.graphql.test_bulk import prepared

ADD = "mutation($i:[ID!]!,$t:[String!]!) { addTags(imageIds: $i, tags: $t) { id tags { name } } }"
REMOVE = (
    "mutation($i:[ID!]!,$t:[String!]!) { removeTags(imageIds: $i, tags: $t) { tags { name } } }"
)
SET = "mutation($i:ID!,$t:[String!]!) { setTags(imageId: $i, tags: $t) { tags { name } } }"
COUNTS = "{ tags { nodes { id name imageCount images { totalCount } } totalCount } }"


def names(image: dict[str, Any]) -> list[str]:
    return [tag["name"] for tag in image["tags"]]


async def test_tags_are_put_on_taken_off_and_set(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    image_ids = [str(await make.image(db, actor.team_ids[0])) for _ in range(2)]

    added = await client.get(actor, ADD, i=image_ids, t=["Cat", " cat", "Über  mich"])
    again = await client.get(actor, ADD, i=image_ids[:1], t=["CAT"])
    removed = await client.get(actor, REMOVE, i=image_ids, t=["cat", "unknown"])
    made = await client.get(actor, SET, i=image_ids[0], t=["dog", "über mich"])
    cleared = await client.get(actor, SET, i=image_ids[1], t=[])

    assert [len(names(image)) for image in added["addTags"]] == [2, 2]
    assert added["addTags"][0]["id"] == image_ids[0]
    assert len(names(again["addTags"][0])) == 2
    assert [names(image) for image in removed["removeTags"]] == [["Über mich"]] * 2
    assert names(made["setTags"]) == ["dog", "Über mich"]
    assert names(cleared["setTags"]) == []


async def test_a_tag_of_other_rules_is_still_used(client: Client, db: Database) -> None:
    """Whoever sets all tags of an image names those that it has; what none of its teams has is refused."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_id = str(await make.image(db, team_id, tags=("old", "cat")))
    old = "Old\ufe0f"
    async with db.transaction() as session:
        before = update(Tag).where(Tag.team_id == team_id, Tag.key == "old")
        await session.execute(before.values(name=old, key=tag_key(old)))

    made = await client.get(actor, SET, i=image_id, t=[old, "dog"])
    removed = await client.get(actor, REMOVE, i=[image_id], t=[old, "cat"])
    added = await client.get(actor, ADD, i=[image_id], t=["OLD\ufe0f"])
    job = await prepared(client, actor, {"removeTags": [old]})
    refused = await client.code(actor, ADD, i=[image_id], t=[old, "new\ufe0f"])

    assert names(made["setTags"]) == ["dog", old]
    assert names(removed["removeTags"][0]) == ["dog"]
    assert names(added["addTags"][0]) == ["dog", old]
    assert job["images"]["totalCount"] == 1
    assert refused == ("BAD_USER_INPUT", "tags.1")


async def test_counts_follow_images(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    for weight in (0, 1, 2):
        await make.image(db, team_id, tags=("cat",), weight=weight)
    trashed = str(await make.image(db, team_id, tags=("cat", "dog")))
    await client.get(actor, "mutation($i:[ID!]!) { trashImages(ids: $i) { id } }", i=[trashed])

    tags = (await client.get(actor, COUNTS))["tags"]

    assert tags["totalCount"] == 2
    assert [
        (tag["name"], tag["imageCount"], tag["images"]["totalCount"]) for tag in tags["nodes"]
    ] == [("cat", 3, 3), ("dog", 0, 0)]


async def test_ids_that_cannot_be_read_are_told_apart(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_id = str(await make.image(db, team_id, tags=("cat",)))
    (cat,) = (await client.get(actor, COUNTS))["tags"]["nodes"]
    merge = "mutation($s:[ID!]!,$t:ID!) { mergeTags(sourceIds: $s, targetId: $t) { id } }"
    long = "x" * 10_000

    both = await client.ask(actor, merge, s=[cat["id"], "nope"], t="x")
    same = await client.ask(actor, merge, s=[cat["id"], "x"], t="x")
    target = await client.ask(actor, merge, s=[cat["id"]], t="x")
    added = await client.ask(actor, ADD, i=[image_id, "", "\0", long], t=["dog"])

    facts = [
        {name: its for name, its in answer.errors[0]["extensions"].items() if name != "requestId"}
        for answer in (both, same, target, added)
    ]
    assert facts == [
        {"code": "NOT_FOUND", "field": "sourceIds", "ids": ["nope", "x"]},
        {"code": "BAD_USER_INPUT", "field": "sourceIds"},
        {"code": "NOT_FOUND", "field": "targetId", "ids": ["x"]},
        {"code": "NOT_FOUND", "field": "imageIds", "ids": ["", "\0", long[:100]]},
    ]
    assert both.errors[0]["message"] == "Tag not found."
    assert (await client.get(actor, COUNTS))["tags"]["totalCount"] == 1


async def test_rename_merge_and_delete(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id, tags=("kitty", "cat"))
    await make.image(db, team_id, tags=("kitten",))
    tags = {tag["name"]: tag["id"] for tag in (await client.get(actor, COUNTS))["tags"]["nodes"]}
    rename = "mutation($i:ID!,$n:String!) { renameTag(id: $i, name: $n) { name } }"
    merge = (
        "mutation($s:[ID!]!,$t:ID!) { mergeTags(sourceIds: $s, targetId: $t) { name imageCount } }"
    )

    last_changes = "{ images { nodes { id updatedAt } } }"
    before = await client.get(actor, last_changes)
    (clash,) = (await client.ask(actor, rename, i=tags["cat"], n="KITTY")).errors
    create = "mutation($t:ID!,$n:String!) { createTag(teamId: $t, name: $n) { id } }"
    (taken,) = (await client.ask(actor, create, t=str(team_id), n="Kitty")).errors
    merged = await client.get(actor, merge, s=[tags["kitty"], tags["kitten"]], t=tags["cat"])
    renamed = await client.get(actor, rename, i=tags["cat"], n="Cat")
    into_itself = await client.code(actor, merge, s=[tags["cat"]], t=tags["cat"])
    gone = await client.get(actor, "mutation($i:ID!) { deleteTag(id: $i) }", i=tags["cat"])

    for refused in (clash, taken):
        facts = refused["extensions"]
        assert (facts["code"], facts["field"]) == ("CONFLICT", "name")
        assert facts["existing"] == tags["kitty"]
    assert merged["mergeTags"] == {"name": "cat", "imageCount": 2}
    assert renamed["renameTag"] == {"name": "Cat"}
    assert into_itself == ("BAD_USER_INPUT", "sourceIds")
    assert gone["deleteTag"] == tags["cat"]
    assert (await client.get(actor, COUNTS))["tags"]["nodes"] == []
    assert await client.get(actor, last_changes) == before


async def test_names_are_checked(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    image_id = str(await make.image(db, actor.team_ids[0]))

    for bad, field in (
        (["", "x"], "tags.0"),
        (["x", "x" * 101], "tags.1"),
        (["tab\u0007bell"], "tags.0"),
        (["x"] * 51, "tags"),
    ):
        assert await client.code(actor, ADD, i=[image_id], t=bad) == ("BAD_USER_INPUT", field)


async def test_a_viewer_reads_only(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    viewer = await make.actor(db, admin.team_ids[0], Role.VIEWER)
    image_id = str(await make.image(db, admin.team_ids[0], tags=("cat",)))

    assert await client.code(viewer, ADD, i=[image_id], t=["x"]) == ("FORBIDDEN", None)
    assert len((await client.get(viewer, COUNTS))["tags"]["nodes"]) == 1


async def test_tags_are_found_by_name_and_part(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0], tags=("Night sky", "night_life", "day"))
    query = (
        "query($n:String!,$s:String) { tag(name: $n) { name } tags(search: $s) { nodes { name } } }"
    )

    data = await client.get(actor, query, n="NIGHT  SKY", s="night_")

    assert data["tag"] == {"name": "Night sky"}
    assert data["tags"]["nodes"] == [{"name": "night_life"}]


async def test_collections_from_end_to_end(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_ids = [str(await make.image(db, team_id)) for _ in range(3)]
    made = await client.get(
        actor,
        "mutation($i:CreateCollectionInput!) { createCollection(input: $i) { id description } }",
        i={"teamId": str(team_id), "name": "Best"},
    )
    collection_id = made["createCollection"]["id"]
    add = """mutation($c:ID!,$i:[ID!]!) {
      addToCollection(collectionId: $c, imageIds: $i) { images { totalCount nodes { collections { name } } } }
    }"""
    remove = """mutation($c:ID!,$i:[ID!]!) {
      removeFromCollection(collectionId: $c, imageIds: $i) { images { totalCount } }
    }"""
    update = (
        "mutation($i:UpdateCollectionInput!) { updateCollection(input: $i) { name description } }"
    )

    added = await client.get(actor, add, c=collection_id, i=image_ids)
    removed = await client.get(actor, remove, c=collection_id, i=image_ids[:1])
    updated = await client.get(actor, update, i={"id": collection_id, "description": "So good"})
    gone = await client.get(actor, "mutation($i:ID!) { deleteCollection(id: $i) }", i=collection_id)
    left = await client.get(actor, "{ images { totalCount } collections { totalCount } }")

    assert added["addToCollection"]["images"]["totalCount"] == 3
    assert added["addToCollection"]["images"]["nodes"][0] == {"collections": [{"name": "Best"}]}
    assert removed["removeFromCollection"]["images"]["totalCount"] == 2
    assert updated["updateCollection"] == {"name": "Best", "description": "So good"}
    assert gone["deleteCollection"] == collection_id
    assert left == {"images": {"totalCount": 3}, "collections": {"totalCount": 0}}
