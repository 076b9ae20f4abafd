"""The store, with its calls counted and timed."""

import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from app.errors import AppError
from app.metrics.instruments import Metrics
from app.storage import ByteStream, ObjectExists, ObjectMissing, PresignedPut, Storage, StoredObject


@dataclass
class _Elsewhere:
    """What a call's time is not counted for."""

    seconds: float = 0.0


class MeasuredStorage:
    """As the store inside it; see `Storage`."""

    def __init__(self, inner: Storage, metrics: Metrics) -> None:
        self._inner = inner
        self._metrics = metrics

    async def put(self, key: str, source: Path, *, size: int) -> None:
        with self._measured("put"):
            await self._inner.put(key, source, size=size)

    def presigned_put(self, key: str, *, size: int, lifetime: timedelta) -> PresignedPut | None:
        return self._inner.presigned_put(key, size=size, lifetime=lifetime)

    async def open(self, key: str, start: int = 0, length: int | None = None) -> ByteStream:
        with self._measured("open"):
            return await self._inner.open(key, start, length)

    async def size(self, key: str) -> int | None:
        with self._measured("size"):
            return await self._inner.size(key)

    async def delete(self, keys: Iterable[str]) -> None:
        with self._measured("delete"):
            await self._inner.delete(keys)

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """The time that the store took, not what is done with each object before the next is asked for."""
        with self._measured("list") as elsewhere:
            async for stored in self._inner.list(prefix):
                left = time.perf_counter()
                try:
                    yield stored
                finally:
                    elsewhere.seconds += time.perf_counter() - left

    async def sweep(self, prefix: str, older_than: timedelta, *, dry_run: bool = False) -> int:
        with self._measured("sweep"):
            return await self._inner.sweep(prefix, older_than, dry_run=dry_run)

    async def check(self) -> None:
        with self._measured("check"):
            await self._inner.check()

    async def close(self) -> None:
        await self._inner.close()

    @contextmanager
    def _measured(self, call: str) -> Iterator[_Elsewhere]:
        began, outcome, elsewhere = time.perf_counter(), "broken_off", _Elsewhere()
        try:
            yield elsewhere
            outcome = "ok"
        except ObjectMissing:
            outcome = "missing"
            raise
        except ObjectExists:
            outcome = "exists"
            raise
        except AppError:
            outcome = "unavailable"
            raise
        except Exception:
            outcome = "failed"
            raise
        finally:
            took = time.perf_counter() - began - elsewhere.seconds
            self._metrics.storage_called(call, outcome, took)
