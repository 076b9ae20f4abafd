"""Questions as directions: a text, a picture or a stored image, read by one model. Ranking is in search."""

import hashlib
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import EmbeddingModel, Image, ImageVector
from app.domain import Actor
from app.embedding import Embedder, Vectors
from app.errors import bad_input, conflict, not_found, unavailable
from app.services import access, embedding_models

MAX_TEXT_LENGTH: Final = 1_000
PUSH: Final = 0.5
"""How far `not` pushes: the question minus half of what is not wanted, at length 1 again."""
OTHER_MODEL: Final = (
    "The images have not been read by the model that reads questions here;"
    " search by text or picture answers again when one of the two has changed."
)

Identity: TypeAlias = tuple[str, str]
"""Name and revision of a model."""


@dataclass(frozen=True, slots=True)
class Direction:
    """A question as a vector of length 1. It remembers its model, and `source` what it was made from.

    `of_text`: words, which lie further from all pictures than pictures do from each other.
    """

    vector: Vectors
    model: Identity
    source: str
    of_text: bool = True


async def by_text(embedder: Embedder, words: str, *, field: str = "query.text") -> Direction:
    """What the text means. Call it outside any transaction: the model is slow, and loaded late."""
    clean = " ".join(words.split())
    if not 1 <= len(clean) <= MAX_TEXT_LENGTH:
        raise bad_input(field, f"A text has 1 to {MAX_TEXT_LENGTH} characters.")
    [vector] = await embedder.texts([clean])
    return Direction(vector, (embedder.name, embedder.revision), f"text:{clean}")


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
    its = await _model(session, model)
    direction = await stored(session, actor, image_id, its, field=field)
    if direction is None:
        raise conflict(field, "This image has not been processed yet.")
    return direction


async def _model(session: AsyncSession, model: Identity | int | None) -> EmbeddingModel:
    if isinstance(model, tuple):
        found = await embedding_models.answering(session, *model)
    else:
        found = await embedding_models.of_page(session, model)
    if found is None:
        raise unavailable(OTHER_MODEL if model else embedding_models.NONE_YET)
    return found


async def stored(
    session: AsyncSession,
    actor: Actor,
    image_id: UUID,
    model: EmbeddingModel,
    *,
    field: str | None = None,
) -> Direction | None:
    """The image's vector of that model; None where it has none. NOT_FOUND where the actor cannot see it."""
    row = (
        await session.execute(
            access.visible_images(actor)
            .where(Image.id == image_id)
            .outerjoin(
                ImageVector,
                and_(
                    ImageVector.team_id == Image.team_id,
                    ImageVector.image_id == Image.id,
                    ImageVector.model_id == model.id,
                ),
            )
            .with_only_columns(ImageVector.embedding)
        )
    ).one_or_none()
    if row is None:
        raise not_found("Image", field=field, ids=[image_id])
    if row[0] is None:
        return None
    vector = np.asarray(row[0], np.float32)
    source = f"image:{image_id}"
    return Direction(_unit(vector), (model.name, model.revision), source, of_text=False)


def away_from(query: Direction, unwanted: Direction) -> Direction:
    """The question, pushed away from what is not wanted. UNAVAILABLE where two models read them."""
    if query.model != unwanted.model:
        raise unavailable(OTHER_MODEL)
    vector = _unit(query.vector - np.float32(PUSH) * unwanted.vector)
    return Direction(vector, query.model, f"{query.source} not {unwanted.source}", query.of_text)


def _unit(vector: Vectors) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
