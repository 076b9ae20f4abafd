"""Readiness follows the database and storage."""

import shutil
from dataclasses import replace

import httpx

from app.resources import Resources
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
