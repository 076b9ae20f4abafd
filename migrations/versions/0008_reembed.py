"""A model that is built beside the active one: where it is loaded from, and which images are being read by it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("embedding_model", sa.Column("source", sa.String(), nullable=True))
    retired_at = sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True)
    op.add_column("embedding_model", retired_at)
    op.create_table(
        "vector_claim",
        sa.Column("model_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["embedding_model.id"],
            name=op.f("fk_vector_claim_model_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["image.id"], name=op.f("fk_vector_claim_image_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", "image_id", name=op.f("pk_vector_claim")),
    )
    op.create_index(op.f("ix_vector_claim_image_id"), "vector_claim", ["image_id"])
    # It names no team, and background work alone uses it.
    op.execute("grant select, insert, update, delete on vector_claim to pictor_worker")


def downgrade() -> None:
    op.drop_table("vector_claim")
    op.drop_column("embedding_model", "retired_at")
    op.drop_column("embedding_model", "source")
