"""The list of a bulk job: kept in parts when it is prepared, shown page by page until it is started, dropped when it ends."""

from typing import Final
from uuid import UUID

from sqlalchemy import Integer, Select, delete, func, literal, select, type_coerce
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import BulkJob, BulkPart, Image
from app.domain import BulkStatus, ImageState, Window
from app.errors import bad_input
from app.services import paging
from app.services.bulk_edits.bulk_selections import MAX_IMAGES

PLACES: Final = paging.Keyset(
    "bulkJob.images", (paging.Key(BulkPart.seq, lambda place: place, int),)
)
"""The list of a prepared job does not change: a place in it is a number from 0."""
MOST_AT_ONCE: Final = 1_000
"""Places that are looked at by one statement, where images are gone one after the other."""


async def keep(session: AsyncSession, row: BulkJob, found: Select[UUID, int]) -> int:
    """Writes the list in parts, in one statement that sees one moment; how many images they are."""
    listed = found.limit(MAX_IMAGES + 1).subquery()
    image_id, place = listed.c
    seq = ((type_coerce(place, Integer) - 1) // row.part_size).label("seq")
    parts = select(
        literal(row.team_id),
        literal(row.id),
        seq,
        func.array_agg(aggregate_order_by(image_id, place)),
    ).group_by(seq)
    kept = (
        insert(BulkPart)
        .from_select(["team_id", "job_id", "seq", "image_ids"], parts)
        .returning(func.cardinality(BulkPart.image_ids).label("images"))
        .cte("kept")
    )
    total = int(await session.scalar(select(func.coalesce(func.sum(kept.c.images), 0))) or 0)
    if total > MAX_IMAGES:
        raise bad_input(
            "input.filter", f"A bulk job has at most {MAX_IMAGES} images.", limit=MAX_IMAGES
        )
    return total


async def images(session: AsyncSession, row: BulkJob, window: Window) -> paging.Page[Image]:
    """The images for which a job is prepared, in the order of its list; of one that was started, none."""
    paging.check(window)
    start = 0
    if window.cursor is not None:
        (last,) = PLACES.parse(window.cursor, field="after")
        start = last + 1
        if not 1 <= start <= row.total:
            raise bad_input("after", "This is not a cursor of this list.")
    if row.status is not BulkStatus.PREPARED:
        return paging.nothing(PLACES, window)
    end, step = start, window.limit + 1
    shown: dict[int, Image] = {}
    # One more than the page has room for tells that another follows, however many are gone in between.
    while len(shown) <= window.limit and end < row.total:
        begin, end = end, end + step
        shown |= await _between(session, row, begin, end)
        step = min(2 * step, MOST_AT_ONCE)
    places = list(shown)[: window.limit]
    return paging.Page(
        rows=[shown[place] for place in places],
        cursors=[PLACES.cursor(place) for place in places],
        has_next=len(shown) > window.limit,
        has_previous=start > 0,
    )


async def _between(session: AsyncSession, row: BulkJob, start: int, end: int) -> dict[int, Image]:
    """The images in these places of the list, so far as they are still there."""
    parts = await session.execute(
        select(BulkPart.seq, BulkPart.image_ids)
        .where(
            BulkPart.team_id == row.team_id,
            BulkPart.job_id == row.id,
            BulkPart.seq.between(start // row.part_size, (end - 1) // row.part_size),
        )
        .order_by(BulkPart.seq)
    )
    places = {
        seq * row.part_size + number: one
        for seq, ids in parts
        for number, one in enumerate(ids)
        if start <= seq * row.part_size + number < end
    }
    found = await session.scalars(
        select(Image).where(
            Image.team_id == row.team_id,
            Image.id.in_(places.values()),
            Image.state == ImageState.STORED,
        )
    )
    images = {one.id: one for one in found}
    return {place: images[one] for place, one in places.items() if one in images}


async def drop(session: AsyncSession, row: BulkJob) -> None:
    await session.execute(
        delete(BulkPart).where(BulkPart.team_id == row.team_id, BulkPart.job_id == row.id)
    )
