"""What every table is made of: the base, and the columns that many have. No table is here."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    LargeBinary,
    MetaData,
    TypeDecorator,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Instant(TypeDecorator[datetime]):
    """Of a time that somebody names. The driver stores the very ends of the calendar as PostgreSQL's infinities, and
    gives those back without a zone: whoever compared or wrote such a value would fail."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo is not None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it from the class
        datetime: DateTime(timezone=True),
        bytes: LargeBinary,
        dict[str, Any]: JSONB,
    }


NEW_ID = text("new_id()")


def enum(kind: type[StrEnum], length: int = 16) -> Enum:
    """Text with a check: values are added without a table rewrite, and equality is leakproof under RLS."""
    return Enum(
        kind, native_enum=False, create_constraint=True, length=length, name=kind.__name__.lower()
    )


def id() -> Mapped[UUID]:
    return mapped_column(primary_key=True, server_default=NEW_ID)


def now() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


def team() -> Mapped[UUID]:
    return mapped_column(ForeignKey("team.id", ondelete="CASCADE"))


def person() -> Mapped[UUID | None]:
    """A user whose deletion leaves this row, without its name."""
    return mapped_column(ForeignKey("app_user.id", ondelete="SET NULL"))
