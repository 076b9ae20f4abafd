"""Whether the files of datasets lie in storage as they were written. What is wrong is told, and nothing is changed."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.db.database import Entrance
from app.db.listing import Listing
from app.db.models import Dataset
from app.resources import Resources
from app.services.exports import datasets
from app.storage import Storage, read_whole
from app.worker.progress import Progress

log = logging.getLogger(__name__)

BATCH: Final = 500


async def run(
    resources: Resources, db: Entrance, listed: Listing, progress: Progress
) -> tuple[int, int]:
    """How many datasets are done, and of how many a file is missing or has another size."""
    count = damaged = 0
    after = None
    with progress("Comparing datasets", None) as advance:
        while batch := await next_after(db, after):
            after = batch[-1].id
            count += len(batch)
            for one in batch:
                damaged += await _is_damaged(resources, db, one, listed)
            advance(len(batch))
    return count, damaged


async def next_after(
    db: Entrance, after: UUID | None, team_id: UUID | None = None
) -> list[Dataset]:
    return await db.run(lambda session: datasets.done_after(session, after, BATCH, team_id))


async def read(storage: Storage, dataset: Dataset) -> tuple[list[str], int]:
    """The names of the files that are missing or have other bytes, and how many bytes were read to know it."""
    wrong, size = [], 0
    for file in datasets.files(dataset):
        found = await read_whole(storage, file.key)
        size += found.size if found else 0
        if found is None or found.sha256.hex() != file.sha256:
            wrong.append(file.name.value)
    return wrong, size


async def _is_damaged(
    resources: Resources, db: Entrance, dataset: Dataset, listed: Listing
) -> bool:
    return await tell(db, dataset, await _wrong(resources, dataset, listed))


async def tell(db: Entrance, dataset: Dataset, wrong: Sequence[str]) -> bool:
    """Whether it is damaged: what was deleted meanwhile, or with its team, misses nothing."""
    if not wrong or not await db.run(lambda session: datasets.is_kept(session, dataset.id)):
        return False
    log.error("dataset %s: its files are damaged (%s)", dataset.id, ", ".join(wrong))
    return True


async def _wrong(resources: Resources, dataset: Dataset, listed: Listing) -> list[str]:
    """The names of the files that the store has not, or has otherwise; asked for again, for the listing may be older."""
    files = datasets.files(dataset)
    sizes = await asyncio.to_thread(listed.sizes, [one.key for one in files])
    return [
        one.name.value
        for one in files
        if sizes.get(one.key) != one.size and await resources.storage.size(one.key) != one.size
    ]
