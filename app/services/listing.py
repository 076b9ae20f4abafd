"""How a page of images is read, so that it costs no more far down a long list, in any order, under any filter.

What matches is in filters. Matches that are few are found as a set and sorted. Else a page is merged from lists, each
an index range that has the order already (of a team, of a tag, of a collection), and none is read further than the
page can need.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Select,
    SQLColumnExpression,
    Uuid,
    and_,
    column,
    exists,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db.models import CollectionImage, DrawHead, Image, ImageTag
from app.domain import NO_ID, ImageFilter, ImageOrderField, ProcessingStatus, Window
from app.services import filters, paging
from app.services.filters import Match
from app.services.paging import Keyset

MAX_SORTED: Final = 1_000
"""So many images at most are sorted; more are read in the order of an index, past those that do not match."""
TASTES: Final = 5
"""A page has so many tastes: what is read of each list at first, to tell which few of the lists fill the page."""
BY_INDEX: Final = text(
    "select set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)"
)
"""For the rest of the transaction. PostgreSQL takes it that what a filter lets through lies evenly in every order, and
reads and sorts a whole team where it does not; which way is right is known here."""


class Source(Enum):
    """What the lists are: index ranges that have the order."""

    TEAM = auto()
    TAG_OF_ALL = auto()
    TAG_OF_ANY = auto()
    COLLECTION = auto()


@dataclass(frozen=True)
class Plan:
    """Where matches are read: `few` are teams whose matches are found as a set, `lists` are pairs of team and tag.

    The tag is NO_ID where the source is no tag.
    """

    source: Source = Source.TEAM
    lists: Sequence[tuple[UUID, UUID]] = ()
    few: Sequence[UUID] = field(default=())


@dataclass(frozen=True)
class Rows:
    """Images, and what the keys of the order are in them."""

    rows: Any
    columns: tuple[SQLColumnExpression[Any], SQLColumnExpression[Any]]

    def keys(self) -> Select[Any]:
        key, last = self.columns
        keys: Select[Any] = self.rows.with_only_columns(key.label("key"), last.label("id"))
        return keys


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
    read = _Reading(match, plan.source, keyset, window)
    if not plan.lists:
        rows = read.shown(read.few(plan.few))
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
        return Plan(few=match.team_ids)
    source = _source(match, order)
    teams, few = list(match.team_ids), []
    if _narrowed(match.wanted, order, source):
        counts = await _counts(session, match)
        room = MAX_SORTED
        for team in sorted(counts, key=lambda one: counts[one]):
            room -= counts[team]
            if room >= 0 and counts[team]:
                few.append(team)
        teams = [team for team in teams if counts[team] and team not in few]
    return Plan(source, await _lists(session, match, source, teams), few)


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
        or wanted.damaged
        or (wanted.trashed and order is not ImageOrderField.CREATED_AT)
        or (wanted.processing is not None and ProcessingStatus.READY not in wanted.processing)
    )


async def _counts(session: AsyncSession, match: Match) -> dict[UUID, int]:
    """How many match in each team; one more than may be sorted is as many as it counts to."""
    team = _unnested("team", id=match.team_ids)
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
    heads = await session.execute(
        select(DrawHead.tag_id, func.sum(DrawHead.images))
        .where(tuple_(DrawHead.team_id, DrawHead.tag_id).in_(places))
        .group_by(DrawHead.tag_id)
    )
    sizes = {tag: int(size) for tag, size in heads}
    return [(team, min(ones, key=lambda tag: sizes.get(tag, 0))) for team, ones in tags.items()]


def _unnested(name: str, **arrays: Sequence[UUID]) -> Any:
    """Arrays of ids side by side, as a table."""
    values = (literal(list(ids), ARRAY(Uuid())) for ids in arrays.values())
    return (
        func.unnest(*values)
        .table_valued(*(column(one, Uuid) for one in arrays))
        .render_derived(name)
    )


@dataclass(frozen=True)
class _Reading:
    match: Match
    source: Source
    keyset: Keyset
    window: Window

    def shown(self, rows: Rows) -> Select[Any]:
        found = paging.beyond(rows.rows, rows.columns, self.keyset, self.window)
        return paging.cut(self._ordered(found, rows.columns), self.window)

    def few(self, team_ids: Sequence[UUID]) -> Rows:
        """Found by whatever index does it best: materialized, so that no plan reads in order for the page's sake."""
        key, last = (one.column for one in self.keyset.keys)
        _in_teams, *conditions = self.match.where
        found = (
            select(Image, key.label("key"), last.label("last"))
            .where(Image.team_id.in_(team_ids), *conditions)
            .cte()
            .prefix_with("materialized")
        )
        return Rows(select(aliased(Image, found)), (found.c.key, found.c.last))

    def one_list(self, team: Any, tag: Any) -> Rows:
        """One list, of ids or of columns that hold them."""
        if self.source is Source.TEAM:
            key, last = (one.column for one in self.keyset.keys)
            return Rows(select(Image).where(Image.team_id == team, *self._unmet()), (key, last))
        table: Any = CollectionImage if self.source is Source.COLLECTION else ImageTag
        same = and_(table.team_id == Image.team_id, table.image_id == Image.id)
        in_collection = CollectionImage.collection_id == self.match.wanted.collection_id
        rows = (
            select(Image)
            .join(table, same)
            .where(
                table.team_id == team,
                in_collection if table is CollectionImage else ImageTag.tag_id == tag,
                *filters.in_range(table.created_at, self.match.wanted.created_at),
                *self._unmet(),
            )
        )
        return Rows(rows, (table.created_at, table.image_id))

    def _unmet(self) -> Iterable[ColumnElement[bool]]:
        """The conditions that the lists do not meet by themselves."""
        yield from self.match.rest
        by_one = all(len(tags) == 1 for tags in self.match.all_tags.values())
        if not (self.source is Source.TAG_OF_ALL and by_one):
            yield from self.match.carries_all()
        if self.source is not Source.TAG_OF_ANY:
            yield from self.match.carries_any()

    def merged(self, plan: Plan) -> Select[Any]:
        """The window over all lists. A list of which the window reaches beyond the taste is then read to its end.

        The window's last row is at the place of `goal` among the tastes, or before it. A list is read on where its
        whole taste lies before that: few lists, for as many tastes make a page.
        """
        reach = self.window.offset + self.window.limit
        team_ids, tag_ids = zip(*plan.lists, strict=True)
        lists = _unnested("list", team=team_ids, tag=tag_ids)
        taste = max(1, min(reach // TASTES, MAX_SORTED // 2 // len(plan.lists)))
        tasted = self._tasted(lists, taste)
        places = (tasted.c.key, tasted.c.id)
        # An image with two of the tags comes twice.
        goal = self._ordered(select(*places).distinct(), places).offset(reach).limit(1).subquery()
        full = (
            select(tasted)
            .where(
                tasted.c.nth == taste,
                ~exists().where(
                    paging.lies_beyond(places, (goal.c.key, goal.c.id), self.keyset, self.window)
                ),
            )
            .subquery()
        )
        rest = self.one_list(full.c.team, full.c.tag)
        further = rest.keys().where(
            paging.lies_beyond(rest.columns, (full.c.key, full.c.id), self.keyset, self.window)
        )
        further = self._ordered(further, rest.columns).limit(reach + 1)
        further_rows = further.correlate(full).lateral()
        parts: list[Select[Any]] = [
            select(*places),
            select(further_rows.c.key, further_rows.c.id)
            .select_from(full)
            .join(further_rows, true()),
        ]
        if plan.few:
            few = self.few(plan.few)
            keys = paging.beyond(few.keys(), few.columns, self.keyset, self.window)
            parts.append(self._ordered(keys, few.columns).limit(reach + 1))
        return self._images(union_all(*parts).cte().prefix_with("materialized"))

    def _tasted(self, lists: Any, taste: int) -> CTE:
        """The first rows of each list, with their place in it."""
        first = self.one_list(lists.c.team, lists.c.tag)
        keys = paging.beyond(first.keys(), first.columns, self.keyset, self.window)
        order = paging.in_order(first.columns, self.keyset, self.window)
        nth = func.row_number().over(order_by=order)
        taken = self._ordered(keys.add_columns(nth.label("nth")), first.columns).limit(taste)
        rows = taken.correlate(lists).lateral()
        return (
            select(lists.c.team, lists.c.tag, rows.c.key, rows.c.id, rows.c.nth)
            .select_from(lists)
            .join(rows, true())
            .cte("tasted")
            .prefix_with("materialized")
        )

    def _images(self, keys: CTE) -> Select[Any]:
        places = (keys.c.key, keys.c.id)
        near = paging.cut(self._ordered(select(*places).distinct(), places), self.window).subquery()
        # Offset keeps it from being joined in any other way than row by row, by its key.
        whole = aliased(Image, select(Image).where(Image.id == near.c.id).offset(0).lateral())
        rows = select(whole).select_from(near).join(whole, true())
        return self._ordered(rows, (near.c.key, near.c.id))

    def _ordered(self, rows: Select[Any], columns: paging.Columns) -> Select[Any]:
        return rows.order_by(*paging.in_order(columns, self.keyset, self.window))
