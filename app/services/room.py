"""Room: how many tags and collections an image may have, counted by the insert that adds to them."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Uuid, func, literal_column, select, tuple_
from sqlalchemy.orm import aliased

from app.db.models import CollectionImage, ImageTag
from app.errors import bad_input


def rows_before(table: type[ImageTag] | type[CollectionImage]) -> ColumnElement[int]:
    """For RETURNING of an insert: how many rows the image of each new one had before the statement."""
    other = aliased(table)
    # By name: SQLAlchemy does not correlate with the table that an insert goes into.
    new = (
        literal_column(f"{table.__tablename__}.{name}", Uuid()) for name in ("team_id", "image_id")
    )
    query = select(func.count()).where(tuple_(other.team_id, other.image_id) == tuple_(*new))
    return query.scalar_subquery()


def check(made: Iterable[Row[UUID, int]], most: int, *, field: str, what: str) -> set[UUID]:
    """The images of rows that were just made, each with how many its image had before.

    BAD_USER_INPUT where one now has more than `most`.
    """
    new: Counter[UUID] = Counter()
    had: dict[UUID, int] = {}
    for image_id, before in made:
        new[image_id] += 1
        had[image_id] = before
    if any(had[one] + count > most for one, count in new.items()):
        raise bad_input(field, f"An image has at most {most} {what}.", limit=most)
    return set(new)
