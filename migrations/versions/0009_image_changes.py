"""Announces, to whoever listens, that an image's processing got on or that an image is gone: ids and the state, no text.

Whoever writes, it is told, and only when the transaction commits. A row that is inserted as stored is not: nobody can
wait for it yet, and a bulk load would fill the queue. The conditions are checked before any function is called, so
other updates of images cost nothing (docs/subscriptions.md has the figures).
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ANNOUNCE = """
create function announce_image() returns trigger language plpgsql as $$
begin
  perform pg_notify('pictor_images', concat_ws(' ', old.team_id, old.id, coalesce(tg_argv[0], new.processing)));
  return null;
end $$
"""
TRIGGERS = {
    "image_processed": """
        after update of processing, state on image for each row
        when (new.state = 'STORED' and (old.state <> 'STORED' or old.processing <> new.processing))
        execute function announce_image()
    """,
    "image_gone": """
        after update of trashed_at, state on image for each row
        when (old.state = 'STORED' and (
          new.state <> 'STORED' or (old.trashed_at is null and new.trashed_at is not null)))
        execute function announce_image('GONE')
    """,
    "image_forgotten": """
        after delete on image for each row when (old.state = 'STORED')
        execute function announce_image('GONE')
    """,
}
FINISHED = "ix_image_job_finished"
"""Finds what ended while nobody listened."""


def upgrade() -> None:
    op.execute(ANNOUNCE)
    for name, definition in TRIGGERS.items():
        op.execute(f"create trigger {name} {definition}")
    op.create_index(
        FINISHED,
        "image_job",
        ["team_id", "finished_at"],
        postgresql_where=sa.text("finished_at is not null"),
    )


def downgrade() -> None:
    op.drop_index(FINISHED, "image_job")
    op.execute("drop function announce_image cascade")
