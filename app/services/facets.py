"""Counts of what a filter lets through: by tag, format, state of processing, and span of time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, TypeVar
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import (
    ColumnElement,
    Interval,
    Select,
    SQLColumnExpression,
    Text,
    case,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import sqlstate
from app.db.models import DrawHead, Image, ImageTag, Tag
from app.domain import (
    MAX_BUCKETS,
    MAX_PAGE,
    NO_ID,
    Actor,
    ImageFilter,
    ImageFormat,
    ProcessingStatus,
    TimelineField,
    TimelineUnit,
)
from app.errors import AppError, bad_input
from app.services import access, carrying, filters, paging
from app.services.filters import Match

Value = TypeVar("Value")

UNKNOWN_ZONE: Final = "22023"
"""SQLSTATE: the installation's PostgreSQL knows other time zones than its Python."""
LINKED: Final = {
    "CET": "Europe/Brussels",
    "EET": "Europe/Athens",
    "EST": "America/Panama",
    "HST": "Pacific/Honolulu",
    "MET": "Europe/Brussels",
    "MST": "America/Phoenix",
    "WET": "Europe/Lisbon",
}
"""Zones of the IANA database by another name, which PostgreSQL takes for an abbreviation: of one offset, summer and winter."""
LABELS: Final = {
    TimelineUnit.DAY: "YYYY-MM-DD",
    TimelineUnit.MONTH: "YYYY-MM",
    TimelineUnit.YEAR: "YYYY",
}
DATES: Final[dict[TimelineField, SQLColumnExpression[Any]]] = {
    TimelineField.CREATED_AT: Image.created_at,
    TimelineField.TAKEN_AT: Image.taken_at,
}
A_DAY: Final = timedelta(hours=24)
FIRST_INSTANT: Final = text("timestamptz '0001-01-01 00:00:00Z'")
LAST_INSTANT: Final = text("timestamptz '9999-12-31 23:59:59.999999Z'")
"""Between which Python, and most clients, have names for them."""
FIRST_LOCAL: Final = text("timestamp '0001-01-01 00:00:00'")
LAST_LOCAL: Final = text("timestamp '9999-12-31 23:59:59.999999'")
"""What clocks show between them; where a zone is a day ahead or behind, its first or last span takes in what is beyond."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A day, month or year of a time zone: from `start` up to `end`. `label` is its local date, as in 2026-03."""

    label: str
    start: datetime
    end: datetime
    count: int


async def read(session: AsyncSession, actor: Actor, wanted: ImageFilter) -> Match:
    """The filter as all counts of one answer use it."""
    return await filters.resolve(session, actor, wanted)


async def total(session: AsyncSession, match: Match) -> int:
    """How many images match: from the kept counters where they are exact."""
    if match.empty:
        return 0
    if match.lists is None:
        return await paging.count(session, match.images())
    counters = select(func.coalesce(func.sum(DrawHead.images), 0)).where(
        filters.in_lists(match.lists)
    )
    return int(await session.scalar(counters) or 0)


async def tags(session: AsyncSession, match: Match, first: int) -> list[tuple[Tag, int]]:
    """The tags that most of the images carry, with how many do; equal ones by name, then id.

    Where everything matches, the counters that each tag has tell it. BAD_USER_INPUT outside 1 to 100.
    """
    if not 1 <= first <= MAX_PAGE:
        raise bad_input("first", f"Between 1 and {MAX_PAGE} tags.", limit=MAX_PAGE)
    if match.empty:
        return []
    # Counted once. Where statistics do not know the team, PostgreSQL would count anew for each of its tags.
    counting = _kept(match) if _is_everything(match) else _counted(match)
    counted = counting.cte("counted").prefix_with("materialized")
    rows = await session.execute(
        select(Tag, counted.c.count)
        .join(counted, counted.c.tag_id == Tag.id)
        .where(access.in_teams(Tag.team_id, match.team_ids), counted.c.count > 0)
        .order_by(counted.c.count.desc(), Tag.key, Tag.id)
        .limit(first)
    )
    return [(tag, int(count)) for tag, count in rows]


async def formats(session: AsyncSession, match: Match) -> list[tuple[ImageFormat, int]]:
    """The formats that there are, most frequent first."""
    return await _grouped(session, match, Image.format)


async def statuses(session: AsyncSession, match: Match) -> list[tuple[ProcessingStatus, int]]:
    """The states of processing that there are, most frequent first."""
    return await _grouped(session, match, Image.processing)


async def timeline(
    session: AsyncSession,
    actor: Actor,
    wanted: ImageFilter,
    *,
    field: TimelineField,
    unit: TimelineUnit,
    zone: str,
) -> list[Bucket]:
    """The days, months or years of the time zone in which something lies, oldest first, each with how many images.

    An image without the date is in none. BAD_USER_INPUT for an unknown time zone, and beyond MAX_BUCKETS.
    """
    if zone != "UTC" and zone not in _zones():
        raise _unknown_zone()
    match = await filters.resolve(session, actor, wanted)
    if match.empty:
        return []
    try:
        rows = (await session.execute(_buckets(match, DATES[field], unit, zone))).all()
    except DBAPIError as error:
        if sqlstate(error) == UNKNOWN_ZONE:
            raise _unknown_zone() from error
        raise
    if len(rows) > MAX_BUCKETS:
        raise bad_input(
            "by",
            f"There are more than {MAX_BUCKETS}: take a longer unit, or a narrower filter.",
            limit=MAX_BUCKETS,
        )
    return [Bucket(*row) for row in rows]


@cache
def _zones() -> set[str]:
    """Names of the IANA database. PostgreSQL alone would take abbreviations and rules in POSIX form as well."""
    return available_timezones()


def _unknown_zone() -> AppError:
    return bad_input(
        "timeZone", "This is no time zone of the IANA database, such as Europe/Berlin."
    )


def _is_everything(match: Match) -> bool:
    return match.lists is not None and all(one == NO_ID for one in match.lists.values())


def _kept(match: Match) -> Select[UUID, int]:
    return (
        select(DrawHead.tag_id, func.sum(DrawHead.images).label("count"))
        .where(access.in_teams(DrawHead.team_id, match.team_ids), DrawHead.tag_id != NO_ID)
        .group_by(DrawHead.tag_id)
    )


def _counted(match: Match) -> Select[UUID, int]:
    found = match.images().with_only_columns(Image.team_id, Image.id)
    # Where statistics mislead PostgreSQL, it would look for so many names anew for each tag of each image.
    wide = carrying.is_wide(match.wanted.tags, len(match.team_ids))
    images = found.cte("images").prefix_with("materialized") if wide else found.subquery("images")
    same = (ImageTag.team_id == images.c.team_id) & (ImageTag.image_id == images.c.id)
    return (
        select(ImageTag.tag_id, func.count().label("count"))
        .join(images, same)
        .where(access.in_teams(ImageTag.team_id, match.team_ids))
        .group_by(ImageTag.tag_id)
    )


async def _grouped(
    session: AsyncSession, match: Match, column: SQLColumnExpression[Value]
) -> list[tuple[Value, int]]:
    if match.empty:
        return []
    count = func.count()
    rows = await session.execute(
        match.images()
        .with_only_columns(column, count)
        .group_by(column)
        .order_by(count.desc(), column)
    )
    return [(value, number) for value, number in rows]


def _buckets(
    match: Match, date: SQLColumnExpression[Any], unit: TimelineUnit, zone: str
) -> Select[Any]:
    """Label, start, end and count. Grouped by what the clocks of the zone showed: its hours are not all equally far
    from UTC's."""
    at = literal(LINKED.get(zone, zone), Text())
    # The driver stores Python's first and last instant as infinities, which are in no year.
    instant = func.greatest(func.least(date, LAST_INSTANT), FIRST_INSTANT)
    shown = func.greatest(func.least(func.timezone(at, instant), LAST_LOCAL), FIRST_LOCAL)
    local = func.date_trunc(unit.lower(), shown).label("local")
    found = (
        match.images()
        .with_only_columns(local, func.count().label("count"))
        .where(date.is_not(None))
        .group_by(local)
        .order_by(local)
        .limit(MAX_BUCKETS + 1)
        .subquery("found")
    )
    start = found.c.local
    end = start + literal(f"1 {unit.lower()}", Text()).cast(Interval())
    return select(
        func.to_char(start, LABELS[unit]),
        case((start > FIRST_LOCAL, _first_instant(start, at)), else_=FIRST_INSTANT),
        case((end <= LAST_LOCAL, _first_instant(end, at)), else_=LAST_INSTANT),
        found.c.count,
    ).order_by(start)


def _first_instant(local: ColumnElement[Any], zone: ColumnElement[str]) -> ColumnElement[Any]:
    """The earliest instant at which the zone's clocks show this or more.

    Where they are put back over midnight they show it twice, and PostgreSQL takes the second time; where they are
    put forward, never. Of the instants that the distances to UTC around then would give, it is the first that holds.
    """
    near = func.timezone(zone, local)
    as_utc = func.timezone("UTC", local)
    guesses = []
    for hours in (-A_DAY, timedelta(0), A_DAY):
        at = near + literal(hours, Interval())
        guess = as_utc - (func.timezone(zone, at) - func.timezone("UTC", at))
        guesses.append(case((func.timezone(zone, guess) >= local, guess)))
    return func.least(*guesses)
