"""Images read by the model that is being built, a batch at a time: in workers, and by `pictor reembed`."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from app.db.models import Image
from app.domain import NO_ID
from app.embedding import Embedder, Known, Vectors
from app.errors import AppError, conflict
from app.resources import Resources
from app.services import reembedding, reembedding_runs
from app.services.reembedding_runs import Batch
from app.worker import files, leases
from app.worker.gate import Gate
from app.worker.outages import outage
from app.worker.pictures import Picture, pixels, reason, why_blind

log = logging.getLogger(__name__)

BATCH: Final = 32
WAIT_SECONDS: Final = 1.0
CALM_SECONDS: Final = 5.0
"""For so long a run has found the database there before it takes back another's images: see worker."""
USELESS: Final = (
    "{model} reads no picture at all here, not even a plain one ({why}). No image is charged with that."
    " Put it right and begin again, which goes on from here, or end it: `pictor reembed --cancel`."
)
RELEASE_PAUSE_SECONDS: Final = 1.0
"""Between two tries to hand back what was claimed while the database is away."""


class Reembedding:
    """One process's part in it. Any number of them may run: each claims its own images."""

    def __init__(
        self,
        resources: Resources,
        model: Known,
        told: Callable[[int], None] | None = None,
        *,
        gate: Gate | None = None,
    ) -> None:
        """`told` is called with the number of images after each batch. `gate`: the worker's, if the process has one."""
        self._resources = resources
        self._db = resources.db.worker
        self._model = model
        self._told = told
        self._gate = gate or Gate()
        self._began = 0.0

    async def run(self) -> None:
        """Returns when every image had its turn, by whomever, or the model is not being built any more.

        UNAVAILABLE where the model, the store, the database or this host's disk is away: it may be called again.
        CONFLICT where the model reads no picture at all.
        """
        embedder = await self._resources.models.load(self._model)
        await asyncio.to_thread(files.prepare, self._resources.settings.tmp_dir)
        after, model_id = NO_ID, self._model.id
        self._began = time.monotonic()
        while True:
            images = await self._some(embedder, after)
            if images:
                after = images[-1].id
            elif await self._one_alone(embedder):
                continue
            elif after != NO_ID:
                # Once more from the beginning: for those that came back, and those that were laid down.
                after = NO_ID
            elif await self._db.run(lambda session: reembedding.unread(session, model_id)):
                await asyncio.sleep(WAIT_SECONDS)
            else:
                return

    async def _some(self, embedder: Embedder, after: UUID) -> Sequence[Image]:
        """The images of a batch beyond `after`, read."""
        async with self._gate.together():
            batch = await self._db.run(
                lambda session: reembedding_runs.claim(
                    session, self._model.id, after, BATCH, leases.LEASE
                )
            )
            await self._read(embedder, batch)
        return batch.images

    async def _one_alone(self, embedder: Embedder) -> bool:
        """Reads a suspect, with no other picture beside it in this process; whether there was one.

        Those who died are found when nothing else is left to read: what killed them delays no other image.
        """
        model_id = self._model.id
        if time.monotonic() > self._began + CALM_SECONDS:
            lost = await self._db.run(lambda s: reembedding_runs.take_back(s, model_id))
            if lost:
                log.warning("%d images of a run that died are read one by one", lost)
        if not await self._db.run(lambda s: reembedding_runs.suspected(s, model_id)):
            return False
        async with self._gate.alone():
            batch = await self._db.run(
                lambda s: reembedding_runs.claim_suspect(s, model_id, leases.LEASE)
            )
            await self._read(embedder, batch)
        return bool(batch.images)

    async def _read(self, embedder: Embedder, batch: Batch) -> None:
        """Whatever ends it early, nothing of the batch is lost."""
        if not batch.images:
            return
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
        except BaseException as error:
            await self._hand_back(batch, patient=isinstance(error, Exception))
            raise
        if self._told is not None:
            self._told(len(batch.images))

    async def _hand_back(self, batch: Batch, *, patient: bool) -> None:
        """Tries until the database has taken it: what is left to its lease looks as if it had killed its process.

        Who is to stop tries once.
        """
        told = False
        while True:
            try:
                await self._db.run(lambda session: reembedding_runs.release(session, batch))
                return
            except AppError as error:
                if not patient:
                    return
                if not told:
                    log.warning("what was claimed is handed back later: %s", error.message)
                told = True
                await asyncio.sleep(RELEASE_PAUSE_SECONDS)

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
                await self._must_read(embedder)
                await self._failed(batch, images[0], error)
                return
            for image, picture in zip(images, pictures, strict=True):
                await self._embed(embedder, batch, [image], [picture])

    async def _must_read(self, embedder: Embedder) -> None:
        """CONFLICT unless the model reads a plain picture: else it would refuse the whole library, image by image."""
        if error := await why_blind(embedder):
            why = f"{type(error).__name__}: {error}"
            raise conflict("model", USELESS.format(model=self._model, why=why)) from error

    async def _keep(self, batch: Batch, vector_of: dict[UUID, Vectors]) -> None:
        await self._db.run(lambda session: reembedding_runs.keep(session, batch, vector_of))

    async def _failed(self, batch: Batch, image: Image, error: Exception) -> None:
        """Lays the image down for later. What is not its own fault goes up."""
        away = outage(error)
        if away is not None:
            raise away from error
        why = reason(error)
        log.warning("%s could not be read by %s: %s", image.id, self._model, why)
        await self._db.run(lambda session: reembedding_runs.fail(session, batch, image.id, why))
