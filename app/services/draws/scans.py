"""Scans: everything that matches is read, and the images with the smallest of keys made by chance are drawn."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Double, Integer, Select, all_, any_, cast, func, literal, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image
from app.db.prepared import IMAGES, Prepared
from app.services.draws import darts, recency, shuffles
from app.services.draws.values import MOMENT, array, value
from app.services.filters import ALWAYS, Match

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
    if match.beside and match.created_at != ALWAYS:
        values = darts.values(match, count, half_life_days) | {"drawn": [one.id for one in drawn]}
        rows = await DATED[half_life_days is not None].rows(session, values)
        if rows[0][-1]:
            return [IMAGES.of(row) for row in rows if row[0] is not None]
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


def _key(weight: Any) -> Any:
    """`random()` lies in [0, 1), so it is its complement that has a logarithm."""
    return -func.ln(1 - func.random()) / cast(weight, Double)


def _logarithm(key: Any) -> Any:
    return func.ln(func.greatest(key, literal(LEAST_KEY, Double())))


def _dated(*, aged: bool) -> Select[Any]:
    """Of images of all tags and dates, if the dates alone leave no more than a few: `few` says whether they do.

    By the index of dates, and made once: no time goes into a plan for these values, which else is worth it.
    """
    few = value("few", Integer())
    dated = (
        select(Image.id, Image.team_id, Image.created_at, Image.draw_weight)
        .where(
            Image.team_id == any_(array("teams")),
            Image.created_at >= value("since", MOMENT),
            Image.created_at < value("until", MOMENT),
        )
        .limit(few + 1)
        .cte("dated")
        .prefix_with("materialized")
    )
    are_few = select(func.count()).select_from(dated).scalar_subquery() <= few
    names = value("names", Integer())
    key = _key(dated.c.draw_weight)
    if aged:
        key = _logarithm(key) + value("gain", Double()) * recency.seconds(dated.c.created_at)
    chosen = (
        select(dated.c.id, key.label("key"))
        .where(
            are_few,
            dated.c.draw_weight > 0,
            dated.c.id != all_(array("drawn")),
            or_(names == 0, darts.carried(dated) == names),
        )
        .order_by("key")
        .limit(value("count", Integer()))
        .subquery("chosen")
    )
    whole = select(are_few.label("few")).subquery("whole")
    return (
        select(Image, whole.c.few)
        .select_from(whole)
        .outerjoin(chosen, true())
        .outerjoin(Image, Image.id == chosen.c.id)
        .order_by(chosen.c.key)
    )


DATED: Final = tuple(Prepared(_dated(aged=aged)) for aged in (False, True))
