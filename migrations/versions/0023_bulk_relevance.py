"""Bulk jobs of a search tell what its relevance stood on."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

BASIS = sa.Enum(
    "TEAM",
    "PRIOR",
    name="relevancebasis",
    native_enum=False,
    create_constraint=True,
    length=16,
)


def upgrade() -> None:
    op.add_column("bulk_job", sa.Column("relevance_basis", BASIS, nullable=True))


def downgrade() -> None:
    op.drop_column("bulk_job", "relevance_basis")
