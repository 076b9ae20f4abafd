"""Which of a process's models reads a question, what is loaded in time, and what is let go."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain import ModelState
from app.embedding import Embedders, Known, embedder_from_name
from app.errors import AppError, ErrorCode
from tests.fixtures import tiny_model

ACTIVE, BUILDING, RETIRED = ModelState.ACTIVE, ModelState.BUILDING, ModelState.RETIRED
OLD, NEW = 1, 2
FOLDERS = {
    OLD: lambda: str(tiny_model.folder()),
    NEW: lambda: str(tiny_model.folder(1, 48)),
}


@pytest.fixture
async def models() -> AsyncIterator[Embedders]:
    """A process whose setting is the old model."""
    models = Embedders(embedder_from_name(FOLDERS[OLD]()))
    yield models
    await models.close()
    await models.own.close()


async def known(model_id: int, state: ModelState, retired_at: datetime | None = None) -> Known:
    """The old one or the new one, as a process with it has told of it."""
    embedder = embedder_from_name(FOLDERS[model_id]())
    await embedder.warm()
    told = Known(model_id, embedder.name, embedder.revision, embedder.source, state, retired_at)
    await embedder.close()
    return told


async def loaded(models: Embedders, *wanted: Known) -> None:
    """`prepare`, as often as it takes."""
    for _ in range(3_000):
        models.prepare()
        if all(models.ready(one) for one in wanted):
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"not ready: {[one.name for one in wanted if not models.ready(one)]}")


async def test_the_setting_s_model_reads_where_nothing_is_known(models: Embedders) -> None:
    assert models.reading() is models.own
    assert models.state == "ok"


async def test_the_next_model_is_ready_before_it_is_needed(models: Embedders) -> None:
    old, new = await known(OLD, ACTIVE), await known(NEW, BUILDING)
    models.know([old, new])
    await loaded(models, old, new)
    assert models.reading() is models.own
    models.know(
        [replace(old, state=RETIRED, retired_at=datetime.now(UTC)), replace(new, state=ACTIVE)]
    )
    models.prepare()
    assert models.reading() is models.ready(new)
    assert models.reading(OLD) is models.own, "pages that it began go on"
    with pytest.raises(AppError) as refused:
        models.reading(3)
    assert refused.value.extensions == {"code": "BAD_USER_INPUT", "field": "after"}


async def test_an_old_model_is_let_go_after_a_while(models: Embedders) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    old, new = await known(OLD, ACTIVE), await known(NEW, ACTIVE)
    models.know([old])
    await loaded(models, old)
    retired = replace(old, state=RETIRED, retired_at=long_ago)
    models.know([retired, new])
    assert models.reading() is models.own, "until the new one is here"
    assert models.state == "behind"
    await loaded(models, new)
    models.prepare()
    assert models.ready(retired) is None
    with pytest.raises(AppError) as refused:
        models.reading(OLD)
    assert refused.value.code is ErrorCode.BAD_USER_INPUT
    for _ in range(100):
        try:
            _ = models.own.dimension
        except AppError:
            break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("its memory was not given back")


async def test_another_revision_is_another_model(models: Embedders) -> None:
    old = replace(await known(OLD, ACTIVE), revision="of last year")
    models.know([old])
    with pytest.raises(AppError, match=r"is revision [0-9a-f]+ here"):
        await models.load(old)
    assert models.state == "unavailable"


async def test_a_model_of_unknown_source_is_left_to_those_who_have_it(models: Embedders) -> None:
    new = replace(await known(NEW, ACTIVE), source=None)
    models.know([new])
    with pytest.raises(AppError, match="No process has told"):
        await models.load(new)
    with pytest.raises(AppError) as refused:
        models.reading()
    assert refused.value.code is ErrorCode.UNAVAILABLE


async def test_a_missing_folder_is_named_and_the_old_model_goes_on(models: Embedders) -> None:
    old = await known(OLD, RETIRED, datetime.now(UTC))
    new = replace(await known(NEW, ACTIVE), source="/on/another/host")
    models.know([old, new])
    with pytest.raises(AppError, match="no such folder on this host"):
        await models.load(new)
    await loaded(models, old)
    assert models.reading() is models.own
    assert models.state == "behind"


async def test_two_who_need_a_model_load_it_once(models: Embedders) -> None:
    new = await known(NEW, ACTIVE)
    models.know([new])
    one, other = await asyncio.gather(models.load(new), models.load(new))
    assert one is other
