"""The lines that images are drawn from. Triggers alone write them."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.columns import Base


class DrawHead(Base):
    """One lane of one line: `total` its length with holes, `live` without, `n` its segments.

    `images` counts the live images of the list whatever their weight. `tag_id` NO_ID is the whole team.
    """

    __tablename__ = "draw_head"
    __table_args__ = ({"postgresql_with": {"fillfactor": "50"}},)

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag_id: Mapped[UUID] = mapped_column(primary_key=True)
    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    total: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    live: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    n: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    images: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class DrawLine(Base):
    """The segment [pos, pos + weight) of a lane belongs to this image."""

    __tablename__ = "draw_line"
    __table_args__ = (
        Index("uq_draw_line_image", "team_id", "image_id", "tag_id", unique=True),
        CheckConstraint("weight > 0", name="weight"),
    )

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag_id: Mapped[UUID] = mapped_column(primary_key=True)
    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    pos: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    weight: Mapped[int] = mapped_column(BigInteger)
    image_id: Mapped[UUID]
