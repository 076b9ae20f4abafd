"""`pictor …`: the commands of whoever runs an installation. May import everything."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.cli import (
    audit,
    bootstrap,
    doctor,
    errors,
    migrate,
    passwd,
    permissions,
    persist,
    reconcile,
    reembed,
    reindex,
    schema,
    seed,
    serve,
    verify,
    worker,
)
from app.cli.stopping import CUT_STATUS, leave
from app.errors import AppError
from app.resources import NotMigratedError
from app.settings import Settings
from app.storage import StorageSettingError
from app.web.manifests import ManifestError

COMMANDS = {
    "serve": serve,
    "worker": worker,
    "migrate": migrate,
    "bootstrap": bootstrap,
    "passwd": passwd,
    "seed": seed,
    "reembed": reembed,
    "reindex": reindex,
    "schema": schema,
    "permissions": permissions,
    "errors": errors,
    "persist": persist,
    "doctor": doctor,
    "reconcile": reconcile,
    "verify": verify,
    "audit": audit,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command; the exit status is 1 for what went wrong and 2 for what was asked wrongly."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    command = COMMANDS[asked.command]
    try:
        settings = _settings(asked)
    except ValidationError as error:
        parser.error("; ".join(_said(fault) for fault in error.errors()))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            status = runner.run(command.run(settings, asked))
    except (AppError, NotMigratedError, StorageSettingError, ManifestError, OSError) as error:
        print(f"pictor: {error}", file=sys.stderr)
        status = 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        status = CUT_STATUS
    leave(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pictor",
        description="The team image library with a GraphQL API. Settings: PICTOR_… in the environment.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        its = commands.add_parser(name, help=command.HELP, description=command.HELP)
        its.add_argument("--data-dir", type=Path, help="database, objects and temporary files")
        command.arguments(its)
    return parser


def _said(fault: ErrorDetails) -> str:
    """One wrong setting, by the name that its environment variable has."""
    name = "_".join(str(part) for part in fault["loc"])
    return f"PICTOR_{name.upper()}: {fault['msg']}"


def _settings(asked: argparse.Namespace) -> Settings:
    """The environment's settings, with what the command line says instead."""
    said: dict[str, Any] = {
        name: value
        for name, value in vars(asked).items()
        if name in Settings.model_fields and value is not None
    }
    return Settings(**said)
