"""Turns an ImageFilter into SQL. Every list, draw and search that takes a filter uses this one reading of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    SQLColumnExpression,
    Text,
    Uuid,
    any_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.db.models import CollectionImage, DrawHead, Image, ImageTag, Tag
from app.db.prepared import Prepared
from app.domain import (
    MAX_IDS,
    MAX_TAGS_PER_CALL,
    NO_ID,
    Actor,
    DateTimeRange,
    ImageFilter,
    ImageState,
    IntRange,
    ProcessingStatus,
    tag_key,
)
from app.errors import bad_input
from app.services import access, arrays, carrying, full_text, paging

MAX_TEXT_LENGTH = 1_000
ALWAYS = DateTimeRange()
FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)

TAKEN: Final = func.greatest(Image.taken_at, paging.MINUS_INFINITY)
"""As its index and the order by it have it: what has no date is the oldest. No coalesce: PostgreSQL does not count that
among what cannot leak, and behind row-level security would not look for its value in the index."""
STORED: Final = Image.state == ImageState.STORED
TRASHED: Final = Image.trashed_at.is_not(None)
NOT_TRASHED: Final = Image.trashed_at.is_(None)


@dataclass(frozen=True)
class Match:
    """A filter, read for one actor.

    `team_ids`: the teams in which anything can match; empty where nothing can. In each of them, `all_tags` are the
    tags that every match carries, and `any_tags` those of which it carries one; None where the filter asks for no such.
    `rest`: all other conditions on Image, but for the team. `few_words`: it asks for a text that few images have. `only_tags`: the filter asks for live images and
    `all_tags`, and for nothing else. `beside`: for those and `created_at` at most. `is_part`: of a larger one, of which other
    parts are asked in the same statement.
    """

    wanted: ImageFilter
    team_ids: tuple[UUID, ...]
    all_tags: Mapping[UUID, tuple[UUID, ...]]
    any_tags: Mapping[UUID, tuple[UUID, ...]] | None
    rest: tuple[ColumnElement[bool], ...]
    few_words: bool
    only_tags: bool
    beside: bool
    is_part: bool = False

    def within(self, team_ids: Sequence[UUID]) -> "Match":
        """The part of it in these of its teams, with no tags but theirs."""
        if len(team_ids) == len(self.team_ids):
            return self
        return replace(
            self,
            team_ids=tuple(team_ids),
            all_tags={one: self.all_tags[one] for one in team_ids},
            any_tags=self.any_tags and {one: self.any_tags[one] for one in team_ids},
            is_part=True,
        )

    @property
    def empty(self) -> bool:
        return not self.team_ids

    @property
    def live(self) -> bool:
        """None of them lies in the trash."""
        return self.wanted.trashed is False

    @property
    def created_at(self) -> DateTimeRange:
        return self.wanted.created_at or ALWAYS

    @property
    def where(self) -> tuple[ColumnElement[bool], ...]:
        """The whole filter as conditions on Image, visibility included."""
        return (
            access.in_teams(Image.team_id, self.team_ids),
            *self.rest,
            *self.carries_all(),
            *self.carries_any(),
        )

    def carries_all(self, most: int = carrying.MANY) -> Iterable[ColumnElement[bool]]:
        """By the tags' index or the image's, as PostgreSQL takes it. With AT_HAND as the `most`, the image is found already."""
        return carrying.each(list(self.all_tags.values()), most, is_part=self.is_part)

    def carries_any(self, most: int = carrying.MANY) -> Iterable[ColumnElement[bool]]:
        if self.any_tags is not None:
            yield carrying.has_one(tuple(chain(*self.any_tags.values())), most)

    @property
    def lists(self) -> dict[UUID, UUID] | None:
        """Of each team the list of its draw lines and counters (a tag's, or NO_ID for all images) that holds what
        matches and nothing else; None where no list does."""
        if not self.only_tags or any(len(tags) > 1 for tags in self.all_tags.values()):
            return None
        return {team: tags[0] if tags else NO_ID for team, tags in self.all_tags.items()}

    def images(self) -> Select[Image]:
        return select(Image).where(*self.where)


NAMED_TAGS: Final = Prepared(
    select(Tag.team_id, Tag.key, Tag.id).where(
        Tag.team_id == any_(bindparam("teams", type_=ARRAY(Uuid()))),
        Tag.key == any_(bindparam("keys", type_=ARRAY(Text()))),
    )
)
"""Made once: a draw by tag is little more than this and a dart."""


async def resolve(session: AsyncSession, actor: Actor, wanted: ImageFilter) -> Match:
    """Reads the filter for this actor: one statement where a tag is named, and one where there is a text.

    BAD_USER_INPUT for lists and texts beyond their limits. A foreign or unknown id matches nothing.
    """
    _check_limits(wanted)
    teams = [one for one in actor.team_ids if wanted.team_id in (None, one)]
    named = await _tags_by_key(session, teams, wanted)
    keys_all = {tag_key(name) for name in wanted.tags.all or ()}
    teams = [one for one in teams if keys_all <= named[one].keys()]
    any_tags = None
    if wanted.tags.any is not None:
        any_tags = {one: tuple(_ids(wanted.tags.any, {one: named[one]})) for one in teams}
        teams = [one for one in teams if any_tags[one]]
    rest = [*_own_columns(wanted), *_relations(wanted, named)]
    worded = None
    if teams and wanted.text is not None and wanted.text.strip():
        worded = await full_text.has_words(session, teams, wanted.text)
        rest.append(worded.condition)
    dates = len(list(in_range(Image.created_at, wanted.created_at)))
    plain = any_tags is None and wanted.trashed is False
    return Match(
        wanted=wanted,
        team_ids=tuple(teams),
        all_tags={one: tuple(named[one][key] for key in sorted(keys_all)) for one in teams},
        any_tags=any_tags and {one: any_tags[one] for one in teams},
        rest=(STORED, *_trash(wanted), *rest),
        few_words=worded is not None and worded.are_few,
        only_tags=plain and not rest,
        beside=plain and len(rest) == dates,
    )


def _check_limits(wanted: ImageFilter) -> None:
    if wanted.ids is not None and len(wanted.ids) > MAX_IDS:
        raise bad_input("filter.ids", f"At most {MAX_IDS} ids.", limit=MAX_IDS)
    for name in ("all", "any", "none"):
        if len(getattr(wanted.tags, name) or ()) > MAX_TAGS_PER_CALL:
            raise bad_input(
                f"filter.tags.{name}",
                f"At most {MAX_TAGS_PER_CALL} names.",
                limit=MAX_TAGS_PER_CALL,
            )
    if wanted.text is not None and len(wanted.text) > MAX_TEXT_LENGTH:
        raise bad_input(
            "filter.text", f"At most {MAX_TEXT_LENGTH} characters.", limit=MAX_TEXT_LENGTH
        )


async def _tags_by_key(
    session: AsyncSession, teams: Iterable[UUID], wanted: ImageFilter
) -> Mapping[UUID, dict[str, UUID]]:
    """For each team, the ids of the tags that the filter names."""
    tags = wanted.tags
    keys = {tag_key(name) for names in (tags.all, tags.any, tags.none) for name in names or ()}
    found: dict[UUID, dict[str, UUID]] = defaultdict(dict)
    if keys:
        asked = {"teams": list(teams), "keys": sorted(keys)}
        for team_id, key, tag_id in await NAMED_TAGS.rows(session, asked):
            found[team_id][key] = tag_id
    return found


def _trash(wanted: ImageFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.trashed is not None:
        yield TRASHED if wanted.trashed else NOT_TRASHED


def _own_columns(wanted: ImageFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.ids is not None:
        yield Image.id.in_(wanted.ids)
    if wanted.uploaded_by_id is not None:
        yield Image.uploaded_by == wanted.uploaded_by_id
    if wanted.formats is not None:
        yield Image.format.in_(wanted.formats)
    if wanted.processing is not None:
        yield Image.processing.in_(wanted.processing)
        if ProcessingStatus.READY not in wanted.processing:
            # What an index of its own has: PostgreSQL does not conclude it from parameters.
            yield Image.processing != literal_column("'READY'")
    if wanted.damaged is not None:
        yield Image.damage.is_not(None) if wanted.damaged else Image.damage.is_(None)
    yield from in_range(Image.created_at, wanted.created_at)
    yield from in_range(TAKEN, wanted.taken_at)
    if _lets_in_undated(wanted.taken_at):
        yield Image.taken_at.is_not(None)
    yield from _between(Image.width, wanted.width)
    yield from _between(Image.height, wanted.height)
    yield from _between(Image.size_bytes, wanted.size_bytes)


def _lets_in_undated(taken: DateTimeRange | None) -> bool:
    """Whether a condition on TAKEN would let in what has no date. The driver sends Python's first instant as -infinity."""
    return taken is not None and taken.start in (None, FIRST_INSTANT)


def in_lists(lists: Mapping[UUID, UUID]) -> ColumnElement[bool]:
    """Counters of these lists: a team and a tag, or NO_ID, each."""
    places = tuple_(DrawHead.team_id, DrawHead.tag_id)
    if len(lists) <= arrays.FEW:
        return places.in_(list(lists.items()))
    return places.in_(select(arrays.unnested("list", team=lists.keys(), tag=lists.values())))


def _relations(
    wanted: ImageFilter, named: Mapping[UUID, dict[str, UUID]]
) -> Iterable[ColumnElement[bool]]:
    none_ids = _ids(wanted.tags.none, named)
    if none_ids:
        yield ~carrying.has_one(none_ids, carrying.AT_HAND)
    if wanted.collection_id is not None:
        yield (
            exists()
            .where(
                CollectionImage.team_id == Image.team_id,
                CollectionImage.image_id == Image.id,
                CollectionImage.collection_id == wanted.collection_id,
            )
            .correlate(Image)
        )
    if wanted.tagged_at is not None and wanted.tagged_at != DateTimeRange():
        asked = _ids(wanted.tags.all, named) + _ids(wanted.tags.any, named)
        is_named = wanted.tags.all or wanted.tags.any
        yield (
            exists()
            .where(
                carrying.same_image(),
                *([carrying.is_one_of(asked)] if is_named else []),
                *in_range(ImageTag.tagged_at, wanted.tagged_at),
            )
            .correlate(Image)
        )


def _ids(names: tuple[str, ...] | None, named: Mapping[UUID, dict[str, UUID]]) -> list[UUID]:
    keys = [tag_key(name) for name in names or ()]
    return [tags[key] for tags in named.values() for key in keys if key in tags]


def in_range(
    column: SQLColumnExpression[Any], wanted: DateTimeRange | None
) -> Iterable[ColumnElement[bool]]:
    if wanted is not None and wanted.start is not None:
        yield column >= wanted.start
    if wanted is not None and wanted.end is not None:
        yield column < wanted.end


def _between(
    column: InstrumentedAttribute[Any], wanted: IntRange | None
) -> Iterable[ColumnElement[bool]]:
    if wanted is not None and wanted.min is not None:
        yield column >= wanted.min
    if wanted is not None and wanted.max is not None:
        yield column <= wanted.max
