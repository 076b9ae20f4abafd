"""Vectors of images, a batch at a time, by the active model; a picture that it cannot take fails alone."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np

from app.db.models import Image
from app.domain import ImageState
from app.embedding import Vectors
from app.errors import AppError, unavailable
from app.resources import Resources
from app.services import job_runs
from app.services.intake import processing
from app.services.job_runs import Job
from app.worker.handlers import failed, stop_where_all_wait
from app.worker.models import introduce, refresh
from app.worker.pictures import Picture, pixels, why_blind

log = logging.getLogger(__name__)

BATCH: Final = 32


class Embedding:
    """Reads images with the active model, and with the one that is being built beside it."""

    def __init__(self, resources: Resources, stopping: asyncio.Event) -> None:
        self._resources = resources
        self._db = resources.db.worker
        self._stopping = stopping
        self._began = 0.0

    @property
    def has_model(self) -> bool:
        """Whether what is claimed could be read at once."""
        active = self._resources.models.active
        return active is not None and self._resources.models.ready(active) is not None

    async def prepare(self) -> None:
        """Loads the model, which takes minutes where it must be fetched, and may fail. Nobody is to wait for it meanwhile.

        Whoever stops does not wait for it either: `has_model` tells how it ended.
        """
        loading = asyncio.create_task(self._load())
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({loading, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if loading.done():
                loading.result()
        finally:
            loading.cancel()
            stopped.cancel()
            # It may have a connection, which is to be given back before the pool closes.
            await asyncio.wait({loading, stopped})

    async def claim(self, lease: timedelta, *, suspects: bool = False) -> list[Job]:
        """The next batch, or one suspect; nothing where the model is not here."""
        active = self._resources.models.active
        if active is None or not self.has_model:
            return []
        limit = 1 if suspects else BATCH
        return await self._db.run(
            lambda session: processing.claim_embedding(
                session, active.id, limit, lease, suspects=suspects
            )
        )

    async def _load(self) -> None:
        models = await refresh(self._resources)
        if models.active is None:
            await introduce(self._resources)
            models = await refresh(self._resources)
        if models.active is not None:
            await models.load(models.active)

    async def handle(self, claimed: list[Job]) -> None:
        self._began = time.perf_counter()
        images = await self._db.run(lambda session: processing.images(session, claimed))
        places = asyncio.Semaphore(self._resources.settings.pictures_at_once)

        async def look(job: Job) -> Picture | AppError | None:
            async with places:
                return await self._picture(job, images.get(job.image_id))

        pictures = await asyncio.gather(*(look(job) for job in claimed))
        seen = [
            (job, picture)
            for job, picture in zip(claimed, pictures, strict=True)
            if isinstance(picture, np.ndarray)
        ]
        stop_where_all_wait(pictures)
        if seen:
            await self._embed([job for job, _ in seen], [picture for _, picture in seen])

    async def _picture(self, job: Job, image: Image | None) -> Picture | AppError | None:
        """The pixels; None where there is nothing to read, or reading failed and is written down; or an outage."""
        try:
            if image is None or image.state is not ImageState.STORED:
                await self._db.run(lambda session: job_runs.finish(session, [job]))
                return None
            return await pixels(self._resources, image)
        except Exception as error:
            return await failed(self._resources, job, error)

    async def _embed(self, claimed: Sequence[Job], pictures: Sequence[Picture]) -> None:
        """All at once, or one by one where that fails. UNAVAILABLE is no image's fault, and goes up."""
        try:
            # One that may kill its process is not to pay for a model that is not in use: that one tries it by itself.
            alone = any(job.suspect for job in claimed)
            vectors_of = await self._read(pictures, along=not alone)
            await self._db.run(
                lambda session: processing.keep_vectors(session, claimed, vectors_of)
            )
            for job in claimed:
                self._resources.metrics.job_done(job.kind, time.perf_counter() - self._began)
        except AppError:
            raise
        except Exception as error:
            if len(claimed) == 1:
                await self._must_read()
                await failed(self._resources, claimed[0], error)
                return
            log.info("%s images are read one by one: %r", len(claimed), error)
            for job, picture in zip(claimed, pictures, strict=True):
                await self._embed([job], [picture])

    async def _must_read(self) -> None:
        """UNAVAILABLE unless the active model reads a plain picture: else it would refuse all that comes, image by image."""
        models = self._resources.models
        if models.active is None or (embedder := models.ready(models.active)) is None:
            return
        if error := await why_blind(embedder):
            log.error("%s reads not even a plain picture", models.active, exc_info=error)
            raise unavailable("The model reads no picture just now.") from error

    async def _read(self, pictures: Sequence[Picture], *, along: bool) -> dict[int, Vectors]:
        """Vectors of the active model, and (`along`) of the one that is being built if it can: it has another turn."""
        models = self._resources.models
        active, building = models.active, models.building
        vectors: dict[int, Vectors] = {}
        if active is not None and (embedder := models.ready(active)):
            vectors[active.id] = await embedder.pictures(pictures)
        if along and building is not None and (embedder := models.ready(building)):
            try:
                vectors[building.id] = await embedder.pictures(pictures)
            except Exception as error:
                log.info("%s does not read along: %r", building, error)
        return vectors
