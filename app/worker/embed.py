"""Vectors of images, a batch at a time, by the model of this process; a picture that it cannot take fails alone."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.db.models import Image
from app.domain import ImageState, ThumbnailSize
from app.embedding import PICTURE_SIDE
from app.errors import AppError
from app.resources import Resources
from app.services import embedding_models, jobs, processing
from app.services.jobs import Job
from app.worker import files
from app.worker.handlers import AT_ONCE, failed

log = logging.getLogger(__name__)

BATCH: Final = 32

Picture = NDArray[np.uint8]


class Embedding:
    """Knows which model's vectors it makes, from its first turn on."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._db = resources.db.worker
        self._model_id: int | None = None
        self._taking_over = False

    async def claim(self, lease: timedelta) -> list[Job]:
        """The next batch. The model is loaded before anything is claimed: that takes long, and may fail."""
        model_id = await self._model()
        if self._taking_over:
            self._taking_over = not await self._switched(model_id)
        return await self._db.run(
            lambda session: processing.claim_embedding(session, model_id, BATCH, lease)
        )

    async def handle(self, claimed: list[Job]) -> None:
        images = await self._db.run(lambda session: processing.images(session, claimed))
        places = asyncio.Semaphore(AT_ONCE)

        async def look(job: Job) -> Picture | None:
            async with places:
                return await self._picture(job, images.get(job.image_id))

        pictures = await asyncio.gather(*(look(job) for job in claimed))
        seen = [
            (job, picture)
            for job, picture in zip(claimed, pictures, strict=True)
            if picture is not None
        ]
        if seen:
            await self._embed([job for job, _ in seen], [picture for _, picture in seen])

    async def _model(self) -> int:
        """The id of this process's model, which is loaded and registered the first time."""
        if self._model_id is not None:
            return self._model_id
        embedder = self._resources.embedder
        await embedder.warm()
        model = await self._db.run(
            lambda session: embedding_models.ensure(
                session,
                name=embedder.name,
                revision=embedder.revision,
                dimension=embedder.dimension,
            )
        )
        log.info("images are read by %s (%s), %s", model.name, model.revision, model.state)
        self._model_id, self._taking_over = model.id, True
        return model.id

    async def _switched(self, model_id: int) -> bool:
        return await self._db.run(lambda session: embedding_models.switch(session, model_id))

    async def _picture(self, job: Job, image: Image | None) -> Picture | None:
        """The pixels; None where there is nothing to read, or reading failed and is written down."""
        try:
            if image is None or image.state is not ImageState.STORED:
                await self._db.run(lambda session: jobs.finish(session, [job]))
                return None
            return await self._pixels(image)
        except Exception as error:
            await failed(self._resources, job, error)
            return None

    async def _pixels(self, image: Image) -> Picture:
        """From the thumbnail where it is made already, which is quicker, and the original otherwise."""
        medium = image.thumbnails.get(ThumbnailSize.MEDIUM.value)
        key = medium["key"] if medium else image.object_key
        resources = self._resources
        sha256 = None if medium else image.sha256
        async with files.local_copy(
            resources.storage, key, resources.settings.tmp_dir, sha256=sha256
        ) as path:
            return await resources.decoder.picture(path, PICTURE_SIDE)

    async def _embed(self, claimed: Sequence[Job], pictures: Sequence[Picture]) -> None:
        """All at once, or one by one where that fails. UNAVAILABLE is nobody's fault, and goes up."""
        model_id = await self._model()
        try:
            vectors = await self._resources.embedder.pictures(pictures)
            await self._db.run(
                lambda session: processing.keep_vectors(session, model_id, claimed, vectors)
            )
        except AppError:
            raise
        except Exception as error:
            if len(claimed) == 1:
                await failed(self._resources, claimed[0], error)
                return
            log.info("%s images are read one by one: %r", len(claimed), error)
            for job, picture in zip(claimed, pictures, strict=True):
                await self._embed([job], [picture])
