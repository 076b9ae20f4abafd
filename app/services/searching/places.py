"""Where the next page of a search begins. Cursors are opaque and bound to the search and the model that made them."""

import base64
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.errors import AppError, bad_input

SHORT_BYTES: Final = 6
ID_BYTES: Final = 16
LAST: Final = struct.Struct(">d16s")
MAX_SEEN: Final = 1_000
PLACE: Final = re.compile(rb"[A-Za-z0-9_-]+")
MODEL: Final = struct.Struct(">i")
"""What the `key` of each cursor begins with: the id of the model whose vectors ranked the page."""

LISTED: Final = b'["'
"""How the cursor of a list begins (paging). As the id of a model it would be one of 1.5 billion."""


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
    if len(packed) < MODEL.size or packed.startswith(LISTED):
        raise _foreign()
    model_id: int = MODEL.unpack_from(packed)[0]
    return model_id


@dataclass(frozen=True, slots=True)
class Seen:
    """What the pages so far have shown of a short list, `images` by their `short`.

    `newest`: the largest id in it when it was first made. Ids grow with time, so that later pages leave out what
    has come since, and nothing is pushed off the list's end before it was shown.
    """

    newest: UUID | None = None
    images: tuple[bytes, ...] = ()


def short(image_id: UUID) -> bytes:
    """Enough of an id's random end to tell the few hundred images of one ranking apart."""
    return image_id.bytes[-SHORT_BYTES:]


def after_cursors(key: bytes, places: Sequence[After]) -> list[str]:
    """One cursor for each place; `key` binds it to its search."""
    return [_text(key + LAST.pack(one.score, one.image_id.bytes)) for one in places]


def seen_cursors(key: bytes, seen: Seen, images: Sequence[UUID]) -> list[str]:
    """One cursor for each image: it remembers this one and all before it. Without images, `newest` may be None."""
    cursors = []
    packed = key + _id(seen.newest) + b"".join(seen.images)
    for image_id in images:
        packed += short(image_id)
        cursors.append(_text(packed))
    return cursors


def sorted_cursors(key: bytes, newest: UUID | None, places: Sequence[str]) -> list[str]:
    """One cursor for each place of a list that is sorted by something else; `newest` as in Seen."""
    return [_text(key + _id(newest) + one.encode()) for one in places]


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


def seen(cursor: str | None, key: bytes) -> Seen:
    """What `seen_cursors` made, with the same errors."""
    if cursor is None:
        return Seen()
    newest, rest = _newest(_packed(cursor, key))
    if len(rest) % SHORT_BYTES or not 0 < len(rest) <= MAX_SEEN * SHORT_BYTES:
        raise _foreign()
    images = (rest[at : at + SHORT_BYTES] for at in range(0, len(rest), SHORT_BYTES))
    return Seen(newest, tuple(images))


def sorted_place(cursor: str | None, key: bytes) -> tuple[UUID | None, str | None]:
    """What `sorted_cursors` made: `newest` and the place, which whoever made it still has to check."""
    if cursor is None:
        return None, None
    newest, rest = _newest(_packed(cursor, key))
    if not PLACE.fullmatch(rest):
        raise _foreign()
    return newest, rest.decode()


def _id(newest: UUID | None) -> bytes:
    return newest.bytes if newest else b""


def _newest(packed: bytes) -> tuple[UUID, bytes]:
    if len(packed) < ID_BYTES:
        raise _foreign()
    return UUID(bytes=packed[:ID_BYTES]), packed[ID_BYTES:]


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
