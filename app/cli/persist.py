"""`pictor persist`: a manifest of trusted documents from files, each with one named operation, in Apollo's shape."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphql import GraphQLSyntaxError

from app.errors import AppError
from app.graphql.schema import build_schema
from app.settings import Settings
from app.web import manifests
from app.web.documents import Documents, InvalidDocument


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a document with one named operation"
    )


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Every fault of every file is told, and nothing is printed where there is one."""
    schema = build_schema()._schema  # graphql-core's own; there is no public name for it
    documents = Documents(schema, settings)
    entries: dict[str, dict[str, Any]] = {}
    faults: list[str] = []
    for path in sorted(asked.files):
        try:
            entry = _entry(path, documents)
            if entry["name"] in entries:
                raise _Fault(f"another file has an operation {entry['name']}")
            entries[entry["name"]] = entry
        except _Fault as fault:
            faults += [f"{path}: {one}" for one in fault.args]
    for one in faults:
        print(f"pictor: {one}", file=sys.stderr)
    if not faults:
        manifest = {
            "format": "apollo-persisted-query-manifest",
            "version": 1,
            "operations": [entries[name] for name in sorted(entries)],
        }
        print(json.dumps(manifest, ensure_ascii=False, indent=2))
    return 1 if faults else 0


class _Fault(Exception):
    """What is wrong with a file, in one argument or several."""


def _entry(path: Path, documents: Documents) -> dict[str, Any]:
    """`body` is the file's text as it is: so its id is what `sha256sum` says of the file."""
    try:
        text = path.read_bytes().decode()
        document = documents.read(text)
    except UnicodeDecodeError as error:
        raise _Fault("it is not UTF-8") from error
    except OSError as error:
        raise _Fault(f"it cannot be read: {error.strerror}") from error
    except InvalidDocument as error:
        raise _Fault(*_told(error)) from error
    except (GraphQLSyntaxError, AppError) as error:
        raise _Fault(error.message) from error
    if len(document.operations) != 1 or "" in document.operations:
        raise _Fault("a file has one operation, with a name")
    ((name, operation),) = document.operations.items()
    kind = operation.kind.value
    return {"id": manifests.sha256(text), "name": name, "type": kind, "body": text}


def _told(error: InvalidDocument) -> Iterator[str]:
    for one in error.errors:
        line = f"line {one.locations[0].line}: " if one.locations else ""
        yield f"{line}{one.message}"
