"""`pictor passwd`: a way in for a user who has none. Only whoever runs the installation can use it."""

import argparse
import getpass

from app.errors import SetupError
from app.resources import open_database
from app.services.people import operators, passwords
from app.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--email", required=True, help="the user's e-mail address")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--password", help="set this password")
    how.add_argument("--prompt", action="store_true", help="ask for the password and set it")


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    password = _typed() if asked.prompt else asked.password
    if password is None:
        async with open_database(settings) as db:
            token = await db.owner.run(
                lambda session: operators.password_token(session, asked.email)
            )
        print(token)
        return 0
    password_hash = await passwords.hashed(password)
    async with open_database(settings) as db:
        await db.owner.run(
            lambda session: operators.set_password(session, asked.email, password_hash)
        )
    print("The password is set, and all logins of the user have ended.")
    return 0


def _typed() -> str:
    try:
        return getpass.getpass("New password: ")
    except EOFError as error:
        raise SetupError("Nobody typed a password: --prompt needs a terminal.") from error
