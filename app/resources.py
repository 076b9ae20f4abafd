"""What a process holds open: built once, closed at the end. The only place where adapters are chosen."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from app.db import embedded, migrate, sessions
from app.db.address import DIRECT_SETTING, SETTING, DatabaseSettingError, sqlalchemy_url
from app.db.changes import Changes
from app.db.database import Database, Entrance
from app.embedding import Embedder, Embedders, embedder_from_name
from app.errors import AppError, SetupError
from app.imaging import Decoder
from app.metrics import MeasuredStorage, Metrics, RecallSampler
from app.services import store_mark
from app.services.auditing import audit_key, audit_months
from app.services.auditing.audit_commit import Recorder
from app.settings import Settings
from app.storage import ProvenStorage, Reads, Storage, place, storage_from_url

log = logging.getLogger(__name__)

STORE_SECONDS: Final = 3.0
"""So long a start waits for the store. One that does not answer is looked at when it is used."""


class NotMigratedError(SetupError):
    """The database lacks migrations, and is not ours to change unasked."""

    def __init__(self) -> None:
        super().__init__("The database is not up to date: run `pictor migrate` first.")


class RolesRefusedError(SetupError):
    """Whoever logs in to the database may not take the roles that everything runs as."""

    def __init__(self, roles: Sequence[str]) -> None:
        super().__init__(
            f"The user whom PICTOR_DATABASE_URL names may not take {', '.join(roles)}:"
            " grant it what `pictor migrate` made."
        )


@dataclass(frozen=True)
class Resources:
    settings: Settings
    db: Database
    storage: Storage
    decoder: Decoder
    embedder: Embedder
    """Of the settings' model."""
    metrics: Metrics = field(default_factory=Metrics)

    @cached_property
    def models(self) -> Embedders:
        """The models that this process holds, `embedder` among them."""
        return Embedders(self.embedder)

    @cached_property
    def audit(self) -> Recorder:
        """Records every access. It holds nothing open."""
        return Recorder(self.db.audit, self.settings.signing_key)

    @cached_property
    def reads(self) -> Reads:
        """Reads whole objects to know what they are, each once at a time."""
        return Reads(self.storage)

    @cached_property
    def recall(self) -> RecallSampler:
        """Compares some searches with the truth, beside the requests."""
        return RecallSampler(self.metrics, self.settings.recall_sample)

    @cached_property
    def changes(self) -> Changes:
        """Tells which images change. It holds a connection open while somebody watches."""
        return Changes(self.db)


@asynccontextmanager
async def open_database(settings: Settings, *, migrated: bool = True) -> AsyncIterator[Database]:
    """The database of the settings. The embedded one is migrated at once; another must be (`migrated`).

    NotMigratedError where it is behind. SetupError where a pooler stands in the way of what needs a session. One that is
    ahead will do: the migrations of the next version leave to this one what it uses, so that both serve while one follows
    the other.
    """
    url = await asyncio.to_thread(database_url, settings)
    direct_url = _direct_url(settings)
    db = Database(url, pool_size=settings.database_pool_size, direct_url=direct_url)
    try:
        await db.reach()
        if settings.database_url is None:
            await migrate.upgrade(db.engine)
        else:
            await sessions.require(db)
            if migrated:
                await _usable(db)
        yield db
    finally:
        await db.close()


async def _usable(db: Database) -> None:
    standing = await migrate.standing(db.engine)
    if standing is migrate.Standing.BEHIND:
        raise NotMigratedError
    if standing is migrate.Standing.AHEAD:
        log.warning("the database was migrated by a later version; this one goes on with it")


async def require_roles(db: Database) -> None:
    """RolesRefusedError unless everything can run as what it is to run as."""
    if refused := await db.roles_refused():
        raise RolesRefusedError(refused)


async def require_key(db: Entrance, settings: Settings) -> None:
    """OtherKeyError unless the secret key is the installation's. The first process's becomes it."""
    key, source = settings.signing_key, key_source(settings)
    await db.run(lambda session: audit_key.take(session, key, source))


def key_source(settings: Settings) -> str:
    """Where the secret key comes from, at the beginning of a sentence."""
    if settings.secret_key is not None:
        return "PICTOR_SECRET_KEY"
    return f"PICTOR_SECRET_KEY is not set, and the key in {settings.data_dir / 'secret_key'}"


def database_url(settings: Settings) -> str:
    """SQLAlchemy's URL of the settings' database; starts the embedded server where none is named.

    DatabaseSettingError where the setting cannot be used.
    """
    if settings.database_url is None:
        return embedded.start(settings.data_dir)
    return sqlalchemy_url(settings.database_url.get_secret_value())


def _direct_url(settings: Settings) -> str | None:
    if settings.database_direct_url is None:
        return None
    if settings.database_url is None:
        raise DatabaseSettingError(DIRECT_SETTING, f"there is no {SETTING} that it could go past")
    return sqlalchemy_url(settings.database_direct_url.get_secret_value(), DIRECT_SETTING)


def open_storage(settings: Settings) -> Storage:
    """StorageSettingError where the setting cannot be used."""
    secrets = (settings.storage_url, settings.s3_access_key, settings.s3_secret_key)
    url, access_key, secret_key = (one.get_secret_value() if one else None for one in secrets)
    return storage_from_url(
        url,
        settings.data_dir,
        access_key=access_key,
        secret_key=secret_key,
        clients_endpoint=settings.direct_uploads,
    )


def proven(storage: Storage, db: Database, settings: Settings) -> ProvenStorage:
    """The store, which is held to be this installation's once that is seen."""
    mark = store_mark.Mark(db.worker, storage, place(storage), settings.tmp_dir)
    return ProvenStorage(storage, mark.prove)


async def _require_store(storage: ProvenStorage) -> None:
    """OtherStoreError where it is another installation's. Where it is away, the process starts and waits for it."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await storage.prove()
    except (AppError, TimeoutError) as error:
        why = str(error) or f"no answer within {STORE_SECONDS:g} s"
        log.info("whether the store is the right one is seen when it answers: %s", why)


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Everything that a server or a worker needs, closed in reverse order at the end.

    RolesRefusedError where it could open, but answer nobody. OtherKeyError and OtherStoreError where it would do harm.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(open_database(settings))
        await require_roles(db)
        await require_key(db.worker, settings)
        await db.audit.run(audit_months.make_this)
        metrics = Metrics()
        known = proven(open_storage(settings), db, settings)
        storage = MeasuredStorage(known, metrics)
        stack.push_async_callback(storage.close)
        await _require_store(known)
        decoder = Decoder(max_pixels=settings.max_image_pixels, workers=settings.decoders)
        stack.push_async_callback(decoder.close)
        embedder = embedder_from_name(settings.embedding_model)
        stack.push_async_callback(embedder.close)
        resources = Resources(settings, db, storage, decoder, embedder, metrics)
        stack.push_async_callback(resources.models.close)
        stack.push_async_callback(resources.recall.close)
        yield resources
