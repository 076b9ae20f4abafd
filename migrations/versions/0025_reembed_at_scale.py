"""A model that took over has its near-copies looked for a few at a time; an image that may have killed its reader is read alone."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("embedding_model", sa.Column("duplicates_after", sa.Uuid(), nullable=True))
    op.add_column(
        "vector_claim",
        sa.Column("suspect", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("vector_claim", "suspect")
    op.drop_column("embedding_model", "duplicates_after")
