"""Full text follows a renamed tag of many images in a real worker."""

import asyncio

from app.resources import Resources
from tests import make, truth
from tests.database import Database
from tests.services.test_renames import AT_ONCE, found, rename, tagged, waiting
from tests.worker.test_processes import PATIENCE_SECONDS
from tests.worker.test_worker import working


async def test_a_worker_words_the_images_of_a_renamed_tag(resources: Resources) -> None:
    db = resources.db
    assert isinstance(db, Database)
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.images(db, team_id, AT_ONCE + 1)
    tag_id = await tagged(db, actor, AT_ONCE + 1)
    await rename(db, actor, tag_id, "ponds")
    assert await waiting(db, actor) == 1

    async with working(resources):
        for _ in range(round(PATIENCE_SECONDS / 0.05)):
            if not await waiting(db, actor):
                break
            await asyncio.sleep(0.05)

    assert await found(db, actor, "pond") == AT_ONCE + 1
    assert await truth.faults(db, team_id) == {}
