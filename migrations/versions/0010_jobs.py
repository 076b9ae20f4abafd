"""Jobs: which are to be tried alone, and an index that leads each kind to its own next one.

A worker that dies takes its whole batch with it. `suspect` marks what it held; see services/job_runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

DUE = "ix_image_job_due"
OPEN = sa.text("state in ('QUEUED', 'RUNNING')")


def upgrade() -> None:
    op.add_column(
        "image_job", sa.Column("suspect", sa.Boolean(), server_default="false", nullable=False)
    )
    op.drop_index(DUE, table_name="image_job", postgresql_where=OPEN)
    op.create_index(
        DUE,
        "image_job",
        ["state", "kind", "run_after", "id"],
        postgresql_include=["team_id"],
        postgresql_where=OPEN,
    )
    op.create_index(
        "ix_image_job_failed",
        "image_job",
        ["kind"],
        postgresql_where=sa.text("state = 'FAILED'"),
    )
    op.create_index(
        "ix_image_job_suspect",
        "image_job",
        ["run_after"],
        postgresql_where=sa.text("suspect and state = 'QUEUED'"),
    )


def downgrade() -> None:
    op.drop_index("ix_image_job_suspect", table_name="image_job")
    op.drop_index("ix_image_job_failed", table_name="image_job")
    op.drop_index(DUE, table_name="image_job", postgresql_where=OPEN)
    op.create_index(DUE, "image_job", ["run_after", "id"], postgresql_where=OPEN)
    op.drop_column("image_job", "suspect")
