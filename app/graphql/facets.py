"""Counts of images: by tag, format, state of processing, and span of time. Types and root fields."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.domain import DEFAULT_PAGE
from app.graphql.arguments import Filter
from app.graphql.context import Info
from app.graphql.enums import ImageFormat, ProcessingStatus, TimelineField, TimelineUnit
from app.graphql.inputs import filter_value
from app.graphql.types.tags import Tag
from app.services import facets
from app.services.filters import Match


@strawberry.type(description="How many images carry a tag.")
class TagFacet:
    tag: Tag = strawberry.field(
        description="Which tag. Tags of two teams are two, also where they have one name."
    )
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="How many images have a format.")
class FormatFacet:
    format: ImageFormat = strawberry.field(description="Which format.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="How many images are in a state of processing.")
class ProcessingFacet:
    status: ProcessingStatus = strawberry.field(description="Which state.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(
    description="Counts over the images that a filter lets through. Each is made only when it is asked for."
)
class ImageFacets:
    match: strawberry.Private[Match]

    @strawberry.field(description="How many images there are in all.")
    async def total(self, info: Info) -> int:
        async with info.context.db.transaction() as session:
            return await facets.total(session, self.match)

    @strawberry.field(description="The tags that most of them carry, most frequent first.")
    async def tags(
        self,
        info: Info,
        first: Annotated[
            int, strawberry.argument(description="So many tags: 1 to 100.")
        ] = DEFAULT_PAGE,
    ) -> list[TagFacet]:
        async with info.context.db.transaction() as session:
            found = await facets.tags(session, self.match, first)
        info.context.trail.saw(tag for tag, _ in found)
        return [TagFacet(tag=Tag.of(tag), count=count) for tag, count in found]

    @strawberry.field(description="The formats that there are, most frequent first.")
    async def formats(self, info: Info) -> list[FormatFacet]:
        async with info.context.db.transaction() as session:
            found = await facets.formats(session, self.match)
        return [FormatFacet(format=one, count=count) for one, count in found]

    @strawberry.field(description="The states of processing that there are, most frequent first.")
    async def processing(self, info: Info) -> list[ProcessingFacet]:
        async with info.context.db.transaction() as session:
            found = await facets.statuses(session, self.match)
        return [ProcessingFacet(status=one, count=count) for one, count in found]


@strawberry.type(description="A day, month or year, and how many images lie in it.")
class TimelineBucket:
    label: str = strawberry.field(
        description="Its date in the time zone: 2026-03-01, 2026-03 or 2026."
    )
    start: datetime = strawberry.field(
        description="Its first instant: `from` of a filter that finds its images."
    )
    end: datetime = strawberry.field(
        description="The first instant after it: that filter's `to`. There is none after the year 9999, and its last span"
        " ends with its last microsecond."
    )
    count: int = strawberry.field(description="How many images.")

    @classmethod
    def of(cls, bucket: facets.Bucket) -> "TimelineBucket":
        return cls(label=bucket.label, start=bucket.start, end=bucket.end, count=bucket.count)


@strawberry.type
class FacetQuery:
    @strawberry.field(description="What the images that match have in common, in numbers.")
    async def image_facets(self, info: Info, filter: Filter = None) -> ImageFacets:
        actor = info.context.viewer
        async with info.context.db.transaction() as session:
            match = await facets.read(session, actor, filter_value(filter))
        return ImageFacets(match=match)

    @strawberry.field(
        description="How the images that match lie in time, oldest first: days, months or years with at least one."
        " BAD_USER_INPUT where those would be more than 1,000."
    )
    async def image_timeline(
        self,
        info: Info,
        filter: Filter = None,
        time_zone: Annotated[
            str,
            strawberry.argument(
                description="A name of the IANA database, such as Europe/Berlin: midnight is that of its clocks."
            ),
        ] = "UTC",
        by: Annotated[
            TimelineUnit, strawberry.argument(description="Into what it is cut.")
        ] = TimelineUnit.MONTH,
        field: Annotated[
            TimelineField, strawberry.argument(description="Which date counts.")
        ] = TimelineField.CREATED_AT,
    ) -> list[TimelineBucket]:
        actor = info.context.viewer
        async with info.context.db.transaction() as session:
            found = await facets.timeline(
                session, actor, filter_value(filter), field=field, unit=by, zone=time_zone
            )
        return [TimelineBucket.of(one) for one in found]
