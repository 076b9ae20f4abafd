"""The one error class of the product's answers and its closed list of codes. No transport, no vendor."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

MAX_TOLD: Final = 100
"""So many characters of an id that cannot be read are told back."""


class UnreadableId(UUID):
    """What a text that is no id reads as: an id that no row has, which is the same for the same text alone.

    Rows have ids of version 7, this one has another, so that no text can be made up that meets a row.
    """

    __slots__ = ("told",)
    told: str

    def __init__(self, text: str) -> None:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
        super().__init__(bytes=digest[:16], version=5)
        # An UUID refuses to be changed.
        object.__setattr__(self, "told", text[:MAX_TOLD])


class ErrorCode(StrEnum):
    """The codes of `errors[].extensions.code` that are this product's own."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    CONFLICT = "CONFLICT"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    RATE_LIMITED = "RATE_LIMITED"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"


class UploadProblem(StrEnum):
    """What is wrong with an uploaded file: `errors[].extensions.reason`."""

    EMPTY_FILE = "EMPTY_FILE"
    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    FORMAT_NOT_ALLOWED = "FORMAT_NOT_ALLOWED"
    TRUNCATED = "TRUNCATED"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    TOO_LARGE = "TOO_LARGE"
    TOO_EXPENSIVE = "TOO_EXPENSIVE"
    TAG_NOT_ALLOWED = "TAG_NOT_ALLOWED"
    CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH"


class SetupError(Exception):
    """What only whoever runs the installation can put right, and the message says how. No client ever sees it."""


class UsageError(SetupError):
    """A setting or an argument that cannot be used, whatever else is well: to try again is of no use."""


class AppError(Exception):
    """An error that its reader may see.

    `field` names the input at fault (`input.weight`), `reason` what is wrong with a file, `extras` are
    further typed facts for `extensions` (`ids`, `limit`, `allowed`): JSON values only.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        field: str | None = None,
        reason: UploadProblem | None = None,
        **extras: Any,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.reason = reason
        self.extras = extras

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets the error cross a process boundary (the image decoder's) whole."""
        return _rebuild, (self.code, self.message, self.field, self.reason, self.extras)

    @property
    def extensions(self) -> dict[str, Any]:
        """The error's `extensions` in a GraphQL answer, without absent ones."""
        facts: dict[str, Any] = {"code": self.code.value}
        if self.field is not None:
            facts["field"] = self.field
        if self.reason is not None:
            facts["reason"] = self.reason.value
        return facts | self.extras


def _rebuild(
    code: ErrorCode,
    message: str,
    field: str | None,
    reason: UploadProblem | None,
    extras: dict[str, Any],
) -> AppError:
    return AppError(code, message, field=field, reason=reason, **extras)


def unauthenticated(message: str = "Send a valid API key, or log in.") -> AppError:
    return AppError(ErrorCode.UNAUTHENTICATED, message)


def forbidden(message: str) -> AppError:
    return AppError(ErrorCode.FORBIDDEN, message)


def not_found(what: str, *, field: str | None = None, ids: Sequence[object] = ()) -> AppError:
    """`what` does not exist, or the actor may not see it: the answer is the same.

    `ids`: which. One that cannot be read as an id is told as it was given.
    """
    extras: dict[str, Any] = {"ids": [told(one) for one in ids]} if ids else {}
    return AppError(ErrorCode.NOT_FOUND, f"{what} not found.", field=field, **extras)


def told(id: object) -> str:
    """An id as an error names it."""
    return id.told if isinstance(id, UnreadableId) else str(id)


def nothing_to_draw() -> AppError:
    return AppError(ErrorCode.NOT_FOUND, "Nothing with a weight above 0 matches.")


def bad_input(field: str, message: str, **extras: Any) -> AppError:
    return AppError(ErrorCode.BAD_USER_INPUT, message, field=field, **extras)


def conflict(field: str, message: str, **extras: Any) -> AppError:
    return AppError(ErrorCode.CONFLICT, message, field=field, **extras)


def too_large(field: str, limit: int) -> AppError:
    """A file beyond `limit` bytes."""
    return AppError(
        ErrorCode.PAYLOAD_TOO_LARGE,
        f"A file has at most {limit} bytes.",
        field=field,
        reason=UploadProblem.TOO_LARGE,
        limit=limit,
    )


@contextmanager
def blaming(field: str) -> Iterator[None]:
    """Names the field in whatever refusal the block raises."""
    try:
        yield
    except AppError as error:
        error.field = field
        raise


def rate_limited(message: str, retry_after: int) -> AppError:
    """`retry_after`: whole seconds."""
    return AppError(ErrorCode.RATE_LIMITED, message, retryAfter=retry_after)


def unavailable(message: str) -> AppError:
    return AppError(ErrorCode.UNAVAILABLE, message)
