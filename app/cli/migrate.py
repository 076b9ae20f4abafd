"""`pictor migrate`: brings the database to the tables that this version needs."""

import argparse

from app.db import migrate
from app.resources import open_database
from app.settings import Settings


def arguments(_parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


async def run(settings: Settings, _asked: argparse.Namespace) -> int:
    async with open_database(settings, migrated=False) as db:
        await migrate.upgrade(db.direct)
        standing = await migrate.standing(db.engine)
    if standing is migrate.Standing.AHEAD:
        print("A later version has migrated the database; there is nothing to do.")
    else:
        print("The database is up to date.")
    return 0
