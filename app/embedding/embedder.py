"""Encoding without blocking: one thread, a late load, and the vectors of the texts asked for last."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from app.embedding import model
from app.embedding.model import Model, Vectors
from app.errors import AppError, unavailable

log = logging.getLogger(__name__)

CACHED_TEXTS: Final = 1_024
PART: Final = 8
"""Pictures between which a text may slip in: the model's one thread takes its work in turn."""
RETRY_SECONDS: Final = 15.0
PATIENCE_SECONDS: Final = 10.0
LOADING: Final = "The embedding model is being loaded; try again."
FAILED: Final = "The embedding model cannot be loaded now; try again."


class Embedder(Protocol):
    """Puts texts and pictures into one space, in which near means alike in meaning.

    `revision` and `dimension` are known once `warm` has returned; UNAVAILABLE before.
    """

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str:
        """What `embedder_from_name` takes for it, whatever folder the process works in."""
        ...

    @property
    def revision(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    async def warm(self) -> None:
        """Loads the model. UNAVAILABLE, with what to change, where it cannot be used."""
        ...

    async def texts(self, texts: Sequence[str]) -> Vectors:
        """float32[n, dimension], rows of length 1, each to its last bit the same in whatever company its text is read."""
        ...

    async def pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> Vectors:
        """float32[n, dimension], rows of length 1, from pictures uint8[h, w, 3] in sRGB."""
        ...

    async def rest(self) -> None:
        """Gives the model's memory back. The next use loads it again."""
        ...

    async def close(self) -> None: ...


def embedder_from_name(name: str, revision: str | None = None) -> Embedder:
    """`builtin`, or a name or folder that sentence-transformers loads. Loads nothing yet.

    `revision`: the commit of a model of the hub, where it must be this very one.
    """
    source = str(model.BUILTIN_FOLDER) if name == model.BUILTIN else name
    return SentenceEmbedder(name, source, revision)


class SentenceEmbedder:
    """A SentenceTransformer on one thread of its own; the event loop never waits for it.

    The model is loaded by the first use, and again by a later one where that failed.
    """

    def __init__(self, setting: str, source: str, revision: str | None = None) -> None:
        self._setting = setting
        self._source = source
        self._wanted = revision
        path = Path(source).resolve()
        is_other_folder = setting != model.BUILTIN and (path.is_dir() or Path(source).is_absolute())
        self.name = path.name if is_other_folder else setting
        self.source = str(path) if is_other_folder else setting
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedder")
        self._model: Model | None = None
        self._loading = False
        self._closed = False
        self._failure: AppError | None = None
        self._failed_at = 0.0
        self._cache = _Cache(CACHED_TEXTS)

    @property
    def revision(self) -> str:
        return self._loaded.revision

    @property
    def dimension(self) -> int:
        return self._loaded.dimension

    @property
    def _loaded(self) -> Model:
        if self._model is None:
            raise unavailable(LOADING)
        return self._model

    async def warm(self) -> None:
        await self._run(self._load)

    async def texts(self, texts: Sequence[str]) -> Vectors:
        rows = [await self._text(" ".join(text.split())) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dimension), np.float32)

    async def _text(self, key: str) -> Vectors:
        """Read by itself: with others, a vector has other last bits, by which the next page of a search would begin before
        its cursor or behind it."""
        found = self._cache.get(key)
        return await self._query(lambda: self._encoded_text(key)) if found is None else found

    async def pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> Vectors:
        parts: list[Vectors] = []
        for start in range(0, len(pictures), PART):
            part = partial(self._encode_pictures, pictures[start : start + PART])
            parts.append(await self._query(part))
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), np.float32)

    async def rest(self) -> None:
        if self._model is not None:
            await self._run(self._forget)

    async def close(self) -> None:
        """Lets what is being encoded finish, and drops the rest. A load that goes on is nobody's any more, and not waited for."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        if not self._loading:
            await asyncio.to_thread(self._thread.shutdown)
        self._model = None

    async def _run(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _query(self, work: Callable[[], Any]) -> Any:
        """Runs it with the model loaded. Why a model does not load is the log's matter, not the client's."""
        if self._failure is not None and time.monotonic() - self._failed_at < RETRY_SECONDS:
            raise unavailable(FAILED) from self._failure
        if self._model is None:
            await self._patiently()
        return await self._run(work)

    async def _patiently(self) -> None:
        """Waits for the model, which may be on its way through the network; the loading goes on."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.warm()
        except TimeoutError:
            raise unavailable(LOADING) from None
        except AppError as error:
            raise unavailable(FAILED) from error

    def _load(self) -> None:
        """In the thread; does nothing the second time."""
        if self._model is not None:
            return
        began = time.monotonic()
        self._loading = True
        try:
            self._model = model.load(self._setting, self._source, self._wanted)
        except AppError as error:
            # The end of the process breaks a load off: that is not the model's fault.
            log.log(logging.DEBUG if self._closed else logging.ERROR, "%s", error.message)
            log.debug("why the model did not load", exc_info=error.__cause__)
            self._failure, self._failed_at = error, time.monotonic()
            raise
        finally:
            self._loading = False
        self._failure = None
        log.info(
            "embedding model %s (%s) is ready after %.1f s",
            self.name,
            self._model.revision,
            time.monotonic() - began,
        )

    def _forget(self) -> None:
        self._model = None

    def _encoded_text(self, key: str) -> Vectors:
        """In the thread, which looks again: by its turn the same text may have been encoded for another."""
        found = self._cache.get(key)
        if found is None:
            [found] = model.unit(self._loaded.encode(model.text_inputs([key])))
            self._cache.put(key, found)
        return found

    def _encode_pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> Vectors:
        return model.unit(self._loaded.encode(model.picture_inputs(pictures)))


class _Cache:
    """The vectors of the texts that were asked for last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> Vectors | None:
        with self._lock:
            if key in self._rows:
                self._rows.move_to_end(key)
            return self._rows.get(key)

    def put(self, key: str, row: Vectors) -> None:
        with self._lock:
            self._rows[key] = row
            while len(self._rows) > self._size:
                self._rows.popitem(last=False)
