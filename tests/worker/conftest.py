"""A worker with real parts and a database of its own: its queue and its active model are nobody else's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.embedding import embedder_from_name
from app.imaging import Decoder
from app.resources import Resources
from app.settings import Settings
from app.storage import storage_from_url
from tests.database import Database
from tests.fixtures import tiny_model
from tests.fixtures.own_database import own_database


@pytest.fixture
async def resources(database_url: str, tmp_path: Path) -> AsyncIterator[Resources]:
    settings = Settings(data_dir=tmp_path)
    decoder = Decoder(max_pixels=settings.max_image_pixels)
    storage = storage_from_url(None, settings.data_dir)
    embedder = embedder_from_name(str(tiny_model.folder()))
    async with own_database(database_url) as url:
        db = Database(url, pool_size=5)
        yield Resources(settings, db, storage, decoder, embedder)
        await db.close()
    await embedder.close()
    await decoder.close()
    await storage.close()
