"""Images: as they come in, as they are, as datasets keep them. What they carry is in tags, what is made of them in meaning."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    Double,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import columns
from app.db.models.columns import Base, Instant
from app.domain import Damage, ImageFormat, ImageState, ProcessingStatus

LIVE = "state = 'STORED' and trashed_at is null"

TAKEN_LATER: Final = "image.taken_at > image.created_at"
"""By a clock that was ahead, or by one east of Greenwich that did not say so: without an offset it counts as UTC."""
TAKEN_DAYS_LATER: Final = (
    "image.taken_at at time zone 'UTC' > image.created_at at time zone 'UTC' + interval '1 day'"
)
"""By a clock that was wrong. As times without a zone: to those PostgreSQL adds a day in the same way everywhere."""
TAKEN_EVER_SO_LONG_AGO: Final = "image.taken_at = '-infinity'"
"""Somebody said so; in the order of taking it lies among what has no date."""
MADE_LATER: Final = (
    "image.created_at > to_timestamp("
    "('x' || translate(left(image.id::text, 13), '-', ''))::bit(48)::bigint::float8 / 1000 + 3600)"
)
"""More than an hour later than the id, whose first 48 bits are milliseconds since 1970 in version 7: by the clock of a server
that was wrong. An upload is stored within minutes of that, and an import tells of earlier."""


class Image(Base):
    """`object_key` is used once; `weight` counts millionths; `words` and lines are kept by triggers.

    `thumbnails`: {"SMALL": {"key": …, "width": …, "height": …, "bytes": …, "sha256": …}, …}; the hash is missing where an older
    release made it, until `pictor verify` has read it.
    `exif`: {"entries": [[name, value], …]}.
    `damage`: what was found wrong with the stored bytes, first at `damaged_at`; both null while they are right.
    """

    __tablename__ = "image"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        Index(
            "uq_image_team_id_sha256",
            "team_id",
            "sha256",
            unique=True,
            postgresql_where=text("state = 'STORED'"),
        ),
        Index(
            "ix_image_dates",
            "team_id",
            "created_at",
            "id",
            postgresql_include=["draw_weight"],
        ),
        Index("ix_image_team_id_taken", "team_id", text("greatest(taken_at, '-infinity')"), "id"),
        Index(
            "ix_image_taken_later",
            "team_id",
            "created_at",
            "id",
            postgresql_where=text(TAKEN_LATER),
        ),
        Index(
            "ix_image_odd_dates",
            "team_id",
            text("greatest(taken_at, '-infinity')"),
            "id",
            postgresql_where=text(
                f"{TAKEN_DAYS_LATER} or {TAKEN_EVER_SO_LONG_AGO} or {MADE_LATER}"
            ),
        ),
        Index(None, "team_id", "title", "id"),
        Index(None, "team_id", "size_bytes", "id"),
        Index(None, "team_id", "weight", "id"),
        Index(None, "uploaded_by", "team_id", "created_at", "id"),
        Index("ix_image_words", "words", postgresql_using="gin"),
        Index("ix_image_pending", "lease_until", postgresql_where=text("state = 'PENDING'")),
        Index(
            "ix_image_trashed",
            "trashed_at",
            postgresql_where=text("state = 'STORED' and trashed_at is not null"),
        ),
        Index("ix_image_damaged", "team_id", "id", postgresql_where=text("damage is not null")),
        Index(
            "ix_image_trash",
            "team_id",
            "created_at",
            "id",
            postgresql_where=text("state = 'STORED' and trashed_at is not null"),
        ),
        Index(
            "ix_image_unready",
            "team_id",
            "processing",
            postgresql_where=text("state = 'STORED' and processing <> 'READY'"),
        ),
        Index(None, "object_key"),
        CheckConstraint("weight >= 0", name="weight"),
    )

    id: Mapped[UUID] = columns.id()
    team_id: Mapped[UUID] = columns.team()
    uploaded_by: Mapped[UUID | None] = columns.person()
    state: Mapped[ImageState] = mapped_column(columns.enum(ImageState), server_default="PENDING")
    lease_until: Mapped[datetime | None]
    object_key: Mapped[str]
    sha256: Mapped[bytes]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    format: Mapped[ImageFormat] = mapped_column(columns.enum(ImageFormat))
    width: Mapped[int]
    height: Mapped[int]
    filename: Mapped[str] = mapped_column(server_default="")
    title: Mapped[str] = mapped_column(server_default="")
    description: Mapped[str] = mapped_column(Text, server_default="")
    weight: Mapped[int] = mapped_column(BigInteger, server_default=text("1000000"))
    created_at: Mapped[datetime] = columns.now()
    updated_at: Mapped[datetime] = columns.now()
    taken_at: Mapped[datetime | None] = mapped_column(Instant)
    trashed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    damage: Mapped[Damage | None] = mapped_column(columns.enum(Damage))
    damaged_at: Mapped[datetime | None]
    exif: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    thumb_hash: Mapped[bytes | None]
    thumbnails: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    processing: Mapped[ProcessingStatus] = mapped_column(
        columns.enum(ProcessingStatus), server_default="PENDING"
    )
    draw_weight: Mapped[int] = mapped_column(
        BigInteger,
        Computed(f"case when {LIVE} then weight else 0 end", persisted=True),
    )
    live: Mapped[bool] = mapped_column(Computed(LIVE, persisted=True))
    words: Mapped[str] = mapped_column(TSVECTOR, server_default=text("''"), deferred=True)


class UploadTicket(Base):
    """A picture that was announced; the row holds the SHA-256 of the ticket's text.

    `image_id`: the PENDING image of its bytes once they came, and in the end the image that it became. `created`: whether
    that one was new; null until the upload is completed. `direct`: the bytes come to `incoming/{team}/{id}` in the bucket.
    Of a key, `api_key_id` only remembers it: without the key's row, the ticket must not become its user's own.
    """

    __tablename__ = "upload_ticket"
    __table_args__ = (Index(None, "team_id"), Index(None, "user_id"), Index(None, "expires_at"))

    id: Mapped[UUID] = columns.id()
    team_id: Mapped[UUID] = columns.team()
    user_id: Mapped[UUID | None] = columns.person()
    api_key_id: Mapped[UUID | None]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    direct: Mapped[bool]
    filename: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes]
    title: Mapped[str]
    description: Mapped[str] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    weight: Mapped[float] = mapped_column(Double())
    taken_at: Mapped[datetime | None] = mapped_column(Instant)
    collection_id: Mapped[UUID | None]
    image_id: Mapped[UUID | None]
    created: Mapped[bool | None]
    created_at: Mapped[datetime] = columns.now()
    expires_at: Mapped[datetime]


class Dataset(Base):
    """Images as they were at one moment, in files that never change. How far it is, its EXPORT job tells.

    `spec`: {"filter": …}, as the export reads it; `fingerprint` is of name and spec. `files`, null until they are all stored:
    {"images.jsonl": {"key": …, "bytes": …, "sha256": …}, …}. `run_id`: the run of the job that stored them.
    With `deleted_at` it is gone for everybody; the row stays until its bytes are purged.
    """

    __tablename__ = "dataset"
    __table_args__ = (Index(None, "team_id", "id"), Index(None, "created_by"))

    id: Mapped[UUID] = columns.id()
    team_id: Mapped[UUID] = columns.team()
    created_by: Mapped[UUID | None] = columns.person()
    name: Mapped[str]
    spec: Mapped[dict[str, Any]]
    fingerprint: Mapped[bytes]
    run_id: Mapped[UUID | None]
    done: Mapped[int] = mapped_column(server_default=text("0"))
    image_count: Mapped[int | None]
    files: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = columns.now()
    snapshot_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
