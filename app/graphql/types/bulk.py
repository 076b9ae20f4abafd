"""Bulk jobs."""

from datetime import datetime

import strawberry

from app.db import models
from app.domain import MICRO
from app.graphql import ahead
from app.graphql.arguments import After, Ten
from app.graphql.context import Info
from app.graphql.enums import BulkAction, BulkSkipReason, BulkStatus, RelevanceBasis
from app.graphql.pagination import Connection, window
from app.graphql.types.collections import Collection
from app.graphql.types.images import Image
from app.graphql.types.nodes import Node
from app.graphql.types.people import Team, User, team_of, user_or_none
from app.services.bulk_edits import bulk_lists


@strawberry.type(description="Images that a bulk job left out, for one reason.")
class BulkSkip:
    reason: BulkSkipReason = strawberry.field(description="Why.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(
    description="One change of many images: prepared, looked at, started, and then done in the background."
)
class BulkJob(Node):
    status: BulkStatus = strawberry.field(description="How far it is.")
    action: BulkAction = strawberry.field(description="What it does to every image.")
    tags: list[str] = strawberry.field(
        description="The tags that it puts on or takes off, as they were named."
    )
    new_tags: list[str] = strawberry.field(
        description="Those of the tags to put on that the team did not have when the job was prepared."
        " They are made with the first images that get them."
    )
    weight: float | None = strawberry.field(description="The weight that it sets.")
    relevance_basis: RelevanceBasis | None = strawberry.field(
        description="What the relevance stood on by which its images were found: PRIOR is a rough guess, so look at them before"
        " the start. Null where no minRelevance was asked for, or nothing could match the filter."
    )
    total: int = strawberry.field(description="How many images it is for.")
    done: int = strawberry.field(
        description="Images that had their turn and are as they are to be. With skipped, how far it is."
    )
    changed: int = strawberry.field(
        description="Of those, the ones that were not so before: the others stayed as they were."
    )
    skipped: int = strawberry.field(description="Images that were left out.")
    skips: list[BulkSkip] = strawberry.field(description="Why images were left out.")
    error: str | None = strawberry.field(description="Why it was given up; null where it was not.")
    created_at: datetime = strawberry.field(description="When it was prepared.")
    started_at: datetime | None = strawberry.field(
        description="When somebody started it; null until then."
    )
    finished_at: datetime | None = strawberry.field(
        description="When it ended, however it did; null until then."
    )
    row: strawberry.Private[models.BulkJob]

    @classmethod
    def of(cls, row: models.BulkJob) -> "BulkJob":
        counts = {BulkSkipReason.GONE: row.gone, BulkSkipReason.CROWDED: row.crowded}
        return cls(
            id=strawberry.ID(str(row.id)),
            status=row.status,
            action=row.action,
            tags=row.tags,
            new_tags=row.new_tags,
            weight=None if row.weight is None else row.weight / MICRO,
            relevance_basis=row.relevance_basis,
            total=row.total,
            done=row.done,
            changed=row.changed,
            skipped=row.gone + row.crowded,
            skips=[BulkSkip(reason=why, count=count) for why, count in counts.items() if count],
            error=row.error,
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            row=row,
        )

    @strawberry.field(description="Whose images.")
    async def team(self, info: Info) -> Team:
        return await team_of(info, self.row.team_id)

    @strawberry.field(description="Who prepared it. Null once that user was deleted.")
    async def created_by(self, info: Info) -> User | None:
        return await user_or_none(info, self.row.created_by)

    @strawberry.field(
        description="Who started it, and as whom it is done. Null until then, and once that user was deleted."
    )
    async def started_by(self, info: Info) -> User | None:
        return await user_or_none(info, self.row.started_by)

    @strawberry.field(
        description="The collection that images are put into or taken out of. Null once it was deleted."
    )
    async def collection(self, info: Info) -> Collection | None:
        if self.row.collection_id is None:
            return None
        row = await info.context.loaders.collection.load(self.row.collection_id)
        return Collection.of(row) if row else None

    @strawberry.field(
        description="The images that it is prepared for: newest first, those of a search best first. Empty once the job"
        " was started. Images that were deleted since are left out; totalCount still counts them, as total does."
    )
    async def images(self, info: Info, first: Ten = 10, after: After = None) -> Connection[Image]:
        context, row = info.context, self.row
        part = window(first, after, default=10)
        async with context.db.transaction() as session:
            page = await bulk_lists.images(session, row, part)
            await context.loaders.bring(session, page.rows, ahead.of_rows(info._raw_info))
        context.trail.saw(page.rows)

        async def count() -> int:
            return row.total if row.status is BulkStatus.PREPARED else 0

        return Connection.of(page, [Image.of(one) for one in page.rows], count)
