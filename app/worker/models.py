"""Which models the process holds, kept in step with the database; a worker also reads images for the one being built."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from app.embedding import Embedders, Known
from app.errors import AppError, ErrorCode
from app.resources import Resources
from app.services import embedding_models, reembedding
from app.worker import graphs
from app.worker.gate import Gate
from app.worker.reembed import Reembedding
from app.worker.relevance import Calibration

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 60.0
IGNORED: Final = (
    "PICTOR_EMBEDDING_MODEL names %s, but this installation has changed to %s, which is used:"
    " the setting is that of a fresh installation, `pictor reembed` changes the model"
)


async def refresh(resources: Resources) -> Embedders:
    """The process's models, as the database has them now."""
    resources.models.know(await resources.db.worker.run(embedding_models.known))
    return resources.models


async def keep(resources: Resources, *, building: bool, gate: Gate | None = None) -> None:
    """Until it is cancelled: loads the models that are needed, and with `building` helps to build the next one.

    `gate`: that of the worker beside it.
    """
    # Not gather, which leaves when the first of them is cancelled: the other may still have a connection.
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_follow(resources))
        if building:
            tasks.create_task(_build(resources, gate))


async def _follow(resources: Resources) -> None:
    while True:
        try:
            (await refresh(resources)).prepare()
        except Exception as error:
            log.warning("the models cannot be looked up: %s", error)
        await asyncio.sleep(POLL_SECONDS)


async def _build(resources: Resources, gate: Gate | None) -> None:
    await _introduced(resources)
    while True:
        model = resources.models.building
        try:
            if model is not None and resources.models.ready(model):
                await build(resources, model, gate=gate)
        except Exception as error:
            log.warning("reading images for %s waits: %s", model, error)
            # Until an operator has done something about it, or the model reads pictures again.
            is_stuck = isinstance(error, AppError) and error.code is ErrorCode.CONFLICT
            await asyncio.sleep(RETRY_SECONDS if is_stuck else PAUSE_SECONDS)
        await asyncio.sleep(POLL_SECONDS)


async def build(
    resources: Resources,
    model: Known,
    told: Callable[[int], None] | None = None,
    *,
    gate: Gate | None = None,
    anyway: bool = False,
) -> bool:
    """Reads what is missing, builds what it is searched by, and switches; False where the model is not being built any more.

    CONFLICT where it reads nothing, or so little that it must not take over, unless it is to do so `anyway`.
    """
    while True:
        await Reembedding(resources, model, told, gate=gate).run()
        switched = await _take_over(resources, model, anyway=anyway)
        building = (await refresh(resources)).building
        # What takes long before a switch has images come that others read without this model.
        if switched or building is None or building.id != model.id:
            return switched


async def _take_over(resources: Resources, model: Known, *, anyway: bool) -> bool:
    """Builds what it is searched by, and switches if nothing is left to read; whether it answers now."""
    db = resources.db.worker
    if not anyway:
        # Here too, since what comes now takes long.
        await db.run(lambda session: reembedding.trust(session, model.id))
    await graphs.prepare(resources, model.id)
    await Calibration(resources).before_switch(model)
    switched = await db.run(lambda s: reembedding.switch(s, model.id, anyway=anyway))
    if switched:
        log.info("%s has read every image, and answers from now on", model)
    return switched


async def _introduced(resources: Resources) -> None:
    while True:
        try:
            return await introduce(resources)
        except Exception as error:
            log.warning("the setting's model waits: %s", error)
            await asyncio.sleep(RETRY_SECONDS)


async def introduce(resources: Resources) -> None:
    """Tells the database of the setting's model, unless it is known there and another one is active.

    UNAVAILABLE where it does not load.
    """
    own, models = resources.embedder, await refresh(resources)
    active = models.active
    if active is not None and active.name != own.name and models.knows(own.name):
        log.warning(IGNORED, own.name, active)
        return
    await own.warm()
    model = await resources.db.worker.run(
        lambda session: embedding_models.ensure(
            session,
            name=own.name,
            revision=own.revision,
            dimension=own.dimension,
            source=own.source,
        )
    )
    log.info("the setting's model is %s (%s), %s", model.name, model.revision, model.state)
