"""Scans: everything that matches is read, and the images with the smallest of keys made by chance are drawn."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    Double,
    Integer,
    Select,
    all_,
    any_,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image
from app.db.prepared import IMAGES, Prepared
from app.services.draws import darts, recency, shuffles, spans
from app.services.draws.values import MOMENT, array, value
from app.services.filters import Match

LEAST_KEY: Final = 1e-300
"""For the one number in 2^53 that has no logarithm."""


async def draw(
    session: AsyncSession,
    match: Match,
    drawn: Sequence[Image],
    *,
    count: int,
    half_life_days: float | None = None,
) -> list[Image]:
    """`count` more than are drawn already, fewer where fewer match.

    Each image gets the key -ln(U) / weight, and the smallest keys are drawn (Efraimidis and Spirakis, "Weighted random
    sampling with a reservoir", 2006). Ids are sorted first, for whole rows are ten times as wide.
    """
    key = _key(Image.draw_weight)
    if half_life_days is not None:
        key = _logarithm(key) - recency.gain(half_life_days)
    chosen = (
        match.images()
        .with_only_columns(Image.id, key.label("key"))
        .where(Image.draw_weight > 0, Image.id.not_in([image.id for image in drawn]))
        .order_by("key")
        .limit(count)
        .subquery("chosen")
    )
    if match.lists is None:
        await session.execute(shuffles.PLAN_ANEW)
    rest = select(Image).join(chosen, chosen.c.id == Image.id).order_by(chosen.c.key)
    return list(await session.scalars(rest))


async def dated(
    session: AsyncSession,
    match: Match,
    drawn: Sequence[Image],
    *,
    count: int,
    half_life_days: float | None = None,
) -> list[Image] | None:
    """Those of a draw of `count` that are not drawn already, from a range of dates; None if it has more than a few images.

    That is remembered, so that the next draw of so many from there begins with what is the quicker way.
    """
    asked = darts.values(match, count, half_life_days)
    asked |= {"drawn": [one.id for one in drawn], "count": count - len(drawn)}
    rows = await DATED[half_life_days is not None].rows(session, asked)
    are_few = bool(rows[0][-1])
    spans.note(match, count, are_few=are_few)
    return [IMAGES.of(row) for row in rows if row[0] is not None] if are_few else None


def _key(weight: Any) -> Any:
    """`random()` lies in [0, 1), so it is its complement that has a logarithm."""
    return -func.ln(1 - func.random()) / cast(weight, Double)


def _logarithm(key: Any) -> Any:
    return func.ln(func.greatest(key, literal(LEAST_KEY, Double())))


def _dated(*, aged: bool) -> Select[Any]:
    """Of images of all tags and dates, if the dates alone leave no more than a few: `few` says whether they do.

    By the index of dates, which has all that is needed, and made once: no time goes into a plan for these values, which
    else is worth it. To read the index twice costs half of what it costs to keep what the first reading found.
    """
    within = (
        Image.team_id == any_(array("teams")),
        Image.created_at >= value("since", MOMENT),
        Image.created_at < value("until", MOMENT),
    )
    are_few = ~select(Image.id).where(*within).offset(value("few", Integer())).exists()
    # The offset is a fence: it is found out once, and before the rest.
    whole = select(are_few.label("few")).offset(literal_column("0")).subquery("whole")
    names = value("names", Integer())
    key = _key(Image.draw_weight)
    if aged:
        key = _logarithm(key) + value("gain", Double()) * recency.seconds(Image.created_at)
    chosen = (
        select(Image.id, key.label("key"))
        .where(
            *within,
            whole.c.few,
            Image.draw_weight > 0,
            Image.id != all_(array("drawn")),
            or_(names == 0, darts.carried(Image.__table__) == names),
        )
        .order_by("key")
        .limit(value("count", Integer()))
        .correlate(whole)
        .lateral("chosen")
    )
    return (
        select(Image, whole.c.few)
        .select_from(whole)
        .outerjoin(chosen, true())
        .outerjoin(Image, Image.id == chosen.c.id)
        .order_by(chosen.c.key)
    )


DATED: Final = tuple(Prepared(_dated(aged=aged)) for aged in (False, True))
