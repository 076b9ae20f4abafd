"""The whole data model: tables, the id function, partitions. Triggers come next."""

import pgvector.sqlalchemy
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


VECTOR_PARTITIONS = 16

# uuidv7 of PostgreSQL 18; before it, 48 bits of milliseconds before 74 random ones (RFC 9562, section 5.7).
NEW_ID = """
create function new_id() returns uuid language plpgsql volatile parallel safe as $$
begin
  if current_setting('server_version_num')::int >= 180000 then return uuidv7(); end if;
  return encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
    placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
    from 1 for 6), 52, 1), 53, 1), 'hex')::uuid;
end $$
"""


def upgrade() -> None:
    op.execute("create extension if not exists vector")
    op.execute(NEW_ID)
    op.create_table(
        "app_user",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("is_operator", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_user")),
        sa.UniqueConstraint("email", name=op.f("uq_app_user_email")),
    )
    op.create_table(
        "audit_event",
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "ALLOWED",
                "DENIED",
                "FAILED",
                name="auditoutcome",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("client_ip", postgresql.INET(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("at", "id", name=op.f("pk_audit_event")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_audit_event_subject", "audit_event", ["subject_id", "at"], unique=False)
    op.create_index("ix_audit_event_team", "audit_event", ["team_id", "at", "id"], unique=False)
    op.create_table(
        "draw_head",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("live", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("images", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "tag_id", "lane", name=op.f("pk_draw_head")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "draw_line",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("pos", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("weight", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("weight > 0", name=op.f("ck_draw_line_weight")),
        sa.PrimaryKeyConstraint("team_id", "tag_id", "lane", "pos", name=op.f("pk_draw_line")),
    )
    op.create_index(
        "uq_draw_line_image", "draw_line", ["team_id", "image_id", "tag_id"], unique=True
    )
    op.create_table(
        "embedding_model",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "BUILDING",
                "ACTIVE",
                "RETIRED",
                name="modelstate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            server_default="BUILDING",
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embedding_model")),
        sa.UniqueConstraint("name", "revision", name=op.f("uq_embedding_model_name_revision")),
    )
    op.create_index(
        "uq_embedding_model_active",
        "embedding_model",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_table(
        "team",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column(
            "tag_policy",
            sa.Enum(
                "OPEN",
                "CLOSED",
                name="tagpolicy",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            server_default="OPEN",
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team")),
        sa.UniqueConstraint("slug", name=op.f("uq_team_slug")),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "VIEWER",
                "EDITOR",
                "ADMIN",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("public_id", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_api_key_team_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_api_key_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("public_id", name=op.f("uq_api_key_public_id")),
    )
    op.create_index(op.f("ix_api_key_team_id_id"), "api_key", ["team_id", "id"], unique=False)
    op.create_index(op.f("ix_api_key_user_id_id"), "api_key", ["user_id", "id"], unique=False)
    op.create_table(
        "collection",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"],
            ["app_user.id"],
            name=op.f("fk_collection_created_by"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_collection_team_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection")),
        sa.UniqueConstraint("team_id", "id", name=op.f("uq_collection_team_id_id")),
    )
    op.create_index(
        op.f("ix_collection_team_id_name_id"), "collection", ["team_id", "name", "id"], unique=False
    )
    op.create_table(
        "image",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "PENDING",
                "STORED",
                "DELETED",
                name="imagestate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            server_default="PENDING",
            nullable=False,
        ),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "format",
            sa.Enum(
                "JPEG",
                "PNG",
                "WEBP",
                "GIF",
                "AVIF",
                name="imageformat",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("filename", sa.String(), server_default="", nullable=False),
        sa.Column("title", sa.String(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("weight", sa.BigInteger(), server_default=sa.text("1000000"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trashed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "exif",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("thumb_hash", sa.LargeBinary(), nullable=True),
        sa.Column(
            "thumbnails",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "processing",
            sa.Enum(
                "PENDING",
                "PROCESSING",
                "READY",
                "FAILED",
                name="processingstatus",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            server_default="PENDING",
            nullable=False,
        ),
        sa.Column(
            "draw_weight",
            sa.BigInteger(),
            sa.Computed(
                "case when state = 'STORED' and trashed_at is null then weight else 0 end",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column(
            "live",
            sa.Boolean(),
            sa.Computed("state = 'STORED' and trashed_at is null", persisted=True),
            nullable=False,
        ),
        sa.Column("words", postgresql.TSVECTOR(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("weight >= 0", name=op.f("ck_image_weight")),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_image_team_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["uploaded_by"], ["app_user.id"], name=op.f("fk_image_uploaded_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image")),
        sa.UniqueConstraint("team_id", "id", name=op.f("uq_image_team_id_id")),
    )
    op.create_index(
        "ix_image_pending",
        "image",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.create_index(
        op.f("ix_image_team_id_created_at_id"),
        "image",
        ["team_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_image_team_id_size_bytes_id"),
        "image",
        ["team_id", "size_bytes", "id"],
        unique=False,
    )
    op.create_index(
        "ix_image_team_id_taken",
        "image",
        ["team_id", sa.literal_column("coalesce(taken_at, '-infinity')"), "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_image_team_id_title_id"), "image", ["team_id", "title", "id"], unique=False
    )
    op.create_index(
        op.f("ix_image_team_id_weight_id"), "image", ["team_id", "weight", "id"], unique=False
    )
    op.create_index(op.f("ix_image_uploaded_by"), "image", ["uploaded_by"], unique=False)
    op.create_index("ix_image_words", "image", ["words"], unique=False, postgresql_using="gin")
    op.create_index(
        "uq_image_team_id_sha256",
        "image",
        ["team_id", "sha256"],
        unique=True,
        postgresql_where=sa.text("state = 'STORED'"),
    )
    op.create_table(
        "image_job",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "EMBED",
                "THUMBNAILS",
                "PURGE",
                name="jobkind",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "QUEUED",
                "RUNNING",
                "DONE",
                "FAILED",
                name="jobstate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            server_default="QUEUED",
            nullable=False,
        ),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "run_after", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_image_job_team_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image_job")),
        sa.UniqueConstraint(
            "team_id", "image_id", "kind", name=op.f("uq_image_job_team_id_image_id_kind")
        ),
    )
    op.create_index(
        "ix_image_job_due",
        "image_job",
        ["run_after", "id"],
        unique=False,
        postgresql_where=sa.text("state in ('QUEUED', 'RUNNING')"),
    )
    op.create_table(
        "membership",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "VIEWER",
                "EDITOR",
                "ADMIN",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column(
            "since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_membership_team_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_membership_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        sa.UniqueConstraint("team_id", "user_id", name=op.f("uq_membership_team_id_user_id")),
    )
    op.create_index(op.f("ix_membership_user_id"), "membership", ["user_id"], unique=False)
    op.create_table(
        "password_token",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_password_token_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_password_token_token_hash")),
    )
    op.create_index(op.f("ix_password_token_user_id"), "password_token", ["user_id"], unique=False)
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_session_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_session_token_hash")),
    )
    op.create_index(op.f("ix_session_expires_at"), "session", ["expires_at"], unique=False)
    op.create_index(op.f("ix_session_user_id"), "session", ["user_id"], unique=False)
    op.create_table(
        "tag",
        sa.Column("id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["app_user.id"], name=op.f("fk_tag_created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_tag_team_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
        sa.UniqueConstraint("team_id", "id", name=op.f("uq_tag_team_id_id")),
        sa.UniqueConstraint("team_id", "key", name=op.f("uq_tag_team_id_key")),
    )
    op.create_table(
        "collection_image",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=True),
        sa.Column(
            "added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["added_by"],
            ["app_user.id"],
            name=op.f("fk_collection_image_added_by"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["team_id", "collection_id"],
            ["collection.team_id", "collection.id"],
            name=op.f("fk_collection_image_team_id_collection_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["team_id", "image_id"],
            ["image.team_id", "image.id"],
            name=op.f("fk_collection_image_team_id_image_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "team_id", "collection_id", "image_id", name=op.f("pk_collection_image")
        ),
    )
    op.create_index(
        "ix_collection_image_image", "collection_image", ["team_id", "image_id"], unique=False
    )
    op.create_index(
        "ix_collection_image_page",
        "collection_image",
        [
            "team_id",
            "collection_id",
            sa.literal_column("created_at DESC"),
            sa.literal_column("image_id DESC"),
        ],
        unique=False,
    )
    op.create_table(
        "image_tag",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tagged_by", sa.Uuid(), nullable=True),
        sa.Column(
            "tagged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["tagged_by"], ["app_user.id"], name=op.f("fk_image_tag_tagged_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["team_id", "image_id"],
            ["image.team_id", "image.id"],
            name=op.f("fk_image_tag_team_id_image_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["team_id", "tag_id"],
            ["tag.team_id", "tag.id"],
            name=op.f("fk_image_tag_team_id_tag_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("team_id", "image_id", "tag_id", name=op.f("pk_image_tag")),
    )
    op.create_index(
        "ix_image_tag_page",
        "image_tag",
        [
            "team_id",
            "tag_id",
            sa.literal_column("created_at DESC"),
            sa.literal_column("image_id DESC"),
        ],
        unique=False,
    )
    op.create_table(
        "image_vector",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tag_ids", sa.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("embedding", pgvector.sqlalchemy.halfvec.HALFVEC(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["embedding_model.id"],
            name=op.f("fk_image_vector_model_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["team_id", "image_id"],
            ["image.team_id", "image.id"],
            name=op.f("fk_image_vector_team_id_image_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("team_id", "model_id", "image_id", name=op.f("pk_image_vector")),
        postgresql_partition_by="HASH (team_id)",
    )
    op.create_index(
        "ix_image_vector_created",
        "image_vector",
        ["team_id", "model_id", "created_at"],
        unique=False,
    )
    op.create_index("ix_image_vector_image", "image_vector", ["team_id", "image_id"], unique=False)
    for part in range(VECTOR_PARTITIONS):
        op.execute(
            f"create table image_vector_p{part} partition of image_vector"
            f" for values with (modulus {VECTOR_PARTITIONS}, remainder {part})"
        )
    op.execute("create table audit_event_default partition of audit_event default")


def downgrade() -> None:
    op.drop_index("ix_image_vector_image", table_name="image_vector")
    op.drop_index("ix_image_vector_created", table_name="image_vector")
    op.drop_table("image_vector")
    op.drop_index("ix_image_tag_page", table_name="image_tag")
    op.drop_table("image_tag")
    op.drop_index("ix_collection_image_page", table_name="collection_image")
    op.drop_index("ix_collection_image_image", table_name="collection_image")
    op.drop_table("collection_image")
    op.drop_table("tag")
    op.drop_index(op.f("ix_session_user_id"), table_name="session")
    op.drop_index(op.f("ix_session_expires_at"), table_name="session")
    op.drop_table("session")
    op.drop_index(op.f("ix_password_token_user_id"), table_name="password_token")
    op.drop_table("password_token")
    op.drop_index(op.f("ix_membership_user_id"), table_name="membership")
    op.drop_table("membership")
    op.drop_index(
        "ix_image_job_due",
        table_name="image_job",
        postgresql_where=sa.text("state in ('QUEUED', 'RUNNING')"),
    )
    op.drop_table("image_job")
    op.drop_index(
        "uq_image_team_id_sha256", table_name="image", postgresql_where=sa.text("state = 'STORED'")
    )
    op.drop_index("ix_image_words", table_name="image", postgresql_using="gin")
    op.drop_index(op.f("ix_image_uploaded_by"), table_name="image")
    op.drop_index(op.f("ix_image_team_id_weight_id"), table_name="image")
    op.drop_index(op.f("ix_image_team_id_title_id"), table_name="image")
    op.drop_index("ix_image_team_id_taken", table_name="image")
    op.drop_index(op.f("ix_image_team_id_size_bytes_id"), table_name="image")
    op.drop_index(op.f("ix_image_team_id_created_at_id"), table_name="image")
    op.drop_index(
        "ix_image_pending", table_name="image", postgresql_where=sa.text("state = 'PENDING'")
    )
    op.drop_table("image")
    op.drop_index(op.f("ix_collection_team_id_name_id"), table_name="collection")
    op.drop_table("collection")
    op.drop_index(op.f("ix_api_key_user_id_id"), table_name="api_key")
    op.drop_index(op.f("ix_api_key_team_id_id"), table_name="api_key")
    op.drop_table("api_key")
    op.drop_table("team")
    op.drop_index(
        "uq_embedding_model_active",
        table_name="embedding_model",
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.drop_table("embedding_model")
    op.drop_index("uq_draw_line_image", table_name="draw_line")
    op.drop_table("draw_line")
    op.drop_table("draw_head")
    op.drop_index("ix_audit_event_team", table_name="audit_event")
    op.drop_index("ix_audit_event_subject", table_name="audit_event")
    op.drop_table("audit_event")
    op.drop_table("app_user")
    op.execute("drop function new_id()")
