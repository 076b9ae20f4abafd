"""Manifests of trusted documents, as the build of a client writes them: read, and held to what they say.

Three shapes: Apollo's (`operations[].id` and `body`), GraphQL Code Generator's (`{"sha256:…": text}`) and Relay's (`{hash: text}`).
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from graphql import GraphQLSyntaxError

from app.errors import AppError, UsageError
from app.web.documents import InvalidDocument

T = TypeVar("T")
PREFIX: Final = "sha256:"
SHA256: Final = re.compile(r"[0-9a-f]{64}")


class ManifestError(UsageError):
    """A manifest cannot be used: the message names the file, and the document where it is one's fault."""


def sha256(document: str) -> str:
    """The id of a document: of its text as it is, to the last space."""
    return hashlib.sha256(document.encode()).hexdigest()


def load(paths: Iterable[str], read: Callable[[str], T]) -> dict[str, T]:
    """What `read` makes of every document of the files, by its SHA-256. ManifestError where one cannot be trusted."""
    return {its: _read(path, its, text, read) for path in paths for its, text in _documents(path)}


def _read(path: str, its: str, text: str, read: Callable[[str], T]) -> T:
    try:
        return read(text)
    except (AppError, GraphQLSyntaxError) as error:
        raise _wrong(path, error.message, its) from error
    except InvalidDocument as error:
        raise _wrong(path, error.errors[0].message, its) from error


def _documents(path: str) -> Iterator[tuple[str, str]]:
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(path, f"it cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _wrong(path, "it is not JSON in UTF-8") from error
    for name, text in _entries(path, value):
        its = name.removeprefix(PREFIX)
        if not SHA256.fullmatch(its):
            raise _wrong(path, "an id is 64 hexadecimal digits, the SHA-256 of the text", name)
        try:
            found = sha256(text)
        except UnicodeEncodeError as error:
            raise _wrong(path, "the text has a lone surrogate", name) from error
        if found != its:
            raise _wrong(path, f"the text has another SHA-256, {found}", name)
        yield its, text


def _entries(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Ids and texts in whichever shape."""
    if isinstance(value, dict) and isinstance(value.get("operations"), list):
        pairs = [
            (one.get("id"), one.get("body")) if isinstance(one, dict) else (None, None)
            for one in value["operations"]
        ]
    elif isinstance(value, dict):
        pairs = list(value.items())
    else:
        raise _wrong(path, "it is no manifest of Apollo, GraphQL Code Generator or Relay")
    for name, text in pairs:
        if not isinstance(name, str) or not isinstance(text, str):
            raise _wrong(path, "each document has an id and a text", str(name))
        yield name, text


def _wrong(path: str, why: str, its: str = "") -> ManifestError:
    place = f"{path}, document {its:.80}" if its else path
    return ManifestError(f"Manifest {place}: {why}.")
