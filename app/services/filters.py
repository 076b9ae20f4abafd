"""Turns an ImageFilter into SQL. Every list, draw and search that takes a filter uses this one reading of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    exists,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.db.models import CollectionImage, DrawHead, Image, ImageTag, Tag
from app.domain import (
    MAX_IDS,
    MAX_TAGS_PER_CALL,
    NO_ID,
    Actor,
    DateTimeRange,
    ImageFilter,
    ImageState,
    IntRange,
    tag_key,
)
from app.errors import bad_input
from app.services import access

MAX_TEXT_LENGTH = 1_000


@dataclass(frozen=True)
class Match:
    """A filter, read for one actor.

    `team_ids`: the teams in which anything can match; empty where nothing can. `all_tags`: in each of
    them, the tags that every match carries. `where`: the whole filter as conditions on Image, visibility
    included. `only_tags`: the filter asks for live images and `all_tags`, and for nothing else.
    """

    team_ids: tuple[UUID, ...]
    all_tags: Mapping[UUID, tuple[UUID, ...]]
    where: tuple[ColumnElement[bool], ...]
    only_tags: bool

    @property
    def empty(self) -> bool:
        return not self.team_ids

    @property
    def lists(self) -> dict[UUID, UUID] | None:
        """Of each team the list of its draw lines and counters (a tag's, or NO_ID for all images) that holds what
        matches and nothing else; None where no list does."""
        if not self.only_tags or any(len(tags) > 1 for tags in self.all_tags.values()):
            return None
        return {team: tags[0] if tags else NO_ID for team, tags in self.all_tags.items()}

    def images(self) -> Select[Image]:
        return select(Image).where(*self.where)


NAMED_TAGS: Final = select(Tag.team_id, Tag.key, Tag.id).where(
    Tag.team_id == any_(bindparam("teams", type_=ARRAY(Uuid()))),
    Tag.key == any_(bindparam("keys", type_=ARRAY(Text()))),
)
"""Made once: a draw by tag is little more than this and a dart."""
NOTHING = Match(team_ids=(), all_tags={}, where=(), only_tags=False)


async def resolve(session: AsyncSession, actor: Actor, wanted: ImageFilter) -> Match:
    """Reads the filter for this actor: at most one statement, and none where no tag is named.

    BAD_USER_INPUT for lists and texts beyond their limits. A foreign or unknown id matches nothing.
    """
    _check_limits(wanted)
    teams = [one for one in actor.team_ids if wanted.team_id in (None, one)]
    named = await _tags_by_key(session, teams, wanted)
    keys_all = {tag_key(name) for name in wanted.tags.all or ()}
    teams = [one for one in teams if keys_all <= named[one].keys()]
    if not teams:
        return NOTHING
    rest = [*_own_columns(wanted), *_relations(wanted, named)]
    all_tags = {one: tuple(named[one][key] for key in sorted(keys_all)) for one in teams}
    where = [
        access.in_teams(Image.team_id, tuple(teams)),
        Image.state == ImageState.STORED,
        *_trash(wanted),
        *(_carries(tags) for tags in _by_position(all_tags)),
        *rest,
    ]
    return Match(
        team_ids=tuple(teams),
        all_tags=all_tags,
        where=tuple(where),
        only_tags=not rest and wanted.trashed is False,
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
        for team_id, key, tag_id in await session.execute(NAMED_TAGS, asked):
            found[team_id][key] = tag_id
    return found


def _trash(wanted: ImageFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.trashed is not None:
        yield Image.trashed_at.is_not(None) if wanted.trashed else Image.trashed_at.is_(None)


def _own_columns(wanted: ImageFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.ids is not None:
        yield Image.id.in_(wanted.ids)
    if wanted.uploaded_by_id is not None:
        yield Image.uploaded_by == wanted.uploaded_by_id
    if wanted.formats is not None:
        yield Image.format.in_(wanted.formats)
    if wanted.processing is not None:
        yield Image.processing.in_(wanted.processing)
    if wanted.damaged is not None:
        yield Image.damage.is_not(None) if wanted.damaged else Image.damage.is_(None)
    yield from _in_range(Image.created_at, wanted.created_at)
    yield from _in_range(Image.taken_at, wanted.taken_at)
    yield from _between(Image.width, wanted.width)
    yield from _between(Image.height, wanted.height)
    yield from _between(Image.size_bytes, wanted.size_bytes)
    if wanted.text is not None and wanted.text.strip():
        yield words_match(wanted.text)


def in_lists(lists: Mapping[UUID, UUID]) -> ColumnElement[bool]:
    """Counters of these lists: a team and a tag, or NO_ID, each."""
    return tuple_(DrawHead.team_id, DrawHead.tag_id).in_(list(lists.items()))


def words_match(text: str) -> ColumnElement[bool]:
    """The words as they stand, or as English has them: `words` holds both readings."""
    return or_(
        *(
            Image.words.op("@@")(func.websearch_to_tsquery(config, text))
            for config in ("simple", "english")
        )
    )


def _relations(
    wanted: ImageFilter, named: Mapping[UUID, dict[str, UUID]]
) -> Iterable[ColumnElement[bool]]:
    any_ids = _ids(wanted.tags.any, named)
    none_ids = _ids(wanted.tags.none, named)
    if wanted.tags.any is not None:
        yield _carries(any_ids)
    if none_ids:
        yield ~_carries(none_ids)
    if wanted.collection_id is not None:
        yield exists().where(
            CollectionImage.team_id == Image.team_id,
            CollectionImage.image_id == Image.id,
            CollectionImage.collection_id == wanted.collection_id,
        )
    if wanted.tagged_at is not None and wanted.tagged_at != DateTimeRange():
        asked = _ids(wanted.tags.all, named) + any_ids
        is_named = wanted.tags.all or wanted.tags.any
        yield exists().where(
            _same_image(),
            *([ImageTag.tag_id.in_(asked)] if is_named else []),
            *_in_range(ImageTag.tagged_at, wanted.tagged_at),
        )


def _ids(names: tuple[str, ...] | None, named: Mapping[UUID, dict[str, UUID]]) -> list[UUID]:
    keys = [tag_key(name) for name in names or ()]
    return [tags[key] for tags in named.values() for key in keys if key in tags]


def _by_position(all_tags: Mapping[UUID, tuple[UUID, ...]]) -> list[tuple[UUID, ...]]:
    """The tags of one name over the teams, name by name."""
    return list(zip(*all_tags.values(), strict=True))


def _same_image() -> ColumnElement[bool]:
    return and_(ImageTag.team_id == Image.team_id, ImageTag.image_id == Image.id)


def _carries(tag_ids: Iterable[UUID]) -> ColumnElement[bool]:
    return exists().where(_same_image(), ImageTag.tag_id.in_(tuple(tag_ids)))


def _in_range(
    column: InstrumentedAttribute[Any], wanted: DateTimeRange | None
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
