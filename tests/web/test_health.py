"""Readiness follows the database and storage."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from app.resources import Resources
from app.storage.folder import FolderStorage
from app.web import health
from tests.database import Database
from tests.web.conftest import Clock, app_on, client_on


async def test_ready_when_both_answer(client: httpx.AsyncClient) -> None:
    response = await client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "storage": "ok", "model": "ok"}


async def test_not_ready_without_the_database(resources: Resources, clock: Clock) -> None:
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    async with client_on(app_on(replace(resources, db=away), clock)) as client:
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "database": "unavailable",
        "storage": "ok",
        "model": "ok",
    }


async def test_not_ready_without_storage(client: httpx.AsyncClient, resources: Resources) -> None:
    shutil.rmtree(resources.settings.objects_dir)
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["storage"] == "unavailable"


async def test_proxy_goes_on_where_only_storage_is_away(
    client: httpx.AsyncClient, resources: Resources
) -> None:
    shutil.rmtree(resources.settings.objects_dir)
    response = await client.get("/readyz?only=database")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "model": "ok"}
    assert (await client.get("/readyz?only=storage")).status_code == 503
    refused = await client.get("/readyz?only=database&only=clock")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["extensions"]["field"] == "only"
    misspelt = await client.get("/readyz?onyl=database")
    assert misspelt.status_code == 400
    assert misspelt.json()["errors"][0]["extensions"]["field"] == "onyl"


class Silent(FolderStorage):
    """Takes every question, and answers none."""

    async def check(self) -> None:
        await asyncio.Event().wait()


async def test_proxy_does_not_wait_for_storage_that_is_silent(
    resources: Resources, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 600.0)
    storage = Silent(tmp_path / "objects", tmp_path / "tmp")
    async with client_on(app_on(replace(resources, storage=storage), clock)) as client:
        waits = asyncio.create_task(client.get("/readyz"))
        async with asyncio.timeout(60):
            response = await client.get("/readyz?only=database")
        assert response.status_code == 200
        assert not waits.done()
        waits.cancel()


async def test_the_log_says_that_storage_gave_no_answer(
    resources: Resources,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.01)
    storage = Silent(tmp_path / "objects", tmp_path / "tmp")
    async with client_on(app_on(replace(resources, storage=storage), clock)) as client:
        assert (await client.get("/readyz?only=storage")).status_code == 503
    assert "storage is not ready: no answer within 0.01 s" in caplog.text
