"""The record of who did what: chained and signed, and never changed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, String, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import columns
from app.db.models.columns import Base
from app.domain import AuditOutcome


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
    outcome: Mapped[AuditOutcome] = mapped_column(columns.enum(AuditOutcome))
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
