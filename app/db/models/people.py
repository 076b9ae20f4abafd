"""Teams, users, and what they and their clients are let in with. What a team has is elsewhere."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import columns
from app.db.models.columns import Base, Instant
from app.domain import Role, TagPolicy


class Team(Base):
    """With `deleted_at` it is gone for everybody; its row stays until its bytes are purged."""

    __tablename__ = "team"

    id: Mapped[UUID] = columns.id()
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    tag_policy: Mapped[TagPolicy] = mapped_column(columns.enum(TagPolicy), server_default="OPEN")
    created_at: Mapped[datetime] = columns.now()
    deleted_at: Mapped[datetime | None]


class User(Base):
    __tablename__ = "app_user"

    id: Mapped[UUID] = columns.id()
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str | None]
    is_operator: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = columns.now()


class Membership(Base):
    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("team_id", "user_id"), Index(None, "user_id"))

    id: Mapped[UUID] = columns.id()
    team_id: Mapped[UUID] = columns.team()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    role: Mapped[Role] = mapped_column(columns.enum(Role))
    since: Mapped[datetime] = columns.now()


class ApiKey(Base):
    """`secret_hash` is SHA-256 of the 256-bit secret; the key itself is never stored."""

    __tablename__ = "api_key"
    __table_args__ = (Index(None, "team_id", "id"), Index(None, "user_id", "id"))

    id: Mapped[UUID] = columns.id()
    team_id: Mapped[UUID] = columns.team()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(columns.enum(Role))
    public_id: Mapped[str] = mapped_column(unique=True)
    secret_hash: Mapped[bytes]
    created_at: Mapped[datetime] = columns.now()
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
    used_at: Mapped[datetime] = columns.now()


class Session(Base):
    """A login; the cookie holds the token, the row its SHA-256."""

    __tablename__ = "session"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))

    id: Mapped[UUID] = columns.id()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = columns.now()
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class PasswordToken(Base):
    """A one-time token with which a user sets a password; the row holds its SHA-256."""

    __tablename__ = "password_token"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[UUID] = columns.id()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = columns.now()
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
