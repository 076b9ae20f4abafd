"""A worker with real parts and a database of its own: its queue and its active model are nobody else's."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.embedding import embedder_from_name
from app.imaging import Decoder
from app.resources import Resources
from app.settings import Settings
from app.storage import S3Storage, Storage, storage_from_url
from tests.database import Database
from tests.fixtures import tiny_model
from tests.fixtures.own_database import own_database


@pytest.fixture
async def resources(
    database_url: str, decoder: Decoder, tmp_path: Path
) -> AsyncIterator[Resources]:
    storage = storage_from_url(None, tmp_path)
    async with (
        own_database(database_url) as url,
        opened(url, tmp_path, storage, decoder) as resources,
    ):
        yield resources


@pytest.fixture(params=["folder", "s3"])
def storage_url(request: pytest.FixtureRequest, s3_url: str, tmp_path: Path) -> str | None:
    """The folder, or a bucket of the test's own: what lies in it is looked at as a whole."""
    return None if request.param == "folder" else own_bucket(s3_url, tmp_path)


def own_bucket(s3_url: str, tmp_path: Path) -> str:
    bucket = f"own-{secrets.token_hex(6)}"
    url = s3_url.replace("@pictures?", f"@{bucket}?")
    storage = storage_from_url(url, tmp_path)
    assert isinstance(storage, S3Storage)
    storage._client.make_bucket(bucket)
    return url


@pytest.fixture
async def everywhere(
    own_db: Database, decoder: Decoder, storage_url: str | None, tmp_path: Path
) -> AsyncIterator[Resources]:
    """Resources on the folder, and on a bucket."""
    storage = storage_from_url(storage_url, tmp_path)
    embedder = embedder_from_name(str(tiny_model.folder()))
    yield Resources(Settings(data_dir=tmp_path), own_db, storage, decoder, embedder)
    await embedder.close()
    await storage.close()


@asynccontextmanager
async def opened(
    database_url: str, data_dir: Path, storage: Storage, decoder: Decoder
) -> AsyncIterator[Resources]:
    """On this very database."""
    settings = Settings(data_dir=data_dir)
    embedder = embedder_from_name(str(tiny_model.folder()))
    db = Database(database_url, pool_size=5)
    try:
        yield Resources(settings, db, storage, decoder, embedder)
    finally:
        await db.close()
        await embedder.close()
        await storage.close()
