"""The audit log: append-only, partitioned by month, and a hash chain for each team and the installation.

Nothing wrote to the table before, so it is made anew. There is no partition for "the rest": months are made
ahead, and an event without a month is refused, which refuses the request that it is about.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OUTCOME = sa.Enum(
    "ALLOWED",
    "DENIED",
    "FAILED",
    name="auditoutcome",
    native_enum=False,
    create_constraint=True,
    length=16,
)


def upgrade() -> None:
    op.drop_table("audit_event")
    op.create_table(
        "audit_event",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("outcome", OUTCOME, nullable=False),
        sa.Column("subject_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("client_ip", sa.String(length=64), nullable=True),
        sa.Column("client_name", sa.String(length=100), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("at", "id", name=op.f("pk_audit_event")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_audit_event_team", "audit_event", ["team_id", "at", "id"])
    op.create_index(
        "ix_audit_event_subject", "audit_event", ["subject_ids"], postgresql_using="gin"
    )
    op.create_table(
        "audit_head",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last_hash", sa.LargeBinary(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_audit_head")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "audit_anchor",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "before", name=op.f("pk_audit_anchor")),
    )
    for statement in Path(__file__).with_name("0004_audit.sql").read_text().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("audit_anchor")
    op.drop_table("audit_head")
    op.drop_table("audit_event")
    for name in ("audit_drop_months", "audit_make_months", "audit_refuse_change"):
        op.execute(f"drop function {name}")
    op.create_table(
        "audit_event",
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("outcome", OUTCOME, nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("client_ip", postgresql.INET(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("at", "id", name=op.f("pk_audit_event")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_audit_event_subject", "audit_event", ["subject_id", "at"])
    op.create_index("ix_audit_event_team", "audit_event", ["team_id", "at", "id"])
    op.execute("create table audit_event_default partition of audit_event default")
