"""Work that is done in the background, and what its passes remember."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import columns
from app.db.models.columns import Base
from app.domain import BulkAction, BulkStatus, JobKind, JobState, RelevanceBasis


class ImageJob(Base):
    """The truth about one piece of background work; `run_id` fences a worker that came back too late."""

    __tablename__ = "image_job"
    __table_args__ = (
        UniqueConstraint("team_id", "image_id", "kind"),
        Index(
            "ix_image_job_due",
            "state",
            "kind",
            "run_after",
            "id",
            postgresql_include=["team_id"],
            postgresql_where=text("state in ('QUEUED', 'RUNNING')"),
        ),
        Index("ix_image_job_failed", "kind", postgresql_where=text("state = 'FAILED'")),
        Index(
            "ix_image_job_suspect",
            "run_after",
            postgresql_where=text("suspect and state = 'QUEUED'"),
        ),
        Index(
            "ix_image_job_finished",
            "team_id",
            "finished_at",
            postgresql_where=text("finished_at is not null"),
        ),
    )

    id: Mapped[UUID] = columns.id()
    team_id: Mapped[UUID] = columns.team()
    image_id: Mapped[UUID]
    kind: Mapped[JobKind] = mapped_column(columns.enum(JobKind))
    state: Mapped[JobState] = mapped_column(columns.enum(JobState), server_default="QUEUED")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    run_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    run_after: Mapped[datetime] = columns.now()
    suspect: Mapped[bool] = mapped_column(server_default=text("false"))
    """Its worker died while it had it: from then on it is tried alone."""
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = columns.now()
    finished_at: Mapped[datetime | None]


class BulkJob(Base):
    """One change of many images, found once and kept in BulkPart; it is done part by part, from `part` on.

    `tags` are the names that were given, `tag_ids` what they mean, in the same order: None for one that the team did not
    have when it was prepared, until it is looked up. `weight` counts millionths. `relevance_basis`: of a search from some
    relevance on.
    `lease_until`: from then on a worker may take it. `attempts` since the last part that was done. `gone` and
    `crowded` count images that were left out: deleted meanwhile, or with as many tags or collections as can be.
    """

    __tablename__ = "bulk_job"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        Index(
            "ix_bulk_job_open",
            "team_id",
            "started_at",
            "id",
            postgresql_where=text("status in ('QUEUED', 'RUNNING')"),
        ),
        Index(None, "created_by"),
        Index(None, "started_by"),
    )

    id: Mapped[UUID] = columns.id()
    team_id: Mapped[UUID] = columns.team()
    status: Mapped[BulkStatus] = mapped_column(columns.enum(BulkStatus), server_default="PREPARED")
    action: Mapped[BulkAction] = mapped_column(columns.enum(BulkAction, 24))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    new_tags: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    tag_ids: Mapped[list[UUID | None]] = mapped_column(ARRAY(Uuid()), server_default=text("'{}'"))
    weight: Mapped[int | None] = mapped_column(BigInteger)
    relevance_basis: Mapped[RelevanceBasis | None] = mapped_column(columns.enum(RelevanceBasis))
    collection_id: Mapped[UUID | None]
    part_size: Mapped[int]
    part: Mapped[int] = mapped_column(server_default=text("0"))
    total: Mapped[int] = mapped_column(server_default=text("0"))
    done: Mapped[int] = mapped_column(server_default=text("0"))
    changed: Mapped[int] = mapped_column(server_default=text("0"))
    gone: Mapped[int] = mapped_column(server_default=text("0"))
    crowded: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = columns.now()
    created_by: Mapped[UUID | None] = columns.person()
    started_at: Mapped[datetime | None]
    started_by: Mapped[UUID | None] = columns.person()
    api_key_id: Mapped[UUID | None]
    request_id: Mapped[str] = mapped_column(String(64), server_default=text("''"))
    run_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    finished_at: Mapped[datetime | None]


class BulkPart(Base):
    """Images of a bulk job that are still to be done, in the order in which they are shown; each row is one transaction's work."""

    __tablename__ = "bulk_part"
    __table_args__ = (
        ForeignKeyConstraint(
            ["team_id", "job_id"], ["bulk_job.team_id", "bulk_job.id"], ondelete="CASCADE"
        ),
    )

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    image_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))


class Orphan(Base):
    """An object that no row explains: first seen then, and last sighted by the pass that began before `sighted_at`."""

    __tablename__ = "orphan"

    key: Mapped[str] = mapped_column(primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime] = columns.now()
    sighted_at: Mapped[datetime] = columns.now()


class UnwordedImage(Base):
    """An image whose words an earlier release read otherwise; a worker has still to word it anew."""

    __tablename__ = "unworded_image"

    image_id: Mapped[UUID] = mapped_column(primary_key=True, autoincrement=False)


class Upkeep(Base):
    """When a task of the whole installation last began: workers take turns at it."""

    __tablename__ = "upkeep"

    task: Mapped[str] = mapped_column(String(32), primary_key=True)
    began_at: Mapped[datetime] = columns.now()
