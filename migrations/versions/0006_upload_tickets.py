"""Upload tickets: a picture that is announced before its bytes come."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db.database import ACTING_ROLE, LOGIN_ROLE, WORKER_ROLE

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OWN_TEAM = "coalesce(team_id = any((select nullif(current_setting('app.team_ids', true), '')::uuid[])::uuid[]), false)"
"""As in migration 0005."""
GRANTS = {
    ACTING_ROLE: "select, insert, update, delete",
    # Who comes with a ticket is found out before there is an actor.
    LOGIN_ROLE: "select (id, team_id, user_id, api_key_id, token_hash, expires_at, created)",
    WORKER_ROLE: "select (id, team_id, direct, expires_at), delete",
}
POLICIES = [
    (ACTING_ROLE, "all", f"using ({OWN_TEAM}) with check ({OWN_TEAM})"),
    (LOGIN_ROLE, "select", "using (true)"),
    (WORKER_ROLE, "all", "using (true) with check (true)"),
]


def upgrade() -> None:
    op.create_table(
        "upload_ticket",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("direct", sa.Boolean(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("collection_id", sa.Uuid(), nullable=True),
        sa.Column("image_id", sa.Uuid(), nullable=True),
        sa.Column("created", sa.Boolean(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_upload_ticket_team_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_upload_ticket_user_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload_ticket")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_upload_ticket_token_hash")),
    )
    op.create_index(op.f("ix_upload_ticket_team_id"), "upload_ticket", ["team_id"])
    op.create_index(op.f("ix_upload_ticket_user_id"), "upload_ticket", ["user_id"])
    op.create_index(op.f("ix_upload_ticket_expires_at"), "upload_ticket", ["expires_at"])
    op.execute("alter table upload_ticket enable row level security")
    for role, what in GRANTS.items():
        op.execute(f"grant {what} on upload_ticket to {role}")
    for role, command, clauses in POLICIES:
        op.execute(
            f"create policy {role}_{command} on upload_ticket for {command} to {role} {clauses}"
        )


def downgrade() -> None:
    op.drop_table("upload_ticket")
