"""What the text of a setting must look like. Each answers the text, or ValueError with what is wrong with it."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Final

ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.\-]*://[^\s/?#@A-Z]+")
ADDRESS: Final = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
ORIGINS_BY_NAME: Final = ("*", "null")


class SecretFileError(Exception):
    """A file that stands for a setting is not there, cannot be read, or says nothing. The message names the variable."""


def of_file(variable: str, path: Path) -> str:
    """The file's text, trimmed; SecretFileError.

    A variable that is empty was set by nobody, but an empty file was made, and what was to fill it went wrong. Taken for
    unset, an address would become the embedded database, and a key one that no other process has.
    """
    try:
        found = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SecretFileError(f"{variable}: {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SecretFileError(f"{variable}: {path}: it is not UTF-8") from error
    if not found:
        raise SecretFileError(f"{variable}: {path}: it is empty")
    return found


def text(value: str) -> str:
    """Not what Python makes of a variable's bytes that are no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None
    return value


def network(value: str) -> str:
    """An address of a proxy, or a network."""
    try:
        ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{value} is no address and no network (10.0.0.0/8)") from None
    return value


def origin(value: str) -> str:
    """As browsers write it: any other would be compared for ever and never be met."""
    if value not in ORIGINS_BY_NAME and not ORIGIN.fullmatch(value):
        raise ValueError(f"{value} is no origin (https://app.example.org, without a path)")
    return value


def address(value: str) -> str:
    """Where clients reach the server."""
    if not ADDRESS.fullmatch(value):
        raise ValueError("it is written https://pictures.example.org")
    return value
