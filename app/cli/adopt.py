"""`pictor adopt`: whoever runs the installation says that this store, or this secret key, is its own from now on."""

import argparse

from app.db.database import Database
from app.errors import SetupError, UsageError
from app.resources import open_database, open_storage, require_roles
from app.services import installation, store_mark
from app.services.auditing import audit_key
from app.settings import Settings
from app.storage import place


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", action="store_true", help="the store lost its mark, or is a copy without it"
    )
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="a store that lacks the images, or has another installation's, too",
    )
    parser.add_argument(
        "--key",
        action="store_true",
        help="PICTOR_SECRET_KEY is new, and the one before is lost; else see `pictor audit resign`",
    )


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    if not (asked.store or asked.key):
        raise UsageError("Say what is to be adopted: --store, --key, or both.")
    async with open_database(settings) as db:
        await require_roles(db)
        if asked.store:
            await _store(db, settings, anyway=asked.anyway)
        if asked.key:
            await db.owner.run(lambda session: audit_key.change(session, settings.signing_key))
            shown = audit_key.shown(audit_key.fingerprint(settings.signing_key))
            print(f"The secret key with the fingerprint {shown} is this installation's.")
    return 0


async def _store(db: Database, settings: Settings, *, anyway: bool) -> None:
    storage = open_storage(settings)
    try:
        found = await store_mark.look(db.worker, storage)
        if not (found.is_marked or found.has_most or anyway):
            raise SetupError(f"{found.refusal(place(storage))} With --anyway too, it is taken.")
        if not found.is_marked:
            await store_mark.put(storage, found.id, settings.tmp_dir)
        await db.worker.run(installation.marked)
    finally:
        await storage.close()
    seen = (
        f": it has {found.found} of {found.sampled} images that were looked for"
        if found.sampled
        else ""
    )
    print(f"{place(storage)} is this installation's store{seen}.")
