"""A team in numbers."""

from datetime import datetime

import strawberry

from app.services.people import teams


@strawberry.type(
    description="How many live images are in each state of processing; the trash does not count."
)
class ProcessingCounts:
    pending: int = strawberry.field(description="Images that wait for a worker.")
    processing: int = strawberry.field(description="Images that a worker is at.")
    ready: int = strawberry.field(
        description="Images that are processed: with thumbnails, and found by meaning."
    )
    failed: int = strawberry.field(
        description="Images whose processing was given up; they wait for retryProcessing."
    )
    waiting_jobs: int = strawberry.field(
        description="Jobs that wait for a worker, or to be tried again: an image has one for its thumbnails"
        " and one for its vector. Those of images in the trash count too."
    )
    oldest_pending_at: datetime | None = strawberry.field(
        description="Since when the first of the waiting jobs could have begun; null where none could."
    )


@strawberry.type(description="A team in numbers.")
class TeamStats:
    image_count: int = strawberry.field(description="Live images; the trash does not count.")
    tag_count: int = strawberry.field(description="Tags, whether used or not.")
    stored_bytes: float = strawberry.field(
        description="Bytes of all originals, the trash included."
    )
    processing: ProcessingCounts = strawberry.field(description="The state of the background work.")

    @classmethod
    def of(cls, stats: teams.Stats) -> "TeamStats":
        counts = {status.lower(): number for status, number in stats.processing.items()}
        return cls(
            image_count=stats.image_count,
            tag_count=stats.tag_count,
            stored_bytes=stats.stored_bytes,
            processing=ProcessingCounts(
                **counts,
                waiting_jobs=stats.waiting_jobs,
                oldest_pending_at=stats.oldest_pending_at,
            ),
        )
