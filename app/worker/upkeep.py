"""What comes round by itself: the trash is emptied, and now and then rows and objects are brought back in step."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from app.db import locks
from app.resources import Resources
from app.services import repair
from app.services.bulk_edits import bulk
from app.worker import graphs, reconcile, relevance
from app.worker.report import Report

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 60.0

Step = Callable[[Resources], Awaitable[object]]


async def keep(resources: Resources) -> None:
    """Looks whether anything is due, until it is cancelled. Any number of workers may; one of them does it."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_keep_in_step(resources))
        # It takes minutes at times, for which the rest does not wait.
        tasks.create_task(graphs.keep(resources))
        tasks.create_task(relevance.keep(resources))


async def _keep_in_step(resources: Resources) -> None:
    steps: dict[str, Step] = {
        "emptying the trash": _empty_trash,
        "forgetting bulk jobs": _forget_bulk_jobs,
        "reconciling": reconcile_if_due,
    }
    while True:
        for name, step in steps.items():
            try:
                await step(resources)
            except Exception as error:
                # What ails one step may do so for long: the others do not wait for it.
                log.warning("%s is put off: %s", name, error)
        await asyncio.sleep(LOOK_SECONDS)


async def _empty_trash(resources: Resources) -> None:
    if ended := await reconcile.empty_trash(resources, resources.db.worker):
        log.info("%d images had been in the trash for long and are deleted", ended)


async def _forget_bulk_jobs(resources: Resources) -> None:
    await resources.db.worker.run(bulk.forget)


async def reconcile_if_due(resources: Resources) -> Report | None:
    """A pass, where the last one began long ago and nobody else is at it."""
    every = timedelta(hours=resources.settings.reconcile_hours)
    if not every or not await _is_due(resources, every):
        return None
    async with locks.alone(resources.db, reconcile.LOCK) as mine:
        # Whoever was at it a moment ago has done it for us.
        if not mine or not await _is_due(resources, every):
            return None
        report = await reconcile.run(resources, resources.db.worker)
    found = {name: count for name, count in report.counts().items() if count}
    log.log(logging.ERROR if report.damaged else logging.INFO, "reconciled: %s", found)
    return report


async def _is_due(resources: Resources, every: timedelta) -> bool:
    return await resources.db.worker.run(lambda session: repair.is_due(session, every))
