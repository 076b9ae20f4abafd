"""Batches of keys, however many an operation asks for."""

from uuid import uuid4

from app.domain import JobKind
from app.graphql.loaders import Loaders
from app.services import jobs
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client


async def test_more_keys_than_a_statement_has_parameters(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_id = await make.image(db, team_id)
    async with db.transaction() as session:
        await jobs.enqueue(session, team_id, image_id, [JobKind.EMBED])
    loaders = Loaders(db.acting(actor), actor)

    found = await loaders.status_of_image.load_many([*(uuid4() for _ in range(20_000)), image_id])

    assert found[:-1] == [None] * 20_000
    assert found[-1] is not None


async def test_each_mutation_of_an_operation_answers_what_it_made(
    client: Client, db: Database
) -> None:
    """And not what the one before it had loaded of the same things."""
    actor = await make.actor(db)
    image_id = str(await make.image(db, actor.team_ids[0], tags=("cat",)))
    both = """mutation($ids: [ID!]!, $user: ID!, $team: ID!) {
      added: addTags(imageIds: $ids, tags: ["dog"]) { tags { name imageCount } collections { id } }
      trashed: trashImages(ids: $ids) { tags { name imageCount } }
      removed: removeTags(imageIds: $ids, tags: ["cat"]) { tags { name } }
      set: setMembership(input: {teamId: $team, userId: $user, role: ADMIN}) { team { name } }
      named: updateTeam(input: {id: $team, name: "Cats"}) { members { nodes { team { name } } } }
    }"""
    given = {"user": str(actor.user_id), "team": str(actor.team_ids[0])}

    done = await client.get(actor, both, ids=[image_id], **given)

    def tags(name: str) -> list[tuple[str, int | None]]:
        return [(one["name"], one.get("imageCount")) for one in done[name][0]["tags"]]

    assert tags("added") == [("cat", 1), ("dog", 1)]
    assert tags("trashed") == [("cat", 0), ("dog", 0)]
    assert tags("removed") == [("dog", None)]
    assert done["set"]["team"] == {"name": "Team"}
    assert done["named"]["members"]["nodes"] == [{"team": {"name": "Cats"}}]
