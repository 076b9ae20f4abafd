"""The ways to give a command a password: typed, by standard input, or, for all on the host to see, on the command line."""

import argparse
import getpass
import sys

from app.errors import SetupError


def arguments(parser: argparse.ArgumentParser, *, what: str) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--password", help=f"{what}; the list of processes shows it to others on this host"
    )
    how.add_argument(
        "--prompt",
        action="store_true",
        help="ask for the password, or read a line of standard input where that is no terminal",
    )


def given(asked: argparse.Namespace) -> str | None:
    """The password, or None where none was named."""
    try:
        password: str | None = _typed() if asked.prompt else asked.password
        # What is no UTF-8 comes as half characters, or not at all, as the locale has it.
        (password or "").encode()
    except EOFError:
        raise SetupError(
            "Nobody typed a password: --prompt needs a terminal, or a line of standard input."
        ) from None
    except UnicodeError:
        raise SetupError("The password is not written in UTF-8.") from None
    return password


def _typed() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("New password: ")
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")
