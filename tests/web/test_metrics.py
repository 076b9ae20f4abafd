"""What Prometheus reads: numbers that agree with what was done, and no text of a client."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image as Picture
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from app import main
from app.db.database import counted_statements
from app.db.models import ImageJob
from app.domain import JobKind, JobState
from app.errors import AppError
from app.metrics import CONTENT_TYPE, MeasuredStorage
from app.resources import Resources
from app.services import jobs
from app.storage import ObjectMissing, storage_from_url
from app.web.metrics import metrics_app
from tests import make
from tests.database import Database
from tests.fixtures.own_database import own_database
from tests.web.conftest import BASE, Member, served

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
MARK = "do-not-count-me"


async def scraped(resources: Resources) -> Samples:
    transport = httpx.ASGITransport(metrics_app(resources))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert MARK not in answer.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def one(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


@pytest.fixture
async def client(resources: Resources) -> AsyncIterator[httpx.AsyncClient]:
    patient = resources.settings.model_copy(update={"operation_timeout_seconds": 60})
    app = main.create_app(replace(resources, settings=patient))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client


async def test_requests_and_operations(
    client: httpx.AsyncClient, resources: Resources, member: Member
) -> None:
    async def ask(query: str) -> None:
        await client.post("/graphql", json={"query": query}, headers=member.headers)

    await ask(f"query {MARK.replace('-', '_')} {{ viewer {{ user {{ id }} }} }}")
    await ask("{ viewer { user { id } } }")
    await ask('mutation { renameTag(id: "x", name: "y") { id } }')
    await ask("{ nonsense }")
    await ask("{")
    await client.get(f"/{MARK}")
    await client.request(MARK.upper(), "/healthz")
    await client.get(f"/images/{MARK}/original")

    found = await scraped(resources)
    operations = "pictor_graphql_operation_duration_seconds_count"
    assert one(found, operations, type="query", outcome="OK") == 2
    assert one(found, operations, type="mutation", outcome="NOT_FOUND") == 1
    assert one(found, operations, type="none", outcome="GRAPHQL_VALIDATION_FAILED") == 1
    assert one(found, operations, type="none", outcome="GRAPHQL_PARSE_FAILED") == 1
    assert one(found, "pictor_graphql_errors_total", code="NOT_FOUND") == 1
    requests = "pictor_http_request_duration_seconds_count"
    assert one(found, requests, route="/graphql", method="POST", status="200") == 5
    assert one(found, requests, route="none", method="GET", status="404") == 1
    assert one(found, requests, route="/images/{id}/{variant}", method="GET", status="404") == 1
    assert one(found, requests, route="/healthz", method="other", status="405") == 1


async def test_a_client_that_goes_away_is_no_fault_of_ours(
    resources: Resources, member: Member
) -> None:
    """Anybody can go away in the middle of a body; and whoever is woken by 5xx wants to sleep."""
    async with served(main.create_app(resources)) as (address, _):
        host, port = urlsplit(address).netloc.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {member.key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 500\r\n\r\n"
        )
        writer.write(head.encode() + b'{"query":')
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()
        requests = await counted(resources)
    assert requests == {"499": 1}


async def test_a_stream_of_events_counts_until_its_first(
    resources: Resources, member: Member
) -> None:
    """It lasts as long as its client likes, beside answers that take milliseconds."""
    body = {"query": "subscription { imageProcessing { id } }"}
    headers = member.headers | {"Accept": "text/event-stream"}
    async with served(main.create_app(resources)) as (address, _):
        async with (
            httpx.AsyncClient(base_url=address) as client,
            client.stream("POST", "/graphql", json=body, headers=headers) as response,
        ):
            assert response.status_code == 200
            await asyncio.sleep(3)
        assert await counted(resources) == {"200": 1}
    found = await scraped(resources)
    took = "pictor_http_request_duration_seconds_sum"
    assert one(found, took, route="/graphql", method="POST", status="200") < 2


async def counted(resources: Resources) -> dict[str, float]:
    """Requests to /graphql by their status, once there are any."""
    for _ in range(200):
        found = {
            dict(labels)["status"]: value
            for (name, labels), value in (await scraped(resources)).items()
            if name == "pictor_http_request_duration_seconds_count"
            and dict(labels)["route"] == "/graphql"
        }
        if found:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("no request was counted")


async def upload(client: httpx.AsyncClient, member: Member, data: bytes) -> None:
    query = "mutation ($file: Upload!) { uploadImage(input: {file: $file}) { created } }"
    operations = {"query": query, "variables": {"file": None}}
    await client.post(
        "/graphql",
        data={"operations": json.dumps(operations), "map": '{"0": ["variables.file"]}'},
        files={"0": (f"{MARK}.png", data, "image/png")},
        headers=member.headers | {"GraphQL-Require-Preflight": "1"},
    )


async def test_uploads(client: httpx.AsyncClient, resources: Resources, member: Member) -> None:
    out = io.BytesIO()
    Picture.new("RGB", (4, 4), (1, 2, 3)).save(out, "PNG")
    for data in (out.getvalue(), out.getvalue(), b"no picture"):
        await upload(client, member, data)

    found = await scraped(resources)
    assert one(found, "pictor_uploads_total", outcome="created", reason="") == 1
    assert one(found, "pictor_uploads_total", outcome="known", reason="") == 1
    assert one(found, "pictor_uploads_total", outcome="refused", reason="NOT_AN_IMAGE") == 1
    assert one(found, "pictor_upload_bytes_total") == 2 * len(out.getvalue())
    assert one(found, "pictor_decoder_pictures", state="busy") == 0
    assert one(found, "pictor_decoder_pictures", state="waiting") == 0


async def test_what_alerts_look_at_is_there_before_it_happens(resources: Resources) -> None:
    """Prometheus sees no increase in a series that begins at 1: the first worker that died went unnoticed."""
    found = await scraped(resources)
    for kind in JobKind:
        for outcome in ("done", "retried", "given_up", "postponed", "superseded", "lost"):
            assert one(found, "pictor_job_runs_total", kind=kind.value, outcome=outcome) == 0
    assert one(found, "pictor_bulk_jobs_total", action="TRASH", outcome="failed") == 0
    assert one(found, "pictor_graphql_errors_total", code="INTERNAL_SERVER_ERROR") == 0
    assert one(found, "pictor_uploads_total", outcome="created", reason="") == 0
    assert one(found, "pictor_uploads_total", outcome="refused", reason="TOO_LARGE") == 0
    resources.metrics.job_ended(JobKind.EMBED, "lost")
    found = await scraped(resources)
    assert one(found, "pictor_job_runs_total", kind="EMBED", outcome="lost") == 1


async def test_the_queue(database_url: str, resources: Resources) -> None:
    async with own_database(database_url) as url:
        db = Database(url, pool_size=3)
        own = replace(resources, db=db)
        team_id = await make.team(db)
        ids = [await make.image(db, team_id) for _ in range(5)]
        async with db.transaction() as session:
            for image_id in ids:
                await jobs.enqueue(session, team_id, image_id, [JobKind.EMBED])
            states: list[dict[str, Any]] = [
                {"state": JobState.RUNNING},
                {"state": JobState.DONE},
                {"state": JobState.FAILED},
                {"run_after": datetime.now(UTC) - timedelta(minutes=10)},
            ]
            for image_id, columns in zip(ids, states, strict=False):
                await session.execute(
                    update(ImageJob).where(ImageJob.image_id == image_id).values(**columns)
                )
        with counted_statements(db) as seen:
            found = await scraped(own)
        await db.close()
    assert len(seen) == 1
    counts = {
        state: one(found, "pictor_jobs", kind="EMBED", state=state)
        for state in ("QUEUED", "RUNNING", "FAILED")
    }
    assert counts == {"QUEUED": 2, "RUNNING": 1, "FAILED": 1}
    assert one(found, "pictor_jobs", kind="PURGE", state="QUEUED") == 0
    assert 600 <= one(found, "pictor_jobs_oldest_due_seconds", kind="EMBED") < 700
    assert one(found, "pictor_jobs_oldest_due_seconds", kind="PURGE") == 0
    assert one(found, "pictor_database_up") == 1
    assert one(found, "pictor_database_connections", state="free") == 3


async def test_without_the_database_the_rest_is_told(resources: Resources) -> None:
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nowhere")
    resources.metrics.queue([jobs.Backlog(JobKind.EMBED, JobState.QUEUED, 7, 1.0)])
    found = await scraped(replace(resources, db=away))
    await away.close()
    assert one(found, "pictor_database_up") == 0
    assert not [name for name, _ in found if name.startswith("pictor_jobs")]
    assert one(found, "pictor_worker_up") == 0


async def test_calls_of_the_store(resources: Resources, tmp_path: Path) -> None:
    storage = MeasuredStorage(storage_from_url(None, tmp_path), resources.metrics)
    source = tmp_path / "source"
    source.write_bytes(b"12345")
    await storage.put("t/a", source, size=5)
    async with await storage.open("t/a") as stream:
        assert b"".join([part async for part in stream]) == b"12345"
    with pytest.raises(ObjectMissing):
        await storage.open("t/b")
    async for stored in storage.list("t/"):
        assert stored.key == "t/a"
        # What is done with it is none of the store's time.
        await asyncio.sleep(0.5)
    await storage.close()
    gone = MeasuredStorage(
        storage_from_url("s3://k:s@bucket?endpoint=http://127.0.0.1:1", tmp_path), resources.metrics
    )
    with pytest.raises(AppError):
        await gone.size("t/a")
    await gone.close()

    found, calls = await scraped(resources), "pictor_storage_duration_seconds_count"
    assert one(found, calls, call="put", outcome="ok") == 1
    assert one(found, calls, call="open", outcome="ok") == 1
    assert one(found, calls, call="open", outcome="missing") == 1
    assert one(found, calls, call="list", outcome="ok") == 1
    took = "pictor_storage_duration_seconds_sum"
    assert one(found, took, call="list", outcome="ok") < 0.4
    assert one(found, calls, call="size", outcome="unavailable") == 1


async def test_two_processes_in_one_count_apart(resources: Resources) -> None:
    other = Resources(
        resources.settings,
        resources.db,
        resources.storage,
        resources.decoder,
        resources.embedder,
    )
    other.metrics.upload_taken(created=True, size=1)
    assert one(await scraped(other), "pictor_upload_bytes_total") == 1
    assert one(await scraped(resources), "pictor_upload_bytes_total") == 0
