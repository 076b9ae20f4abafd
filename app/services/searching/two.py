"""A look through vectors by two connections at once, half of it each: where one would take long, and most of the pool lies idle.

Halves are of teams; of one team's tag, they are of dates.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import DateTime, Integer, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import beside
from app.db.prepared import Prepared
from app.domain import DateTimeRange
from app.services.filters import FIRST_INSTANT, LAST_INSTANT
from app.services.remembered import Remembered, about
from app.services.searching.facts import NO_SORTS
from app.services.searching.tastes import SCATTERED
from app.services.searching.vector_plan import Plan, beginning

Rows: TypeAlias = list[Sequence[Any]]

MIDDLE: Final = Prepared(
    text(
        "select created_at from image_tag where team_id = :team and tag_id = :tag and created_at >= :start and created_at < :end"
        " order by created_at offset :before limit 1"
    ).bindparams(
        bindparam("team", type_=Uuid()),
        bindparam("tag", type_=Uuid()),
        bindparam("start", type_=DateTime(timezone=True)),
        bindparam("end", type_=DateTime(timezone=True)),
        bindparam("before", type_=Integer()),
    )
)
_MIDDLES: Final = Remembered[datetime](2_000)


@dataclass(frozen=True, slots=True)
class Half:
    """These teams, or these dates of theirs."""

    plan: Plan
    dates: DateTimeRange


async def rows(
    session: AsyncSession,
    whole: Half,
    *,
    least: int | None,
    settings: Mapping[str, str],
    is_cut: Callable[[Rows], bool],
    ask: Callable[[AsyncSession, Half], Coroutine[Any, Any, Rows]],
) -> Rows | None:
    """What `ask` finds in both halves; None where there is less than `least` to do in the second, or no connection to spare; and where
    of one half more may belong to the page than was looked at. `ask` ends with a row of no team, which is the first half's.

    `settings`: of the second connection.
    """
    if least is None or (through := beside.entrance(session)) is None:
        return None
    halves = await _halves(session, whole, least)
    if halves is None:
        return None

    async def second(its: AsyncSession) -> Rows:
        return await ask(its, halves[1])

    mine, others = await beside.at_once(ask(session, halves[0]), through, settings, second)
    if others is None:
        # PostgreSQL has no room for another connection, or has ended that one.
        await session.execute(NO_SORTS)
        others = await ask(session, halves[1])
    if is_cut(mine) or is_cut(others):
        await session.execute(NO_SORTS)
        return None
    return [*mine, *(row for row in others if row[1] is not None)]


async def _halves(session: AsyncSession, whole: Half, least: int) -> tuple[Half, Half] | None:
    plan, dates = whole.plan, whole.dates
    if plans := plan.halves(least):
        return Half(plans[0], dates), Half(plans[1], dates)
    if len(plan.scanned) != 1 or plan.by_graph or not plan.rarest:
        return None
    (team,) = plan.scanned
    work = plan.work.get(team, 0.0)
    older = (work + beginning(work)) / 2
    if work - older < least:
        return None
    middle = await _middle(session, whole, team, int(older) // SCATTERED)
    if middle is None:
        return None
    return Half(plan, replace(dates, end=middle)), Half(plan, replace(dates, start=middle))


async def _middle(session: AsyncSession, whole: Half, team: UUID, before: int) -> datetime | None:
    """So many of the tag's images are older, or were when this process last looked. Only how even the halves are hangs on it."""
    tag, dates = whole.plan.rarest[team], whole.dates
    key = team, tag, about(dates), before.bit_length()
    middle = _MIDDLES.get(key)
    if middle is None:
        values = {
            "team": team,
            "tag": tag,
            "start": dates.start or FIRST_INSTANT,
            "end": dates.end or LAST_INSTANT,
            "before": before,
        }
        if found := await MIDDLE.rows(session, values):
            middle = found[0][0]
            _MIDDLES.note(key, middle)
    is_within = middle and (dates.start or middle) <= middle <= (dates.end or middle)
    return middle if is_within else None
