"""Datasets: frozen exports of images; and where each tag came from.

Tags that were there before have the source UNKNOWN: nobody wrote it down.
"""

import re

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db.database import ACTING_ROLE, AUDIT_ROLE, WORKER_ROLE

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SOURCES = ("MANUAL", "API", "UPLOAD", "BULK", "IMPORT", "UNKNOWN")
OWN_TEAM = "coalesce(team_id = any((select nullif(current_setting('app.team_ids', true), '')::uuid[])::uuid[]), false)"
"""As in migration 0005."""
GRANTS = {
    ACTING_ROLE: "select, insert, update (deleted_at)",
    WORKER_ROLE: "select, update (run_id, done, image_count, files, snapshot_at, finished_at), delete",
    AUDIT_ROLE: "select (id, team_id)",
}
POLICIES = [
    (ACTING_ROLE, "all", f"using ({OWN_TEAM}) with check ({OWN_TEAM})"),
    (WORKER_ROLE, "all", "using (true) with check (true)"),
    (AUDIT_ROLE, "select", "using (true)"),
]
KINDS = "ck_image_job_jobkind"


def upgrade() -> None:
    op.add_column(
        "image_tag",
        sa.Column(
            "source",
            sa.Enum(
                *SOURCES, name="tagsource", native_enum=False, create_constraint=False, length=16
            ),
            server_default="UNKNOWN",
            nullable=False,
        ),
    )
    listed = ", ".join(f"'{one}'" for one in SOURCES)
    op.create_check_constraint(op.f("ck_image_tag_tagsource"), "image_tag", f"source in ({listed})")
    _set_kinds([*(one for one in _kinds() if one != "EXPORT"), "EXPORT"])
    op.create_table(
        "dataset",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("image_count", sa.Integer(), nullable=True),
        sa.Column("files", postgresql.JSONB(), nullable=True),
        _time("created_at", server_default=sa.text("now()"), nullable=False),
        _time("snapshot_at"),
        _time("finished_at"),
        _time("deleted_at"),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_dataset_team_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["app_user.id"], name=op.f("fk_dataset_created_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
    )
    op.create_index(op.f("ix_dataset_team_id_id"), "dataset", ["team_id", "id"])
    op.create_index(op.f("ix_dataset_created_by"), "dataset", ["created_by"])
    op.execute("alter table dataset enable row level security")
    for role, what in GRANTS.items():
        op.execute(f"grant {what} on dataset to {role}")
    for role, command, clauses in POLICIES:
        op.execute(f"create policy {role}_{command} on dataset for {command} to {role} {clauses}")


def _time(name: str, *, nullable: bool = True, **more: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, **more)


def _kinds() -> list[str]:
    """The kinds of jobs that the database takes now, whichever migrations came before."""
    query = sa.text("select pg_get_constraintdef(oid) from pg_constraint where conname = :name")
    definition = op.get_bind().execute(query, {"name": KINDS}).scalar_one()
    return re.findall(r"'([A-Z_]+)'", definition)


def _set_kinds(kinds: list[str]) -> None:
    op.drop_constraint(op.f(KINDS), "image_job")
    listed = ", ".join(f"'{one}'" for one in kinds)
    op.create_check_constraint(op.f(KINDS), "image_job", f"kind in ({listed})")


def downgrade() -> None:
    op.drop_table("dataset")
    op.execute("delete from image_job where kind = 'EXPORT'")
    _set_kinds([one for one in _kinds() if one != "EXPORT"])
    op.drop_column("image_tag", "source")
