"""Pictures as uploads leave them, on real storage, and what can be wrong with them."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update

from app.db.models import Image, ImageJob
from app.domain import ImageState, JobKind, JobState
from app.resources import Resources
from app.services import installation, store_mark
from tests import make
from tests.database import Database

DONE = {JobKind.EMBED: JobState.DONE, JobKind.THUMBNAILS: JobState.DONE}
LONG_AGO = datetime.now(UTC) - timedelta(days=400)


async def put(resources: Resources, key: str, data: bytes) -> str:
    path = resources.settings.data_dir / secrets.token_hex(6)
    path.write_bytes(data)
    await resources.storage.put(key, path, size=len(data))
    path.unlink()
    return key


async def replaced(resources: Resources, key: str, data: bytes) -> None:
    """What a bad disk does, and no program of ours."""
    await resources.storage.delete([key])
    await put(resources, key, data)


async def picture(
    resources: Resources,
    team_id: UUID,
    *,
    jobs: dict[JobKind, JobState] = DONE,
    derivatives: tuple[str, ...] = ("small", "large"),
    hashed: bool = True,
    **columns: Any,
) -> Image:
    """Bytes, derivatives, row and jobs."""
    data = secrets.token_bytes(500)
    image_id = await make.image(
        resources.db, team_id, sha256=hashlib.sha256(data).digest(), size_bytes=500, **columns
    )
    key = await put(resources, f"t/{team_id}/{image_id}/{secrets.token_hex(8)}", data)
    made = {}
    for name in derivatives:
        derivative = await put(resources, f"{key}.{name}.webp", b"thumbnail")
        made[name.upper()] = {"key": derivative, "width": 9, "height": 9, "bytes": 9}
        if hashed:
            made[name.upper()]["sha256"] = hashlib.sha256(b"thumbnail").hexdigest()
    async with resources.db.transaction() as session:
        change = update(Image).where(Image.id == image_id)
        await session.execute(change.values(object_key=key, thumbnails=made))
        for kind, state in jobs.items():
            session.add(ImageJob(team_id=team_id, image_id=image_id, kind=kind, state=state))
    return await row(resources.db, image_id)


async def intent(resources: Resources, team_id: UUID, lease: timedelta) -> Image:
    """An upload whose bytes have arrived, and whose lease ends in (or ended before) that time."""
    return await picture(
        resources,
        team_id,
        state=ImageState.PENDING,
        lease_until=datetime.now(UTC) + lease,
        jobs={},
        derivatives=(),
    )


async def row(db: Database, image_id: UUID) -> Image:
    async with db.transaction() as session:
        return (await session.scalars(select(Image).where(Image.id == image_id))).one()


async def states(db: Database, image_id: UUID) -> dict[JobKind, JobState]:
    async with db.transaction() as session:
        query = select(ImageJob.kind, ImageJob.state).where(ImageJob.image_id == image_id)
        return dict((await session.execute(query)).all())


async def keys(resources: Resources) -> set[str]:
    """Without the store's mark, which a process puts there when it starts."""
    listed = {one.key async for one in resources.storage.list("")}
    return {key for key in listed if not key.startswith(store_mark.MARKS)}


async def mark(resources: Resources) -> None:
    """So that processes start on a store that lacks most images."""
    row = await resources.db.worker.run(installation.known)
    await store_mark.put(resources.storage, row.id, resources.settings.tmp_dir)


async def execute(db: Database, statement: str, **values: Any) -> None:
    async with db.transaction() as session:
        await session.execute(text(statement), values)


async def snapshot(resources: Resources) -> dict[str, Any]:
    """Every row, every object with its bytes, and every temporary file."""
    found: dict[str, Any] = {}
    async with resources.db.transaction() as session:
        for table in ("image", "image_job", "orphan", "upkeep", "image_tag", "audit_event"):
            rows = await session.scalars(text(f"select t::text from {table} t order by 1"))
            found[table] = list(rows)
    for key in sorted(await keys(resources)):
        async with await resources.storage.open(key) as stream:
            found[key] = b"".join([part async for part in stream])
    folder = resources.settings.tmp_dir
    found["files"] = sorted(folder.rglob("*")) if folder.exists() else []
    return found
