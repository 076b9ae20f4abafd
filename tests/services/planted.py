"""Vectors put straight into the tables, of a model that no process has loaded."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert, select, update

from app.db.models import EmbeddingModel, Image, ImageVector
from app.domain import ModelState
from app.services import embedding_models
from app.services.search import Direction
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


@asynccontextmanager
async def instead(db: Database) -> AsyncIterator[int]:
    """The planted model is ACTIVE in the block; afterwards the one that was so before, for whoever's test is next."""
    async with db.transaction() as session:
        before = await embedding_models.active(session)
    yield await model(db)
    async with db.transaction() as session:
        await session.execute(
            update(EmbeddingModel)
            .where(EmbeddingModel.name.in_((NAME, OTHER)))
            .values(state=ModelState.RETIRED)
        )
        if before is not None:
            await session.execute(
                update(EmbeddingModel)
                .where(EmbeddingModel.id == before.id)
                .values(state=ModelState.ACTIVE, retired_at=None)
            )


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
                .values(state=ModelState.RETIRED)
            )
        row = await session.scalar(select(EmbeddingModel).where(EmbeddingModel.name == name))
        if row is None:
            row = EmbeddingModel(name=name, revision=REVISION, dimension=dimension, state=state)
            session.add(row)
        row.state = state
        await session.flush()
        return row.id


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
