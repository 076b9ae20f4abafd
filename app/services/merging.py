"""Pages of images that are merged from lists, and what a list is. Which lists there are is decided in listing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    SQLColumnExpression,
    and_,
    exists,
    func,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import aliased

from app.db.models import CollectionImage, Image, ImageTag
from app.domain import Window
from app.services import arrays, carrying, filters, paging
from app.services.filters import Match
from app.services.paging import Keyset
from app.services.reach import Edge, Edges

MAX_SORTED: Final = 1_000
"""So many images at most are sorted; more are read in the order of an index, past those that do not match."""
TASTES: Final = 5
"""A page has so many tastes: what is read of each list at first, to tell which few of the lists fill the page."""


class Source(Enum):
    """What the lists are: index ranges that have the order."""

    TEAM = auto()
    TAG_OF_ALL = auto()
    TAG_OF_ANY = auto()
    COLLECTION = auto()


@dataclass(frozen=True)
class Plan:
    """Where matches are read: `few` are groups of teams whose matches are found as a set, `lists` are pairs of team and tag.

    The tag is NO_ID where the source is no tag.
    """

    source: Source = Source.TEAM
    lists: Sequence[tuple[UUID, UUID]] = ()
    few: Sequence[Sequence[UUID]] = ()


@dataclass(frozen=True)
class Rows:
    """Images, and what the keys of the order are in them."""

    rows: Any
    columns: tuple[SQLColumnExpression[Any], SQLColumnExpression[Any]]

    def keys(self) -> Select[Any]:
        key, last = self.columns
        keys: Select[Any] = self.rows.with_only_columns(key.label("key"), last.label("id"))
        return keys


@dataclass(frozen=True)
class Reading:
    """One page of one list of images.

    `edges`: lists are read between them. What is odd beyond the near one is read by an index of its own; what is odd beyond
    the far one too, if it is read `to_the_end`.
    """

    match: Match
    source: Source
    keyset: Keyset
    window: Window
    edges: Edges
    to_the_end: bool = False

    def rows(self, plan: Plan) -> Select[Any]:
        """The images of the window, and one more if there is any."""
        if not plan.lists and len(plan.few) == 1:
            return self._shown(self._few(plan.few[0]))
        if len(plan.lists) == 1 and not plan.few and not self._odd_edges:
            return self._shown(self._one_list(*plan.lists[0]))
        return self._merged(plan)

    @property
    def _odd_edges(self) -> list[Edge]:
        """Those beyond which is read too."""
        ends = (self.edges.near, self.edges.far if self.to_the_end else None)
        return [one for one in ends if one is not None]

    def _shown(self, rows: Rows) -> Select[Any]:
        found = paging.beyond(rows.rows, rows.columns, self.keyset, self.window)
        return paging.cut(self._ordered(found, rows.columns), self.window)

    def _few(self, team_ids: Sequence[UUID]) -> Rows:
        """Found by whatever index does it best: materialized, so that no plan reads in order for the page's sake."""
        key, last = (one.column for one in self.keyset.keys)
        found = (
            select(Image, key.label("key"), last.label("last"))
            .where(*self.match.within(team_ids).where)
            .cte()
            .prefix_with("materialized")
        )
        return Rows(select(aliased(Image, found)), (found.c.key, found.c.last))

    def _one_list(self, team: Any, tag: Any) -> Rows:
        """One list, of ids or of columns that hold them."""
        if self.source is Source.TEAM:
            key, last = (one.column for one in self.keyset.keys)
            rows = select(Image).where(Image.team_id == team, *self._unmet())
            return self._ended(Rows(rows, (key, last)))
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
        return self._ended(Rows(rows, (table.created_at, table.image_id)))

    def _ended(self, rows: Rows) -> Rows:
        """Read no further than to the far edge."""
        far = self.edges.far
        return (
            rows if far is None else Rows(rows.rows.where(far.inside(rows.columns)), rows.columns)
        )

    def _begun(self, rows: Rows, unfilled: ColumnElement[bool]) -> Select[Any]:
        """The keys of a list from where the page begins: at the near edge, which lies behind the cursor (of two such conditions
        PostgreSQL begins at one, and may read from there all up to the other). None, where what is odd there fills the page."""
        near = self.edges.near
        if near is None:
            return self._behind(rows)
        return rows.keys().where(unfilled, near.inside(rows.columns))

    def _behind(self, rows: Rows) -> Select[Any]:
        return paging.beyond(rows.keys(), rows.columns, self.keyset, self.window)

    def _odd(self, edge: Edge, team: Any) -> Rows:
        """What matches beyond the edge."""
        key, last = (one.column for one in self.keyset.keys)
        rows = select(Image).where(
            Image.team_id == team,
            edge.odd,
            edge.outside((key, last)),
            *self.match.rest,
            *self.match.carries_all(carrying.AT_HAND),
            *self.match.carries_any(carrying.AT_HAND),
        )
        return Rows(rows, (key, last))

    def _unmet(self) -> Iterable[ColumnElement[bool]]:
        """The conditions that the lists do not meet by themselves."""
        yield from self.match.rest
        by_one = all(len(tags) == 1 for tags in self.match.all_tags.values())
        if not (self.source is Source.TAG_OF_ALL and by_one):
            yield from self.match.carries_all(carrying.AT_HAND)
        if self.source is not Source.TAG_OF_ANY:
            yield from self.match.carries_any(carrying.AT_HAND)

    def _merged(self, plan: Plan) -> Select[Any]:
        """The window over all lists."""
        reach = self.window.offset + self.window.limit
        parts = [self._odd_keys(edge, plan.lists, reach) for edge in self._odd_edges]
        unfilled: ColumnElement[bool] = true()
        if self.edges.near is not None:
            first = parts[0].cte("nearest").prefix_with("materialized")
            parts[0] = select(first.c.key, first.c.id)
            unfilled = select(func.count()).select_from(first).scalar_subquery() <= reach
        if len(plan.lists) == 1:
            only = self._one_list(*plan.lists[0])
            parts.append(self._cut(self._begun(only, unfilled), only, reach))
        else:
            parts += self._by_taste(plan, reach, unfilled)
        parts += (self._first(self._few(group), reach) for group in plan.few)
        return self._images(union_all(*parts).cte().prefix_with("materialized"))

    def _first(self, rows: Rows, reach: int) -> Select[Any]:
        """The keys of as many as the window may need of these."""
        return self._cut(self._behind(rows), rows, reach)

    def _cut(self, keys: Select[Any], rows: Rows, reach: int) -> Select[Any]:
        return self._ordered(keys, rows.columns).limit(reach + 1)

    def _by_taste(self, plan: Plan, reach: int, unfilled: ColumnElement[bool]) -> list[Select[Any]]:
        """A list of which the window reaches beyond the taste is read to its end.

        The window's last row is at the place of `goal` among the tastes, or before it. A list is read on where its
        whole taste lies before that: few lists, for as many tastes make a page.
        """
        lists = arrays.unnested(
            "list", team=[team for team, _ in plan.lists], tag=[tag for _, tag in plan.lists]
        )
        taste = max(1, min(reach // TASTES, MAX_SORTED // 2 // max(1, len(plan.lists))))
        tasted = self._tasted(lists, taste, unfilled)
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
        rest = self._one_list(full.c.team, full.c.tag)
        further = rest.keys().where(
            paging.lies_beyond(rest.columns, (full.c.key, full.c.id), self.keyset, self.window)
        )
        further = self._ordered(further, rest.columns).limit(reach + 1)
        further_rows = further.correlate(full).lateral()
        return [
            select(*places),
            select(further_rows.c.key, further_rows.c.id)
            .select_from(full)
            .join(further_rows, true()),
        ]

    def _odd_keys(self, edge: Edge, lists: Sequence[tuple[UUID, UUID]], reach: int) -> Select[Any]:
        team_ids = list(dict.fromkeys(team for team, _ in lists))
        if len(team_ids) == 1:
            return self._first(self._odd(edge, team_ids[0]), reach)
        teams = arrays.unnested("odd", team=team_ids)
        rows = self._first(self._odd(edge, teams.c.team), reach).correlate(teams).lateral()
        return select(rows.c.key, rows.c.id).select_from(teams).join(rows, true())

    def _tasted(self, lists: Any, taste: int, unfilled: ColumnElement[bool]) -> CTE:
        """The first rows of each list, with their place in it."""
        first = self._one_list(lists.c.team, lists.c.tag)
        keys = self._begun(first, unfilled)
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
