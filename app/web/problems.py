"""Failures as HTTP: one JSON form for every route, the status by the error's code."""

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from app.errors import AppError, ErrorCode
from app.graphql import errors

JSON: Final = "application/json"
NO_STORE: Final = "private, no-store"
STATUS: Final = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.BAD_USER_INPUT: 400,
    ErrorCode.CONFLICT: 409,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.QUERY_TOO_COMPLEX: 400,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL_SERVER_ERROR: 500,
}
ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
BY_STATUS: Final = {404: ErrorCode.NOT_FOUND, 405: ErrorCode.BAD_USER_INPUT}
MESSAGES: Final = {404: "Nothing is at this address.", 405: "This address takes other methods."}


class Refusal(Exception):
    """A request that is turned away with another status, or more headers, than its code alone gives."""

    def __init__(
        self,
        error: AppError,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = status if status is not None else STATUS[error.code]
        self.headers = dict(headers or {})
        if "retryAfter" in error.extras:
            # Clients that try again by themselves read headers alone.
            self.headers["retry-after"] = str(error.extras["retryAfter"])


def request_id(scope: Scope) -> str:
    """The id that the guard gave this request."""
    return str(scope["state"]["request_id"])


def encode(body: Mapping[str, Any]) -> bytes:
    return ENCODER.encode(body).encode()


def response(error: AppError | Refusal, request_id: str, *, media_type: str = JSON) -> Response:
    """`{"errors": [{"message": …, "extensions": {"code": …, "requestId": …}}]}` and nothing else."""
    refusal = error if isinstance(error, Refusal) else Refusal(error)
    headers = {"cache-control": NO_STORE} | refusal.headers
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    body = {"errors": [errors.from_app_error(refusal.error, request_id)]}
    return Response(
        encode(body), refusal.status, headers, media_type=f"{media_type}; charset=utf-8"
    )


async def on_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for whatever a plain route raises, its own 404 and 405 included."""
    return response(failure(error), request_id(request.scope))


def shown(error: Exception) -> AppError:
    """What a reader may see of any exception where there is no status."""
    told = failure(error)
    return told.error if isinstance(told, Refusal) else told


def failure(error: Exception) -> AppError | Refusal:
    """What a reader may see of any exception."""
    if isinstance(error, AppError | Refusal):
        return error
    if isinstance(error, HTTPException):
        code = BY_STATUS.get(error.status_code, ErrorCode.BAD_USER_INPUT)
        message = MESSAGES.get(error.status_code, error.detail)
        return Refusal(AppError(code, message), status=error.status_code, headers=error.headers)
    return AppError(ErrorCode.INTERNAL_SERVER_ERROR, errors.MASKED)
