"""`pictor …`: the commands of whoever runs an installation. May import everything."""

import argparse
import asyncio
import importlib
import os
import select
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.cli.stopping import CUT_STATUS, interrupted_by_sigterm, leave, through
from app.errors import AppError, SetupError, UsageError
from app.setting_values import SecretFileError
from app.settings import Settings

COMMANDS: Final = {
    "serve": "serve the API",
    "worker": "run background jobs (thumbnails, vectors, purges) until stopped",
    "migrate": "bring the database up to date",
    "bootstrap": "make a team with its first ADMIN and a new API key; the first user that it makes is the operator",
    "passwd": "print a one-time token with which a user sets a password, or set the password",
    "seed": "upload the drawn demo gallery into a team",
    "reembed": "change the embedding model while searches go on, or go back to the one before",
    "reindex": "build the indexes of large teams' vectors that are due, and drop what is left over",
    "schema": "print the GraphQL schema",
    "permissions": "print who may ask for which field",
    "errors": "print what can go wrong, by its code",
    "persist": "print a manifest of the documents in files (docs/persisted-queries.md)",
    "doctor": "check database, storage, decoder and model",
    "reconcile": "bring rows and stored objects back in step; exit status 1: there is damage, 2: it did not come to an end",
    "verify": "read all stored bytes again and compare them; exit status 1: there is damage, 2: it did not come to an end",
    "adopt": "take this store, or this secret key, for the installation's own, after it was changed or lost",
    "audit": "verify the audit log, sign it under a new key, or drop its old months; exit status 1: rows do not fit, 2: it did not come to an end",
}
"""What each does. Its module is loaded when it is asked for: all of them take seconds."""
FINDING: Final = frozenset(("reconcile", "verify", "audit"))
"""Their status 1 says that something was found, as that of `grep` does."""
FAILED: Final = 1
TROUBLE: Final = 2
"""For what was asked wrongly, and in place of FAILED where that says something else."""

EXPECTED: Final = (AppError, SetupError, OSError)
"""What goes wrong without a fault of the program: a line says it, and no traceback."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command; the exit status is 1 for what went wrong, 2 for what was asked wrongly, 130 for what was broken off.

    Of those that look for damage it is 1 where they found some, and 2 for what went wrong.
    """
    try:
        with interrupted_by_sigterm() as check:
            status = _run(sys.argv[1:] if arguments is None else arguments, check)
    except KeyboardInterrupt:
        # While the command is loaded, which takes seconds.
        status = CUT_STATUS
    leave(status)


def _run(given: Sequence[str], check: Callable[[], None]) -> int:
    """The exit status. `check`: raises KeyboardInterrupt where the process was told to end."""
    named = next((one for one in given if not one.startswith("-")), None)
    command: Any = importlib.import_module(f"app.cli.{named}") if named in COMMANDS else None
    parser = _parser(named, command)
    asked = parser.parse_args(given)
    try:
        settings = _settings(asked)
    except ValidationError as error:
        parser.error("; ".join(_said(fault) for fault in error.errors()))
    except SecretFileError as error:
        parser.error(str(error))
    for name, meant in Settings.unknown().items():
        hint = f"; is {meant} meant?" if meant else ""
        print(f"pictor: there is no setting {name}{hint}", file=sys.stderr)
    # All is loaded, and from here on nothing catches what is not meant for it.
    check()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            # Without a command, the parser has ended this.
            status: int = runner.run(through(command.run(settings, asked)))
            sys.stdout.flush()
            return status
    except (KeyboardInterrupt, asyncio.CancelledError):
        return CUT_STATUS
    except Exception as error:
        _tell(error)
        return TROUBLE if named in FINDING or isinstance(error, UsageError) else FAILED


def _first(group: ExceptionGroup[Exception]) -> Exception:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


def _tell(error: Exception) -> None:
    """Says in a line why it failed. What is not expected is shown whole, as Python does."""
    if isinstance(error, ExceptionGroup) and error.split(EXPECTED)[1] is None:
        # Of what did several things at once.
        error = _first(error)
    if not isinstance(error, EXPECTED):
        traceback.print_exception(error)
    elif not (isinstance(error, BrokenPipeError) and _is_unread()):
        field = (isinstance(error, AppError) and error.field) or ""
        what = f"{field.rpartition('.')[2]}: " if field else ""
        print(f"pictor: {what}{error}", file=sys.stderr)


def _is_unread() -> bool:
    """Whether nobody takes what is printed (`pictor … | head -1`): no reason to complain, now or when Python ends."""
    poll, end = select.poll(), sys.stdout.fileno()
    poll.register(end, 0)
    is_unread = any(found & select.POLLERR for _, found in poll.poll(0))
    if is_unread:
        os.dup2(os.open(os.devnull, os.O_WRONLY), end)
    return is_unread


def _parser(named: str | None, module: Any) -> argparse.ArgumentParser:
    """`module`: of the command that is named, which alone adds its arguments."""
    parser = argparse.ArgumentParser(
        prog="pictor",
        description="The team image library with a GraphQL API. Settings: PICTOR_… in the environment.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, what in COMMANDS.items():
        its = commands.add_parser(name, help=what, description=what)
        its.add_argument("--data-dir", type=Path, help="database, objects and temporary files")
        if name == named:
            module.arguments(its)
    return parser


def _said(fault: ErrorDetails) -> str:
    """One wrong setting, by the name that its environment variable has."""
    name = "_".join(str(part) for part in fault["loc"])
    # What our own checks say, without what pydantic puts before it.
    return f"PICTOR_{name.upper()}: {fault['msg'].removeprefix('Value error, ')}"


def _settings(asked: argparse.Namespace) -> Settings:
    """The environment's settings, with what the command line says instead."""
    said: dict[str, Any] = {
        name: value
        for name, value in vars(asked).items()
        if name in Settings.model_fields and value is not None
    }
    return Settings(**said)
