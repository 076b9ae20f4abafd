"""Bulk jobs: one change of many images, and the lists of those that are still to be done."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db.database import ACTING_ROLE, AUDIT_ROLE, WORKER_ROLE

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

OWN_TEAM = "coalesce(team_id = any((select nullif(current_setting('app.team_ids', true), '')::uuid[])::uuid[]), false)"
"""As in migration 0005."""
STATUSES = ("PREPARED", "QUEUED", "RUNNING", "DONE", "FAILED", "CANCELLED")
ACTIONS = (
    "ADD_TAGS",
    "REMOVE_TAGS",
    "SET_WEIGHT",
    "ADD_TO_COLLECTION",
    "REMOVE_FROM_COLLECTION",
    "TRASH",
    "RESTORE",
)
# Images are changed as whoever started the job: the worker deals with the job alone.
GRANTS = (
    ("bulk_job", ACTING_ROLE, "select, insert, update, delete"),
    ("bulk_part", ACTING_ROLE, "select, insert, delete"),
    ("bulk_job", WORKER_ROLE, "select, update, delete"),
    ("bulk_part", WORKER_ROLE, "select, delete"),
    # Whose a job is that somebody named.
    ("bulk_job", AUDIT_ROLE, "select (id, team_id)"),
)
POLICIES = (
    *((table, ACTING_ROLE, "all", OWN_TEAM) for table in ("bulk_job", "bulk_part")),
    *((table, WORKER_ROLE, "all", "true") for table in ("bulk_job", "bulk_part")),
    ("bulk_job", AUDIT_ROLE, "select", "true"),
)


def upgrade() -> None:
    _create_job()
    op.create_table(
        "bulk_part",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id", "job_id"],
            ["bulk_job.team_id", "bulk_job.id"],
            name=op.f("fk_bulk_part_team_id_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("team_id", "job_id", "seq", name=op.f("pk_bulk_part")),
    )
    for table in ("bulk_job", "bulk_part"):
        op.execute(f"alter table {table} enable row level security")
    for table, role, what in GRANTS:
        op.execute(f"grant {what} on {table} to {role}")
    for table, role, command, condition in POLICIES:
        check = "" if command == "select" else f"with check ({condition})"
        op.execute(
            f"create policy {role}_{command} on {table} for {command} to {role}"
            f" using ({condition}) {check}"
        )


def _create_job() -> None:
    def number(name: str) -> sa.Column[int]:
        return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)

    def list_of(name: str, kind: sa.types.TypeEngine[object]) -> sa.Column[object]:
        return sa.Column(
            name, postgresql.ARRAY(kind), server_default=sa.text("'{}'"), nullable=False
        )

    def when(name: str) -> sa.Column[object]:
        return sa.Column(name, sa.DateTime(timezone=True), nullable=True)

    def who(name: str) -> sa.Column[object]:
        return sa.Column(name, sa.Uuid(), nullable=True)

    def one_of(kind: str, length: int, values: tuple[str, ...]) -> sa.Enum:
        return sa.Enum(*values, name=kind, native_enum=False, create_constraint=True, length=length)

    op.create_table(
        "bulk_job",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            one_of("bulkstatus", 16, STATUSES),
            server_default="PREPARED",
            nullable=False,
        ),
        sa.Column("action", one_of("bulkaction", 24, ACTIONS), nullable=False),
        list_of("tags", sa.Text()),
        list_of("new_tags", sa.Text()),
        list_of("tag_ids", sa.Uuid()),
        sa.Column("weight", sa.BigInteger(), nullable=True),
        who("collection_id"),
        sa.Column("part_size", sa.Integer(), nullable=False),
        *(number(name) for name in ("part", "total", "done", "changed", "gone", "crowded")),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        who("created_by"),
        when("started_at"),
        who("started_by"),
        who("api_key_id"),
        sa.Column("request_id", sa.String(length=64), server_default=sa.text("''"), nullable=False),
        who("run_id"),
        when("lease_until"),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        when("finished_at"),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_bulk_job_team_id"), ondelete="CASCADE"
        ),
        *(
            sa.ForeignKeyConstraint(
                [name], ["app_user.id"], name=op.f(f"fk_bulk_job_{name}"), ondelete="SET NULL"
            )
            for name in ("created_by", "started_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_job")),
        sa.UniqueConstraint("team_id", "id", name=op.f("uq_bulk_job_team_id_id")),
    )
    op.create_index(
        "ix_bulk_job_open",
        "bulk_job",
        ["team_id", "started_at", "id"],
        postgresql_where=sa.text("status in ('QUEUED', 'RUNNING')"),
    )
    for name in ("created_by", "started_by"):
        op.create_index(op.f(f"ix_bulk_job_{name}"), "bulk_job", [name])


def downgrade() -> None:
    op.drop_table("bulk_part")
    op.drop_table("bulk_job")
