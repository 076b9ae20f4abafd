"""The models that one process holds: which of them reads a question, which is loaded, and which is let go. No SQL."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.domain import ModelState
from app.embedding.embedder import FAILED, LOADING, Embedder, embedder_from_name
from app.errors import AppError, bad_input, unavailable

log = logging.getLogger(__name__)

KEPT: Final = timedelta(minutes=15)
"""For so long after a switch the old model stays loaded: clients are still reading its pages."""
RETRY_SECONDS: Final = 60.0
GONE: Final = (
    "The model that made this page reads no questions any more; begin again without a cursor."
)


@dataclass(frozen=True, slots=True)
class Known:
    """A model of the installation, as the database has it."""

    id: int
    name: str
    revision: str
    source: str | None
    state: ModelState
    retired_at: datetime | None

    def __str__(self) -> str:
        return f"{self.name} ({self.revision})"


class Embedders:
    """`own` is the setting's, the first of an installation; what the database knows decides which one is used."""

    def __init__(self, own: Embedder) -> None:
        self.own = own
        self._known: dict[int, Known] = {}
        self._ready: dict[int, Embedder] = {}
        self._loading: dict[int, asyncio.Task[Embedder]] = {}
        self._coming: dict[int, Embedder] = {}
        self._failed: dict[int, tuple[AppError, float]] = {}
        self._resting: set[asyncio.Task[None]] = set()

    def know(self, models: Sequence[Known]) -> None:
        self._known = {model.id: model for model in models}

    def knows(self, name: str) -> bool:
        """Whether the installation ever used a model of this name."""
        return any(model.name == name for model in self._known.values())

    @property
    def active(self) -> Known | None:
        return self._in(ModelState.ACTIVE)

    @property
    def building(self) -> Known | None:
        return self._in(ModelState.BUILDING)

    @property
    def last(self) -> Known | None:
        """The one that answered before the active one, while its vectors are kept."""
        retired = [
            (model.retired_at, model)
            for model in self._known.values()
            if model.retired_at is not None
        ]
        return max(retired, key=lambda one: one[0])[1] if retired else None

    def ready(self, model: Known) -> Embedder | None:
        """The model's embedder, if this process has it loaded."""
        return self._ready.get(model.id)

    def reading(self, model_id: int | None = None) -> Embedder:
        """The embedder for a question: of the page's model where a cursor names one, else of the active model.

        Until the active one is loaded, the one before it answers. UNAVAILABLE where neither is here.
        """
        if model_id is not None and self._known:
            return self._of_page(model_id)
        active, last = self.active, self.last
        if active is None:
            return self.own
        for model in (active, last):
            if model is not None and model.id in self._ready:
                return self._ready[model.id]
        return self._lazy(active)

    def _lazy(self, model: Known) -> Embedder:
        """One that its first question waits for."""
        if model.name == self.own.name:
            return self.own
        if model.id in self._coming:
            return self._coming[model.id]
        raise unavailable(FAILED if model.id in self._failed else LOADING)

    def _of_page(self, model_id: int) -> Embedder:
        if model_id in self._ready:
            return self._ready[model_id]
        model = self._known.get(model_id)
        if model is None or model not in self._wanted():
            raise bad_input("after", GONE)
        return self._lazy(model)

    def prepare(self) -> None:
        """Begins to load what is missing, one model at a time, and lets go what is not needed any more."""
        wanted = list(self._wanted())
        for model in wanted:
            if model.id not in self._ready and not self._loading and not self._recently(model):
                self._begin(model)
        unneeded = self._ready.keys() - {model.id for model in wanted}
        for model_id in unneeded:
            gone = self._ready.pop(model_id)
            log.info("the embedding model %s is let go", gone.name)
            self._rest(gone)
        used = {model.name for model in wanted}
        if self.own.name in {model.name for model in self._known.values()} - used:
            self._rest(self.own)

    async def load(self, model: Known) -> Embedder:
        """UNAVAILABLE where this process cannot have that very revision; a failure is remembered for a while."""
        if model.id in self._ready:
            return self._ready[model.id]
        if self._recently(model):
            raise self._failed[model.id][0]
        return await asyncio.shield(self._loading.get(model.id) or self._begin(model))

    @property
    def state(self) -> str:
        """Whether the active model answers here: `ok`, `loading`, `behind` (the one before it does), `unavailable`."""
        active, last = self.active, self.last
        if active is None or active.id in self._ready:
            return "ok"
        if last is not None and last.id in self._ready:
            return "behind"
        return "unavailable" if active.id in self._failed else "loading"

    async def close(self) -> None:
        for task in self._loading.values():
            task.cancel()
        for embedder in {*self._ready.values()} - {self.own}:
            await embedder.close()

    def _in(self, state: ModelState) -> Known | None:
        return next((model for model in self._known.values() if model.state is state), None)

    def _wanted(self) -> Iterator[Known]:
        """What a process should hold, the most urgent first."""
        active, last, building = self.active, self.last, self.building
        if active is not None:
            yield active
        if last is not None and last.retired_at is not None:
            recent = datetime.now(UTC) - last.retired_at < KEPT
            if recent or (active is not None and active.id not in self._ready):
                yield last
        if building is not None:
            yield building

    def _recently(self, model: Known) -> bool:
        failed = self._failed.get(model.id)
        return failed is not None and time.monotonic() - failed[1] < RETRY_SECONDS

    def _begin(self, model: Known) -> asyncio.Task[Embedder]:
        task = asyncio.create_task(self._load(model))
        self._loading[model.id] = task

        def ended(_task: object) -> None:
            self._loading.pop(model.id, None)
            self._coming.pop(model.id, None)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._note(model, error)

        task.add_done_callback(ended)
        return task

    def _note(self, model: Known, error: BaseException) -> None:
        known = error if isinstance(error, AppError) else unavailable(str(error))
        self._failed[model.id] = (known, time.monotonic())
        log.error("this process cannot use the %s model %s: %s", model.state, model, known.message)

    async def _load(self, model: Known) -> Embedder:
        problem = unavailable(f"No process has told where {model} is loaded from.")
        for embedder in self._candidates(model):
            self._coming[model.id] = embedder
            try:
                if not _is(embedder, model):
                    await embedder.warm()
            except AppError as error:
                problem = error
                continue
            if _is(embedder, model):
                self._failed.pop(model.id, None)
                self._ready[model.id] = embedder
                return embedder
            problem = unavailable(f"{embedder.source} is revision {embedder.revision} here.")
        raise problem

    def _candidates(self, model: Known) -> Iterator[Embedder]:
        if self.own.name == model.name:
            yield self.own
        if model.source is not None and model.source != self.own.source:
            yield embedder_from_name(model.source, model.revision)

    def _rest(self, embedder: Embedder) -> None:
        task = asyncio.create_task(embedder.rest())
        self._resting.add(task)
        task.add_done_callback(self._resting.discard)


def _is(embedder: Embedder, model: Known) -> bool:
    """Whether it is loaded, and is that very revision."""
    try:
        return (embedder.name, embedder.revision) == (model.name, model.revision)
    except AppError:
        return False
