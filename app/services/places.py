"""Where the next page of a search begins. Cursors are opaque and bound to the search and the model that made them."""

import base64
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.errors import AppError, bad_input

SHORT_BYTES: Final = 6
LAST: Final = struct.Struct(">d16s")
MAX_SEEN: Final = 1_000
MODEL: Final = struct.Struct(">i")
"""What the `key` of each cursor begins with: the id of the model whose vectors ranked the page."""


@dataclass(frozen=True, slots=True)
class After:
    """Behind the image with this score and id: for scores that no other image changes."""

    score: float
    image_id: UUID


def model_of(cursor: str | None) -> int | None:
    """The id of the model that made the cursor's page. BAD_USER_INPUT for what is no cursor."""
    if cursor is None:
        return None
    packed = _decoded(cursor)
    if len(packed) < MODEL.size:
        raise _foreign()
    model_id: int = MODEL.unpack_from(packed)[0]
    return model_id


def short(image_id: UUID) -> bytes:
    """Enough of an id's random end to tell the few hundred images of one ranking apart."""
    return image_id.bytes[-SHORT_BYTES:]


def after_cursors(key: bytes, places: Sequence[After]) -> list[str]:
    """One cursor for each place; `key` binds it to its search."""
    return [_text(key + LAST.pack(one.score, one.image_id.bytes)) for one in places]


def seen_cursors(key: bytes, seen: Sequence[bytes], images: Sequence[UUID]) -> list[str]:
    """One cursor for each image: it remembers this one and all before it, in their short form."""
    cursors = []
    packed = key + b"".join(seen)
    for image_id in images:
        packed += short(image_id)
        cursors.append(_text(packed))
    return cursors


def after(cursor: str | None, key: bytes) -> After | None:
    """What `after_cursors` made. BAD_USER_INPUT for any other text, a cursor of another search included."""
    if cursor is None:
        return None
    packed = _packed(cursor, key)
    if len(packed) != LAST.size:
        raise _foreign()
    score, raw = LAST.unpack(packed)
    if not math.isfinite(score):
        raise _foreign()
    return After(score, UUID(bytes=raw))


def seen(cursor: str | None, key: bytes) -> list[bytes]:
    """What `seen_cursors` made, with the same errors."""
    packed = b"" if cursor is None else _packed(cursor, key)
    if len(packed) % SHORT_BYTES or len(packed) > MAX_SEEN * SHORT_BYTES:
        raise _foreign()
    return [packed[at : at + SHORT_BYTES] for at in range(0, len(packed), SHORT_BYTES)]


def _text(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _decoded(cursor: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError as error:
        raise _foreign() from error


def _packed(cursor: str, key: bytes) -> bytes:
    packed = _decoded(cursor)
    if not packed.startswith(key):
        raise _foreign()
    return packed[len(key) :]


def _foreign() -> AppError:
    return bad_input("after", "This is not a cursor of this search.")
