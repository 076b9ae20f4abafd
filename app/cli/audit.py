"""`pictor audit`: verifies the audit log, signs it under a new key, and drops its old months."""

import argparse
from datetime import date
from pathlib import Path
from uuid import UUID

from app import setting_values
from app.domain import NO_ID
from app.resources import open_database, require_key
from app.services.auditing import audit_months, audit_resign, audit_verify
from app.services.auditing.audit_verify import Fault
from app.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    verify = what.add_parser("verify", help="name the first bad row of each chain; exit status 1")
    verify.add_argument("--team", type=UUID, help="this team's chain alone")
    prune = what.add_parser("prune", help="drop whole months, once their rows are verified")
    resign = what.add_parser(
        "resign",
        help="sign with this key what fits under the one before; exit status 1: some do not",
    )
    resign.add_argument(
        "--old-key-file", type=key, required=True, metavar="FILE", help="has the key before"
    )
    for one in (verify, prune, resign):
        # What is said before these words stands where it is not said behind them.
        one.add_argument(
            "--data-dir",
            type=Path,
            default=argparse.SUPPRESS,
            help="database, objects and temporary files",
        )
    prune.add_argument(
        "--before", type=month, required=True, metavar="YYYY-MM", help="the first month that stays"
    )


def month(text: str) -> date:
    return date.fromisoformat(f"{text}-01")


def key(path: str) -> bytes:
    try:
        return setting_values.of_file("", Path(path)).encode()
    except setting_values.SecretFileError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix(": ")) from None


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    if asked.what == "verify":
        return await _verify(settings, asked.team)
    if asked.what == "resign":
        return await _resign(settings, asked.old_key_file)
    return await _prune(settings, asked.before)


async def _resign(settings: Settings, old: bytes) -> int:
    async with open_database(settings) as db:
        found = await db.owner.run(
            lambda session: audit_resign.resign(session, old, settings.signing_key)
        )
    for chain, fault in found:
        print(f"FAIL  {_named(chain)}: {fault}" if fault else f"ok    {_named(chain)}: signed")
    return 1 if any(fault for _, fault in found) else 0


async def _verify(settings: Settings, team_id: UUID | None) -> int:
    async with open_database(settings) as db:
        await require_key(db.owner, settings)
        async with db.owner.snapshot() as session:
            found = await audit_verify.verify_all(session, settings.signing_key, team_id)
    for chain, result in found:
        if isinstance(result, Fault):
            print(f"FAIL  {_named(chain)}: {result}")
        else:
            head = result.head
            print(f"ok    {_named(chain)}: {head.count} events, last hash {head.last_hash.hex()}")
    return 1 if any(isinstance(result, Fault) for _, result in found) else 0


async def _prune(settings: Settings, before: date) -> int:
    async with open_database(settings) as db:
        await require_key(db.owner, settings)
        pruned = await audit_months.prune(db.owner, settings.signing_key, before)
    if isinstance(pruned, list):
        for fault in pruned:
            print(f"FAIL  {_named(fault.team_id or NO_ID)}: {fault}")
        print("Nothing was dropped.")
        return 1
    print(f"Dropped {pruned.months} months with {pruned.events} events.")
    return 0


def _named(chain: UUID) -> str:
    return "installation" if chain == NO_ID else f"team {chain}"
