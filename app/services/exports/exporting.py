"""What an export reads and writes: one state of the team's images, and the dataset's row. The files are the worker's.

Pictures are read as a member of the team and of no other, so that PostgreSQL itself keeps other teams' out.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, any_, func, literal, literal_column, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db.models import Dataset, Image, ImageJob, ImageTag, Tag, Team
from app.domain import NO_ID, Actor, ImageFormat, JobState, Role, TagSource
from app.services import arrays, filters, job_runs
from app.services.exports import datasets
from app.services.filters import Match
from app.services.job_runs import Job, SupersededError

AT_ONCE: Final = 1_000
COLUMNS: Final[tuple[Any, ...]] = (
    Image.id,
    Image.sha256,
    Image.size_bytes,
    Image.format,
    Image.width,
    Image.height,
    Image.filename,
    Image.title,
    Image.description,
    Image.weight,
    Image.created_at,
    Image.taken_at,
    Image.trashed_at,
    Image.uploaded_by,
)


@dataclass(frozen=True, slots=True)
class Label:
    """A tag that at least one of the images carries."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A tag on an image: who put it there (None once that user was deleted), when and how."""

    tag_id: UUID
    by: UUID | None
    at: datetime
    source: TagSource


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it was. `weight` counts millionths."""

    id: UUID
    sha256: bytes
    size_bytes: int
    format: ImageFormat
    width: int
    height: int
    filename: str
    title: str
    description: str
    weight: int
    created_at: datetime
    taken_at: datetime | None
    trashed_at: datetime | None
    uploaded_by: UUID | None
    labels: Sequence[Labelled]


@dataclass(frozen=True, slots=True)
class View:
    """One state of the team's images that the filter lets through. It is read inside one snapshot."""

    session: AsyncSession
    match: Match
    at: datetime
    labels: Sequence[Label]

    async def pictures(self) -> AsyncGenerator[list[Picture], None]:
        """All of them in the order of their ids, AT_ONCE at a time, however many they are."""
        if self.match.empty:
            return
        query = select(*COLUMNS).where(*self.match.where).order_by(Image.id)
        rows = await self.session.stream(query.execution_options(yield_per=AT_ONCE))
        async for part in rows.partitions():
            labels = await self._labels(part)
            yield [Picture(**row._mapping, labels=labels.get(row.id, ())) for row in part]

    async def _labels(self, rows: Sequence[Row[Any]]) -> dict[UUID, list[Labelled]]:
        query = select(
            ImageTag.image_id,
            ImageTag.tag_id,
            ImageTag.tagged_by,
            ImageTag.tagged_at,
            ImageTag.source,
        ).where(
            ImageTag.team_id == self.match.team_ids[0],
            ImageTag.image_id == any_(literal([row.id for row in rows], ARRAY(Uuid()))),
        )
        found: dict[UUID, list[Labelled]] = {}
        for row in await self.session.execute(query):
            label = Labelled(row.tag_id, row.tagged_by, row.tagged_at, row.source)
            found.setdefault(row.image_id, []).append(label)
        return found


def reader_of(team_id: UUID) -> Actor:
    """Nobody in particular, who sees this team's images."""
    return Actor(NO_ID, {team_id: Role.VIEWER})


async def begin(session: AsyncSession, job: Job) -> Dataset | None:
    """The dataset that this run is to make; None where it is gone or done. The job is over then."""
    dataset: Dataset | None = await session.scalar(
        select(Dataset)
        .join(Team, Team.id == Dataset.team_id)
        .where(
            Dataset.id == job.image_id,
            Dataset.team_id == job.team_id,
            Dataset.deleted_at.is_(None),
            Dataset.files.is_(None),
            Team.deleted_at.is_(None),
        )
    )
    if dataset is None:
        await job_runs.finish(session, [job])
    return dataset


async def view(session: AsyncSession, dataset: Dataset) -> View:
    """What the dataset holds. `session`: a snapshot, as `reader_of` its team; the view lasts as long as it."""
    match = await filters.resolve(session, reader_of(dataset.team_id), datasets.wanted(dataset))
    at = (await session.execute(select(func.now()))).scalar_one()
    labels = [] if match.empty else await _carried(session, dataset.team_id, match)
    return View(session, match, at, labels)


async def _carried(session: AsyncSession, team_id: UUID, match: Match) -> list[Label]:
    """The tags of the images. Looked up image by image, in the order of the index that has them.

    Joined, PostgreSQL compared each tag of each image with each image, for every tag of the team, where it knew nothing of
    the team.
    """
    images = select(Image.id).where(*match.where).cte("images").prefix_with("materialized")
    on = aliased(ImageTag)
    its = (
        select(on.tag_id)
        .where(on.team_id == team_id, on.image_id == images.c.id)
        .order_by(on.tag_id)
        # Nothing is stepped over: it keeps PostgreSQL from joining.
        .offset(literal_column("0"))
        .lateral("its")
    )
    ids = await session.scalars(
        select(its.c.tag_id).select_from(images).join(its, true()).distinct()
    )
    query = select(Tag.id, Tag.name, Tag.key).where(
        Tag.team_id == team_id, Tag.id == any_(arrays.of(ids))
    )
    # Ordered here: the order of texts in the database depends on its machine.
    rows = sorted(await session.execute(query), key=lambda row: (row.key, row.id))
    return [Label(row.id, row.name) for row in rows]


async def advance(session: AsyncSession, job: Job, done: int) -> None:
    """Tells how many images are written. SupersededError where the job is another run's by now, or gone."""
    mine = select(ImageJob.id).where(
        ImageJob.id == job.id, ImageJob.run_id == job.run_id, ImageJob.state == JobState.RUNNING
    )
    if await session.scalar(mine) is None:
        raise SupersededError(str(job.image_id))
    await session.execute(update(Dataset).where(Dataset.id == job.image_id).values(done=done))


async def keep(
    session: AsyncSession,
    job: Job,
    *,
    files: Mapping[str, Mapping[str, Any]],
    count: int,
    at: datetime,
) -> None:
    """Ends the job with its files, as Dataset.files has them. SupersededError as in `advance`, and where the dataset is gone."""
    await job_runs.finish(session, [job])
    kept = await session.scalars(
        update(Dataset)
        .where(Dataset.id == job.image_id, Dataset.deleted_at.is_(None))
        .values(
            files=dict(files),
            run_id=job.run_id,
            image_count=count,
            done=count,
            snapshot_at=at,
            finished_at=func.now(),
        )
        .returning(Dataset.id)
        .execution_options(synchronize_session=False)
    )
    if not kept.all():
        raise SupersededError(str(job.image_id))
