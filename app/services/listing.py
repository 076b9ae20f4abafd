"""How a page of images is read, so that it costs no more far down a long list, in any order, under any filter.

A page is merged from runs. A run is an index range that has the order already (of a team, of a tag, of a collection)
and is read only as far as the page needs; or it is a set so small that it may be sorted. What matches is in filters.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Select,
    SQLColumnExpression,
    Uuid,
    and_,
    column,
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
from app.domain import ImageFilter, ImageOrderField, ProcessingStatus, Window
from app.services import filters, paging
from app.services.filters import Match
from app.services.paging import Keyset

MAX_SORTED: Final = 1_000
"""So many images at most are sorted; more are read in the order of an index, past those that do not match."""
MAX_RUNS: Final = 32
"""So many tags at most are merged; with more of them, matches are so dense that the order's own index finds them."""
BY_INDEX: Final = text(
    "select set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)"
)
"""For the rest of the transaction. PostgreSQL takes it that what a filter lets through lies evenly in every order, and
reads and sorts a whole team where it does not; which way is right is known here."""


@dataclass(frozen=True)
class Run:
    """Images that can be read in the order, whose keys are `columns` here."""

    rows: Select[Any]
    columns: tuple[SQLColumnExpression[Any], SQLColumnExpression[Any]]


async def page(
    session: AsyncSession, match: Match, field: ImageOrderField, keyset: Keyset, window: Window
) -> paging.Page[Image]:
    """The window of what matches. One statement for whole teams; else two or three, one more for two tags."""
    paging.check(window)
    if match.only_tags and not any(match.all_tags.values()) and not window.offset:
        runs = [_of_team(match, team, keyset) for team in match.team_ids]
    else:
        await session.execute(BY_INDEX)
        runs = await _runs(session, match, field, keyset)
    if not runs:
        return paging.nothing(keyset, window)
    return await paging.read(session, _merged(runs, match, keyset, window), keyset, window)


async def _runs(
    session: AsyncSession, match: Match, field: ImageOrderField, keyset: Keyset
) -> list[Run]:
    if match.wanted.ids is not None:
        return [_sorted(match, match.team_ids, keyset)]
    driven = field is ImageOrderField.CREATED_AT and _has_own_order(match)
    few: Mapping[UUID, int] = {}
    teams: Sequence[UUID] = match.team_ids
    if _narrowed(match.wanted, field, driven=driven):
        counts = await _counts(session, match)
        teams = [team for team in teams if counts[team]]
        if sum(counts.values()) <= MAX_SORTED:
            return [_sorted(match, teams, keyset)] if teams else []
        few = {team: count for team, count in counts.items() if count <= MAX_SORTED}
    many = [team for team in teams if team not in few]
    runs = [_sorted(match, [team], keyset) for team in teams if team in few]
    if driven:
        return [*runs, *await _by_own_order(session, match, many)]
    return [*runs, *(_of_team(match, team, keyset) for team in many)]


def _has_own_order(match: Match) -> bool:
    """Whether its tags or its collection have an index range in the order of creation."""
    if any(match.all_tags.values()):
        return True
    if match.any_tags is not None:
        return sum(map(len, match.any_tags.values())) <= MAX_RUNS
    return match.wanted.collection_id is not None


def _narrowed(wanted: ImageFilter, field: ImageOrderField, *, driven: bool) -> bool:
    """Whether an index other than the one that is read in order may find that few match."""
    own_range = {
        ImageOrderField.CREATED_AT: wanted.created_at,
        ImageOrderField.TAKEN_AT: wanted.taken_at,
        ImageOrderField.SIZE_BYTES: wanted.size_bytes,
    }
    ranges = any(asked for order, asked in own_range.items() if order is not field)
    relations = wanted.tags.all or wanted.tags.any or wanted.collection_id
    return bool(
        ranges
        or (relations and not driven)
        or wanted.uploaded_by_id
        or wanted.damaged
        or wanted.text
        or (wanted.trashed and field is not ImageOrderField.CREATED_AT)
        or (wanted.processing is not None and ProcessingStatus.READY not in wanted.processing)
    )


async def _counts(session: AsyncSession, match: Match) -> dict[UUID, int]:
    """How many match in each team; one more than may be sorted is as many as it counts to."""
    ids = literal(list(match.team_ids), ARRAY(Uuid()))
    team = func.unnest(ids).table_valued(column("id", Uuid)).render_derived("team")
    some = (
        select(literal_column("1"))
        .where(Image.team_id == team.c.id, *match.where[1:])
        .limit(MAX_SORTED + 1)
        .correlate(team)
        .subquery()
    )
    counted = select(func.count()).select_from(some).scalar_subquery()
    return {one: int(count) for one, count in await session.execute(select(team.c.id, counted))}


def _of_team(match: Match, team_id: UUID, keyset: Keyset) -> Run:
    first, last = (key.column for key in keyset.keys)
    return Run(select(Image).where(*match.in_team(team_id)), (first, last))


def _sorted(match: Match, team_ids: Sequence[UUID], keyset: Keyset) -> Run:
    """Found as a set, by whatever index does it best: materialized, so that no plan reads in order for the page's sake."""
    first, last = (key.column for key in keyset.keys)
    where = match.in_team(team_ids[0]) if len(team_ids) == 1 else match.where
    found = (
        select(Image, first.label("key"), last.label("last"))
        .where(*where)
        .cte()
        .prefix_with("materialized")
    )
    return Run(select(aliased(Image, found)), (found.c.key, found.c.last))


async def _by_own_order(session: AsyncSession, match: Match, teams: Sequence[UUID]) -> list[Run]:
    """A run for each team's rarest tag of all, or each of any, or its part of the collection."""
    if any(match.all_tags.values()):
        rarest = await _rarest(session, {team: match.all_tags[team] for team in teams})
        return [_tagged(match, team, tag) for team, tag in rarest.items()]
    if match.any_tags is not None:
        return [_tagged(match, team, tag) for team in teams for tag in match.any_tags[team]]
    return [_collected(match, team) for team in teams]


async def _rarest(
    session: AsyncSession, tags: Mapping[UUID, tuple[UUID, ...]]
) -> Mapping[UUID, UUID]:
    """Of each team, the tag with the fewest live images: their counters know."""
    if all(len(ones) == 1 for ones in tags.values()):
        return {team: ones[0] for team, ones in tags.items()}
    heads = await session.execute(
        select(DrawHead.tag_id, func.sum(DrawHead.images))
        .where(
            tuple_(DrawHead.team_id, DrawHead.tag_id).in_(
                [(team, tag) for team, ones in tags.items() for tag in ones]
            )
        )
        .group_by(DrawHead.tag_id)
    )
    sizes: dict[UUID, int] = {tag: int(size) for tag, size in heads}
    return {team: min(ones, key=lambda tag: sizes.get(tag, 0)) for team, ones in tags.items()}


def _tagged(match: Match, team_id: UUID, tag_id: UUID) -> Run:
    same = and_(ImageTag.team_id == Image.team_id, ImageTag.image_id == Image.id)
    rows = select(Image).join(ImageTag, same)
    rows = rows.where(
        ImageTag.team_id == team_id,
        ImageTag.tag_id == tag_id,
        *filters.in_range(ImageTag.created_at, match.wanted.created_at),
        *match.in_team(team_id, without={tag_id}),
    )
    return Run(rows, (ImageTag.created_at, ImageTag.image_id))


def _collected(match: Match, team_id: UUID) -> Run:
    same = and_(CollectionImage.team_id == Image.team_id, CollectionImage.image_id == Image.id)
    rows = select(Image).join(CollectionImage, same)
    rows = rows.where(
        CollectionImage.team_id == team_id,
        CollectionImage.collection_id == match.wanted.collection_id,
        *filters.in_range(CollectionImage.created_at, match.wanted.created_at),
        *match.in_team(team_id),
    )
    return Run(rows, (CollectionImage.created_at, CollectionImage.image_id))


def _merged(runs: Sequence[Run], match: Match, keyset: Keyset, window: Window) -> Select[Image]:
    """The window over all runs together. Each is read only as far as it reaches into it (Merge Append)."""
    if len(runs) == 1:
        (run,) = runs
        rows = paging.beyond(run.rows, run.columns, keyset, window)
        return paging.cut(paging.ordered(rows, run.columns, keyset, window), window)
    heads = union_all(*_parts(runs, keyset, window)).subquery()
    merged: Select[Any] = select(heads.c.key, heads.c.id)
    if match.any_tags is not None:
        # An image with two of the tags comes twice, in succession.
        merged = merged.distinct()
    merged = paging.ordered(merged, (heads.c.key, heads.c.id), keyset, window)
    near = paging.cut(merged, window).subquery()
    # Offset keeps it from being joined in any other way than row by row, by its key.
    whole = aliased(Image, select(Image).where(Image.id == near.c.id).offset(0).lateral())
    rows = select(whole).select_from(near).join(whole, true())
    return paging.ordered(rows, (near.c.key, near.c.id), keyset, window)


def _parts(runs: Sequence[Run], keyset: Keyset, window: Window) -> Iterable[Select[Any]]:
    for run in runs:
        key, last = run.columns
        keys: Select[Any] = run.rows.with_only_columns(key.label("key"), last.label("id"))
        rows = paging.beyond(keys, run.columns, keyset, window)
        rows = paging.ordered(rows, run.columns, keyset, window)
        yield rows.limit(window.offset + window.limit + 1)
