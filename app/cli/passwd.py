"""`pictor passwd`: a way in for a user who has none. Only whoever runs the installation can use it."""

import argparse

from app.cli import password
from app.resources import open_database
from app.services.people import operators, passwords
from app.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--email", required=True, help="the user's e-mail address")
    password.arguments(parser, what="set this password")


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    given = password.given(asked)
    if given is None:
        async with open_database(settings) as db:
            token = await db.owner.run(
                lambda session: operators.password_token(session, asked.email)
            )
        print(token)
        return 0
    password_hash = await passwords.hashed(given)
    async with open_database(settings) as db:
        await db.owner.run(
            lambda session: operators.set_password(session, asked.email, password_hash)
        )
    print("The password is set, and all logins of the user have ended.")
    return 0
