"""`pictor doctor`: whether every part works, and what the model is worth. Exit status 1 where one does not."""

import argparse
import json
import platform
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from app.db import migrate
from app.db.database import ROLES
from app.demo.gallery import gallery
from app.domain import ImageFormat
from app.embedding import Embedders, Known, embedder_from_name
from app.errors import AppError, SetupError
from app.imaging import Decoder
from app.resources import key_source, open_database, open_storage, require_roles
from app.services import embedding_models, store_mark
from app.services.auditing import audit_key
from app.services.people import operators
from app.services.searching import graphs
from app.settings import Settings
from app.storage import place
from app.worker import graphs as builder

Check = Callable[[Settings], Awaitable[str]]
STANDINGS = {
    migrate.Standing.BEHIND: "NOT migrated",
    migrate.Standing.CURRENT: "up to date",
    migrate.Standing.AHEAD: "migrated by a later version",
}
EXPECTED = (AppError, SetupError, OSError, RuntimeError, ValueError)


def arguments(_parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


async def run(settings: Settings, _asked: argparse.Namespace) -> int:
    print(f"Pictor {version('pictor')} on Python {platform.python_version()}")
    checks: dict[str, Check] = {
        "database": _database,
        "wall": _wall,
        "key": _key,
        "storage": _storage,
        "mark": _mark,
        "graphs": _graphs,
        "decoder": _decoder,
        "model": _model,
    }
    failed = 0
    for name, check in checks.items():
        try:
            print(f"  ok    {name:<9} {await check(settings)}")
        except EXPECTED as error:
            failed += 1
            print(f"  FAIL  {name:<9} {error}")
    return 1 if failed else 0


async def _database(settings: Settings) -> str:
    async with open_database(settings) as db:
        async with db.owner.transaction() as session:
            server, vector = await operators.versions(session)
        standing = await migrate.standing(db.engine)
    where = "embedded" if settings.database_url is None else "external"
    return f"PostgreSQL {server}, pgvector {vector}, {where}, {STANDINGS[standing]}"


async def _wall(settings: Settings) -> str:
    async with open_database(settings) as db, db.owner.transaction() as session:
        gaps = await operators.wall_gaps(session)
    if gaps:
        raise RuntimeError(" ".join(gaps))
    return f"row-level security under {', '.join(ROLES)}"


async def _graphs(settings: Settings) -> str:
    """Due ones are no failure: a worker builds them, and large teams are only searched more slowly until then."""
    async with open_database(settings) as db:
        await require_roles(db)
        may_build = await builder.may_build(db)
        there = await db.worker.run(graphs.present)
        due = len((await builder.due(db, fewest=settings.index_min_vectors)).wanted)
    ready = sum(is_valid for _, is_valid in there)
    if not due:
        return f"{ready} of large teams' vectors, none is due"
    who = "a worker builds them" if may_build else "run `pictor reindex` as the tables' owner"
    return f"{ready} of large teams' vectors, {due} due: {who}"


async def _storage(settings: Settings) -> str:
    storage = open_storage(settings)
    try:
        await storage.check()
    finally:
        await storage.close()
    return "reachable and writable" if settings.storage_url else f"folder {settings.objects_dir}"


async def _key(settings: Settings) -> str:
    key = settings.signing_key
    async with open_database(settings) as db:
        await require_roles(db)
        known = await db.worker.run(
            lambda session: audit_key.check(session, key, key_source(settings))
        )
    shown = audit_key.shown(audit_key.fingerprint(key))
    return f"fingerprint {shown}" if known else f"fingerprint {shown}, no process has started yet"


async def _mark(settings: Settings) -> str:
    """Whether the store is this database's."""
    storage = open_storage(settings)
    try:
        async with open_database(settings) as db:
            await require_roles(db)
            found = await store_mark.look(db.worker, storage)
    finally:
        await storage.close()
    if not found.is_ours:
        raise RuntimeError(found.refusal(place(storage)))
    when = "" if found.is_marked else ", which the first process to start will mark"
    return f"the store of the installation {found.id}{when}"


async def _decoder(settings: Settings) -> str:
    picture = next(gallery(count=1, now=datetime.now(UTC)))
    decoder = Decoder(max_pixels=settings.max_image_pixels)
    try:
        with tempfile.NamedTemporaryFile() as file:
            file.write(picture.data)
            file.flush()
            seen = await decoder.inspect(Path(file.name))
    finally:
        await decoder.close()
    return f"reads {', '.join(ImageFormat)} ({seen.width} x {seen.height} {seen.format} tried)"


async def _model(settings: Settings) -> str:
    """The installation's model, as this host has it; the setting's, where there is none yet."""
    models = Embedders(embedder_from_name(settings.embedding_model))
    models.know(await _known(settings))
    try:
        embedder = models.own
        if models.active is not None:
            embedder = await models.load(models.active)
        await embedder.warm()
        facts = f"{embedder.name} {embedder.revision}, {embedder.dimension} dimensions"
        if embedder.name != models.own.name:
            facts += f"; PICTOR_EMBEDDING_MODEL ({models.own.name}) is not used any more"
        if models.building is not None:
            facts += f"; {models.building} is being built"
    finally:
        await models.close()
        await models.own.close()
    return f"{facts}{_card()}" if embedder.name == "builtin" else facts


async def _known(settings: Settings) -> list[Known]:
    """Nothing where the database has its own failure to tell."""
    try:
        async with open_database(settings) as db:
            await require_roles(db)
            return await db.worker.run(embedding_models.known)
    except EXPECTED:
        return []


def _card() -> str:
    """What the built-in model is worth, from its card."""
    card = json.loads((files("app") / "builtin_model" / "card.json").read_text())
    lines = ["It knows:", *(f"- {one}" for one in card["knows"])]
    lines += ["It does not know:", *(f"- {one}" for one in card["does_not_know"])]
    return "".join(f"\n{' ' * 18}{line}" for line in lines)
