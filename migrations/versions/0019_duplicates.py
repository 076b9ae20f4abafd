"""Near-copies: pairs that a worker found, groups that they make, and what people said are none."""

import sqlalchemy as sa
from alembic import op

from app.db.database import ACTING_ROLE, WORKER_ROLE

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None

OWN_TEAM = "coalesce(team_id = any((select nullif(current_setting('app.team_ids', true), '')::uuid[])::uuid[]), false)"
"""As in migration 0005."""
ALL = "select, insert, update, delete"
GRANTS = {
    "duplicate_check": {ACTING_ROLE: "select, delete", WORKER_ROLE: ALL},
    "duplicate_pair": {ACTING_ROLE: "select, delete", WORKER_ROLE: ALL},
    "not_duplicate": {ACTING_ROLE: "select, insert, delete", WORKER_ROLE: "select, delete"},
    "duplicate": {ACTING_ROLE: ALL, WORKER_ROLE: ALL},
}
CONDITION = {ACTING_ROLE: OWN_TEAM, WORKER_ROLE: "true"}


def upgrade() -> None:
    _tables()
    for table, rights in GRANTS.items():
        op.execute(f"alter table {table} enable row level security")
        for role, what in rights.items():
            op.execute(f"grant {what} on {table} to {role}")
            op.execute(
                f"create policy {role}_all on {table} for all to {role}"
                f" using ({CONDITION[role]}) with check ({CONDITION[role]})"
            )


def _tables() -> None:
    op.create_table(
        "duplicate_check",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        _image("duplicate_check", "image_id"),
        sa.PrimaryKeyConstraint("team_id", "image_id", name=op.f("pk_duplicate_check")),
    )
    _pairs(
        "duplicate_pair",
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["embedding_model.id"],
            name=op.f("fk_duplicate_pair_model_id"),
            ondelete="CASCADE",
        ),
    )
    _pairs(
        "not_duplicate",
        sa.Column("marked_by", sa.Uuid(), nullable=True),
        sa.Column(
            "marked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["marked_by"],
            ["app_user.id"],
            name=op.f("fk_not_duplicate_marked_by"),
            ondelete="SET NULL",
        ),
    )
    op.create_table(
        "duplicate",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        _image("duplicate", "image_id"),
        sa.PrimaryKeyConstraint("team_id", "image_id", name=op.f("pk_duplicate")),
    )
    op.create_index(
        op.f("ix_duplicate_team_id_group_id_image_id"),
        "duplicate",
        ["team_id", "group_id", "image_id"],
    )


def _pairs(table: str, *more: sa.schema.SchemaItem) -> None:
    op.create_table(
        table,
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("low_id", sa.Uuid(), nullable=False),
        sa.Column("high_id", sa.Uuid(), nullable=False),
        *more,
        _image(table, "low_id"),
        _image(table, "high_id"),
        sa.CheckConstraint("low_id < high_id", name=op.f(f"ck_{table}_order")),
        sa.PrimaryKeyConstraint("team_id", "low_id", "high_id", name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f(f"ix_{table}_team_id_high_id"), table, ["team_id", "high_id"])


def _image(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["team_id", column],
        ["image.team_id", "image.id"],
        name=op.f(f"fk_{table}_team_id_{column}"),
        ondelete="CASCADE",
    )


def downgrade() -> None:
    for table in GRANTS:
        op.drop_table(table)
