"""Recency: in a draw, an image's share halves with every half-life that it is older than another image."""

import math
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Double,
    ScalarSelect,
    Uuid,
    column,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.orm import aliased

from app.db.models import Image
from app.errors import bad_input

DAY_SECONDS: Final = 86_400
SHORTEST_DAYS: Final = 0.01
LONGEST_DAYS: Final = 1_000_000.0
"""Within these, a double keeps the exponent of any date of upload to nine digits behind the point."""


def check(half_life_days: float | None) -> None:
    """BAD_USER_INPUT for a half-life that halves nothing, or so fast that nothing but the newest is left."""
    # Written so that what is no number is refused too.
    if half_life_days is not None and not SHORTEST_DAYS <= half_life_days <= LONGEST_DAYS:
        raise bad_input(
            "recency.halfLifeDays",
            f"A half-life lies between {SHORTEST_DAYS} and {LONGEST_DAYS:.0f} days.",
        )


def seconds(created_at: Any) -> ColumnElement[float]:
    """Since 1970."""
    return func.date_part(literal_column("'epoch'"), created_at, type_=Double())


def gain(half_life_days: float) -> ColumnElement[Any]:
    """What an image's date adds to the logarithm of its weight, up to a sum that is the same for all.

    Weights count relative to each other, so that it does not matter at which moment age is measured: here it is
    1970, and nobody has to agree on what time it is now.
    """
    life: ColumnElement[Any] = literal(DAY_SECONDS * half_life_days, Double())
    return literal(math.log(2), Double()) * seconds(Image.created_at) / life


def newest(team_ids: ColumnElement[Any]) -> ScalarSelect[Any]:
    """When the newest image of these teams came.

    One probe of an index for each team; a plain maximum over several teams would read them whole.
    """
    asked = func.unnest(team_ids).table_valued(column("id", Uuid())).render_derived("asked")
    born = aliased(Image)
    last = (
        select(born.created_at)
        .where(born.team_id == asked.c.id)
        .order_by(born.created_at.desc())
        .limit(literal_column("1"))
        .lateral("last")
    )
    return (
        select(func.max(last.c.created_at)).select_from(asked).join(last, true()).scalar_subquery()
    )
