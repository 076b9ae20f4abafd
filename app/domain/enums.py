"""Enums. Each value is what the database keeps and the schema shows."""

from enum import StrEnum
from typing import Final


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

    @property
    def endings(self) -> tuple[str, ...]:
        """What names of such files end with, in small letters."""
        return _ENDINGS[self]


_ENDINGS: Final = {
    ImageFormat.JPEG: (".jpg", ".jpeg", ".jpe", ".jfif"),
    ImageFormat.PNG: (".png", ".apng"),
    ImageFormat.WEBP: (".webp",),
    ImageFormat.GIF: (".gif",),
    ImageFormat.AVIF: (".avif", ".avifs"),
}


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
