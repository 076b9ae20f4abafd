"""What holds whoever writes: draw lines, image counters, words and the tags beside the vectors."""

from collections.abc import Iterator
from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DROPPED = (
    "team_deleted",
    "image_inserted",
    "image_updated",
    "image_deleted",
    "image_worded",
    "image_tag_changed",
    "image_vector_tagged",
    "tag_renamed",
    "refresh_vectors",
    "image_tag_ids",
    "refresh_words",
    "lock_stored",
    "image_words",
    "readings",
    "draw_many",
    "draw_uniform",
    "draw_uniform_by_uuid",
    "draw_apply",
    "draw_compact",
    "image_lists",
    "draw_lane",
    "whole_team",
)

# Rows that were there before their triggers.
BACKFILL = (
    "update image set words = image_words(team_id, id, title, description, filename)"
    " where state = 'STORED'",
    "update image_vector set tag_ids = image_tag_ids(team_id, image_id)",
    "select draw_apply(array_agg("
    " row(i.team_id, list.tag_id, i.id, 0, i.draw_weight, false, true)::draw_change))"
    " from image i cross join image_lists(i.team_id, i.id) as list (tag_id)"
    " where i.live group by i.team_id",
)


def statements(name: str) -> Iterator[str]:
    """The paragraphs of an SQL file beside this one, without those that only comment."""
    for paragraph in Path(__file__).with_name(name).read_text().split("\n\n"):
        if any(not line.startswith("--") for line in paragraph.splitlines()):
            yield paragraph


def upgrade() -> None:
    for name in ("0002_draw.sql", "0002_tagging.sql"):
        for statement in statements(name):
            op.execute(statement)
    for statement in BACKFILL:
        op.execute(statement)


def downgrade() -> None:
    for name in DROPPED:
        op.execute(f"drop function {name} cascade")
    op.execute("drop type draw_change")
    op.execute("truncate draw_head, draw_line")
    op.execute("update image set words = ''")
    op.execute("update image_vector set tag_ids = '{}'")
