"""What the whole installation is known by: its id, its secret key, its store."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import columns
from app.db.models.columns import Base


class Installation(Base):
    """One row, made by the first process that starts. `is_one` lets there be no second.

    `key_fingerprint` is made of the secret key and tells nothing of it (services/auditing/audit_key). `marked_at`: when the
    store first bore this installation's mark (services/store_mark).
    """

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("is_one", name="one"),)

    is_one: Mapped[bool] = mapped_column(primary_key=True, server_default=true())
    id: Mapped[UUID] = mapped_column(server_default=columns.NEW_ID)
    key_fingerprint: Mapped[bytes | None]
    marked_at: Mapped[datetime | None]
