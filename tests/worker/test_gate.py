"""Who is let in beside whom."""

import asyncio

from app.worker.gate import Gate

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
