"""How a page of images is read, so that it costs no more far down a long list, in any order, under any filter.

What matches is in filters. Matches that are few are found as a set and sorted. Else a page is merged from lists, each
an index range that has the order already (of a team, of a tag, of a collection), and none is read further than the
page can need.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from sqlalchemy import (
    func,
    literal_column,
    select,
    text,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import DrawHead, Image
from app.domain import (
    NO_ID,
    ImageFilter,
    ImageOrderField,
    ProcessingStatus,
    TagFilter,
    Window,
)
from app.services import paging
from app.services.filters import Match
from app.services.merging import MAX_SORTED, Plan, Reading, Source, unnested
from app.services.paging import Keyset

MAX_GROUPS: Final = 5
"""Of teams whose matches are sorted group by group."""
BY_INDEX: Final = text(
    "select set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true),"
    " set_config('plan_cache_mode', 'force_custom_plan', true)"
)
"""For the rest of the transaction. PostgreSQL takes it that what a filter lets through lies evenly in every order, and
reads and sorts a whole team where it does not; which way is right is known here. A plan for any days and any tags, which
a connection keeps once it has run a statement five times, may take fifty times as long as one for these."""


async def page(
    session: AsyncSession, match: Match, order: ImageOrderField, keyset: Keyset, window: Window
) -> paging.Page[Image]:
    """The window of what matches. One statement for whole teams; else two or three, one more for several tags."""
    paging.check(window)
    if _is_simple(match, order, window):
        plan = Plan(lists=[(team, NO_ID) for team in match.team_ids])
    else:
        await session.execute(BY_INDEX)
        plan = await _plan(session, match, order)
    if not plan.lists and not plan.few:
        return paging.nothing(keyset, window)
    read = Reading(match, plan.source, keyset, window)
    if not plan.lists and len(plan.few) == 1:
        rows = read.shown(read.few(plan.few[0]))
    elif len(plan.lists) == 1 and not plan.few:
        rows = read.shown(read.one_list(*plan.lists[0]))
    else:
        rows = read.merged(plan)
    return await paging.read(session, rows, keyset, window)


def _is_simple(match: Match, order: ImageOrderField, window: Window) -> bool:
    """Whole teams, where PostgreSQL sees by itself that their index is the way.

    It does not behind a cursor of a value that many images share, and takes nearly nothing to be left.
    """
    whole = match.only_tags and not any(match.all_tags.values())
    shared = window.cursor is not None and order is not ImageOrderField.CREATED_AT
    return whole and not shared and not window.offset


async def _plan(session: AsyncSession, match: Match, order: ImageOrderField) -> Plan:
    if match.wanted.ids is not None:
        return Plan(few=[match.team_ids])
    source = _source(match, order)
    teams: Sequence[UUID] = match.team_ids
    few: list[list[UUID]] = []
    if _narrowed(match.wanted, order, source):
        by_tag = _is_by_tag(match, order, source)
        counts = await (_counters if by_tag else _counts)(session, match)
        few = _grouped(counts)
        small = {team for group in few for team in group}
        teams = [team for team in teams if counts[team] and team not in small]
    return Plan(source, await _lists(session, match, source, teams), few)


def _grouped(counts: Mapping[UUID, int]) -> list[list[UUID]]:
    """The teams with few matches, in groups that may each be sorted."""
    groups: list[list[UUID]] = []
    room = 0
    for team in sorted((one for one in counts if counts[one]), key=lambda one: counts[one]):
        if counts[team] > room and (len(groups) == MAX_GROUPS or counts[team] > MAX_SORTED):
            break
        if counts[team] > room:
            groups.append([])
            room = MAX_SORTED
        groups[-1].append(team)
        room -= counts[team]
    return groups


def _source(match: Match, order: ImageOrderField) -> Source:
    """In the order of creation, tags and collections have index ranges too."""
    if order is ImageOrderField.CREATED_AT:
        if any(match.all_tags.values()):
            return Source.TAG_OF_ALL
        if match.any_tags is not None:
            return Source.TAG_OF_ANY
        if match.wanted.collection_id is not None:
            return Source.COLLECTION
    return Source.TEAM


def _narrowed(wanted: ImageFilter, order: ImageOrderField, source: Source) -> bool:
    """Whether an index other than the one that is read in order may find that few match."""
    own_range = {
        ImageOrderField.CREATED_AT: wanted.created_at,
        ImageOrderField.TAKEN_AT: wanted.taken_at,
        ImageOrderField.SIZE_BYTES: wanted.size_bytes,
    }
    ranges = any(asked for one, asked in own_range.items() if one is not order)
    relations = wanted.tags.all or wanted.tags.any or wanted.collection_id
    return bool(
        ranges
        or (relations and source is Source.TEAM)
        or wanted.uploaded_by_id
        or (wanted.text and wanted.text.strip())
        or wanted.damaged
        or (wanted.trashed and order is not ImageOrderField.CREATED_AT)
        or (wanted.processing is not None and ProcessingStatus.READY not in wanted.processing)
    )


def _is_by_tag(match: Match, order: ImageOrderField, source: Source) -> bool:
    """Whether one tag is all that may make matches few: its counters then tell how many they are at most."""
    rest = replace(match.wanted, tags=TagFilter())
    one_tag = all(len(tags) == 1 for tags in match.all_tags.values())
    others = match.any_tags is not None or match.wanted.trashed is not False
    return one_tag and not others and not _narrowed(rest, order, source)


async def _counters(session: AsyncSession, match: Match) -> dict[UUID, int]:
    """How many live images the one tag of each team has."""
    places = [(team, tag) for team, (tag,) in match.all_tags.items()]
    sizes = await _sizes(session, places)
    return {team: sizes.get(tag, 0) for team, tag in places}


async def _sizes(session: AsyncSession, places: Sequence[tuple[UUID, UUID]]) -> dict[UUID, int]:
    """How many live images these tags have, if any."""
    heads = await session.execute(
        select(DrawHead.tag_id, func.sum(DrawHead.images))
        .where(tuple_(DrawHead.team_id, DrawHead.tag_id).in_(places))
        .group_by(DrawHead.tag_id)
    )
    return {tag: int(size) for tag, size in heads}


async def _counts(session: AsyncSession, match: Match) -> dict[UUID, int]:
    """How many match in each team; one more than may be sorted is as many as it counts to."""
    team = unnested("team", id=match.team_ids)
    _in_teams, *conditions = match.where
    some = (
        select(literal_column("1"))
        .where(Image.team_id == team.c.id, *conditions)
        .limit(MAX_SORTED + 1)
        .correlate(team)
        .subquery()
    )
    counted = select(func.count()).select_from(some).scalar_subquery()
    return {one: int(count) for one, count in await session.execute(select(team.c.id, counted))}


async def _lists(
    session: AsyncSession, match: Match, source: Source, teams: Sequence[UUID]
) -> list[tuple[UUID, UUID]]:
    """Of the tags of all the rarest, each of the tags of any."""
    if source is Source.TAG_OF_ALL:
        return await _rarest(session, {team: match.all_tags[team] for team in teams})
    if source is Source.TAG_OF_ANY and match.any_tags is not None:
        return [(team, tag) for team in teams for tag in match.any_tags[team]]
    return [(team, NO_ID) for team in teams]


async def _rarest(
    session: AsyncSession, tags: Mapping[UUID, tuple[UUID, ...]]
) -> list[tuple[UUID, UUID]]:
    """Of each team, the tag with the fewest live images: their counters know."""
    if all(len(ones) == 1 for ones in tags.values()):
        return [(team, tag) for team, (tag,) in tags.items()]
    places = [(team, tag) for team, ones in tags.items() for tag in ones]
    sizes = await _sizes(session, places)
    return [(team, min(ones, key=lambda tag: sizes.get(tag, 0))) for team, ones in tags.items()]
