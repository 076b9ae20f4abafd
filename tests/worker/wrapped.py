"""An embedder around another one, for those that fail in one way."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.embedding import Embedder, Vectors


class Wrapped:
    """Does as the inner one; whoever has a fault overrides it."""

    def __init__(self, inner: Embedder) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def source(self) -> str:
        return self.inner.source

    @property
    def revision(self) -> str:
        return self.inner.revision

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    async def warm(self) -> None:
        await self.inner.warm()

    async def texts(self, texts: Sequence[str]) -> Vectors:
        return await self.inner.texts(texts)

    async def pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> Vectors:
        return await self.inner.pictures(pictures)

    async def rest(self) -> None:
        await self.inner.rest()

    async def close(self) -> None:
        await self.inner.close()
