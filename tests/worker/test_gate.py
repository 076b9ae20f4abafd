"""Who is let in beside whom."""

import asyncio

from sqlalchemy import update

from app.db.models import ImageJob
from app.domain import JobKind, JobState
from app.embedding import Embedder, embedder_from_name
from app.resources import Resources
from app.worker import models
from app.worker.gate import Gate
from tests import make
from tests.fixtures import tiny_model
from tests.worker.test_reembed import another_process
from tests.worker.test_worker import job, jpeg, noise, stored, until, working
from tests.worker.wrapped import Wrapped

LONG = 3_600.0


async def alone(gate: Gate, entered: asyncio.Event) -> None:
    async with gate.alone():
        entered.set()


async def turns_pass() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_nobody_is_alone_while_another_is_on_trial() -> None:
    gate, entered = Gate(), asyncio.Event()
    async with gate.beside(LONG):
        assert gate.has_trial
        waiting = asyncio.create_task(alone(gate, entered))
        await turns_pass()
        assert not entered.is_set()
        async with gate.together():
            pass
    await waiting
    assert not gate.has_trial


async def test_after_the_trial_others_may_be_alone() -> None:
    gate, entered = Gate(), asyncio.Event()
    async with gate.beside(0):
        await alone(gate, entered)
        async with gate.beside(LONG):
            assert gate.has_trial
        assert not gate.has_trial


async def test_whoever_is_alone_has_nobody_beside_it() -> None:
    gate, entered = Gate(), asyncio.Event()
    async with gate.together():
        waiting = asyncio.create_task(alone(gate, entered))
        await turns_pass()
        assert not entered.is_set()
        assert gate.has_trial
    await waiting


class OnItsWay(Wrapped):
    """A model that comes through a slow network."""

    def __init__(self, inner: Embedder) -> None:
        super().__init__(inner)
        self.asked = asyncio.Event()
        self.comes = asyncio.Event()

    async def warm(self) -> None:
        self.asked.set()
        await self.comes.wait()
        await self.inner.warm()


async def test_nobody_waits_at_the_gate_while_a_model_is_loaded(resources: Resources) -> None:
    """Not even where it is to try what another worker died with."""
    db, team_id = resources.db, await make.team(resources.db)
    await models.introduce(resources)
    suspect = await stored(resources, team_id, jpeg(noise(1)), [JobKind.EMBED])
    async with db.transaction() as session:
        await session.execute(update(ImageJob).values(suspect=True))
    coming = OnItsWay(embedder_from_name(str(tiny_model.folder())))

    async def thumbnails_are_made() -> bool:
        return (await job(db, later, JobKind.THUMBNAILS)).state is JobState.DONE

    async def suspect_is_read() -> bool:
        return (await job(db, suspect)).state is JobState.DONE

    async with another_process(resources, coming) as other, working(other):
        await coming.asked.wait()
        for seed in (2, 3):
            later = await stored(resources, team_id, jpeg(noise(seed)), [JobKind.THUMBNAILS])
            await until(thumbnails_are_made)
        assert (await job(db, suspect)).attempts == 0
        coming.comes.set()
        await until(suspect_is_read)
