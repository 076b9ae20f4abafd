"""Why a file is refused: one AppError for each UploadProblem that a picture can have."""

from typing import Any, Final

from app.domain import ImageFormat
from app.errors import AppError, ErrorCode, UploadProblem

_TEXTS: Final = {
    UploadProblem.EMPTY_FILE: (ErrorCode.BAD_USER_INPUT, "The file is empty."),
    UploadProblem.NOT_AN_IMAGE: (
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        "The file is not a picture that can be read.",
    ),
    UploadProblem.FORMAT_NOT_ALLOWED: (
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        "Pictures of this format are not accepted.",
    ),
    UploadProblem.TRUNCATED: (
        ErrorCode.BAD_USER_INPUT,
        "The picture is cut short or damaged.",
    ),
    UploadProblem.TOO_MANY_PIXELS: (
        ErrorCode.PAYLOAD_TOO_LARGE,
        "The picture has too many pixels.",
    ),
    UploadProblem.TOO_EXPENSIVE: (
        ErrorCode.BAD_USER_INPUT,
        "The picture takes too much time or memory to decode.",
    ),
}


def refusal(reason: UploadProblem, **extras: Any) -> AppError:
    code, message = _TEXTS[reason]
    return AppError(code, message, reason=reason, **extras)


def foreign(name: str) -> AppError:
    """A real picture, but of a format that is not taken."""
    error = refusal(UploadProblem.FORMAT_NOT_ALLOWED, allowed=[one.value for one in ImageFormat])
    error.message = f"{name} is not accepted: send JPEG, PNG, WebP, GIF or AVIF."
    return error


def too_many_pixels(limit: int) -> AppError:
    return refusal(UploadProblem.TOO_MANY_PIXELS, limit=limit)
