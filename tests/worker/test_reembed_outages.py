"""What is wrong with a host or a model while a library is read anew: no image pays for it, and nothing goes dark."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select, update

from app.db.models import EmbeddingModel, Image, ImageJob, VectorClaim
from app.domain import JobState, ModelState, ProcessingStatus
from app.embedding import Vectors, embedder_from_name
from app.errors import AppError, ErrorCode
from app.resources import Resources
from app.services import jobs
from app.storage import Storage
from app.worker import models
from tests import make
from tests.fixtures import tiny_model
from tests.services import planted
from tests.worker.planted import mark
from tests.worker.test_reembed import another_process, model_of, pictor, vectors
from tests.worker.test_worker import jpeg, noise, stored
from tests.worker.wrapped import Wrapped


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.worker.reembed.WAIT_SECONDS", 0.05)
    monkeypatch.setattr("app.services.job_runs.BACKOFF", timedelta(seconds=0.01))


async def library(resources: Resources, count: int) -> list[UUID]:
    """Images that the active model has read."""
    db, team_id = resources.db, await make.team(resources.db)
    await models.introduce(resources)
    images = [await stored(resources, team_id, jpeg(noise(seed))) for seed in range(count)]
    async with db.transaction() as session:
        await session.execute(update(ImageJob).values(state=JobState.DONE))
        await jobs.follow(session, images)
    rows = planted.random(count, dimension=32)
    await planted.vectors(db, 1, dict(zip(images, rows, strict=True)))
    return images


async def dimension_in_use(resources: Resources) -> int:
    async with resources.db.transaction() as session:
        rows = select(EmbeddingModel.dimension).where(EmbeddingModel.state == ModelState.ACTIVE)
        return (await session.scalars(rows)).one()


async def must_be_unharmed(resources: Resources, images: Sequence[UUID]) -> None:
    """The old model answers, and no image was charged with anything."""
    assert await dimension_in_use(resources) == 32
    async with resources.db.transaction() as session:
        claims = list(await session.scalars(select(VectorClaim)))
        states = await session.scalars(select(Image.processing).where(Image.id.in_(images)))
        assert set(states) == {ProcessingStatus.READY}
    assert {(one.attempts, one.error, one.run_id) for one in claims} == {(0, None, None)}


class NoRoom:
    """The store is well; the folder for temporary files goes while an object is opened."""

    def __init__(self, inner: Storage, folder: Path) -> None:
        self.inner, self.folder = inner, folder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def open(self, *args: Any, **more: Any) -> Any:
        found = await self.inner.open(*args, **more)
        shutil.rmtree(self.folder, ignore_errors=True)
        return found


async def test_a_host_without_room_charges_no_image(resources: Resources) -> None:
    images = await library(resources, 3)
    storage: Any = NoRoom(resources.storage, resources.settings.tmp_dir)
    new = embedder_from_name(str(tiny_model.folder(1, 48)))
    async with another_process(resources, new) as other:
        await models.introduce(other)
        model = await model_of(resources, 48)
        with pytest.raises(AppError, match="This host cannot work just now") as refused:
            await models.build(replace(other, storage=storage), model)
        assert refused.value.code is ErrorCode.UNAVAILABLE
        await must_be_unharmed(resources, images)

        assert await models.build(other, model)
    assert await vectors(resources, 48) == 3


class Blind(Wrapped):
    """It loads, and then has no memory for any picture."""

    async def pictures(self, _pictures: Sequence[NDArray[np.uint8]]) -> Vectors:
        raise RuntimeError("not enough memory")


async def test_a_model_that_reads_nothing_refuses_nothing(resources: Resources) -> None:
    images = await library(resources, 3)
    new = embedder_from_name(str(tiny_model.folder(1, 48)))
    async with another_process(resources, Blind(new)) as other:
        await models.introduce(other)
        model = await model_of(resources, 48)
        with pytest.raises(
            AppError, match=r"reads no picture at all.*not enough memory"
        ) as refused:
            await models.build(other, model)
        assert refused.value.code is ErrorCode.CONFLICT
    await must_be_unharmed(resources, images)


async def test_what_refused_most_images_takes_over_only_when_told_so(resources: Resources) -> None:
    await library(resources, 1)
    await mark(resources)
    new = tiny_model.folder(1, 48)
    team_id = await make.team(resources.db)
    async with another_process(resources, embedder_from_name(str(new))) as other:
        await models.introduce(other)
    model = await model_of(resources, 48)
    refused = [await make.image(resources.db, team_id) for _ in range(7)]
    rows = planted.random(len(refused), dimension=32)
    await planted.vectors(resources.db, 1, dict(zip(refused, rows, strict=True)))
    async with resources.db.transaction() as session:
        facts = {"model_id": model.id, "attempts": 3, "lease_until": None, "error": "No colours."}
        session.add_all([VectorClaim(image_id=one, **facts) for one in refused])

    status, _, error = await pictor(resources, "--model", str(new))

    assert status == 1
    assert "refused 7 of the 8 images that it was to read, most often with: No colours." in error
    assert await dimension_in_use(resources) == 32
    status, said, _ = await pictor(resources, "--model", str(new), "--anyway")
    assert status == 0
    assert "answers from now on, with 1 images" in said
    assert await dimension_in_use(resources) == 48
