"""Values that every layer speaks: enums, the actor, the image filter, names and weights. No I/O."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from app.errors import UnreadableId, bad_input

MICRO: Final = 1_000_000
"""Weights are stored as integers of a millionth, so that their sums are exact."""
MAX_WEIGHT: Final = 1_000_000.0
MAX_PAGE: Final = 100
DEFAULT_PAGE: Final = 50
MAX_IDS: Final = 100
MAX_BUCKETS: Final = 1_000
"""Of a timeline."""
MAX_TAG_LENGTH: Final = 100
MAX_NAME_LENGTH: Final = 200
MAX_DESCRIPTION_LENGTH: Final = 10_000
MAX_TAGS_PER_CALL: Final = 50
MAX_TAGS_OF_IMAGE: Final = 100
MAX_IMAGES_OF_CHANGED_TAG: Final = 10_000
"""Beyond it a tag is neither merged nor deleted: each image is locked, worded anew and its vector told, in one operation."""
MAX_COLLECTIONS_OF_IMAGE: Final = 100
DEFAULT_MEMBERSHIPS: Final = 100
MAX_MEMBERSHIPS: Final = 1_000
"""What a list without pages holds at most has a bound, so that a query's cost has one."""
MAX_EXIF_ENTRIES: Final = 64
MAX_DATASETS_OF_TEAM: Final = 100
MAX_EMAIL_LENGTH: Final = 254
MOST_COMPOSED: Final = 4
"""So many characters at most become one in NFC."""
JOINERS: Final = "\u200c\u200d"
"""ZWNJ and ZWJ."""
STRAY_JOINER: Final = re.compile(
    r"(?<![^\0-\x7f\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\0-\x7f\u200c\u200d])"
)
MARKS_AT_ONCE: Final = 30
EMAIL: Final = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[^\s@<>()\[\]\\,;:\"]+\.[^\s@.]{2,}")
"""What is surely no address is refused; whether mail arrives there, only mail can tell."""
NO_ID: Final = UUID(int=0)
"""An id that no row has as its own: the `tag_id` of the line of a whole team."""


class Role(StrEnum):
    """What a member may do in a team; ordered by `rank`."""

    VIEWER = "VIEWER"
    EDITOR = "EDITOR"
    ADMIN = "ADMIN"

    @property
    def rank(self) -> int:
        return _RANKS[self]

    def at_most(self, other: "Role") -> "Role":
        """The weaker of the two."""
        return self if self.rank <= other.rank else other


_RANKS: Final = {Role.VIEWER: 1, Role.EDITOR: 2, Role.ADMIN: 3}


class TagPolicy(StrEnum):
    OPEN = "OPEN"
    CLOSED = "CLOSED"


class ImageFormat(StrEnum):
    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WEBP"
    GIF = "GIF"
    AVIF = "AVIF"

    @property
    def media_type(self) -> str:
        return f"image/{self.value.lower()}"

    @property
    def suffix(self) -> str:
        return "jpg" if self is ImageFormat.JPEG else self.value.lower()


class ThumbnailSize(StrEnum):
    SMALL = "SMALL"
    MEDIUM = "MEDIUM"
    LARGE = "LARGE"

    @property
    def box(self) -> int:
        """Side of the square that the derivative fits into, in pixels."""
        return _BOXES[self]


_BOXES: Final = {ThumbnailSize.SMALL: 160, ThumbnailSize.MEDIUM: 480, ThumbnailSize.LARGE: 1600}


class ImageState(StrEnum):
    """PENDING: an intent whose bytes are on their way. STORED: visible. DELETED: bytes to be purged."""

    PENDING = "PENDING"
    STORED = "STORED"
    DELETED = "DELETED"


class Damage(StrEnum):
    """What is wrong with the stored bytes of an image."""

    MISSING = "MISSING"
    WRONG_SIZE = "WRONG_SIZE"
    WRONG_BYTES = "WRONG_BYTES"


class ProcessingStatus(StrEnum):
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    READY = "READY"
    FAILED = "FAILED"


class ModelState(StrEnum):
    BUILDING = "BUILDING"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


class JobKind(StrEnum):
    EMBED = "EMBED"
    THUMBNAILS = "THUMBNAILS"
    PURGE = "PURGE"
    PURGE_TEAM = "PURGE_TEAM"
    EXPORT = "EXPORT"


class JobState(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


class BulkAction(StrEnum):
    """What is done to every image of a bulk job."""

    ADD_TAGS = "ADD_TAGS"
    REMOVE_TAGS = "REMOVE_TAGS"
    SET_WEIGHT = "SET_WEIGHT"
    ADD_TO_COLLECTION = "ADD_TO_COLLECTION"
    REMOVE_FROM_COLLECTION = "REMOVE_FROM_COLLECTION"
    TRASH = "TRASH"
    RESTORE = "RESTORE"


class BulkStatus(StrEnum):
    """PREPARED: nothing happens before it is started."""

    PREPARED = "PREPARED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class BulkSkipReason(StrEnum):
    GONE = "GONE"
    CROWDED = "CROWDED"


class TagSource(StrEnum):
    """How a tag came to be on an image. UNKNOWN: it was put on before that was recorded."""

    MANUAL = "MANUAL"
    API = "API"
    UPLOAD = "UPLOAD"
    BULK = "BULK"
    IMPORT = "IMPORT"
    UNKNOWN = "UNKNOWN"


class DatasetStatus(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    READY = "READY"
    FAILED = "FAILED"


class DatasetFile(StrEnum):
    """The files of a dataset; the values are their names, in its addresses and in storage."""

    MANIFEST = "manifest.json"
    IMAGES = "images.jsonl"
    COCO = "coco.json"
    SUMS = "SHA256SUMS"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]


_MEDIA_TYPES: Final = {
    DatasetFile.MANIFEST: "application/json",
    DatasetFile.IMAGES: "application/jsonl",
    DatasetFile.COCO: "application/json",
    DatasetFile.SUMS: "text/plain; charset=utf-8",
}


class AuditOutcome(StrEnum):
    ALLOWED = "ALLOWED"
    DENIED = "DENIED"
    FAILED = "FAILED"


class OrderDirection(StrEnum):
    ASC = "ASC"
    DESC = "DESC"


class ImageOrderField(StrEnum):
    CREATED_AT = "CREATED_AT"
    TAKEN_AT = "TAKEN_AT"
    TITLE = "TITLE"
    SIZE_BYTES = "SIZE_BYTES"
    WEIGHT = "WEIGHT"


class TimelineField(StrEnum):
    """Which of an image's dates."""

    CREATED_AT = "CREATED_AT"
    TAKEN_AT = "TAKEN_AT"


class TimelineUnit(StrEnum):
    DAY = "DAY"
    MONTH = "MONTH"
    YEAR = "YEAR"


class SearchMode(StrEnum):
    SEMANTIC = "SEMANTIC"
    HYBRID = "HYBRID"


class SearchStrategy(StrEnum):
    EXACT = "EXACT"
    INDEX = "INDEX"


class Modality(StrEnum):
    """What a question is made of. Words lie further from all pictures than pictures do from each other."""

    TEXT = "TEXT"
    IMAGE = "IMAGE"


class RelevanceBasis(StrEnum):
    """What a relevance stands on."""

    TEAM = "TEAM"
    PRIOR = "PRIOR"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: a user, through a key or a session, with the role in each team that counts now.

    With an API key, `roles` holds the key's team alone, and the role is at most the user's own. It may be one that runs
    `trusted_documents_only`.
    """

    user_id: UUID
    roles: Mapping[UUID, Role]
    api_key_id: UUID | None = None
    is_operator: bool = False
    session_id: UUID | None = None
    trusted_documents_only: bool = False

    @property
    def team_ids(self) -> tuple[UUID, ...]:
        return tuple(self.roles)


@dataclass(frozen=True, slots=True)
class DateTimeRange:
    """`start` is included, `end` is not; None is open."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class IntRange:
    """Both ends are included; None is open."""

    min: int | None = None
    max: int | None = None


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Tag names: each of `all`, at least one of `any`, not one of `none`. None is no condition."""

    all: tuple[str, ...] | None = None
    any: tuple[str, ...] | None = None
    none: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Which images; every condition that is not None must hold. `trashed`: None is both."""

    team_id: UUID | None = None
    ids: tuple[UUID, ...] | None = None
    tags: TagFilter = field(default_factory=TagFilter)
    collection_id: UUID | None = None
    uploaded_by_id: UUID | None = None
    created_at: DateTimeRange | None = None
    taken_at: DateTimeRange | None = None
    tagged_at: DateTimeRange | None = None
    formats: tuple[ImageFormat, ...] | None = None
    width: IntRange | None = None
    height: IntRange | None = None
    size_bytes: IntRange | None = None
    processing: tuple[ProcessingStatus, ...] | None = None
    damaged: bool | None = None
    text: str | None = None
    trashed: bool | None = False

    def canonical(self) -> "ImageFilter":
        """One spelling for all filters that ask for the same: for what is bound to a filter, a cursor for one."""
        return replace(
            self,
            ids=_sorted(self.ids),
            tags=TagFilter(
                # No image is without a tag that nobody names.
                all=_keys(self.tags.all) or None,
                any=_keys(self.tags.any),
                none=_keys(self.tags.none) or None,
            ),
            # That of takenAt has a meaning of its own: only images with a date.
            created_at=None if self.created_at == DateTimeRange() else self.created_at,
            tagged_at=None if self.tagged_at == DateTimeRange() else self.tagged_at,
            formats=_sorted(self.formats),
            width=_bounded(self.width),
            height=_bounded(self.height),
            size_bytes=_bounded(self.size_bytes),
            processing=_sorted(self.processing),
            text=(self.text or "").strip() or None,
        )

    def within(
        self, *, team_id: UUID, tag: str | None = None, collection_id: UUID | None = None
    ) -> "ImageFilter":
        """The same among a team's images, a tag's or a collection's; nothing where the two exclude each other."""
        narrow: dict[str, Any] = {"team_id": _both(self.team_id, team_id)}
        if collection_id is not None:
            narrow["collection_id"] = _both(self.collection_id, collection_id)
        if tag is None:
            return replace(self, **narrow)
        tags = replace(self.tags, all=(*(self.tags.all or ()), tag))
        return replace(self, tags=tags, **narrow)


def _sorted(values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(sorted(set(values)))


def _keys(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else _sorted(tuple(map(tag_key, names)))


def _bounded(range: IntRange | None) -> IntRange | None:
    return None if range == IntRange() else range


def _both(asked: UUID | None, given: UUID) -> UUID:
    return given if asked in (None, given) else NO_ID


@dataclass(frozen=True, slots=True)
class ImageOrder:
    field: ImageOrderField = ImageOrderField.CREATED_AT
    direction: OrderDirection = OrderDirection.DESC


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list: forward (`after`), backward (`before`), or from an offset.

    `limit` counts rows; `cursor` is the client's opaque text.
    """

    limit: int = DEFAULT_PAGE
    cursor: str | None = None
    backward: bool = False
    offset: int = 0


def parse_id(text: str) -> UUID:
    """The id that `text` spells; an UnreadableId for anything malformed, which then finds nothing."""
    try:
        return UUID(text)
    except ValueError:
        return UnreadableId(text)


def is_readable(id: UUID) -> bool:
    """Whether `parse_id` found an id in its text."""
    return not isinstance(id, UnreadableId)


def composed(text: str, limit: int) -> str:
    """NFC, for a text of `limit` characters; as it is where it is too long for that, however it is spelled.

    In a time that grows with its length alone: the marks on one letter are put in order, 30 at a time as Unicode's
    Stream-Safe Text Format has it (UAX #15), where a hundred thousand of them took seconds.
    """
    if text.isascii() or len(text) > MOST_COMPOSED * limit:
        return text
    pieces, start, marks = [], 0, 0
    for at, letter in enumerate(text):
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks == MARKS_AT_ONCE:
            pieces.append(text[start : at + 1])
            start, marks = at + 1, 0
    return "".join(unicodedata.normalize("NFC", one) for one in (*pieces, text[start:]))


def tag_name(name: str, *, field: str = "tags") -> str:
    """The name as it is kept: NFC, trimmed, inner white space single. BAD_USER_INPUT outside 1 to 100 characters."""
    clean = composed(" ".join(name.split()), MAX_TAG_LENGTH)
    if not 1 <= len(clean) <= MAX_TAG_LENGTH:
        raise bad_input(field, f"A tag name has 1 to {MAX_TAG_LENGTH} characters.")
    if clean != shown(clean):
        raise bad_input(field, "A tag name has printable characters only.")
    return clean


def shown(text: str) -> str:
    """Without what nobody would see. Joiners stay where they join: Persian and Hindi are spelled with them, and families
    of emoji; between ASCII they would make two of what looks the same."""
    kept = "".join(letter for letter in text if letter.isprintable() or letter in JOINERS)
    return STRAY_JOINER.sub("", kept)


def tag_key(name: str) -> str:
    """What makes two tag names the same in a team: case does not count. Folding may make three letters of one."""
    folded = composed(" ".join(name.split()), MAX_TAG_LENGTH).casefold()
    return composed(folded, 3 * MAX_TAG_LENGTH)


def micro_weight(weight: float, *, field: str = "weight") -> int:
    """`weight` in millionths. BAD_USER_INPUT outside 0 to MAX_WEIGHT; a positive one never becomes 0."""
    if not 0 <= weight <= MAX_WEIGHT:
        raise bad_input(field, f"A weight lies between 0 and {MAX_WEIGHT:.0f}.")
    return max(round(weight * MICRO), 1) if weight > 0 else 0


def line(text: str, *, field: str, required: bool = False, limit: int = MAX_NAME_LENGTH) -> str:
    """One line of text as it is kept: trimmed; BAD_USER_INPUT when empty (if required) or too long."""
    clean = composed(" ".join(text.split()), limit)
    if required and not clean:
        raise bad_input(field, "This must not be empty.")
    if len(clean) > limit:
        raise bad_input(field, f"This has at most {limit} characters.", limit=limit)
    return clean


def paragraph(text: str, *, field: str, limit: int = MAX_DESCRIPTION_LENGTH) -> str:
    """Free text with its line breaks, trimmed; BAD_USER_INPUT when too long."""
    clean = composed(text.strip(), limit)
    if len(clean) > limit:
        raise bad_input(field, f"This has at most {limit} characters.", limit=limit)
    return clean


def email_address(text: str, *, field: str = "email") -> str:
    """The address as it is kept (trimmed, lower case); BAD_USER_INPUT where it cannot be one."""
    clean = composed(text.strip(), MAX_EMAIL_LENGTH).lower()
    if not EMAIL.fullmatch(clean) or len(clean) > MAX_EMAIL_LENGTH:
        raise bad_input(field, "This is not an e-mail address.")
    return clean
