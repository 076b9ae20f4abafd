"""The `map` of a multipart request: read, checked against the operations, and carried out."""

from collections.abc import Mapping
from typing import Any, Final

from app.errors import AppError, ErrorCode
from app.graphql.uploads import UploadedFile
from app.web.bodies import malformed

PREFIX: Final = "variables."

Paths = Mapping[str, tuple[str, ...]]
"""For each file part, the places in `operations` that it stands for."""


def operations(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        raise malformed("A request has one operation: batches are not taken.")
    if not isinstance(value, dict):
        raise malformed("`operations` must be an object.")
    return value


def read(value: Any, operations: dict[str, Any], *, max_files: int) -> Paths:
    """The map, once every path in it is unique and points at a null of the variables.

    PAYLOAD_TOO_LARGE for more than `max_files` paths (one file may serve several).
    """
    if not isinstance(value, dict):
        raise _wrong("it must be an object of lists")
    paths: dict[str, tuple[str, ...]] = {}
    for name, places in value.items():
        if not isinstance(places, list) or not all(isinstance(one, str) for one in places):
            raise _wrong("each file needs a list of paths")
        if not places:
            raise _wrong("each file needs a path")
        paths[name] = tuple(places)
    every = [one for places in paths.values() for one in places]
    if len(every) > max_files:
        raise AppError(
            ErrorCode.PAYLOAD_TOO_LARGE,
            f"A request has at most {max_files} files.",
            field="map",
            limit=max_files,
        )
    if len(set(every)) < len(every):
        raise _wrong("two paths are the same")
    for path in every:
        _check(path, operations)
    return paths


def _check(path: str, operations: dict[str, Any]) -> None:
    if not path.startswith(PREFIX):
        raise _wrong("each path begins with `variables.`")
    parent, key = _parent(path, operations)
    if parent[key] is not None:
        raise _wrong("each path points at a null")


def place(operations: dict[str, Any], path: str, file: UploadedFile) -> None:
    parent, key = _parent(path, operations)
    parent[key] = file


def _parent(path: str, operations: dict[str, Any]) -> tuple[Any, str | int]:
    """The object or list that holds the path's last step, and that step as its key or index."""
    *steps, last = path.split(".")
    node: Any = operations
    for step in steps:
        node = node[_key(node, step)]
    return node, _key(node, last)


def _key(node: Any, step: str) -> str | int:
    if isinstance(node, dict) and step in node:
        return step
    if isinstance(node, list) and step.isascii() and step.isdecimal() and len(step) < 10:
        index = int(step)
        if index < len(node) and str(index) == step:
            return index
    raise _wrong("a path leads nowhere")


def _wrong(why: str) -> AppError:
    return malformed(f"The map is wrong: {why}.", field="map")
