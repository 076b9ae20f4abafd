"""The index of dates carries what draws need, so that few dates are scanned without a look at their images."""

from alembic import op
from sqlalchemy import text

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

NEW = "ix_image_dates"
OLD = "ix_image_team_id_created_at_id"


def upgrade() -> None:
    """Concurrently: about ten seconds for each million images, in which they are written as ever.

    What was broken off goes on, and never without an index of dates: the old one goes only after the new one is whole.
    """
    with op.get_context().autocommit_block():
        if not op.get_bind().scalar(
            text("select indisvalid from pg_index where indexrelid = to_regclass(:name)"),
            {"name": NEW},
        ):
            op.execute(f"drop index concurrently if exists {NEW}")
            op.execute(
                f"create index concurrently {NEW} on image (team_id, created_at, id) include (draw_weight)"
            )
        op.execute(f"drop index concurrently if exists {OLD}")


def downgrade() -> None:
    op.create_index(OLD, "image", ["team_id", "created_at", "id"])
    op.drop_index(NEW, "image")
