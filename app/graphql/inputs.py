"""The filter and order inputs that several features share, and how inputs become the domain's values."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry import UNSET

from app import domain
from app.domain import MAX_IDS, parse_id
from app.errors import bad_input
from app.graphql.enums import ImageFormat, ImageOrderField, OrderDirection, ProcessingStatus


@strawberry.input(description="A span of time: from is included, to is not; an absent end is open.")
class DateTimeRange:
    from_: datetime | None = strawberry.field(
        name="from", description="The first instant of the span.", default=None
    )
    to: datetime | None = strawberry.field(
        description="The first instant after the span.", default=None
    )

    def value(self) -> domain.DateTimeRange:
        return domain.DateTimeRange(start=self.from_, end=self.to)


@strawberry.input(description="A span of numbers: both ends are included; an absent end is open.")
class IntRange:
    min: int | None = strawberry.field(description="The smallest that counts.", default=None)
    max: int | None = strawberry.field(description="The largest that counts.", default=None)

    def value(self) -> domain.IntRange:
        return domain.IntRange(min=self.min, max=self.max)


@strawberry.input(
    description="By tag name, without regard to case. An unknown name is on no image."
)
class TagFilter:
    all: list[str] | None = strawberry.field(
        description="Images that carry each of these.", default=None
    )
    any: list[str] | None = strawberry.field(
        description="Images that carry at least one of these; an empty list matches nothing.",
        default=None,
    )
    none: list[str] | None = strawberry.field(
        description="Images that carry not one of these.", default=None
    )

    def value(self) -> domain.TagFilter:
        return domain.TagFilter(all=_tuple(self.all), any=_tuple(self.any), none=_tuple(self.none))


@strawberry.input(
    description="Which images: every condition that is given must hold."
    " An unknown id, or one of another team, matches nothing."
)
class ImageFilter:
    team_id: strawberry.ID | None = strawberry.field(
        description="Images of this team.", default=None
    )
    ids: list[strawberry.ID] | None = strawberry.field(
        description="Images with these ids, at most 100.", default=None
    )
    tags: TagFilter | None = strawberry.field(description="By their tags.", default=None)
    collection_id: strawberry.ID | None = strawberry.field(
        description="Images in this collection.", default=None
    )
    uploaded_by_id: strawberry.ID | None = strawberry.field(
        description="Images that this user uploaded.", default=None
    )
    created_at: DateTimeRange | None = strawberry.field(
        description="When they were uploaded.", default=None
    )
    taken_at: DateTimeRange | None = strawberry.field(
        description="When the picture was taken; images without a date do not match.", default=None
    )
    tagged_at: DateTimeRange | None = strawberry.field(
        description="When any of the tags that the filter names (or, without names, any tag) was put on.",
        default=None,
    )
    formats: list[ImageFormat] | None = strawberry.field(
        description="Images of one of these formats.", default=None
    )
    width: IntRange | None = strawberry.field(description="Width in pixels.", default=None)
    height: IntRange | None = strawberry.field(description="Height in pixels.", default=None)
    size_bytes: IntRange | None = strawberry.field(
        description="Size of the original in bytes.", default=None
    )
    processing: list[ProcessingStatus] | None = strawberry.field(
        description="How far their processing is.", default=None
    )
    damaged: bool | None = strawberry.field(
        description="true: images whose stored bytes are missing or wrong; false: the others; null: both.",
        default=None,
    )
    text: str | None = strawberry.field(
        description="Words in title, description, filename and tags (PostgreSQL web search syntax): at most 1,000 characters.",
        default=None,
    )
    trashed: bool | None = strawberry.field(
        description="false: live ones; true: those in the trash; null: both.", default=False
    )

    def value(self) -> domain.ImageFilter:
        return domain.ImageFilter(
            team_id=_id(self.team_id),
            ids=None if self.ids is None else tuple(map(parse_id, self.ids)),
            tags=self.tags.value() if self.tags else domain.TagFilter(),
            collection_id=_id(self.collection_id),
            uploaded_by_id=_id(self.uploaded_by_id),
            created_at=self.created_at.value() if self.created_at else None,
            taken_at=self.taken_at.value() if self.taken_at else None,
            tagged_at=self.tagged_at.value() if self.tagged_at else None,
            formats=_tuple(self.formats),
            width=self.width.value() if self.width else None,
            height=self.height.value() if self.height else None,
            size_bytes=self.size_bytes.value() if self.size_bytes else None,
            processing=_tuple(self.processing),
            damaged=self.damaged,
            text=self.text,
            trashed=self.trashed,
        )


@strawberry.input(description="The order of a list of images.")
class ImageOrder:
    field: ImageOrderField = strawberry.field(description="What they are ordered by.")
    direction: OrderDirection = strawberry.field(
        description="Which end comes first.", default=OrderDirection.DESC
    )

    def value(self) -> domain.ImageOrder:
        return domain.ImageOrder(field=self.field, direction=self.direction)


def filter_value(wanted: ImageFilter | None) -> domain.ImageFilter:
    return wanted.value() if wanted else domain.ImageFilter()


def order_value(order: ImageOrder | None) -> domain.ImageOrder:
    return order.value() if order else domain.ImageOrder()


def optional_id(text: strawberry.ID | None) -> UUID | None:
    return _id(text)


def ids(texts: Sequence[strawberry.ID], field: str = "ids") -> list[UUID]:
    """BAD_USER_INPUT beyond MAX_IDS."""
    if len(texts) > MAX_IDS:
        raise bad_input(field, f"At most {MAX_IDS} ids.", limit=MAX_IDS)
    return [parse_id(text) for text in texts]


def changes(given: Any, *names: str, nullable: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of an update that were given. BAD_USER_INPUT where null would clear a required one."""
    found = {name: getattr(given, name) for name in (*names, *nullable)}
    found = {name: value for name, value in found.items() if value is not UNSET}
    for name in names:
        if name in found and found[name] is None:
            raise bad_input(
                f"input.{_camel(name)}", "This cannot be cleared: leave it out to keep it."
            )
    return found


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def _id(text: strawberry.ID | None) -> UUID | None:
    return None if text is None else parse_id(text)


def _tuple(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
