"""A run that builds the setting's model, on a host where a wide picture kills the process: see deadly."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from app.resources import open_resources
from app.services import job_runs
from app.settings import Settings
from app.worker import models, reembed
from tests.worker.deadly import Deadly


async def main() -> None:
    # Each of these runs dies at once: nobody's lease is in doubt for as long as elsewhere, and pauses are short.
    reembed.CALM_SECONDS = 0.0  # type: ignore[misc]
    job_runs.BACKOFF = timedelta(seconds=0.1)  # type: ignore[misc]
    async with open_resources(Settings()) as resources:
        deadly = replace(resources, embedder=Deadly(resources.embedder))
        await models.introduce(deadly)
        building = (await models.refresh(deadly)).building
        assert building is not None
        await models.build(deadly, building)


if __name__ == "__main__":
    asyncio.run(main())
