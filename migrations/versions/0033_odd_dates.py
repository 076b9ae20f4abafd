"""Images that lie elsewhere in the order of taking than the day of their upload lets expect: lists need not look there for others.

Taken more than a day after the upload; taken ever so long ago, which lies among what has no date; uploaded more than an
hour later than the id, by which those without a date are ordered.
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

NAME = "ix_image_odd_dates"
# Since 1970, in an id of version 7. PostgreSQL has a function for it from 17 on.
SECONDS = "('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint::float8 / 1000"


def upgrade() -> None:
    """Concurrently: images are written as ever. What was broken off begins again."""
    with op.get_context().autocommit_block():
        op.execute(f"drop index concurrently if exists {NAME}")
        op.execute(
            f"create index concurrently {NAME} on image (team_id, greatest(taken_at, '-infinity'), id)"
            " where taken_at at time zone 'UTC' > created_at at time zone 'UTC' + interval '1 day'"
            f" or taken_at = '-infinity' or created_at > to_timestamp({SECONDS} + 3600)"
        )


def downgrade() -> None:
    op.drop_index(NAME, "image")
