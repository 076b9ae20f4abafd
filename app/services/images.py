"""Images: lists, look-ups, edits, trash and deletion. How they come in is in uploads, how much each may carry in room."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    SQLColumnExpression,
    delete,
    func,
    select,
    union,
)
from sqlalchemy import update as sql_update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import (
    CollectionImage,
    DrawHead,
    EmbeddingModel,
    Image,
    ImageJob,
    ImageTag,
    ImageVector,
)
from app.domain import (
    MAX_IDS,
    Actor,
    ImageFilter,
    ImageOrder,
    ImageOrderField,
    ImageState,
    JobKind,
    JobState,
    ModelState,
    OrderDirection,
    Role,
    Window,
    line,
    micro_weight,
    paragraph,
)
from app.errors import bad_input, forbidden, not_found
from app.services import access, duplicate_groups, filters, jobs, listing, paging, reach

ID = paging.Key(Image.id, lambda row: row.id, UUID)
ORDERS: dict[ImageOrderField, tuple[SQLColumnExpression[Any], str, Any]] = {
    ImageOrderField.CREATED_AT: (Image.created_at, "created_at", datetime),
    ImageOrderField.TAKEN_AT: (filters.TAKEN, "taken_at", datetime),
    ImageOrderField.TITLE: (Image.title, "title", str),
    ImageOrderField.SIZE_BYTES: (Image.size_bytes, "size_bytes", int),
    ImageOrderField.WEIGHT: (Image.weight, "weight", int),
}


@dataclass(frozen=True)
class Status:
    """What the background work has made of an image: its tries, its last error, its model."""

    attempts: int
    error: str | None
    model: str | None
    finished_at: datetime | None


def keyset(order: ImageOrder) -> paging.Keyset:
    """The order with the id as its last key; undated images are the oldest by TAKEN_AT."""
    column, attribute, kind = ORDERS[order.field]
    first = paging.Key(column, lambda row: getattr(row, attribute), kind)
    return paging.Keyset(
        f"image.{order.field}.{order.direction}",
        (first, ID),
        descending=order.direction is OrderDirection.DESC,
    )


async def page(
    session: AsyncSession, actor: Actor, wanted: ImageFilter, order: ImageOrder, window: Window
) -> paging.Page[Image]:
    keys = keyset(order)
    left = reach.behind(wanted, order.field, keys, window)
    match = await filters.resolve(session, actor, left)
    if match.empty:
        return paging.nothing(keys, window)
    return await listing.page(session, match, order.field, keys, window)


async def count(session: AsyncSession, actor: Actor, wanted: ImageFilter) -> int:
    """How many images match: from the kept counters where they are exact, else counted."""
    match = await filters.resolve(session, actor, wanted)
    if match.empty:
        return 0
    if match.lists is None:
        return await paging.count(session, match.images())
    total = select(func.coalesce(func.sum(DrawHead.images), 0)).where(filters.in_lists(match.lists))
    return int(await session.scalar(total) or 0)


async def by_id(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[Image | None]:
    """In the order of the ids, the trash included; None for what the actor cannot see."""
    return await access.by_id(session, access.visible_images(actor), Image.id, ids)


async def processed_within(
    session: AsyncSession, actor: Actor, team_ids: Sequence[UUID], seconds: float, limit: int
) -> list[UUID]:
    """Images of these teams whose processing may have got on in the last seconds; `limit` of them, in no order."""
    start = func.now() - timedelta(seconds=seconds)
    of_teams = (
        access.in_teams(ImageJob.team_id, actor.team_ids),
        ImageJob.team_id.in_(team_ids),
        ImageJob.kind.in_(jobs.PROCESSING),
    )
    # A job that waits is due when it was queued, or later; one that runs may have begun just now.
    at_work = (ImageJob.state == JobState.RUNNING) | (ImageJob.run_after >= start)
    either = union(
        select(ImageJob.image_id).where(*of_teams, jobs.OPEN, at_work),
        select(ImageJob.image_id).where(*of_teams, ImageJob.finished_at >= start),
    )
    return list(await session.scalars(either.limit(limit)))


async def status_by_id(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID]
) -> list[Status | None]:
    """The state of the background work, in the order of the ids."""
    embed = (
        select(
            ImageJob.image_id,
            func.max(ImageJob.attempts),
            func.max(ImageJob.error),
            func.max(ImageJob.finished_at),
        )
        .where(access.in_teams(ImageJob.team_id, actor.team_ids), ImageJob.image_id.in_(ids))
        .group_by(ImageJob.image_id)
        .subquery()
    )
    vector = (
        select(ImageVector.image_id, EmbeddingModel.name)
        .join(EmbeddingModel, EmbeddingModel.id == ImageVector.model_id)
        .where(
            access.in_teams(ImageVector.team_id, actor.team_ids),
            ImageVector.image_id.in_(ids),
            EmbeddingModel.state == ModelState.ACTIVE,
        )
        .subquery()
    )
    rows = await session.execute(
        select(embed, vector.c.name).outerjoin(vector, vector.c.image_id == embed.c.image_id)
    )
    found = {
        image_id: Status(attempts=tries, error=error, finished_at=finished, model=model)
        for image_id, tries, error, finished, model in rows
    }
    return [found.get(one) for one in ids]


async def locked(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID], role: Role = Role.EDITOR
) -> list[Image]:
    """All of these images for a change, in the order of the ids, each once.

    NOT_FOUND with the missing ids, FORBIDDEN below the role, BAD_USER_INPUT beyond MAX_IDS. Rows are
    locked in the order of their ids, so that two changes cannot wait for each other.
    """
    wanted = _each_once(ids)
    rows = await session.scalars(
        access.visible_images(actor)
        .where(Image.id.in_(wanted))
        .order_by(Image.id)
        .with_for_update(key_share=True)
    )
    found = {row.id: row for row in rows}
    missing = [one for one in wanted if one not in found]
    if missing:
        raise not_found("Image", ids=missing)
    if any(actor.roles[row.team_id].rank < role.rank for row in found.values()):
        raise forbidden(f"This needs the role {role} in the images' team.")
    return [found[one] for one in wanted]


def _each_once(ids: Sequence[UUID]) -> list[UUID]:
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MAX_IDS:
        raise bad_input("ids", f"At most {MAX_IDS} ids.", limit=MAX_IDS)
    return wanted


async def update(
    session: AsyncSession, actor: Actor, image_id: UUID, changes: dict[str, Any]
) -> Image:
    """Changes `title`, `description`, `weight` (as drawn, not in millionths) and `taken_at` as given."""
    (image,) = await locked(session, actor, [image_id])
    if "title" in changes:
        image.title = line(changes["title"], field="input.title")
    if "description" in changes:
        image.description = paragraph(changes["description"], field="input.description")
    if "weight" in changes:
        image.weight = micro_weight(changes["weight"], field="input.weight")
    if "taken_at" in changes:
        image.taken_at = changes["taken_at"]
    if changes:
        image.updated_at = datetime.now(UTC)
    await session.flush()
    return image


async def set_trashed(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID], *, trashed: bool
) -> list[Image]:
    """Moves images to the trash or out of it; those that are there already stay as they are."""
    rows = await locked(session, actor, ids)
    changed = [row.id for row in rows if (row.trashed_at is not None) != trashed]
    if changed:
        # By the database's clock, as the trash is emptied.
        now = func.now()
        await session.execute(
            sql_update(Image)
            .where(Image.id.in_(changed))
            .values(trashed_at=now if trashed else None, updated_at=now)
            .returning(Image)
            .execution_options(populate_existing=True)
        )
    return rows


async def delete_forever(
    session: AsyncSession,
    actor: Actor,
    ids: Sequence[UUID],
    *,
    purge_after: timedelta = timedelta(0),
) -> list[UUID]:
    """Deletes the images (EDITOR). `purge_after`: for how long their bytes are kept all the same."""
    rows = await locked(session, actor, ids)
    return await end(session, rows, purge_after)


async def end(session: AsyncSession, rows: Sequence[Image], purge_after: timedelta) -> list[UUID]:
    """Rows first: they are gone for every reader at once. A job removes bytes and row afterwards."""
    gone = [row.id for row in rows]
    await session.execute(
        sql_update(Image)
        .where(Image.id.in_(gone))
        .values(state=ImageState.DELETED, deleted_at=func.now())
        .execution_options(synchronize_session=False)
    )
    for table in (ImageTag, CollectionImage, ImageVector):
        await session.execute(delete(table).where(table.image_id.in_(gone)))
    for team_id in sorted({row.team_id for row in rows}):
        its = [row.id for row in rows if row.team_id == team_id]
        await duplicate_groups.forget(session, team_id, its)
    for row in rows:
        await jobs.enqueue(session, row.team_id, row.id, [JobKind.PURGE], purge_after)
    return gone


async def retry(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[Image]:
    """Queues what was given up of these images anew; what is done, waits or runs stays as it is.

    Jobs are changed before their images are locked (see `jobs.follow`): where the images are refused, the
    transaction takes the change back.
    """
    await jobs.retry(session, actor.team_ids, _each_once(ids))
    return await locked(session, actor, ids)


async def for_download(session: AsyncSession, actor: Actor, image_id: UUID) -> Image | None:
    """The image whose bytes a signed address asks for, if the actor may see it now."""
    image: Image | None = await session.scalar(
        access.visible_images(actor).where(Image.id == image_id)
    )
    return image


async def team_of(session: AsyncSession, image_id: UUID) -> UUID | None:
    """Whose image it is: for the record of who was refused."""
    team_id: UUID | None = await session.scalar(select(Image.team_id).where(Image.id == image_id))
    return team_id
