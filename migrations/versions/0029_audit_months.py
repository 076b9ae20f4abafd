"""The months of the audit log are made by whoever keeps them ahead, and dropped by the owner of the tables alone.

Both functions run with the owner's rights, and PostgreSQL lets everybody call a function unless it is told otherwise: any
role could drop the whole record, which the triggers keep from every other end.
"""

from alembic import op

from app.db.database import AUDIT_ROLE

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

FUNCTIONS = ("audit_make_months(date)", "audit_drop_months(date)")


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"revoke execute on function {function} from public")
    op.execute(f"grant execute on function audit_make_months(date) to {AUDIT_ROLE}")


def downgrade() -> None:
    op.execute(f"revoke execute on function audit_make_months(date) from {AUDIT_ROLE}")
    for function in FUNCTIONS:
        op.execute(f"grant execute on function {function} to public")
