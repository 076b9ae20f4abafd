"""Vectors put straight into the tables, of a model that no process has loaded."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert, select, update

from app.db.models import EmbeddingModel, Image, ImageTag, ImageVector, Tag
from app.domain import ImageFormat, ImageState, ModelState
from app.services import embedding_models
from app.services.searching.search import Direction
from tests.database import Database

Rows = NDArray[np.float32]
NAME, REVISION, DIMENSION = "planted", "1", 24
OTHER = "other"


def unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def random(count: int, seed: int = 0, dimension: int = DIMENSION) -> Rows:
    return unit(np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32))


def direction(vector: Rows, source: str = "planted", model: str = NAME) -> Direction:
    return Direction(vector, (model, REVISION), source)


async def active(db: Database) -> int | None:
    """The id of the model that is ACTIVE now."""
    async with db.transaction() as session:
        row = await embedding_models.active(session)
        return row.id if row else None


async def activate(db: Database, model_id: int | None) -> None:
    """This one, and no planted one, is ACTIVE again, for whoever's test is next."""
    async with db.transaction() as session:
        await session.execute(
            update(EmbeddingModel)
            .where(EmbeddingModel.id != (model_id or 0), EmbeddingModel.revision == REVISION)
            .values(state=ModelState.RETIRED, retired_at=None)
        )
        await session.execute(
            update(EmbeddingModel)
            .where(EmbeddingModel.id == model_id)
            .values(state=ModelState.ACTIVE, retired_at=None)
        )


@asynccontextmanager
async def put_back(db: Database) -> AsyncIterator[None]:
    """After the block, the model is ACTIVE that was so before."""
    before = await active(db)
    yield
    await activate(db, before)


@asynccontextmanager
async def instead(db: Database) -> AsyncIterator[int]:
    """The planted model is ACTIVE in the block; afterwards the one that was so before."""
    async with put_back(db):
        yield await model(db)


async def model(
    db: Database,
    name: str = NAME,
    dimension: int = DIMENSION,
    state: ModelState = ModelState.ACTIVE,
) -> int:
    """The model's id. As ACTIVE it takes the place of the one that another test made so."""
    async with db.transaction() as session:
        if state is ModelState.ACTIVE:
            await session.execute(
                update(EmbeddingModel)
                .where(EmbeddingModel.state == ModelState.ACTIVE, EmbeddingModel.name != name)
                .values(state=ModelState.RETIRED, retired_at=None)
            )
        row = await session.scalar(select(EmbeddingModel).where(EmbeddingModel.name == name))
        if row is None:
            row = EmbeddingModel(name=name, revision=REVISION, dimension=dimension, state=state)
            session.add(row)
        row.state = state
        await session.flush()
        return row.id


def clustered(count: int, seed: int = 0, *, clusters: int = 40) -> Rows:
    """As pictures of the same things lie: in heaps."""
    chance = np.random.default_rng(seed)
    centres = random(clusters, seed=4_242)
    noise = chance.normal(scale=0.12, size=(count, DIMENSION))
    return unit((centres[chance.integers(clusters, size=count)] + noise).astype(np.float32))


async def library(
    db: Database,
    team_id: UUID,
    model_id: int,
    rows: Rows,
    *,
    tags: Mapping[str, range] | None = None,
    **columns: Any,
) -> dict[UUID, Rows]:
    """Many images at once, one for each row, a minute apart; the images of each tag by their numbers."""
    first = datetime(2024, 1, 1, tzinfo=UTC)
    images = [
        {
            "team_id": team_id,
            "state": ImageState.STORED,
            "object_key": f"t/{secrets.token_hex(8)}",
            "sha256": secrets.token_bytes(32),
            "size_bytes": 1000,
            "format": ImageFormat.JPEG,
            "width": 640 + number % 2,
            "height": 480,
            "created_at": first + timedelta(minutes=number),
            **columns,
        }
        for number in range(len(rows))
    ]
    async with db.transaction() as session:
        made = await session.execute(
            insert(Image).returning(Image.id, Image.created_at, sort_by_parameter_order=True),
            images,
        )
        made_at = {row.id: row.created_at for row in made}
        found = dict(zip(made_at, rows, strict=True))
        ids = list(found)
        for name, numbers in (tags or {}).items():
            tag = Tag(team_id=team_id, name=name, key=name)
            session.add(tag)
            await session.flush()
            of_tag = [
                {
                    "team_id": team_id,
                    "tag_id": tag.id,
                    "image_id": ids[number],
                    "created_at": made_at[ids[number]],
                }
                for number in numbers
            ]
            await session.execute(insert(ImageTag), of_tag)
    await vectors(db, model_id, found)
    return found


async def vectors(db: Database, model_id: int, rows: Mapping[UUID, Rows]) -> None:
    """One vector for each image."""
    async with db.transaction() as session:
        images = await session.scalars(select(Image).where(Image.id.in_(rows)))
        values = [
            {
                "team_id": image.team_id,
                "model_id": model_id,
                "image_id": image.id,
                "created_at": image.created_at,
                "embedding": rows[image.id],
            }
            for image in images
        ]
        await session.execute(insert(ImageVector), values)
