"""Ids: as texts, and the one that is nobody's."""

import re
from typing import Final
from uuid import UUID

from app.errors import UnreadableId

NO_ID: Final = UUID(int=0)
"""An id that no row has as its own: the `tag_id` of the line of a whole team."""

SPELLED: Final = re.compile(r"[0-9a-f]{8}(-?)(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}", re.IGNORECASE)
"""With hyphens or without. UUID itself reads what `int` does: spaces, signs, digits of other scripts."""


def parse_id(text: str) -> UUID:
    """The id that `text` spells; an UnreadableId for anything malformed, which then finds nothing."""
    return UUID(text) if SPELLED.fullmatch(text) else UnreadableId(text)


def is_readable(id: UUID) -> bool:
    """Whether `parse_id` found an id in its text."""
    return not isinstance(id, UnreadableId)
