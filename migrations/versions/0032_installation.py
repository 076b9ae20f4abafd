"""What the installation is known by, so that a process with another secret key or another store is told apart."""

import sqlalchemy as sa
from alembic import op

from app.db.database import WORKER_ROLE

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("is_one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("key_fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("is_one", name=op.f("ck_installation_one")),
        sa.PrimaryKeyConstraint("is_one", name=op.f("pk_installation")),
    )
    op.execute("alter table installation enable row level security")
    op.execute(f"grant select, insert, update on installation to {WORKER_ROLE}")
    op.execute(
        f"create policy {WORKER_ROLE}_all on installation for all to {WORKER_ROLE}"
        " using (true) with check (true)"
    )


def downgrade() -> None:
    op.drop_table("installation")
