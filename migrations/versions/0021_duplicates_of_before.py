"""Near-copies among what was read before there was a list of them: 30 s for each million images.

A migration of its own, so that no lock which the tables' references took on image is held meanwhile; it may run again.
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "insert into duplicate_check (team_id, image_id) select v.team_id, v.image_id"
        " from image_vector v join embedding_model m on m.id = v.model_id where m.state = 'ACTIVE'"
        " on conflict do nothing"
    )


def downgrade() -> None:
    """What is to be looked at stays so."""
