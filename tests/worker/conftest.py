"""A worker with real parts, in a database that holds nothing else: its queue and its active model are nobody else's."""

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
async def resources(own_db: Database, decoder: Decoder, tmp_path: Path) -> AsyncIterator[Resources]:
    async with on(own_db, tmp_path, storage_from_url(None, tmp_path), decoder) as resources:
        yield resources


@pytest.fixture
async def apart(database_url: str, decoder: Decoder, tmp_path: Path) -> AsyncIterator[Resources]:
    """For a test that does more to its database than rows: functions, indexes, connections that are ended."""
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
    async with on(own_db, tmp_path, storage, decoder) as resources:
        yield resources


@asynccontextmanager
async def opened(
    database_url: str, data_dir: Path, storage: Storage, decoder: Decoder
) -> AsyncIterator[Resources]:
    """On this very database."""
    db = Database(database_url, pool_size=5)
    try:
        async with on(db, data_dir, storage, decoder) as resources:
            yield resources
    finally:
        await db.close()


@asynccontextmanager
async def on(
    db: Database, data_dir: Path, storage: Storage, decoder: Decoder
) -> AsyncIterator[Resources]:
    """With the model and the store of this test."""
    embedder = embedder_from_name(str(tiny_model.folder()))
    try:
        yield Resources(Settings(data_dir=data_dir), db, storage, decoder, embedder)
    finally:
        await embedder.close()
        await storage.close()
