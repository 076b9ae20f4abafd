"""Tries at logging in, and teams that are deleted before their bytes are."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

JOB_KINDS = ("EMBED", "THUMBNAILS", "PURGE")


def upgrade() -> None:
    op.create_table(
        "login_attempt",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.Float(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("waits_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_attempt")),
    )
    op.create_index(op.f("ix_login_attempt_last_at"), "login_attempt", ["last_at"])
    op.add_column("team", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    _allow_jobs(*JOB_KINDS, "PURGE_TEAM")


def downgrade() -> None:
    op.execute("delete from image_job where kind = 'PURGE_TEAM'")
    _allow_jobs(*JOB_KINDS)
    op.execute("delete from team where deleted_at is not null")
    op.drop_column("team", "deleted_at")
    op.drop_table("login_attempt")


def _allow_jobs(*kinds: str) -> None:
    op.drop_constraint(op.f("ck_image_job_jobkind"), "image_job")
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(op.f("ck_image_job_jobkind"), "image_job", f"kind in ({listed})")
