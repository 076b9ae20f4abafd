"""Ids: as texts, and the one that is nobody's."""

from typing import Final
from uuid import UUID

from app.errors import UnreadableId

NO_ID: Final = UUID(int=0)
"""An id that no row has as its own: the `tag_id` of the line of a whole team."""


def parse_id(text: str) -> UUID:
    """The id that `text` spells; an UnreadableId for anything malformed, which then finds nothing."""
    try:
        return UUID(text)
    except ValueError:
        return UnreadableId(text)


def is_readable(id: UUID) -> bool:
    """Whether `parse_id` found an id in its text."""
    return not isinstance(id, UnreadableId)
