"""What `pictor reconcile` asks of the rows and writes to them, but for purges. What it does with objects is in
worker/reconcile and worker/image_check.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, String, any_, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.db.models import Image, ImageJob, ImageVector, Orphan, Team, Upkeep
from app.domain import Damage, ImageState, JobKind, JobState, parse_id
from app.services import embedding_models, jobs
from app.services.exports import datasets
from app.services.intake import tickets
from app.storage import StoredObject

TASK: Final = "reconcile"
CHECKS: Final = "check/"
"""Below it lie the small objects with which the store is tried. They belong to no team."""
EXPLAINED_BY: Final[tuple[InstrumentedAttribute[str], ...]] = (Image.object_key,)
"""Every column that holds the key of an object; upload tickets explain theirs by their ids. The row is always there
before its object, whatever its state."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored image, as far as its objects and its jobs go."""

    id: UUID
    team_id: UUID
    object_key: str
    size_bytes: int
    sha256: bytes
    thumbnails: Mapping[str, Mapping[str, Any]]
    damage: Damage | None


@dataclass(frozen=True, slots=True)
class Work:
    """The states of an image's jobs, and whether it has a vector of the model that new ones are made with."""

    states: Mapping[JobKind, JobState]
    has_vector: bool


@dataclass(frozen=True, slots=True)
class Sighting:
    """Of some objects without a row: how many were unknown so far, and the keys of those that may go."""

    new: int
    ripe: list[str]


async def now(session: AsyncSession) -> datetime:
    return (await session.execute(select(func.now()))).scalar_one()


# ───────────────────────────── turns ─────────────────────────────


async def is_due(session: AsyncSession, every: timedelta) -> bool:
    """Whether the last pass began so long ago. The first is due that long after the installation's first start."""
    await session.execute(insert(Upkeep).values(task=TASK).on_conflict_do_nothing())
    due = select(Upkeep.began_at <= func.now() - every).where(Upkeep.task == TASK)
    return bool(await session.scalar(due))


async def begin(session: AsyncSession) -> None:
    new = insert(Upkeep).values(task=TASK)
    await session.execute(
        new.on_conflict_do_update(index_elements=["task"], set_={"began_at": func.now()})
    )


# ───────────────────────────── objects without a row ─────────────────────────────


def original_of(key: str) -> str:
    """The key of the original: a derivative's is that with `.small.webp` or the like behind it."""
    folder, slash, name = key.rpartition("/")
    return folder + slash + name.partition(".")[0]


async def explained(session: AsyncSession, keys: Iterable[str]) -> set[str]:
    """Those of the keys that a row explains: as an original, a derivative, a dataset's file, or as what is on its way."""
    originals = {key: original_of(key) for key in keys}
    wanted = _array(set(originals.values()))
    found: set[str] = set()
    for column in EXPLAINED_BY:
        found.update(await session.scalars(select(column).where(column == any_(wanted))))
    found |= await tickets.announced(session, originals.values())
    exported = await datasets.explained(session, originals)
    return exported | {key for key, original in originals.items() if original in found}


async def foreign(session: AsyncSession, keys: Iterable[str]) -> set[str]:
    """Those of the keys that lie under a team which this database does not know: another installation's, perhaps."""
    teams = {key: _team_in(key) for key in keys if not key.startswith(CHECKS)}
    known = await session.scalars(select(Team.id).where(Team.id.in_(set(teams.values()))))
    ours = set(known)
    return {key for key, team_id in teams.items() if team_id not in ours}


def _team_in(key: str) -> UUID:
    """`t/{team}/…`, `incoming/{team}/…`."""
    return parse_id(key.split("/")[1])


async def sight(
    session: AsyncSession,
    orphans: Sequence[StoredObject],
    *,
    began: datetime,
    grace: timedelta,
    dry_run: bool,
) -> Sighting:
    """Notes the objects. Those that an earlier pass saw, at least `grace` ago, may go."""
    ripe = (Orphan.seen_at < began) & (Orphan.seen_at <= func.now() - grace)
    query = select(Orphan.key, ripe).where(Orphan.key == any_(_array(one.key for one in orphans)))
    known = dict((await session.execute(query)).all())
    if not dry_run:
        new = insert(Orphan).values([{"key": one.key, "size_bytes": one.size} for one in orphans])
        again = {"sighted_at": func.now(), "size_bytes": new.excluded.size_bytes}
        await session.execute(new.on_conflict_do_update(index_elements=["key"], set_=again))
    return Sighting(len(orphans) - len(known), [key for key, may_go in known.items() if may_go])


async def forget(session: AsyncSession, keys: Iterable[str]) -> None:
    """The objects are gone."""
    await session.execute(delete(Orphan).where(Orphan.key == any_(_array(keys))))


async def forget_unsighted(session: AsyncSession, began: datetime) -> None:
    """What a whole pass did not come across is no orphan any more."""
    await session.execute(delete(Orphan).where(Orphan.sighted_at < began))


def _array(texts: Iterable[str]) -> ColumnElement[Any]:
    return literal(list(texts), ARRAY(String))


# ───────────────────────────── stored images ─────────────────────────────


async def count_stored(session: AsyncSession, team_id: UUID | None = None) -> int:
    return await session.scalar(select(func.count()).select_from(_stored(team_id).subquery())) or 0


async def stored_after(
    session: AsyncSession, after: UUID | None, limit: int, team_id: UUID | None = None
) -> list[Kept]:
    """The next stored images in the order of their ids, those of teams that have ended left out."""
    query = _stored(team_id)
    if after is not None:
        query = query.where(Image.id > after)
    rows = await session.execute(query.order_by(Image.id).limit(limit))
    return [Kept(*row) for row in rows]


def _stored(team_id: UUID | None) -> Any:
    query = (
        select(
            Image.id,
            Image.team_id,
            Image.object_key,
            Image.size_bytes,
            Image.sha256,
            Image.thumbnails,
            Image.damage,
        )
        .join(Team, Team.id == Image.team_id)
        .where(Image.state == ImageState.STORED, Team.deleted_at.is_(None))
    )
    return query if team_id is None else query.where(Image.team_id == team_id)


async def work_on(session: AsyncSession, images: Sequence[Kept]) -> dict[UUID, Work]:
    """What has been done for each of the images, and what is being done."""
    ids, teams = [one.id for one in images], {one.team_id for one in images}
    rows = await session.execute(
        select(ImageJob.image_id, ImageJob.kind, ImageJob.state).where(
            ImageJob.team_id.in_(teams),
            ImageJob.image_id.in_(ids),
            ImageJob.kind.in_(jobs.PROCESSING),
        )
    )
    states: dict[UUID, dict[JobKind, JobState]] = {one: {} for one in ids}
    for image_id, kind, state in rows:
        states[image_id][kind] = state
    model = await embedding_models.active(session)
    if model is None:
        return {one: Work(states[one], has_vector=True) for one in ids}
    vectors = select(ImageVector.image_id).where(
        ImageVector.team_id.in_(teams),
        ImageVector.model_id == model.id,
        ImageVector.image_id.in_(ids),
    )
    embedded = set(await session.scalars(vectors))
    return {one: Work(states[one], has_vector=one in embedded) for one in ids}


async def enqueue(session: AsyncSession, wanted: Mapping[UUID, Sequence[JobKind]]) -> None:
    """Queues these jobs of images that are still stored."""
    rows = await session.execute(
        select(Image.team_id, Image.id).where(
            Image.id.in_(wanted), Image.state == ImageState.STORED
        )
    )
    for team_id, image_id in rows.all():
        await jobs.enqueue(session, team_id, image_id, wanted[image_id])


async def keep_hashes(session: AsyncSession, image: Kept, hashes: Mapping[str, str]) -> None:
    """Writes down the SHA-256 of each derivative, unless they were made anew meanwhile."""
    known = {name: {**one, "sha256": hashes[name]} for name, one in image.thumbnails.items()}
    await session.execute(
        update(Image)
        .where(Image.id == image.id, Image.thumbnails == image.thumbnails)
        .values(thumbnails=known)
        .execution_options(synchronize_session=False)
    )


# ───────────────────────────── what is to go ─────────────────────────────


async def overdue_intents(session: AsyncSession) -> int:
    """How many uploads nobody will finish."""
    overdue = select(func.count()).where(
        Image.state == ImageState.PENDING, Image.lease_until < func.now()
    )
    return await session.scalar(overdue) or 0
