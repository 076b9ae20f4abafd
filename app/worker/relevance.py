"""Measures how near unrelated questions come to the images of each team, beside everything else: nothing waits for it."""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import numpy as np

from app.db import locks
from app.domain import Modality
from app.embedding import Embedder, Known
from app.resources import Resources
from app.services.searching import calibration, chance
from app.services.searching.calibration import GROWN, Library
from app.services.searching.chance import Bests, Chance, Rows
from app.worker.questions import KINDS

log = logging.getLogger(__name__)

LOCK: Final = "pictor.relevance"
LOOK_SECONDS: Final = 60.0
SWITCH_SECONDS: Final = 600.0
"""So long at most a model that has read everything waits before it takes over."""
TEXTS: Final = 16
"""Texts between which a user's question may slip in."""
AT_ONCE: Final = 64
"""Questions a statement, so that none takes long."""
PICTURES: Final = 500
PHANTOMS: Final = 256


async def keep(resources: Resources) -> None:
    """Until it is cancelled: measures what is due. Any number of workers may; one of them does it."""
    calibration = Calibration(resources)
    while True:
        try:
            await calibration.turn()
        except Exception as error:
            log.warning("measuring relevance is put off: %s", error)
        await asyncio.sleep(LOOK_SECONDS)


class _RetiredError(Exception):
    """Nobody will ask the model any more: what is being built was cancelled, or another one answers."""


class Calibration:
    """One process's part in it. It remembers the vectors of the questions of the last model."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._db = resources.db.worker
        self._read: tuple[int, list[Rows]] | None = None

    async def turn(self) -> int:
        """Measures teams with the model that answers, if it is loaded here and nobody else is at it; how many."""
        await self._db.run(calibration.forget)
        model = self._resources.models.active
        embedder = None if model is None else self._resources.models.ready(model)
        if model is None or embedder is None or not await self._due(model):
            return 0
        async with locks.alone(self._resources.db, LOCK) as mine:
            return await self._measure(model, embedder, math.inf) if mine else 0

    async def before_switch(self, model: Known) -> None:
        """Measures the teams with a model that is to take over. Where that fails it takes over unmeasured."""
        try:
            embedder = await self._resources.models.load(model)
            await self._measure(model, embedder, SWITCH_SECONDS)
        except Exception as error:
            log.warning("relevance with %s is measured later: %s", model, error)

    async def _due(self, model: Known) -> list[UUID]:
        return await self._db.run(lambda session: calibration.due(session, model.id))

    async def _measure(self, model: Known, embedder: Embedder, seconds: float) -> int:
        ends, measured = time.monotonic() + seconds, 0
        for team_id in await self._due(model):
            try:
                its = await self._library(team_id, model.id)
                if its is not None:
                    await self._fit(its, await self._questions(model, embedder))
                    measured += 1
            except _RetiredError:
                log.info("relevance with %s is not measured any more", model)
                break
            except Exception as error:
                log.warning("relevance in the team %s is measured later: %r", team_id, error)
            if time.monotonic() > ends:
                break
        if measured:
            log.info("relevance with %s is measured for %d teams", model, measured)
        return measured

    async def _library(self, team_id: UUID, model_id: int) -> Library | None:
        return await self._db.run(lambda session: calibration.library(session, team_id, model_id))

    async def _fit(self, its: Library, texts: Sequence[Rows]) -> None:
        seen = await self._db.run(lambda session: calibration.pictures(session, its, PICTURES))
        phantoms = await asyncio.to_thread(chance.phantoms, seen, PHANTOMS)
        chances = {
            Modality.TEXT: await self._chance(its, texts),
            Modality.IMAGE: await self._chance(its, [phantoms]),
        }
        asked = sum(map(len, texts))
        await self._db.run(lambda session: calibration.keep(session, its, chances, asked))

    async def _chance(self, its: Library, kinds: Sequence[Rows]) -> Chance:
        asked = [await self._asked(its, kind) for kind in kinds]
        sampled = min(count for _, count in asked)
        # It is to hold until the team is measured anew.
        return chance.fit([one for one, _ in asked], sampled=sampled, images=its.images * GROWN)

    async def _asked(self, its: Library, questions: Rows) -> tuple[Bests, int]:
        parts = []
        for start in range(0, len(questions), AT_ONCE):
            await self._must_be_wanted(its.model_id)
            parts.append(await self._bests(its, questions[start : start + AT_ONCE]))
        whole = np.concatenate([one.whole for one, _ in parts])
        half = np.concatenate([one.half for one, _ in parts])
        return Bests(whole, half), min(count for _, count in parts)

    async def _bests(self, its: Library, questions: Rows) -> tuple[Bests, int]:
        return await self._db.run(lambda session: calibration.bests(session, its, questions))

    async def _questions(self, model: Known, embedder: Embedder) -> list[Rows]:
        """The vectors of KINDS, read once a model."""
        if self._read is None or self._read[0] != model.id:
            self._read = model.id, [await self._vectors(model, embedder, kind) for kind in KINDS]
        return self._read[1]

    async def _vectors(self, model: Known, embedder: Embedder, texts: Sequence[str]) -> Rows:
        parts = []
        for start in range(0, len(texts), TEXTS):
            await self._must_be_wanted(model.id)
            parts.append(await embedder.texts(texts[start : start + TEXTS]))
        return np.concatenate(parts)

    async def _must_be_wanted(self, model_id: int) -> None:
        """_RetiredError where not. It is asked between steps that take a second or so."""
        if not await self._db.run(lambda session: calibration.is_wanted(session, model_id)):
            raise _RetiredError
