"""Models, the vectors that they made of images, and what is known of their scores. Near-copies are in duplicates."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    BigInteger,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import columns
from app.db.models.columns import Base
from app.domain import Modality, ModelState


class EmbeddingModel(Base):
    """A model that was ever used. One is ACTIVE and answers searches; at most one is BUILDING beside it.

    `source`: what it is loaded from on any host, as the setting has it. `retired_at`: until then it answered,
    and every image that was read has a vector of it; null where it never did, or its vectors are dropped.
    `duplicates_after`: it took over, and near-copies of images with a greater id than this are still to be looked
    for by its vectors; null where none are.
    """

    __tablename__ = "embedding_model"
    __table_args__ = (
        UniqueConstraint("name", "revision"),
        Index(
            "uq_embedding_model_active",
            "state",
            unique=True,
            postgresql_where=text("state = 'ACTIVE'"),
        ),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str]
    revision: Mapped[str]
    dimension: Mapped[int]
    state: Mapped[ModelState] = mapped_column(columns.enum(ModelState), server_default="BUILDING")
    created_at: Mapped[datetime] = columns.now()
    source: Mapped[str | None]
    retired_at: Mapped[datetime | None]
    duplicates_after: Mapped[UUID | None]


class ImageVector(Base):
    """A vector of length 1. The filter columns stand beside it, so that a filtered scan joins nothing."""

    __tablename__ = "image_vector"
    __table_args__ = (
        ForeignKeyConstraint(
            ["team_id", "image_id"], ["image.team_id", "image.id"], ondelete="CASCADE"
        ),
        Index("ix_image_vector_created", "team_id", "model_id", "created_at"),
        Index("ix_image_vector_image_id", "image_id"),
        {"postgresql_partition_by": "HASH (team_id)"},
    )

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(
        ForeignKey("embedding_model.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    image_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    tag_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), server_default=text("'{}'"))
    embedding: Mapped[Any] = mapped_column(HALFVEC())


class RelevanceFit(Base):
    """How near unrelated questions come to some picture of the team: `location` the median of their best scores,
    `spread` the standard deviation. Of `questions`, when the team had so many `images` with a vector."""

    __tablename__ = "relevance_fit"

    team_id: Mapped[UUID] = mapped_column(
        ForeignKey("team.id", ondelete="CASCADE"), primary_key=True
    )
    model_id: Mapped[int] = mapped_column(
        ForeignKey("embedding_model.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    modality: Mapped[Modality] = mapped_column(columns.enum(Modality), primary_key=True)
    questions: Mapped[int]
    images: Mapped[int] = mapped_column(BigInteger)
    location: Mapped[float] = mapped_column(Double)
    spread: Mapped[float] = mapped_column(Double)
    fitted_at: Mapped[datetime] = columns.now()


class VectorClaim(Base):
    """An image that a BUILDING model is reading, or could not read: then `lease_until` is null.

    `run_id`: who is reading it, null where nobody is; it fences a run that came back too late. `suspect`: whoever read it
    did not come back, so it is read alone; `attempts` that failed, and those alone. The row goes when the vector comes.
    """

    __tablename__ = "vector_claim"

    model_id: Mapped[int] = mapped_column(
        ForeignKey("embedding_model.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    image_id: Mapped[UUID] = mapped_column(
        ForeignKey("image.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    run_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    suspect: Mapped[bool] = mapped_column(server_default=text("false"))
    error: Mapped[str | None] = mapped_column(Text)
