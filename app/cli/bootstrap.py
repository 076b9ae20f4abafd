"""`pictor bootstrap`: a team, its first user and a key, so that the API can be used at all."""

import argparse
import json

from app.cli import password
from app.resources import open_database
from app.services.people import operators, passwords
from app.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--team", required=True, help="the team's name")
    parser.add_argument("--email", required=True, help="the user's e-mail address")
    password.arguments(parser, what="a password for a user who has none yet")
    parser.add_argument(
        "--json", action="store_true", help="print teamId, userId and apiKey as JSON"
    )


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    # An empty one is refused: it is a variable of a script that was not set.
    given = password.given(asked)
    password_hash = None if given is None else await passwords.hashed(given)
    async with open_database(settings) as db:
        made = await db.owner.run(
            lambda session: operators.bootstrap(
                session, team=asked.team, email=asked.email, password_hash=password_hash
            )
        )
    facts = {
        "teamId": str(made.team_id),
        "userId": str(made.user_id),
        "apiKey": made.api_key,
        "isOperator": made.is_operator,
    }
    if asked.json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name:<12}{value}")
        print("The key is shown this once.")
    return 0
