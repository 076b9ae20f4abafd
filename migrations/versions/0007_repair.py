"""Repair: what is wrong with an image's bytes, objects that no row explains, and when the last pass began.

The worker's role gets what it needs to end what has been in the trash for long, and to record that.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WORKER = "pictor_worker"
DAMAGE = sa.Enum(
    "MISSING",
    "WRONG_SIZE",
    "WRONG_BYTES",
    name="damage",
    native_enum=False,
    create_constraint=True,
    length=16,
)
GRANTS = {
    "orphan": "select, insert, update, delete",
    "upkeep": "select, insert, update",
    "image": "update (damage, damaged_at)",
    "image_tag": "delete",
    "collection_image": "select, delete",
    "audit_event": "insert",
    "audit_head": "select, insert, update",
}
POLICIES = {
    "orphan": "all",
    "upkeep": "all",
    "collection_image": "all",
    "audit_event": "insert",
    "audit_head": "all",
}


def upgrade() -> None:
    op.add_column("image", sa.Column("damage", DAMAGE, nullable=True))
    op.add_column("image", sa.Column("damaged_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_image_object_key", "image", ["object_key"])
    op.create_index(
        "ix_image_damaged",
        "image",
        ["team_id", "id"],
        postgresql_where=sa.text("damage is not null"),
    )
    op.create_index(
        "ix_image_trashed",
        "image",
        ["trashed_at"],
        postgresql_where=sa.text("state = 'STORED' and trashed_at is not null"),
    )
    op.create_table(
        "orphan",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "sighted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_orphan")),
    )
    op.create_table(
        "upkeep",
        sa.Column("task", sa.String(length=32), nullable=False),
        sa.Column(
            "began_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("task", name=op.f("pk_upkeep")),
    )
    for table in ("orphan", "upkeep"):
        op.execute(f"alter table {table} enable row level security")
    for table, what in GRANTS.items():
        op.execute(f"grant {what} on {table} to {WORKER}")
    for table, command in POLICIES.items():
        clauses = "with check (true)" if command == "insert" else "using (true) with check (true)"
        op.execute(
            f"create policy {WORKER}_{command} on {table} for {command} to {WORKER} {clauses}"
        )


def downgrade() -> None:
    for table, command in POLICIES.items():
        op.execute(f"drop policy {WORKER}_{command} on {table}")
    for table, what in GRANTS.items():
        op.execute(f"revoke {what} on {table} from {WORKER}")
    op.drop_table("upkeep")
    op.drop_table("orphan")
    for index in ("ix_image_trashed", "ix_image_damaged", "ix_image_object_key"):
        op.drop_index(index, table_name="image")
    op.drop_column("image", "damaged_at")
    op.drop_column("image", "damage")
