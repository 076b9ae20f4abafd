"""Values of the statements that are made once."""

from typing import Any, Final

from sqlalchemy import ARRAY, DateTime, Uuid, bindparam, cast, select

UUIDS: Final = ARRAY(Uuid())
MOMENT: Final = DateTime(timezone=True)


def value(name: str, kind: Any) -> Any:
    """In a query of its own it does not change what PostgreSQL expects, so that it soon keeps one plan for all values: to plan
    takes as long as thirty darts."""
    return select(bindparam(name, type_=kind)).scalar_subquery()


def array(name: str) -> Any:
    """Ids. The cast keeps it from being taken for a query of ids."""
    return cast(value(name, UUIDS), UUIDS)
