"""ALL tables. Behaviour that must hold whoever writes (lines, counters, words) is in triggers: migrations/."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    Dialect,
    Double,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    desc,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from app.domain import (
    AuditOutcome,
    BulkAction,
    BulkStatus,
    Damage,
    ImageFormat,
    ImageState,
    JobKind,
    JobState,
    Modality,
    ModelState,
    ProcessingStatus,
    Role,
    TagPolicy,
    TagSource,
)


class Instant(TypeDecorator[datetime]):
    """Of a time that somebody names. The driver stores the very ends of the calendar as PostgreSQL's infinities, and
    gives those back without a zone: whoever compared or wrote such a value would fail."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo is not None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it from the class
        datetime: DateTime(timezone=True),
        bytes: LargeBinary,
        dict[str, Any]: JSONB,
    }


def _enum(kind: type[StrEnum], length: int = 16) -> Enum:
    """Text with a check: values are added without a table rewrite, and equality is leakproof under RLS."""
    return Enum(
        kind, native_enum=False, create_constraint=True, length=length, name=kind.__name__.lower()
    )


def _id() -> Mapped[UUID]:
    return mapped_column(primary_key=True, server_default=text("new_id()"))


def _now() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


def _team() -> Mapped[UUID]:
    return mapped_column(ForeignKey("team.id", ondelete="CASCADE"))


def _person() -> Mapped[UUID | None]:
    """A user whose deletion leaves this row, without its name."""
    return mapped_column(ForeignKey("app_user.id", ondelete="SET NULL"))


# ───────────────────────────── people ─────────────────────────────


class Team(Base):
    """With `deleted_at` it is gone for everybody; its row stays until its bytes are purged."""

    __tablename__ = "team"

    id: Mapped[UUID] = _id()
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    tag_policy: Mapped[TagPolicy] = mapped_column(_enum(TagPolicy), server_default="OPEN")
    created_at: Mapped[datetime] = _now()
    deleted_at: Mapped[datetime | None]


class User(Base):
    __tablename__ = "app_user"

    id: Mapped[UUID] = _id()
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str | None]
    is_operator: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = _now()


class Membership(Base):
    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("team_id", "user_id"), Index(None, "user_id"))

    id: Mapped[UUID] = _id()
    team_id: Mapped[UUID] = _team()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    role: Mapped[Role] = mapped_column(_enum(Role))
    since: Mapped[datetime] = _now()


class ApiKey(Base):
    """`secret_hash` is SHA-256 of the 256-bit secret; the key itself is never stored."""

    __tablename__ = "api_key"
    __table_args__ = (Index(None, "team_id", "id"), Index(None, "user_id", "id"))

    id: Mapped[UUID] = _id()
    team_id: Mapped[UUID] = _team()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(_enum(Role))
    public_id: Mapped[str] = mapped_column(unique=True)
    secret_hash: Mapped[bytes]
    created_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    trusted_documents_only: Mapped[bool] = mapped_column(server_default=text("false"))


class PersistedQuery(Base):
    """A GraphQL document that a client registered; `sha256` is of its text."""

    __tablename__ = "persisted_query"

    team_id: Mapped[UUID] = mapped_column(
        ForeignKey("team.id", ondelete="CASCADE"), primary_key=True
    )
    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    document: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[datetime] = _now()


class Session(Base):
    """A login; the cookie holds the token, the row its SHA-256."""

    __tablename__ = "session"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))

    id: Mapped[UUID] = _id()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class PasswordToken(Base):
    """A one-time token with which a user sets a password; the row holds its SHA-256."""

    __tablename__ = "password_token"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[UUID] = _id()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LoginAttempt(Base):
    """Tries at one password or from one client; `key` is a hash of which. See services/throttle."""

    __tablename__ = "login_attempt"
    __table_args__ = (Index(None, "last_at"),)

    key: Mapped[bytes] = mapped_column(primary_key=True)
    tries: Mapped[float]
    last_at: Mapped[datetime]
    waits_until: Mapped[datetime | None]


# ───────────────────────────── images ─────────────────────────────

LIVE = "state = 'STORED' and trashed_at is null"


class Image(Base):
    """`object_key` is used once; `weight` counts millionths; `words` and lines are kept by triggers.

    `thumbnails`: {"SMALL": {"key": …, "width": …, "height": …, "bytes": …}, …}.
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
        Index(None, "team_id", "created_at", "id"),
        Index("ix_image_team_id_taken", "team_id", text("greatest(taken_at, '-infinity')"), "id"),
        Index(None, "team_id", "title", "id"),
        Index(None, "team_id", "size_bytes", "id"),
        Index(None, "team_id", "weight", "id"),
        Index(None, "uploaded_by"),
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

    id: Mapped[UUID] = _id()
    team_id: Mapped[UUID] = _team()
    uploaded_by: Mapped[UUID | None] = _person()
    state: Mapped[ImageState] = mapped_column(_enum(ImageState), server_default="PENDING")
    lease_until: Mapped[datetime | None]
    object_key: Mapped[str]
    sha256: Mapped[bytes]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    format: Mapped[ImageFormat] = mapped_column(_enum(ImageFormat))
    width: Mapped[int]
    height: Mapped[int]
    filename: Mapped[str] = mapped_column(server_default="")
    title: Mapped[str] = mapped_column(server_default="")
    description: Mapped[str] = mapped_column(Text, server_default="")
    weight: Mapped[int] = mapped_column(BigInteger, server_default=text("1000000"))
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()
    taken_at: Mapped[datetime | None] = mapped_column(Instant)
    trashed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    damage: Mapped[Damage | None] = mapped_column(_enum(Damage))
    damaged_at: Mapped[datetime | None]
    exif: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    thumb_hash: Mapped[bytes | None]
    thumbnails: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    processing: Mapped[ProcessingStatus] = mapped_column(
        _enum(ProcessingStatus), server_default="PENDING"
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

    id: Mapped[UUID] = _id()
    team_id: Mapped[UUID] = _team()
    user_id: Mapped[UUID | None] = _person()
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
    created_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime]


class Tag(Base):
    """`key` is the name without regard to case."""

    __tablename__ = "tag"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        UniqueConstraint("team_id", "key"),
    )

    id: Mapped[UUID] = _id()
    team_id: Mapped[UUID] = _team()
    name: Mapped[str]
    key: Mapped[str]
    created_at: Mapped[datetime] = _now()
    created_by: Mapped[UUID | None] = _person()


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
    tagged_by: Mapped[UUID | None] = _person()
    tagged_at: Mapped[datetime] = _now()
    source: Mapped[TagSource] = mapped_column(_enum(TagSource), server_default="UNKNOWN")


class Collection(Base):
    __tablename__ = "collection"
    __table_args__ = (UniqueConstraint("team_id", "id"), Index(None, "team_id", "name", "id"))

    id: Mapped[UUID] = _id()
    team_id: Mapped[UUID] = _team()
    name: Mapped[str]
    description: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[datetime] = _now()
    created_by: Mapped[UUID | None] = _person()


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
    added_by: Mapped[UUID | None] = _person()
    added_at: Mapped[datetime] = _now()


class Dataset(Base):
    """Images as they were at one moment, in files that never change. How far it is, its EXPORT job tells.

    `spec`: {"filter": …}, as the export reads it; `fingerprint` is of name and spec. `files`, null until they are all stored:
    {"images.jsonl": {"key": …, "bytes": …, "sha256": …}, …}. `run_id`: the run of the job that stored them.
    With `deleted_at` it is gone for everybody; the row stays until its bytes are purged.
    """

    __tablename__ = "dataset"
    __table_args__ = (Index(None, "team_id", "id"), Index(None, "created_by"))

    id: Mapped[UUID] = _id()
    team_id: Mapped[UUID] = _team()
    created_by: Mapped[UUID | None] = _person()
    name: Mapped[str]
    spec: Mapped[dict[str, Any]]
    fingerprint: Mapped[bytes]
    run_id: Mapped[UUID | None]
    done: Mapped[int] = mapped_column(server_default=text("0"))
    image_count: Mapped[int | None]
    files: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = _now()
    snapshot_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


# ───────────────────────────── chance ─────────────────────────────


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


# ───────────────────────────── meaning ─────────────────────────────


class EmbeddingModel(Base):
    """A model that was ever used. One is ACTIVE and answers searches; at most one is BUILDING beside it.

    `source`: what it is loaded from on any host, as the setting has it. `retired_at`: until then it answered,
    and every image that was read has a vector of it; null where it never did, or its vectors are dropped.
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
    state: Mapped[ModelState] = mapped_column(_enum(ModelState), server_default="BUILDING")
    created_at: Mapped[datetime] = _now()
    source: Mapped[str | None]
    retired_at: Mapped[datetime | None]


class ImageVector(Base):
    """A vector of length 1. The filter columns stand beside it, so that a filtered scan joins nothing."""

    __tablename__ = "image_vector"
    __table_args__ = (
        ForeignKeyConstraint(
            ["team_id", "image_id"], ["image.team_id", "image.id"], ondelete="CASCADE"
        ),
        Index("ix_image_vector_created", "team_id", "model_id", "created_at"),
        Index("ix_image_vector_image", "team_id", "image_id"),
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
    modality: Mapped[Modality] = mapped_column(_enum(Modality), primary_key=True)
    questions: Mapped[int]
    images: Mapped[int] = mapped_column(BigInteger)
    location: Mapped[float] = mapped_column(Double)
    spread: Mapped[float] = mapped_column(Double)
    fitted_at: Mapped[datetime] = _now()


class VectorClaim(Base):
    """An image that a BUILDING model is reading, or could not read: then `lease_until` is null.

    `run_id` fences a run that came back too late. The row goes when the vector comes.
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
    error: Mapped[str | None] = mapped_column(Text)


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

    marked_by: Mapped[UUID | None] = _person()
    marked_at: Mapped[datetime] = _now()


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


# ───────────────────────────── work and its record ─────────────────────────────


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

    id: Mapped[UUID] = _id()
    team_id: Mapped[UUID] = _team()
    image_id: Mapped[UUID]
    kind: Mapped[JobKind] = mapped_column(_enum(JobKind))
    state: Mapped[JobState] = mapped_column(_enum(JobState), server_default="QUEUED")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    run_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    run_after: Mapped[datetime] = _now()
    suspect: Mapped[bool] = mapped_column(server_default=text("false"))
    """Its worker died while it had it: from then on it is tried alone."""
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = _now()
    finished_at: Mapped[datetime | None]


class BulkJob(Base):
    """One change of many images, found once and kept in BulkPart; it is done part by part, from `part` on.

    `tags` are the names that were given, `tag_ids` what they meant when it was started; `weight` counts millionths.
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

    id: Mapped[UUID] = _id()
    team_id: Mapped[UUID] = _team()
    status: Mapped[BulkStatus] = mapped_column(_enum(BulkStatus), server_default="PREPARED")
    action: Mapped[BulkAction] = mapped_column(_enum(BulkAction, 24))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    new_tags: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    tag_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), server_default=text("'{}'"))
    weight: Mapped[int | None] = mapped_column(BigInteger)
    collection_id: Mapped[UUID | None]
    part_size: Mapped[int]
    part: Mapped[int] = mapped_column(server_default=text("0"))
    total: Mapped[int] = mapped_column(server_default=text("0"))
    done: Mapped[int] = mapped_column(server_default=text("0"))
    changed: Mapped[int] = mapped_column(server_default=text("0"))
    gone: Mapped[int] = mapped_column(server_default=text("0"))
    crowded: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = _now()
    created_by: Mapped[UUID | None] = _person()
    started_at: Mapped[datetime | None]
    started_by: Mapped[UUID | None] = _person()
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
    seen_at: Mapped[datetime] = _now()
    sighted_at: Mapped[datetime] = _now()


class Upkeep(Base):
    """When a task of the whole installation last began: workers take turns at it."""

    __tablename__ = "upkeep"

    task: Mapped[str] = mapped_column(String(32), primary_key=True)
    began_at: Mapped[datetime] = _now()


class AuditEvent(Base):
    """Append-only, partitioned by month: who did what to what, and whether it was allowed.

    `team_id` null is the installation. In each of these chains `seq` counts from 1, `at` only grows, and `hash`
    is made of the row and the hash before it (services/audit_chain).
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_team", "team_id", "at", "id"),
        Index("ix_audit_event_subject", "subject_ids", postgresql_using="gin"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    at: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    api_key_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[AuditOutcome] = mapped_column(_enum(AuditOutcome))
    subject_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    request_id: Mapped[str] = mapped_column(String(64))
    client_ip: Mapped[str | None] = mapped_column(String(64))
    client_name: Mapped[str | None] = mapped_column(String(100))
    detail: Mapped[str] = mapped_column(Text)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes]


class AuditHead(Base):
    """Where a chain ends, signed. `team_id` is NO_ID for the installation's own."""

    __tablename__ = "audit_head"
    __table_args__ = ({"postgresql_with": {"fillfactor": "50"}},)

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    last_hash: Mapped[bytes]
    last_at: Mapped[datetime]
    mac: Mapped[bytes]


class AuditAnchor(Base):
    """The last row of a chain that was pruned with the months before `before`, signed: the rest goes on from it."""

    __tablename__ = "audit_anchor"

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    before: Mapped[datetime] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes]
    mac: Mapped[bytes]
