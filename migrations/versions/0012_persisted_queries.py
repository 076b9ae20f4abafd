"""Persisted queries: documents that clients registered, apart for each team; and keys that run trusted documents alone."""

import sqlalchemy as sa
from alembic import op

from app.db.database import ACTING_ROLE

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None

OWN_TEAM = "coalesce(team_id = any((select nullif(current_setting('app.team_ids', true), '')::uuid[])::uuid[]), false)"
"""As in migration 0005."""


def upgrade() -> None:
    op.create_table(
        "persisted_query",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_persisted_query_team_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("team_id", "sha256", name=op.f("pk_persisted_query")),
    )
    op.execute("alter table persisted_query enable row level security")
    op.execute(
        f"grant select, insert, update (used_at), delete on persisted_query to {ACTING_ROLE}"
    )
    op.execute(
        f"create policy {ACTING_ROLE}_all on persisted_query for all to {ACTING_ROLE}"
        f" using ({OWN_TEAM}) with check ({OWN_TEAM})"
    )
    op.add_column(
        "api_key",
        sa.Column("trusted_documents_only", sa.Boolean(), server_default="false", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("api_key", "trusted_documents_only")
    op.drop_table("persisted_query")
