"""The enums of the schema: the domain's, with a description for each value."""

from enum import Enum

import strawberry

from app.domain import (
    AuditOutcome,
    BulkAction,
    BulkSkipReason,
    BulkStatus,
    Damage,
    DatasetStatus,
    ImageFormat,
    ImageOrderField,
    OrderDirection,
    ProcessingStatus,
    RelevanceBasis,
    Role,
    SearchMode,
    SearchStrategy,
    TagPolicy,
    TagSource,
    ThumbnailSize,
    TimelineField,
    TimelineUnit,
)
from app.errors import ErrorCode, UploadProblem

__all__ = [
    "AuditOutcome",
    "BulkAction",
    "BulkSkipReason",
    "BulkStatus",
    "Damage",
    "DatasetStatus",
    "ErrorCode",
    "ImageFormat",
    "ImageOrderField",
    "OrderDirection",
    "ProcessingStatus",
    "RelevanceBasis",
    "Role",
    "SearchMode",
    "SearchStrategy",
    "TagPolicy",
    "TagSource",
    "ThumbnailSize",
    "TimelineField",
    "TimelineUnit",
    "UploadProblem",
]


def describe(kind: type[Enum], description: str, **values: str) -> None:
    """Registers an enum with the schema. Every value is described, or this fails at import."""
    enum = strawberry.enum(kind, description=description)
    definition = enum.__strawberry_definition__  # type: ignore[attr-defined]  # set by strawberry.enum
    for value in definition.values:
        value.description = values.pop(value.name)
    if values:
        raise TypeError(f"{kind.__name__} has no {', '.join(values)}")


def descriptions(kind: type[Enum]) -> dict[str, str]:
    """What the schema says of each value of a registered enum."""
    values = kind.__strawberry_definition__.values  # type: ignore[attr-defined]  # as above
    return {value.name: value.description for value in values}


describe(
    Role,
    "What a member may do in a team.",
    VIEWER="Reads.",
    EDITOR="Also uploads, tags, edits and trashes.",
    ADMIN="Also manages the team, its members, keys and audit log.",
)
describe(
    TagPolicy,
    "What happens to a tag name that the team does not have yet.",
    OPEN="The tag is created when it is used.",
    CLOSED="It is refused with BAD_USER_INPUT; `extensions.allowed` lists the team's tags.",
)
describe(
    TagSource,
    "How a tag came to be on an image.",
    MANUAL="By a person who was logged in.",
    API="By a program, with an API key.",
    UPLOAD="With the upload of the picture, by whomever.",
    BULK="By a bulk edit.",
    IMPORT="With the import of a whole library.",
    UNKNOWN="Before this was recorded.",
)
describe(
    DatasetStatus,
    "How far a dataset is.",
    QUEUED="It waits for a worker.",
    RUNNING="A worker is at it.",
    READY="Its files are there, and will never change.",
    FAILED="It was given up; `error` says why. Delete it, and export again.",
)
describe(
    Damage,
    "What is wrong with the stored bytes of an image. Uploading the same file again to its team repairs it.",
    MISSING="They are not there.",
    WRONG_SIZE="There are more or fewer of them than were uploaded.",
    WRONG_BYTES="They are not the bytes that were uploaded: their SHA-256 is another.",
)
describe(
    ImageFormat,
    "The format of the original bytes, told from the bytes themselves.",
    JPEG="image/jpeg",
    PNG="image/png",
    WEBP="image/webp",
    GIF="image/gif; previews and search use its first frame.",
    AVIF="image/avif",
)
describe(
    ThumbnailSize,
    "The square that a derivative fits into; it is never larger than the original.",
    SMALL="160 x 160 pixels.",
    MEDIUM="480 x 480 pixels.",
    LARGE="1600 x 1600 pixels.",
)
describe(
    ProcessingStatus,
    "How far the background work on an image is. Lists and draws do not wait for it; only search does.",
    PENDING="Waiting for a worker.",
    PROCESSING="A worker is at it.",
    READY="Vector and thumbnails exist.",
    FAILED="Three attempts failed; `Processing.error` says why.",
)
describe(
    ImageOrderField,
    "What images are ordered by; equal ones by their id.",
    CREATED_AT="When the image was uploaded.",
    TAKEN_AT="When the picture was taken; images without a date are the oldest.",
    TITLE="The title, in the order of the database's collation.",
    SIZE_BYTES="The size of the original file.",
    WEIGHT="The weight in random draws.",
)
describe(
    OrderDirection,
    "Which end comes first.",
    ASC="Smallest, oldest or first in the alphabet first.",
    DESC="Largest, newest or last in the alphabet first.",
)
describe(
    TimelineField,
    "Which date of an image a timeline counts.",
    CREATED_AT="When it was uploaded.",
    TAKEN_AT="When the picture was taken; images without a date are not counted.",
)
describe(
    TimelineUnit,
    "Into what a timeline is cut.",
    DAY="Days, from midnight to midnight in the time zone.",
    MONTH="Months of the calendar.",
    YEAR="Years of the calendar.",
)
describe(
    SearchMode,
    "How search ranks.",
    SEMANTIC="By meaning alone: the similarity of vectors.",
    HYBRID="By meaning, by words and by tag names: the first 200 of each ranking are fused, and listed. Needs a text query.",
)
describe(
    SearchStrategy,
    "How the vectors were looked through.",
    EXACT="Each that the filter lets through was compared.",
    INDEX="A graph of the vectors led to the nearest, in the large teams that were searched."
    " It may miss one, but never returns fewer than asked for while there are more.",
)
describe(
    RelevanceBasis,
    "What the relevance of hits stands on.",
    TEAM="Measured: unrelated questions were put to the team's own images, with this very model.",
    PRIOR="Shipped figures, for a team with fewer than 50 searchable images, or one that a worker has not measured"
    " yet: a rough guess. Rougher still where the model is neither the built-in one nor a CLIP.",
)
describe(
    BulkAction,
    "What a bulk job does to every image.",
    ADD_TAGS="Puts tags on.",
    REMOVE_TAGS="Takes tags off.",
    SET_WEIGHT="Sets the weight in random draws.",
    ADD_TO_COLLECTION="Puts it into a collection.",
    REMOVE_FROM_COLLECTION="Takes it out of a collection.",
    TRASH="Moves it to the trash.",
    RESTORE="Takes it out of the trash.",
)
describe(
    BulkStatus,
    "How far a bulk job is.",
    PREPARED="Nothing is changed; startBulkJob begins.",
    QUEUED="Waiting for a worker, or for the team's jobs before it.",
    RUNNING="A worker is at it.",
    DONE="All images had their turn.",
    FAILED="It was given up; `BulkJob.error` says why. What was done stays done.",
    CANCELLED="Somebody ended it. What was done stays done.",
)
describe(
    BulkSkipReason,
    "Why a bulk job left an image out.",
    GONE="It was deleted meanwhile.",
    CROWDED="It has as many tags, or is in as many collections, as an image can.",
)
describe(
    AuditOutcome,
    "How an access ended.",
    ALLOWED="It was answered.",
    DENIED="It was refused: nobody known, not allowed, or not to be seen.",
    FAILED="It came to nothing for another reason, such as a wrong argument.",
)
describe(
    ErrorCode,
    "The codes of `errors[].extensions.code` that are this product's own.",
    UNAUTHENTICATED="No valid API key was sent, and nobody is logged in.",
    FORBIDDEN="You can see it, but your role does not allow this.",
    NOT_FOUND="It does not exist, or you cannot see it.",
    BAD_USER_INPUT="An argument is wrong; `extensions.field` names it.",
    CONFLICT="It clashes with what exists.",
    PAYLOAD_TOO_LARGE="The request, or a file of it, is too large.",
    UNSUPPORTED_MEDIA_TYPE="The bytes are not a picture of an allowed format, or the request's body is of no type that is taken.",
    RATE_LIMITED="Too much at once; `extensions.retryAfter` says for how long.",
    QUERY_TOO_COMPLEX="The operation is deeper or larger than allowed; `extensions.limit` says what is.",
    UNAVAILABLE="A part of the server cannot be reached now; try again.",
    INTERNAL_SERVER_ERROR="A fault of ours; `extensions.requestId` finds it in the log.",
)
describe(
    UploadProblem,
    "What is wrong with an uploaded file: `extensions.reason`.",
    EMPTY_FILE="It has no bytes.",
    NOT_AN_IMAGE="Its bytes are no picture.",
    FORMAT_NOT_ALLOWED="It is a picture or document of a format that is not taken.",
    TRUNCATED="It ends too early, or its bytes are damaged.",
    TOO_MANY_PIXELS="Width times height is beyond the limit.",
    TOO_LARGE="It has too many bytes.",
    TOO_EXPENSIVE="Decoding it takes more time or memory than is given to a picture.",
    TAG_NOT_ALLOWED="A tag is not one of the team's, whose policy is CLOSED.",
    CHECKSUM_MISMATCH="The bytes are not those that were announced.",
)
