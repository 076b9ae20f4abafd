"""Which model's vectors answer searches, and how another one takes over. Loading a model is the embedder's."""

from sqlalchemy import exists, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import EmbeddingModel, Image, ImageJob, ImageVector
from app.domain import ImageState, JobKind, JobState, ModelState
from app.errors import unavailable
from app.services import jobs

LOCK = text("select pg_advisory_xact_lock(hashtext('pictor.embedding_model'))")
"""Held to the end of the transaction: several processes start at once."""


async def active(session: AsyncSession) -> EmbeddingModel | None:
    """The model that answers searches; None before the first worker has loaded one."""
    found: EmbeddingModel | None = await session.scalar(
        select(EmbeddingModel).where(EmbeddingModel.state == ModelState.ACTIVE)
    )
    return found


async def require(session: AsyncSession) -> EmbeddingModel:
    """The active model, or UNAVAILABLE."""
    model = await active(session)
    if model is None:
        raise unavailable("No embedding model has been loaded yet; try again.")
    return model


async def wanted(session: AsyncSession) -> EmbeddingModel | None:
    """The model that new vectors are made with: the one being built, else the active one."""
    building = await _building(session)
    return building[0] if building else await active(session)


async def ensure(
    session: AsyncSession, *, name: str, revision: str, dimension: int
) -> EmbeddingModel:
    """Makes this the model of new vectors; a worker calls it when it starts.

    The first model, and one that takes over before anything was embedded, is ACTIVE at once. Any other is
    BUILDING: every image without a vector of it is queued, and `switch` makes it ACTIVE when they are done.
    Until then the old vectors stay and answer, but only this model's process is there to read a question.
    """
    await session.execute(LOCK)
    mine = await _registered(session, name=name, revision=revision, dimension=dimension)
    now = await active(session)
    others = [one for one in await _building(session) if one.id != mine.id]
    for other in others:
        other.state = ModelState.RETIRED
    if now is not None and now.id == mine.id:
        if others:
            await _queue_missing(session, mine.id)
    elif now is None or not await _has_vectors(session, now.id):
        await _activate(session, mine, now)
        await _queue_missing(session, mine.id)
    elif mine.state is not ModelState.BUILDING:
        mine.state = ModelState.BUILDING
        mine.created_at = (await session.execute(select(func.now()))).scalar_one()
        await _queue_missing(session, mine.id)
    await session.flush()
    return mine


async def switch(session: AsyncSession, model_id: int) -> bool:
    """Makes a BUILDING model ACTIVE if every image that was there when it began has had its turn.

    False while it must wait. Images that came later are embedded with it anyway; a constant stream of them delays nothing.
    """
    await session.execute(LOCK)
    mine = await session.get(EmbeddingModel, model_id)
    if mine is None or mine.state is not ModelState.BUILDING:
        return True
    open_jobs = exists().where(
        jobs.OPEN, ImageJob.kind == JobKind.EMBED, ImageJob.created_at <= mine.created_at
    )
    if await session.scalar(select(open_jobs)):
        return False
    await _activate(session, mine, await active(session))
    return True


async def _registered(
    session: AsyncSession, *, name: str, revision: str, dimension: int
) -> EmbeddingModel:
    """The model's row; a new one is RETIRED until it is told otherwise."""
    row: EmbeddingModel | None = await session.scalar(
        select(EmbeddingModel).where(
            EmbeddingModel.name == name, EmbeddingModel.revision == revision
        )
    )
    if row is None:
        row = EmbeddingModel(
            name=name, revision=revision, dimension=dimension, state=ModelState.RETIRED
        )
        session.add(row)
        # Its id is needed.
        await session.flush()
    return row


async def _building(session: AsyncSession) -> list[EmbeddingModel]:
    newest_first = (
        select(EmbeddingModel)
        .where(EmbeddingModel.state == ModelState.BUILDING)
        .order_by(EmbeddingModel.created_at.desc(), EmbeddingModel.id.desc())
    )
    return list(await session.scalars(newest_first))


async def _activate(
    session: AsyncSession, mine: EmbeddingModel, now: EmbeddingModel | None
) -> None:
    if now is not None:
        now.state = ModelState.RETIRED
        # First the old one: the unique index allows no two, not even for a moment.
        await session.flush()
    mine.state = ModelState.ACTIVE
    await session.flush()


async def _has_vectors(session: AsyncSession, model_id: int) -> bool:
    found = await session.scalar(select(exists().where(ImageVector.model_id == model_id)))
    return bool(found)


async def _queue_missing(session: AsyncSession, model_id: int) -> None:
    """Queues every stored image that has no vector of the model, those that failed with another included.

    `processing` stays READY until a worker takes the image: its old vector still answers.
    """
    has_vector = exists().where(
        ImageVector.team_id == Image.team_id,
        ImageVector.model_id == model_id,
        ImageVector.image_id == Image.id,
    )
    missing = (
        select(Image.team_id, Image.id, literal(JobKind.EMBED.value))
        .where(Image.state == ImageState.STORED, ~has_vector)
        .order_by(Image.id)
    )
    new = insert(ImageJob).from_select(["team_id", "image_id", "kind"], missing)
    again = new.on_conflict_do_update(
        index_elements=["team_id", "image_id", "kind"],
        set_={**jobs.QUEUED, "attempts": 0, "error": None, "run_after": func.now()},
        where=ImageJob.state != JobState.QUEUED,
    )
    await session.execute(again)
    await jobs.wake(session)
