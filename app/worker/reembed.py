"""Images read by the model that is being built, a batch at a time: in workers, and by `pictor reembed`."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

from app.db.models import Image
from app.domain import NO_ID
from app.embedding import Embedder, Known, Vectors
from app.errors import AppError, ErrorCode
from app.resources import Resources
from app.services import reembedding, reembedding_runs
from app.services.reembedding_runs import Batch
from app.worker import files, leases
from app.worker.pictures import Picture, pixels, reason

log = logging.getLogger(__name__)

BATCH: Final = 32
WAIT_SECONDS: Final = 1.0


class Reembedding:
    """One process's part in it. Any number of them may run: each claims its own images."""

    def __init__(
        self, resources: Resources, model: Known, told: Callable[[int], None] | None = None
    ) -> None:
        """`told` is called with the number of images after each batch."""
        self._resources = resources
        self._db = resources.db.worker
        self._model = model
        self._told = told

    async def run(self) -> None:
        """Returns when every image had its turn, by whomever, or the model is not being built any more.

        UNAVAILABLE where the model, the store or the database is away: it may be called again.
        """
        embedder = await self._resources.models.load(self._model)
        await asyncio.to_thread(files.prepare, self._resources.settings.tmp_dir)
        after, model_id = NO_ID, self._model.id
        while True:
            batch = await self._claim(after)
            if batch.images:
                await self._read(embedder, batch)
                if self._told is not None:
                    self._told(len(batch.images))
                after = batch.images[-1].id
            elif after != NO_ID:
                # Once more from the beginning: for those that came back, and those that were laid down.
                after = NO_ID
            elif await self._db.run(lambda session: reembedding.unread(session, model_id)):
                await asyncio.sleep(WAIT_SECONDS)
            else:
                return

    async def _claim(self, after: UUID) -> Batch:
        return await self._db.run(
            lambda session: reembedding_runs.claim(
                session, self._model.id, after, BATCH, leases.LEASE
            )
        )

    async def _read(self, embedder: Embedder, batch: Batch) -> None:
        """Whatever ends it early, nothing of the batch is lost."""
        places = asyncio.Semaphore(self._resources.settings.pictures_at_once)

        async def look(image: Image) -> Picture | None:
            async with places:
                try:
                    return await pixels(self._resources, image)
                except Exception as error:
                    await self._failed(batch, image, error)
                    return None

        try:
            async with leases.kept(
                self._db, lambda session: reembedding_runs.renew(session, batch, leases.LEASE)
            ):
                looks = [look(image) for image in batch.images]
                pictures = dict(zip(batch.images, await asyncio.gather(*looks), strict=True))
                seen = {image: one for image, one in pictures.items() if one is not None}
                if seen:
                    await self._embed(embedder, batch, list(seen), list(seen.values()))
        except BaseException:
            with suppress(AppError):
                await self._db.run(lambda session: reembedding_runs.release(session, batch))
            raise

    async def _embed(
        self, embedder: Embedder, batch: Batch, images: Sequence[Image], pictures: Sequence[Picture]
    ) -> None:
        """All at once, or one by one where that fails."""
        try:
            vectors = await embedder.pictures(pictures)
            await self._keep(batch, dict(zip((one.id for one in images), vectors, strict=True)))
        except AppError:
            raise
        except Exception as error:
            if len(images) == 1:
                await self._failed(batch, images[0], error)
                return
            for image, picture in zip(images, pictures, strict=True):
                await self._embed(embedder, batch, [image], [picture])

    async def _keep(self, batch: Batch, vector_of: dict[UUID, Vectors]) -> None:
        await self._db.run(lambda session: reembedding_runs.keep(session, batch, vector_of))

    async def _failed(self, batch: Batch, image: Image, error: Exception) -> None:
        """Lays the image down for later. What is not its own fault goes up."""
        if isinstance(error, AppError) and error.code is ErrorCode.UNAVAILABLE:
            raise error
        why = reason(error)
        log.warning("%s could not be read by %s: %s", image.id, self._model, why)
        await self._db.run(lambda session: reembedding_runs.fail(session, batch, image.id, why))
