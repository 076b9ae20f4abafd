"""What root fields name and answer: the ids in their arguments, the rows in their results."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from app.domain import NO_ID, is_readable, parse_id


def ids_in(arguments: object, *, teams: bool = False) -> Iterator[UUID]:
    """The ids that arguments name, those of teams or all others; malformed ones are none."""
    for place, found in named_ids(arguments):
        is_team = place.rpartition(".")[2] in ("teamId", "teamIds")
        if found != NO_ID and is_readable(found) and teams == is_team:
            yield found


def named_ids(arguments: object, place: str = "") -> Iterator[tuple[str, UUID]]:
    """Each id in arguments with its place (`input.teamId`); all of a list have the list's."""
    if isinstance(arguments, Mapping):
        for name, value in arguments.items():
            yield from named_ids(value, f"{place}.{name}" if place else name)
    elif isinstance(arguments, list):
        for value in arguments:
            yield from named_ids(value, place)
    elif isinstance(arguments, str) and place.lower().endswith(("id", "ids")):
        yield place, parse_id(arguments)


def rows_in(result: object) -> Iterator[Any]:
    """The rows behind an output type, a list or a connection."""
    if isinstance(result, list):
        for one in result:
            yield from rows_in(one)
    elif (edges := getattr(result, "edges", None)) is not None:
        for edge in edges:
            yield from rows_in(edge.node)
    elif (row := getattr(result, "row", None)) is not None:
        yield row
