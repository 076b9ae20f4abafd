"""Datasets: what a team has exported. How the files are made is in exporting, and in the worker."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Dataset, Image, ImageJob, Team
from app.domain import (
    MAX_DATASETS_OF_TEAM,
    Actor,
    Damage,
    DatasetFile,
    DatasetStatus,
    ImageFilter,
    JobKind,
    JobState,
    Role,
    is_readable,
    line,
    parse_id,
)
from app.errors import bad_input, not_found
from app.services import access, filters, jobs, paging

FOLDER: Final = "dataset"
"""What stands behind the team in the keys of a dataset's objects."""
FILTERS: Final = TypeAdapter(ImageFilter)
BY_AGE: Final = paging.by_age("dataset", Dataset.id)
STATUS: Final = {JobState.QUEUED: DatasetStatus.QUEUED, JobState.RUNNING: DatasetStatus.RUNNING}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a dataset is, and why no further."""

    status: DatasetStatus
    error: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of a dataset that is done."""

    name: DatasetFile
    key: str
    size: int
    sha256: str


def files(dataset: Dataset) -> list[Stored]:
    """Its files in the order of DatasetFile; none until all of them are there."""
    kept: Mapping[str, Mapping[str, Any]] = dataset.files or {}
    return [
        Stored(name, kept[name]["key"], kept[name]["bytes"], kept[name]["sha256"])
        for name in DatasetFile
        if name in kept
    ]


def prefix(team_id: UUID, dataset_id: UUID) -> str:
    """Below it lies whatever any run of the export has stored."""
    return f"t/{team_id}/{FOLDER}/{dataset_id}/"


def wanted(dataset: Dataset) -> ImageFilter:
    """The filter that it was asked for with."""
    found: ImageFilter = FILTERS.validate_python(dataset.spec["filter"])
    return found


async def by_id(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[Dataset | None]:
    return await access.by_id(session, access.visible_datasets(actor), Dataset.id, ids)


def listed(actor: Actor, team_id: UUID | None = None) -> Select[Dataset]:
    query = access.visible_datasets(actor)
    return query if team_id is None else query.where(Dataset.team_id == team_id)


async def progress_by_id(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID]
) -> list[Progress]:
    """Of each dataset, in the order of the ids."""
    done = Dataset.files.is_not(None)
    rows = await session.execute(
        access.visible_datasets(actor)
        .outerjoin(ImageJob, _job_of(Dataset))
        .where(Dataset.id.in_(ids))
        .with_only_columns(Dataset.id, done, ImageJob.state, ImageJob.error)
    )
    found = {
        id: Progress(DatasetStatus.READY, None)
        if is_done
        else Progress(STATUS.get(state, DatasetStatus.FAILED), error)
        for id, is_done, state, error in rows
    }
    return [found.get(one, Progress(DatasetStatus.FAILED, None)) for one in ids]


def _job_of(dataset: type[Dataset]) -> Any:
    return (
        (ImageJob.team_id == dataset.team_id)
        & (ImageJob.image_id == dataset.id)
        & (ImageJob.kind == JobKind.EXPORT)
    )


async def export(
    session: AsyncSession, actor: Actor, *, team_id: UUID, name: str, wanted: ImageFilter
) -> Dataset:
    """A new dataset of what the filter lets through when a worker comes to it (EDITOR).

    The same name and filter again, while that one waits or runs, is the same dataset: a second click makes no second
    one. BAD_USER_INPUT beyond MAX_DATASETS_OF_TEAM.
    """
    access.require_member(actor, team_id, Role.EDITOR)
    name = line(name, field="input.name", required=True)
    reader = replace(actor, roles={team_id: actor.roles[team_id]})
    inside = wanted.within(team_id=team_id)
    await filters.resolve(session, reader, inside)
    spec = {"filter": FILTERS.dump_python(inside, mode="json", exclude_none=False)}
    fingerprint = _fingerprint(name, FILTERS.dump_python(inside.canonical(), mode="json"))
    # Two who ask at once take turns, so that the second finds the first one's dataset.
    await session.execute(select(Team.id).where(Team.id == team_id).with_for_update(key_share=True))
    known = await _unfinished(session, actor, team_id, fingerprint)
    if known is not None:
        return known
    await _check_room(session, team_id)
    dataset = Dataset(
        team_id=team_id, name=name, spec=spec, fingerprint=fingerprint, created_by=actor.user_id
    )
    session.add(dataset)
    await session.flush()
    await jobs.enqueue(session, team_id, dataset.id, [JobKind.EXPORT])
    return dataset


def _fingerprint(name: str, wanted: Mapping[str, Any]) -> bytes:
    said = json.dumps([name, wanted], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).digest()


async def _unfinished(
    session: AsyncSession, actor: Actor, team_id: UUID, fingerprint: bytes
) -> Dataset | None:
    found: Dataset | None = await session.scalar(
        listed(actor, team_id)
        .join(ImageJob, _job_of(Dataset))
        .where(
            Dataset.fingerprint == fingerprint, Dataset.files.is_(None), ImageJob.state.in_(STATUS)
        )
        .limit(1)
    )
    return found


async def _check_room(session: AsyncSession, team_id: UUID) -> None:
    kept = select(func.count()).where(Dataset.team_id == team_id, Dataset.deleted_at.is_(None))
    if (await session.scalar(kept) or 0) >= MAX_DATASETS_OF_TEAM:
        raise bad_input(
            "input.teamId",
            f"A team keeps at most {MAX_DATASETS_OF_TEAM} datasets: delete one first.",
            limit=MAX_DATASETS_OF_TEAM,
        )


async def delete_forever(
    session: AsyncSession, actor: Actor, dataset_id: UUID, *, purge_after: timedelta = timedelta(0)
) -> UUID:
    """Deletes a dataset (EDITOR); a run that is at it ends. A job removes bytes and row, after `purge_after`."""
    dataset = await session.scalar(
        access.visible_datasets(actor).where(Dataset.id == dataset_id).with_for_update()
    )
    if dataset is None:
        raise not_found("Dataset", ids=[dataset_id])
    access.require_member(actor, dataset.team_id, Role.EDITOR)
    dataset.deleted_at = func.now()
    await session.flush()
    await session.execute(
        delete(ImageJob).where(ImageJob.team_id == dataset.team_id, ImageJob.image_id == dataset_id)
    )
    await jobs.enqueue(session, dataset.team_id, dataset_id, [JobKind.PURGE], purge_after)
    return dataset_id


async def for_download(session: AsyncSession, actor: Actor, dataset_id: UUID) -> Dataset | None:
    """The dataset whose bytes a signed address asks for, if the actor may see it now."""
    return (await by_id(session, actor, [dataset_id]))[0]


async def originals(
    session: AsyncSession, actor: Actor, team_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, str]:
    """The keys of the originals of those images of a dataset that are still there, and not known to have wrong bytes."""
    rows = await session.execute(
        access.visible_images(actor)
        .where(
            Image.team_id == team_id,
            Image.id.in_(ids),
            Image.damage.is_distinct_from(Damage.WRONG_BYTES),
        )
        .with_only_columns(Image.id, Image.object_key)
    )
    return dict(rows.all())


async def team_of(session: AsyncSession, dataset_id: UUID) -> UUID | None:
    """Whose dataset it is: for the record of who was refused."""
    found: UUID | None = await session.scalar(
        select(Dataset.team_id).where(Dataset.id == dataset_id)
    )
    return found


async def done_after(
    session: AsyncSession, after: UUID | None, limit: int, team_id: UUID | None = None
) -> list[Dataset]:
    """The next datasets that are done, in the order of their ids, those of teams that have ended left out."""
    query = _done() if team_id is None else _done().where(Dataset.team_id == team_id)
    if after is not None:
        query = query.where(Dataset.id > after)
    return list(await session.scalars(query.order_by(Dataset.id).limit(limit)))


async def is_kept(session: AsyncSession, dataset_id: UUID) -> bool:
    """Whether it is done and there (still), and its team."""
    its = _done().where(Dataset.id == dataset_id).with_only_columns(Dataset.id)
    return await session.scalar(its) is not None


def _done() -> Select[Dataset]:
    return (
        select(Dataset)
        .join(Team, Team.id == Dataset.team_id)
        .where(Dataset.files.is_not(None), Dataset.deleted_at.is_(None), Team.deleted_at.is_(None))
    )


async def explained(session: AsyncSession, keys: Iterable[str]) -> set[str]:
    """Those of the keys that the run of a dataset has stored which made it, or which is at it now."""
    run_of = {key: place for key in keys if (place := _place(key))}
    if not run_of:
        return set()
    ids = {dataset_id for _, dataset_id, _ in run_of.values()}
    done = select(Dataset.team_id, Dataset.id, Dataset.run_id).where(
        Dataset.id.in_(ids), Dataset.files.is_not(None)
    )
    running = select(ImageJob.team_id, ImageJob.image_id, ImageJob.run_id).where(
        ImageJob.image_id.in_(ids),
        ImageJob.kind == JobKind.EXPORT,
        ImageJob.state == JobState.RUNNING,
    )
    runs = {tuple(row) for row in await session.execute(done.union_all(running))}
    return {key for key, place in run_of.items() if place in runs}


def _place(key: str) -> tuple[UUID, UUID, UUID] | None:
    """Team, dataset and run of the key of a dataset's object."""
    parts = key.split("/")
    if len(parts) != 6 or parts[2] != FOLDER:
        return None
    team_id, dataset_id, run_id = (parse_id(parts[place]) for place in (1, 3, 4))
    has_place = is_readable(dataset_id) and is_readable(run_id)
    return (team_id, dataset_id, run_id) if has_place else None
