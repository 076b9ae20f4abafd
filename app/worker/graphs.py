"""Graphs of vectors, built in the background and beside everything else: one at a time in the whole installation."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from app.db import locks
from app.db.database import Database
from app.db.maintenance import NoRoomError, maintenance
from app.errors import AppError
from app.resources import Resources
from app.services.searching import graphs
from app.services.searching.graphs import Upkeep, Wanted

log = logging.getLogger(__name__)

LOCK: Final = "pictor.graphs"
LOOK_SECONDS: Final = 60.0
FAILED_SECONDS: Final = 600.0
"""After a build that failed, which may have taken long to fail; twice as long after the next failure, and so on."""
MOST_FAILED_SECONDS: Final = 6 * 3600.0
WAIT_SECONDS: Final = 2.0
WORKERS: Final = 2
LEAST_MEMORY: Final = 64 * 1024 * 1024
NOT_OWNER: Final = (
    "%d graphs of vectors are to be built, which the tables' owner alone may: run `pictor reindex` as that user."
    " Until then, large teams are searched vector by vector"
)
TIGHT: Final = "the graph of %d vectors wants %d MiB, and PICTOR_INDEX_MEMORY_MIB gives it %d: this takes very long"


class Failures:
    """Graphs that could not be built: each is tried again later and later, and meanwhile the others have their turn.

    `once`: for whoever comes to an end. Of many that fail, the first may be due again before the last has failed.
    """

    def __init__(self, *, once: bool = False) -> None:
        self._once = once
        self._of: dict[str, tuple[float, float]] = {}

    @property
    def names(self) -> list[str]:
        return sorted(self._of)

    def add(self, name: str) -> None:
        before, _ = self._of.get(name, (FAILED_SECONDS / 2, 0.0))
        pause = math.inf if self._once else min(2 * before, MOST_FAILED_SECONDS)
        self._of[name] = pause, time.monotonic() + pause

    def forget(self, name: str) -> None:
        self._of.pop(name, None)

    def others(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Those that have not failed, or may be tried again."""
        now, never = time.monotonic(), (0.0, 0.0)
        return [one for one in wanted if self._of.get(one.graph.name, never)[1] <= now]


async def keep(resources: Resources) -> None:
    """Until it is cancelled: builds what is due. Any number of workers may; one of them does it."""
    warned, settings, db = False, resources.settings, resources.db
    failures = Failures()
    fewest = settings.index_min_vectors
    while True:
        pause = LOOK_SECONDS
        try:
            if await may_build(db):
                await build(db, settings.index_memory_bytes, failures, fewest=fewest)
            elif not warned and (wanted := (await due(db, fewest=fewest)).wanted):
                warned = True
                log.warning(NOT_OWNER, len(wanted))
        except AppError as error:
            log.warning("graphs of vectors are put off: %s", error.message)
        except Exception:
            pause = FAILED_SECONDS
            log.exception("graphs of vectors are put off for %.0f s", pause)
        await asyncio.sleep(pause)


async def prepare(resources: Resources, model_id: int) -> None:
    """The graphs of a model that is to take over, whoever builds them. It does not hold the model up where they cannot be."""
    db, settings, failures = resources.db, resources.settings, Failures(once=True)
    memory, fewest = settings.index_memory_bytes, settings.index_min_vectors
    while failures.others(wanted := (await due(db, fewest=fewest, model_id=model_id)).wanted):
        if not await may_build(db):
            log.warning(NOT_OWNER, len(wanted))
            return
        if not await build(db, memory, failures, fewest=fewest, model_id=model_id):
            await asyncio.sleep(WAIT_SECONDS)
    if wanted:
        log.error("the model goes on without %d of its graphs", len(wanted))


async def may_build(db: Database) -> bool:
    return await db.worker.run(graphs.may_build)


async def due(db: Database, *, fewest: int, model_id: int | None = None) -> Upkeep:
    return await db.worker.run(lambda s: graphs.due(s, fewest=fewest, model_id=model_id))


async def build(
    db: Database,
    memory_bytes: int,
    failures: Failures,
    *,
    fewest: int,
    model_id: int | None = None,
    told: Callable[[Wanted], None] | None = None,
) -> bool:
    """Drops what is left over, and builds what is due, one after another; False where another process is at it.

    What fails is added to `failures`, and the next one is built. `told` hears of each graph when it is begun. As the owner of
    the tables. UNAVAILABLE where the database goes away.
    """
    async with locks.alone(db, LOCK) as mine:
        if not mine:
            return False
        await _clear(db, fewest)
        # After each one the world is looked at again: it may have taken an hour.
        while wanted := await _next(db, failures, fewest, model_id):
            if told is not None:
                told(wanted)
            await _try(db, wanted, memory_bytes, failures)
        return True


async def clear(db: Database) -> None:
    """Drops what nobody is served by, where nobody builds and we may. Of a team that shrank, only a worker does."""
    if await may_build(db):
        async with locks.alone(db, LOCK) as mine:
            if mine:
                await _clear(db, fewest=1)


async def _next(
    db: Database, failures: Failures, fewest: int, model_id: int | None
) -> Wanted | None:
    found = await db.owner.run(lambda s: graphs.due(s, fewest=fewest, model_id=model_id))
    return next(iter(failures.others(found.wanted)), None)


async def _clear(db: Database, fewest: int) -> None:
    found = await db.owner.run(lambda s: graphs.due(s, fewest=fewest))
    if not found.left_over:
        return
    async with maintenance(db, {}) as run:
        for name in found.left_over:
            log.info("dropping %s", name)
            await run(f"drop index concurrently if exists {name}")


async def _try(db: Database, wanted: Wanted, memory_bytes: int, failures: Failures) -> None:
    name = wanted.graph.name
    try:
        await _build(db, wanted, memory_bytes)
        failures.forget(name)
    except AppError:
        # It may be this very build for which the database's host had no memory.
        failures.add(name)
        raise
    except NoRoomError as error:
        failures.add(name)
        log.error("%s could not be built: %s", name, error)
    except Exception:
        failures.add(name)
        log.exception("%s could not be built", name)


async def _build(db: Database, wanted: Wanted, memory_bytes: int) -> None:
    memory = min(max(wanted.memory_bytes, LEAST_MEMORY), memory_bytes)
    if memory < wanted.memory_bytes:
        log.warning(TIGHT, wanted.vectors, wanted.memory_bytes >> 20, memory >> 20)
    log.info("building %s of about %d vectors", wanted.graph.name, wanted.vectors)
    try:
        await _create_somehow(db, wanted, memory)
    except BaseException:
        with suppress(AppError):
            await _drop(db, wanted)
        raise
    log.info("%s is built", wanted.graph.name)


async def _create_somehow(db: Database, wanted: Wanted, memory: int) -> None:
    try:
        await _create(db, wanted, memory, WORKERS)
    except NoRoomError as error:
        # Several processes share the memory, of which a container gives little unless told.
        log.warning("building %s with one process: %s", wanted.graph.name, error)
        await _create(db, wanted, memory, 0)


async def _create(db: Database, wanted: Wanted, memory: int, workers: int) -> None:
    settings = {
        "maintenance_work_mem": f"{memory >> 10}kB",
        "max_parallel_maintenance_workers": str(workers),
    }
    await _drop(db, wanted)
    async with maintenance(db, settings) as run:
        await run(wanted.definition)


async def _drop(db: Database, wanted: Wanted) -> None:
    async with maintenance(db, {}) as run:
        await run(f"drop index concurrently if exists {wanted.graph.name}")
