"""Tags and collections, and which image is in which."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Text, UniqueConstraint, desc, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import columns
from app.db.models.columns import Base
from app.domain import TagSource


class Tag(Base):
    """`key` is the name without regard to case."""

    __tablename__ = "tag"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        UniqueConstraint("team_id", "key"),
    )

    id: Mapped[UUID] = columns.id()
    team_id: Mapped[UUID] = columns.team()
    name: Mapped[str]
    key: Mapped[str]
    created_at: Mapped[datetime] = columns.now()
    created_by: Mapped[UUID | None] = columns.person()


class ImageTag(Base):
    """Carries the image's creation date, so that a page of a tag is one index range."""

    __tablename__ = "image_tag"
    __table_args__ = (
        ForeignKeyConstraint(
            ["team_id", "image_id"], ["image.team_id", "image.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["team_id", "tag_id"], ["tag.team_id", "tag.id"], ondelete="CASCADE"),
        Index("ix_image_tag_page", "team_id", "tag_id", desc("created_at"), desc("image_id")),
    )

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    image_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    tagged_by: Mapped[UUID | None] = columns.person()
    tagged_at: Mapped[datetime] = columns.now()
    source: Mapped[TagSource] = mapped_column(columns.enum(TagSource), server_default="UNKNOWN")


class TagRename(Base):
    """A tag of many images that got another name: down to the last one, in the order of its pages, they are worded with it.

    `run_id` is another one after each renaming, which begins anew.
    """

    __tablename__ = "tag_rename"
    __table_args__ = (
        ForeignKeyConstraint(["team_id", "tag_id"], ["tag.team_id", "tag.id"], ondelete="CASCADE"),
    )

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(server_default=text("new_id()"))
    last_created_at: Mapped[datetime | None]
    last_image_id: Mapped[UUID | None]


class Collection(Base):
    __tablename__ = "collection"
    __table_args__ = (UniqueConstraint("team_id", "id"), Index(None, "team_id", "name", "id"))

    id: Mapped[UUID] = columns.id()
    team_id: Mapped[UUID] = columns.team()
    name: Mapped[str]
    description: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[datetime] = columns.now()
    created_by: Mapped[UUID | None] = columns.person()


class CollectionImage(Base):
    """Carries the image's creation date, as ImageTag does."""

    __tablename__ = "collection_image"
    __table_args__ = (
        ForeignKeyConstraint(
            ["team_id", "collection_id"],
            ["collection.team_id", "collection.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["team_id", "image_id"], ["image.team_id", "image.id"], ondelete="CASCADE"
        ),
        Index("ix_collection_image_image", "team_id", "image_id"),
        Index(
            "ix_collection_image_page",
            "team_id",
            "collection_id",
            desc("created_at"),
            desc("image_id"),
        ),
    )

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    collection_id: Mapped[UUID] = mapped_column(primary_key=True)
    image_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    added_by: Mapped[UUID | None] = columns.person()
    added_at: Mapped[datetime] = columns.now()
