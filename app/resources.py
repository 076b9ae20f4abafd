"""What a process holds open: built once, closed at the end. The only place where adapters are chosen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property

from app.db import embedded, migrate
from app.db.database import Database
from app.embedding import Embedder, embedder_from_name
from app.imaging import Decoder
from app.services.audit_commit import Recorder
from app.settings import Settings
from app.storage import Storage, storage_from_url


class NotMigratedError(RuntimeError):
    """The database is not at the head of the migrations, and is not ours to change unasked."""

    def __init__(self) -> None:
        super().__init__("The database is not up to date: run `pictor migrate` first.")


@dataclass(frozen=True)
class Resources:
    settings: Settings
    db: Database
    storage: Storage
    decoder: Decoder
    embedder: Embedder

    @cached_property
    def audit(self) -> Recorder:
        """Records every access. It holds nothing open."""
        return Recorder(self.db.audit, self.settings.signing_key)


@asynccontextmanager
async def open_database(settings: Settings, *, migrated: bool = True) -> AsyncIterator[Database]:
    """The database of the settings. The embedded one is migrated at once; another must be (`migrated`).

    NotMigratedError where it is not.
    """
    url = await asyncio.to_thread(database_url, settings)
    db = Database(url, pool_size=settings.database_pool_size)
    try:
        await db.reach()
        if settings.database_url is None:
            await migrate.upgrade(db.engine)
        elif migrated and not await migrate.is_current(db.engine):
            raise NotMigratedError
        yield db
    finally:
        await db.close()


def database_url(settings: Settings) -> str:
    """SQLAlchemy's URL of the settings' database; starts the embedded server where none is named."""
    if settings.database_url is None:
        return embedded.start(settings.data_dir)
    scheme, _, rest = settings.database_url.get_secret_value().partition("://")
    return (
        f"postgresql+asyncpg://{rest}"
        if scheme in ("postgres", "postgresql")
        else f"{scheme}://{rest}"
    )


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


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Everything that a server or a worker needs, closed in reverse order at the end."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(open_database(settings))
        storage = open_storage(settings)
        stack.push_async_callback(storage.close)
        decoder = Decoder(max_pixels=settings.max_image_pixels)
        stack.push_async_callback(decoder.close)
        embedder = embedder_from_name(settings.embedding_model)
        stack.push_async_callback(embedder.close)
        yield Resources(settings, db, storage, decoder, embedder)
