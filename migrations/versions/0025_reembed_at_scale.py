"""A model that took over has its near-copies looked for a few at a time: how far that is."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("embedding_model", sa.Column("duplicates_after", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("embedding_model", "duplicates_after")
