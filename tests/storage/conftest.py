"""Storages to test: the folder and the bucket, both empty, both real."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.storage import Storage, storage_from_url


@pytest.fixture(params=["folder", "s3"])
async def storage(
    request: pytest.FixtureRequest, tmp_path: Path, s3_url: str
) -> AsyncIterator[Storage]:
    storage = storage_from_url(None if request.param == "folder" else s3_url, tmp_path)
    yield storage
    await storage.close()


@pytest.fixture
def prefix() -> str:
    """A team's prefix that no other test writes below."""
    return f"t/{uuid4()}"
