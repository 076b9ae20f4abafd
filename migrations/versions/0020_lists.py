"""Lists: what a page needs to be an index range: the date of taking, the trash of a team, and what is not ready.

Behind row-level security, PostgreSQL looks for a value in an index only where the comparison cannot leak, and takes it
that coalesce may; greatest may not, and knows of no null either.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TAKEN = "ix_image_team_id_taken"
TRASH = "ix_image_trash"
UNREADY = "ix_image_unready"


def upgrade() -> None:
    op.execute(f"drop index {TAKEN}")
    op.execute(f"create index {TAKEN} on image (team_id, greatest(taken_at, '-infinity'), id)")
    op.execute(
        f"create index if not exists {TRASH} on image (team_id, created_at, id)"
        " where state = 'STORED' and trashed_at is not null"
    )
    op.execute(
        f"create index if not exists {UNREADY} on image (team_id, processing)"
        " where state = 'STORED' and processing <> 'READY'"
    )


def downgrade() -> None:
    op.drop_index(UNREADY, "image")
    op.drop_index(TRASH, "image")
    op.drop_index(TAKEN, "image")
    op.execute(f"create index {TAKEN} on image (team_id, coalesce(taken_at, '-infinity'), id)")
