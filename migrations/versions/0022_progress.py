"""Announces, to whoever listens, that a bulk job or an export got on or is gone: ids, on the channel of images.

It is GONE that is said, which concerns only those who follow this very id: a server of the version before tells nobody of it.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

ANNOUNCE = """
create function announce_progress() returns trigger language plpgsql as $$
begin
  perform pg_notify('pictor_images', concat_ws(' ', old.team_id, old.id, 'GONE'));
  return null;
end $$
"""
ANNOUNCE_JOB = """
create function announce_export() returns trigger language plpgsql as $$
begin
  perform pg_notify('pictor_images', concat_ws(' ', old.team_id, old.image_id, 'GONE'));
  return null;
end $$
"""
"""A dataset's job has the dataset's id for that of an image."""
TRIGGERS = {
    "bulk_job_advanced": """
        after update of status, done, changed, gone, crowded on bulk_job for each row
        when ((old.status, old.done, old.changed, old.gone, old.crowded)
          is distinct from (new.status, new.done, new.changed, new.gone, new.crowded))
        execute function announce_progress()
    """,
    "bulk_job_deleted": "after delete on bulk_job for each row execute function announce_progress()",
    "dataset_advanced": """
        after update of done, files, deleted_at on dataset for each row
        when ((old.done, old.files, old.deleted_at) is distinct from (new.done, new.files, new.deleted_at))
        execute function announce_progress()
    """,
    "export_advanced": """
        after update of state, error on image_job for each row
        when (new.kind = 'EXPORT' and (old.state, old.error) is distinct from (new.state, new.error))
        execute function announce_export()
    """,
}


def upgrade() -> None:
    op.execute(ANNOUNCE)
    op.execute(ANNOUNCE_JOB)
    for name, definition in TRIGGERS.items():
        op.execute(f"create trigger {name} {definition}")


def downgrade() -> None:
    op.execute("drop function announce_progress cascade")
    op.execute("drop function announce_export cascade")
