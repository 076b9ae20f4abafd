"""Which images, in which order, and which part of them."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.enums import ImageFormat, ImageOrderField, OrderDirection, ProcessingStatus
from app.domain.ids import NO_ID
from app.domain.limits import DEFAULT_PAGE
from app.domain.texts import tag_key


@dataclass(frozen=True, slots=True)
class DateTimeRange:
    """`start` is included, `end` is not; None is open."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class IntRange:
    """Both ends are included; None is open."""

    min: int | None = None
    max: int | None = None


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Tag names: each of `all`, at least one of `any`, not one of `none`. None is no condition."""

    all: tuple[str, ...] | None = None
    any: tuple[str, ...] | None = None
    none: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Which images; every condition that is not None must hold. `trashed`: None is both."""

    team_id: UUID | None = None
    ids: tuple[UUID, ...] | None = None
    tags: TagFilter = field(default_factory=TagFilter)
    collection_id: UUID | None = None
    uploaded_by_id: UUID | None = None
    created_at: DateTimeRange | None = None
    taken_at: DateTimeRange | None = None
    tagged_at: DateTimeRange | None = None
    formats: tuple[ImageFormat, ...] | None = None
    width: IntRange | None = None
    height: IntRange | None = None
    size_bytes: IntRange | None = None
    processing: tuple[ProcessingStatus, ...] | None = None
    damaged: bool | None = None
    text: str | None = None
    trashed: bool | None = False

    def canonical(self) -> "ImageFilter":
        """One spelling for all filters that ask for the same: for what is bound to a filter, a cursor for one."""
        return replace(
            self,
            ids=_sorted(self.ids),
            tags=TagFilter(
                # No image is without a tag that nobody names.
                all=_keys(self.tags.all) or None,
                any=_keys(self.tags.any),
                none=_keys(self.tags.none) or None,
            ),
            # That of takenAt has a meaning of its own: only images with a date.
            created_at=None if self.created_at == DateTimeRange() else self.created_at,
            tagged_at=None if self.tagged_at == DateTimeRange() else self.tagged_at,
            formats=_sorted(self.formats),
            width=_bounded(self.width),
            height=_bounded(self.height),
            size_bytes=_bounded(self.size_bytes),
            processing=_sorted(self.processing),
            text=(self.text or "").strip() or None,
        )

    def within(
        self, *, team_id: UUID, tag: str | None = None, collection_id: UUID | None = None
    ) -> "ImageFilter":
        """The same among a team's images, a tag's or a collection's; nothing where the two exclude each other."""
        narrow: dict[str, Any] = {"team_id": _both(self.team_id, team_id)}
        if collection_id is not None:
            narrow["collection_id"] = _both(self.collection_id, collection_id)
        if tag is None:
            return replace(self, **narrow)
        tags = replace(self.tags, all=(*(self.tags.all or ()), tag))
        return replace(self, tags=tags, **narrow)


def _sorted(values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(sorted(set(values)))


def _keys(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else _sorted(tuple(map(tag_key, names)))


def _bounded(range: IntRange | None) -> IntRange | None:
    return None if range == IntRange() else range


def _both(asked: UUID | None, given: UUID) -> UUID:
    return given if asked in (None, given) else NO_ID


@dataclass(frozen=True, slots=True)
class ImageOrder:
    field: ImageOrderField = ImageOrderField.CREATED_AT
    direction: OrderDirection = OrderDirection.DESC


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list: forward (`after`), backward (`before`), or from an offset.

    `limit` counts rows; `cursor` is the client's opaque text.
    """

    limit: int = DEFAULT_PAGE
    cursor: str | None = None
    backward: bool = False
    offset: int = 0
