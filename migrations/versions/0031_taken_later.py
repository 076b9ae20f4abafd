"""What was taken later than made, by a wrong clock, is found by an index of its own: lists of the others need not look further back."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

NAME = "ix_image_taken_later"


def upgrade() -> None:
    """Concurrently: images are written as ever. What was broken off begins again."""
    with op.get_context().autocommit_block():
        op.execute(f"drop index concurrently if exists {NAME}")
        op.execute(
            f"create index concurrently {NAME} on image (team_id, created_at, id)"
            " where taken_at > created_at"
        )


def downgrade() -> None:
    op.drop_index(NAME, "image")
