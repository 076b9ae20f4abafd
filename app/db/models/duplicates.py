"""Near-copies: what is still to be compared, which pairs were found, and the groups that they make."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Double, ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.db.models import columns
from app.db.models.columns import Base


class DuplicateCheck(Base):
    """An image whose nearest neighbours are still to be looked for; the row goes with the answer."""

    __tablename__ = "duplicate_check"
    __table_args__ = (
        ForeignKeyConstraint(
            ["team_id", "image_id"], ["image.team_id", "image.id"], ondelete="CASCADE"
        ),
    )

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    image_id: Mapped[UUID] = mapped_column(primary_key=True)


class _PairOfImages:
    """Two images of a team, the one with the smaller id first."""

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    low_id: Mapped[UUID] = mapped_column(primary_key=True)
    high_id: Mapped[UUID] = mapped_column(primary_key=True)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        return (
            *(
                ForeignKeyConstraint(
                    ["team_id", one], ["image.team_id", "image.id"], ondelete="CASCADE"
                )
                for one in ("low_id", "high_id")
            ),
            Index(None, "team_id", "high_id"),
            CheckConstraint("low_id < high_id", name="order"),
        )


class DuplicatePair(_PairOfImages, Base):
    """Near-copies: `score` is the cosine similarity of their vectors of that model."""

    __tablename__ = "duplicate_pair"

    model_id: Mapped[int] = mapped_column(ForeignKey("embedding_model.id", ondelete="CASCADE"))
    score: Mapped[float] = mapped_column(Double())


class NotDuplicate(_PairOfImages, Base):
    """Somebody said that the two are no duplicates: no group ever has both."""

    __tablename__ = "not_duplicate"

    marked_by: Mapped[UUID | None] = columns.person()
    marked_at: Mapped[datetime] = columns.now()


class Duplicate(Base):
    """An image in a group of near-copies. `group_id`: the smallest id in the group."""

    __tablename__ = "duplicate"
    __table_args__ = (
        ForeignKeyConstraint(
            ["team_id", "image_id"], ["image.team_id", "image.id"], ondelete="CASCADE"
        ),
        Index(None, "team_id", "group_id", "image_id"),
    )

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    image_id: Mapped[UUID] = mapped_column(primary_key=True)
    group_id: Mapped[UUID]
