"""Questions as directions: a text, a picture or a stored image, read by one model. Ranking is in search."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image, ImageVector
from app.domain import Actor
from app.embedding import Embedder, Vectors
from app.errors import bad_input, conflict, not_found, unavailable
from app.services import access, embedding_models
from app.services.embedding_models import Answering

MAX_TEXT_LENGTH: Final = 1_000
OTHER_MODEL: Final = (
    "The images have not been read by the model that reads questions here;"
    " search by text or picture answers again when one of the two has changed."
)

Identity: TypeAlias = tuple[str, str]
"""Name and revision of a model."""


@dataclass(frozen=True, slots=True)
class Blend:
    """How long its words and its pictures are in a vector of length 1, before anything is pushed away."""

    words: float
    pictures: float


@dataclass(frozen=True, slots=True)
class Direction:
    """A question as a vector of length 1. It remembers its model, and `source` what it was made from.

    `of_text`: words, which lie further from all pictures than pictures do from each other. `blend`: of a question of both.
    """

    vector: Vectors
    model: Identity
    source: str
    of_text: bool = True
    blend: Blend | None = None


async def by_text(embedder: Embedder, words: str, *, field: str = "query.text") -> Direction:
    """What the text means. Call it outside any transaction: the model is slow, and loaded late."""
    return (await by_texts(embedder, {field: words}))[field]


async def by_texts(embedder: Embedder, words: Mapping[str, str]) -> dict[str, Direction]:
    """What each field's text means, read at once. Call it outside any transaction."""
    clean = {field: " ".join(text.split()) for field, text in words.items()}
    for field, text in clean.items():
        if not text:
            raise bad_input(field, "An empty text describes nothing.")
        if len(text) > MAX_TEXT_LENGTH:
            raise bad_input(field, f"A text has 1 to {MAX_TEXT_LENGTH} characters.")
    vectors = await embedder.texts(list(clean.values()))
    return {
        field: Direction(vector, (embedder.name, embedder.revision), f"text:{text}")
        for (field, text), vector in zip(clean.items(), vectors, strict=True)
    }


async def by_picture(embedder: Embedder, picture: NDArray[np.uint8]) -> Direction:
    """What a picture uint8[h, w, 3] shows. Call it outside any transaction."""
    [vector] = await embedder.pictures([picture])
    digest = hashlib.sha256(picture.tobytes()).hexdigest()
    source = f"picture:{picture.shape}:{digest}"
    return Direction(vector, (embedder.name, embedder.revision), source, of_text=False)


async def by_image(
    session: AsyncSession,
    actor: Actor,
    image_id: UUID,
    *,
    field: str = "query.imageId",
    model: Identity | int | None = None,
) -> Direction:
    """The stored vector of an image. NOT_FOUND where the actor cannot see it, CONFLICT where it has none yet.

    `model`: that of the question's other part, or the id that a cursor names; else the active one.
    """
    return (await by_images(session, actor, {field: image_id}, model=model))[field]


async def by_images(
    session: AsyncSession,
    actor: Actor,
    wanted: Mapping[str, UUID],
    *,
    model: Identity | int | None = None,
) -> dict[str, Direction]:
    """As `by_image`, for each field its image, in one statement more than the model's."""
    its = await _model(session, model)
    found = await stored(session, actor, wanted, its)
    for field in wanted:
        if field not in found:
            raise conflict(field, "This image has not been processed yet.")
    return found


async def _model(session: AsyncSession, model: Identity | int | None) -> Answering:
    if isinstance(model, tuple):
        found = await embedding_models.answering(session, *model)
    else:
        found = await embedding_models.of_page(session, model)
    if found is None:
        raise unavailable(OTHER_MODEL if model else embedding_models.NONE_YET)
    return found


async def stored(
    session: AsyncSession, actor: Actor, wanted: Mapping[str, UUID], model: Answering
) -> dict[str, Direction]:
    """The images' vectors of that model; without those that have none. NOT_FOUND where the actor cannot see one."""
    rows = await session.execute(
        access.visible_images(actor)
        .where(Image.id.in_(wanted.values()))
        .outerjoin(
            ImageVector,
            and_(
                ImageVector.team_id == Image.team_id,
                ImageVector.image_id == Image.id,
                ImageVector.model_id == model.id,
            ),
        )
        .with_only_columns(Image.id, ImageVector.embedding)
    )
    vectors: dict[UUID, Any] = dict(rows.all())
    for field, image_id in wanted.items():
        if image_id not in vectors:
            raise not_found("Image", field=field, ids=[image_id])
    identity = (model.name, model.revision)
    return {
        field: Direction(_unit(vectors[one]), identity, f"image:{one}", of_text=False)
        for field, one in wanted.items()
        if vectors[one] is not None
    }


def _unit(stored: Any) -> Vectors:
    """Half precision makes lengths of 1.0002."""
    vector = np.asarray(stored, np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
