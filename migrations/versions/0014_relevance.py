"""Relevance: how near unrelated questions come to some picture of a team, for each model and kind of question."""

import sqlalchemy as sa
from alembic import op

from app.db.database import ACTING_ROLE, WORKER_ROLE

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

OWN_TEAM = "coalesce(team_id = any((select nullif(current_setting('app.team_ids', true), '')::uuid[])::uuid[]), false)"
"""As in migration 0005."""
MODALITY = sa.Enum(
    "TEXT", "IMAGE", name="modality", native_enum=False, create_constraint=True, length=16
)


def upgrade() -> None:
    op.create_table(
        "relevance_fit",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("modality", MODALITY, nullable=False),
        sa.Column("questions", sa.Integer(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("location", sa.Double(), nullable=False),
        sa.Column("spread", sa.Double(), nullable=False),
        sa.Column(
            "fitted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_relevance_fit_team_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["embedding_model.id"],
            name=op.f("fk_relevance_fit_model_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("team_id", "model_id", "modality", name=op.f("pk_relevance_fit")),
    )
    op.execute("alter table relevance_fit enable row level security")
    op.execute(f"grant select on relevance_fit to {ACTING_ROLE}")
    op.execute(f"grant select, insert, update, delete on relevance_fit to {WORKER_ROLE}")
    op.execute(
        f"create policy {ACTING_ROLE}_select on relevance_fit for select to {ACTING_ROLE}"
        f" using ({OWN_TEAM})"
    )
    op.execute(
        f"create policy {WORKER_ROLE}_all on relevance_fit for all to {WORKER_ROLE}"
        " using (true) with check (true)"
    )


def downgrade() -> None:
    op.drop_table("relevance_fit")
