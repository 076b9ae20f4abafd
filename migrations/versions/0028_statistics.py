"""PostgreSQL looks at the tables of what teams have after every 1,000 changes, and not after a tenth of all their rows.

What its statistics do not know it takes for one row, and joins two such by comparing each with each. A new team of 2,000
images was unknown until a library of 60,000 had grown by 6,000: some counts took a minute instead of 20 ms.
"""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

TABLES = (
    "collection",
    "collection_image",
    "draw_head",
    "draw_line",
    "duplicate",
    "duplicate_check",
    "duplicate_pair",
    "image",
    "image_tag",
    "not_duplicate",
    "tag",
    *(f"image_vector_p{part}" for part in range(16)),
)
OPTIONS = {"autovacuum_analyze_scale_factor": "0", "autovacuum_analyze_threshold": "1000"}


def upgrade() -> None:
    options = ", ".join(f"{name} = {value}" for name, value in OPTIONS.items())
    for table in TABLES:
        op.execute(f"alter table {table} set ({options})")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"alter table {table} reset ({', '.join(OPTIONS)})")
