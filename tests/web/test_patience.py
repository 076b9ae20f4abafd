"""A block that ends when its seconds are over, and only then, and only by its own clock."""

import asyncio

import pytest

from app.web.patience import Patience

LONG = 60.0


async def test_what_takes_too_long_is_ended_where_it_waits() -> None:
    with pytest.raises(TimeoutError), Patience(0.01):
        await asyncio.Event().wait()
    # Nothing of it is left: the task waits as before.
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
    await asyncio.sleep(0)


async def test_what_ends_in_time_ends_as_it_does() -> None:
    with Patience(LONG):
        await asyncio.sleep(0)
    with pytest.raises(ValueError, match="its own"), Patience(LONG):
        raise ValueError("its own")


async def test_whoever_cancels_from_outside_is_not_taken_for_the_clock() -> None:
    async def wait() -> None:
        with Patience(LONG):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_of_two_clocks_the_one_that_is_over_speaks() -> None:
    with Patience(LONG):
        with pytest.raises(TimeoutError), Patience(0.01):
            await asyncio.Event().wait()
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError), Patience(0.01), Patience(LONG):
        await asyncio.Event().wait()
