"""Which model's vectors answer searches, and how another one takes over. Loading a model is the embedder's."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, bindparam, exists, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import EmbeddingModel, Image, ImageJob, ImageVector
from app.domain import NO_ID, ImageState, JobKind, JobState, ModelState
from app.embedding import Known
from app.errors import bad_input, conflict, unavailable
from app.services import jobs

LOCK = text("select pg_advisory_xact_lock(hashtext('pictor.embedding_model'))")
"""Held to the end of the transaction by whoever changes which model is what."""
LOCK_SHARED = text("select pg_advisory_xact_lock_shared(hashtext('pictor.embedding_model'))")
WHOLE: Final = or_(
    EmbeddingModel.state == ModelState.ACTIVE, EmbeddingModel.retired_at.is_not(None)
)
"""Every image that was read while the model answered has a vector of it."""
IDENTITY: Final = select(EmbeddingModel.id, EmbeddingModel.name, EmbeddingModel.revision)
THE_ACTIVE: Final = IDENTITY.where(EmbeddingModel.state == ModelState.ACTIVE)
BY_ID: Final = IDENTITY.where(EmbeddingModel.id == bindparam("its_id"), WHOLE)
BY_NAME: Final = IDENTITY.where(
    EmbeddingModel.name == bindparam("its_name"),
    EmbeddingModel.revision == bindparam("its_revision"),
    WHOLE,
)
NONE_YET: Final = "No embedding model has been loaded yet; try again."
GONE: Final = "The vectors that made this page are not kept any more; begin again without a cursor."


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
        raise unavailable(NONE_YET)
    return model


@dataclass(frozen=True, slots=True)
class Answering:
    """A model whose vectors are whole."""

    id: int
    name: str
    revision: str


async def answering(session: AsyncSession, name: str, revision: str) -> Answering | None:
    """That model, if its vectors are whole: the active one, or one that was and whose vectors are kept."""
    return await _answering(session, BY_NAME, its_name=name, its_revision=revision)


async def of_page(session: AsyncSession, model_id: int | None) -> Answering | None:
    """The model that a cursor names, if its vectors are whole; the active one where there is no cursor."""
    if model_id is None:
        return await _answering(session, THE_ACTIVE)
    found = await _answering(session, BY_ID, its_id=model_id)
    if found is None:
        raise bad_input("after", GONE)
    return found


async def _answering(
    session: AsyncSession, asked: Select[int, str, str], **values: int | str
) -> Answering | None:
    row = (await session.execute(asked, values)).one_or_none()
    return Answering(*row) if row else None


async def known(session: AsyncSession) -> list[Known]:
    """Every model that was ever used here, as processes remember them."""
    rows = await session.scalars(select(EmbeddingModel).order_by(EmbeddingModel.id))
    return [
        Known(row.id, row.name, row.revision, row.source, row.state, row.retired_at) for row in rows
    ]


async def alive(session: AsyncSession) -> tuple[int | None, int | None]:
    """Ids of the active model and of the one being built. Neither changes before the transaction ends."""
    await session.execute(LOCK_SHARED)
    rows = await session.execute(
        select(EmbeddingModel.state, EmbeddingModel.id).where(
            EmbeddingModel.state != ModelState.RETIRED
        )
    )
    ids = {row.state: row.id for row in rows}
    return ids.get(ModelState.ACTIVE), ids.get(ModelState.BUILDING)


async def ensure(
    session: AsyncSession, *, name: str, revision: str, dimension: int, source: str | None = None
) -> EmbeddingModel:
    """Introduces the model of a process's setting; a worker calls it when it starts.

    The first model, and one that takes over before anything was embedded, is ACTIVE at once. Another that was
    never seen here is BUILDING. One that was seen stays what it is: a process that starts with an old setting
    undoes nothing. While one is being built, no other begins.
    """
    await session.execute(LOCK)
    row = await _find(session, name, revision)
    if row is not None:
        row.source = row.source or source
        if await active(session) is None:
            await activate(session, row)
        return row
    row = await _add(session, name=name, revision=revision, dimension=dimension, source=source)
    now = await active(session)
    if now is None or not await _has_vectors(session, now.id):
        await activate(session, row)
        await queue_missing(session, row.id)
    elif await building(session) is None:
        row.state = ModelState.BUILDING
    await session.flush()
    return row


async def begin(
    session: AsyncSession, *, name: str, revision: str, dimension: int, source: str
) -> EmbeddingModel:
    """Makes it BUILDING for `reembed`, or ACTIVE where there is none. CONFLICT while another one is being built."""
    await session.execute(LOCK)
    row = await _find(session, name, revision) or await _add(
        session, name=name, revision=revision, dimension=dimension, source=source
    )
    row.source = source
    other = await building(session)
    if other is not None and other.id != row.id:
        raise conflict(
            "model",
            f"{other.name} ({other.revision}) is being built: wait for it, or end it with --cancel.",
        )
    if await active(session) is None:
        await activate(session, row)
    elif row.state is ModelState.RETIRED:
        row.state = ModelState.BUILDING
    await session.flush()
    return row


async def activate(session: AsyncSession, row: EmbeddingModel) -> None:
    """Under LOCK. The one before it is RETIRED from this moment on.

    That near-copies are looked for anew, by its vectors, is only noted: of millions of images it takes minutes to say so one
    by one, for which whoever keeps a vector would have to wait. `duplicates.queue_some` does it.
    """
    now = await active(session)
    if now is not None and now.id != row.id:
        now.state, now.duplicates_after = ModelState.RETIRED, None
        if await _has_vectors(session, now.id):
            now.retired_at = (await session.execute(select(func.now()))).scalar_one()
        # First the old one: the unique index allows no two, not even for a moment.
        await session.flush()
    row.state, row.retired_at, row.duplicates_after = ModelState.ACTIVE, None, NO_ID
    await session.flush()


async def building(session: AsyncSession) -> EmbeddingModel | None:
    found: EmbeddingModel | None = await session.scalar(
        select(EmbeddingModel).where(EmbeddingModel.state == ModelState.BUILDING)
    )
    return found


async def _find(session: AsyncSession, name: str, revision: str) -> EmbeddingModel | None:
    found: EmbeddingModel | None = await session.scalar(
        select(EmbeddingModel).where(
            EmbeddingModel.name == name, EmbeddingModel.revision == revision
        )
    )
    return found


async def _add(
    session: AsyncSession, *, name: str, revision: str, dimension: int, source: str | None
) -> EmbeddingModel:
    """A new one is RETIRED until it is told otherwise."""
    row = EmbeddingModel(
        name=name, revision=revision, dimension=dimension, source=source, state=ModelState.RETIRED
    )
    session.add(row)
    # Its id is needed.
    await session.flush()
    return row


async def _has_vectors(session: AsyncSession, model_id: int) -> bool:
    found = await session.scalar(select(exists().where(ImageVector.model_id == model_id)))
    return bool(found)


async def queue_missing(session: AsyncSession, model_id: int) -> None:
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
