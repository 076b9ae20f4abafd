"""Batches of keys, however many an operation asks for."""

from uuid import uuid4

from app.domain import JobKind
from app.graphql.loaders import Loaders
from app.services import jobs
from tests import make
from tests.database import Database


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
