"""How a page of images is read, so that it costs no more far down a long list, in any order, under any filter.

What matches is in filters. Matches that are few are found as a set and sorted. Else a page is merged from lists, each
an index range that has the order already (of a team, of a tag, of a collection), and none is read further than the
page can need.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from sqlalchemy import (
    and_,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import DrawHead, Image
from app.domain import (
    NO_ID,
    ImageOrderField,
    ProcessingStatus,
    Window,
)
from app.services import arrays, match_counts, paging, reach
from app.services.filters import Match
from app.services.merging import MAX_SORTED, TASTES, Plan, Reading, Source
from app.services.paging import Keyset
from app.services.reach import Edges

PATIENCE: Final = 4
"""So many times as long as a walk along the order may it take to find all that match."""
NO_MODEL: Final = 0
"""Tags are counted without vectors."""
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
    """The window of what matches. One statement for whole teams; else two or three, one more for several tags, and one
    where a list ends."""
    paging.check(window)
    if _is_simple(match, order, window):
        plan = Plan(lists=[(team, NO_ID) for team in match.team_ids])
    else:
        await session.execute(BY_INDEX)
        plan = await _plan(session, match, order, window)
    if not plan.lists and not plan.few:
        return paging.nothing(keyset, window)
    edges = reach.edges(match, order, keyset, window) if plan.lists else Edges()
    read = Reading(match, plan.source, keyset, window, edges)
    found = await paging.read(session, read.rows(plan), keyset, window)
    if edges.may_hide(found, keyset, window):
        read = replace(read, to_the_end=True)
        found = await paging.read(session, read.rows(plan), keyset, window)
    return found


def _is_simple(match: Match, order: ImageOrderField, window: Window) -> bool:
    """Whole teams, where PostgreSQL sees by itself that their index is the way.

    It does not behind a cursor of a value that many images share, and takes nearly nothing to be left.
    """
    whole = match.only_tags and not any(match.all_tags.values())
    shared = window.cursor is not None and order is not ImageOrderField.CREATED_AT
    return whole and not shared and not window.offset


@dataclass(frozen=True, slots=True)
class _Count:
    """About how many match in a team, or a little more; how many images are `read` to find them; and how many there are, if that is known."""

    matches: int
    read: int
    images: int | None = None

    def is_few(self, page: int) -> bool:
        """Whether to find all of them and sort them is quicker than to walk along the order to `page` of them, or not much
        slower: on that way they may lie anywhere."""
        if self.matches > MAX_SORTED:
            return False
        return self.images is None or self.read * self.matches <= PATIENCE * page * self.images


async def _plan(
    session: AsyncSession, match: Match, order: ImageOrderField, window: Window
) -> Plan:
    if match.wanted.ids is not None:
        return Plan(few=[match.team_ids])
    source = _source(match, order)
    teams: Sequence[UUID] = match.team_ids
    few: list[list[UUID]] = []
    if _narrowed(match, order, source):
        by_tags = _is_by_tags(match, order, source)
        counts = await (_by_tags if by_tags else _counts)(session, match)
        needed = window.offset + window.limit
        page = needed if len(teams) == 1 else max(1, needed // TASTES)
        few = _grouped({team: one.matches for team, one in counts.items() if one.is_few(page)})
        small = {team for group in few for team in group}
        teams = [team for team in teams if counts[team].matches and team not in small]
    return Plan(source, await _lists(session, match, source, teams), few)


def _grouped(counts: Mapping[UUID, int]) -> list[list[UUID]]:
    """The teams with few matches, in groups that may each be sorted."""
    groups: list[list[UUID]] = []
    room = 0
    for team in sorted((one for one in counts if counts[one]), key=lambda one: counts[one]):
        if counts[team] > room and len(groups) == MAX_GROUPS:
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


def _narrowed(
    match: Match, order: ImageOrderField, source: Source, *, by_tags: bool = True
) -> bool:
    """Whether an index other than the one that is read in order may find that few match; of tags only if they are `by_tags`.

    Words that many images have are found by none: to count them takes as long as the walk.
    """
    wanted = match.wanted
    own_range = {
        ImageOrderField.CREATED_AT: wanted.created_at,
        ImageOrderField.TAKEN_AT: wanted.taken_at,
        ImageOrderField.SIZE_BYTES: wanted.size_bytes,
    }
    ranges = any(asked for one, asked in own_range.items() if one is not order)
    tags = by_tags and (wanted.tags.all or wanted.tags.any)
    relations = tags or wanted.collection_id
    # An index has that order for each uploader.
    of_uploader = source is Source.TEAM and order is ImageOrderField.CREATED_AT
    return bool(
        ranges
        or (relations and source is Source.TEAM)
        or (wanted.uploaded_by_id and not of_uploader)
        or match.few_words
        or wanted.damaged
        or (wanted.trashed and order is not ImageOrderField.CREATED_AT)
        or (wanted.processing is not None and ProcessingStatus.READY not in wanted.processing)
    )


def _is_by_tags(match: Match, order: ImageOrderField, source: Source) -> bool:
    """Whether nothing but tags may make matches few, of which there is one, several that meet, or any of several."""
    if _narrowed(match, order, source, by_tags=False):
        return False
    if match.any_tags is not None:
        return match.live and not any(match.all_tags.values())
    return match.live and (match.beside or all(len(ones) == 1 for ones in match.all_tags.values()))


async def _by_tags(session: AsyncSession, match: Match) -> dict[UUID, _Count]:
    """Counters of tags know. Only where several must meet that many have, some images of the rarest are looked at."""
    tags = match.all_tags if match.any_tags is None else match.any_tags
    sizes = await _sizes(session, {team: (NO_ID, *ones) for team, ones in tags.items()})
    least = min if match.any_tags is None else sum
    read = {team: least(sizes.get((team, one), 0) for one in ones) for team, ones in tags.items()}
    matches = dict(read)
    unsure = {
        team: read[team]
        for team, ones in match.all_tags.items()
        if len(ones) > 1 and read[team] > MAX_SORTED
    }
    if unsure:
        rarest = {
            team: min(tags[team], key=lambda one: sizes.get((team, one), 0)) for team in unsure
        }
        bounds = dict.fromkeys(unsure, MAX_SORTED)
        found = await match_counts.matches(session, match, NO_MODEL, unsure, rarest, bounds)
        # What chance did not show may be there all the same.
        matches |= {team: max(1, round(count)) for team, (count, _) in found.items()}
    return {team: _Count(matches[team], read[team], sizes.get((team, NO_ID), 0)) for team in tags}


async def _sizes(
    session: AsyncSession, tags: Mapping[UUID, Sequence[UUID]]
) -> dict[tuple[UUID, UUID], int]:
    """How many live images these tags of each team have, if any, or with NO_ID the team."""
    places = [(team, one) for team, ones in tags.items() for one in ones]
    lists = arrays.unnested(
        "list", team=[team for team, _ in places], tag=[tag for _, tag in places]
    )
    same = and_(DrawHead.team_id == lists.c.team, DrawHead.tag_id == lists.c.tag)
    heads = await session.execute(
        select(DrawHead.team_id, DrawHead.tag_id, func.sum(DrawHead.images))
        .select_from(lists)
        .join(DrawHead, same)
        .group_by(DrawHead.team_id, DrawHead.tag_id)
    )
    return {(team, tag): int(size) for team, tag, size in heads}


async def _counts(session: AsyncSession, match: Match) -> dict[UUID, _Count]:
    """How many match in each team; one more than may be sorted is as many as it counts to."""
    team = arrays.unnested("team", id=match.team_ids)
    _in_teams, *conditions = match.where
    some = (
        select(literal_column("1"))
        .where(Image.team_id == team.c.id, *conditions)
        .limit(MAX_SORTED + 1)
        .correlate(team)
        .subquery()
    )
    counted = select(func.count()).select_from(some).scalar_subquery()
    rows = await session.execute(select(team.c.id, counted))
    return {one: _Count(int(count), int(count)) for one, count in rows}


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
    sizes = await _sizes(session, tags)
    return [
        (team, min(ones, key=lambda tag: sizes.get((team, tag), 0))) for team, ones in tags.items()
    ]
