"""What an S3-compatible server refuses, with its reasons, and which calls are tried again. The calls are in s3."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError, ReadTimeoutError

from app.errors import AppError, ErrorCode

RETRY_PAUSES: Final = (0.1, 0.3)
RETRY_WINDOW_SECONDS: Final = 1.0
"""A call that failed later than this is not tried again: its caller has waited enough."""
T = TypeVar("T")


class Refusal(AppError):
    """UNAVAILABLE, with the server's reasons."""

    def __init__(self, status: int, s3_code: str) -> None:
        super().__init__(ErrorCode.UNAVAILABLE, f"Storage is unavailable ({s3_code}).")
        self.status = status
        self.s3_code = s3_code

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed at once: a busy server or a lost connection, but no silent one."""
        return self.status in (0, 429) or self.status >= 500


def retried(work: Callable[[], T]) -> T:
    begun = time.monotonic()
    for pause in RETRY_PAUSES:
        try:
            with translated():
                return work()
        except Refusal as refusal:
            if not refusal.may_pass or time.monotonic() - begun > RETRY_WINDOW_SECONDS:
                raise
        time.sleep(pause)
    with translated():
        return work()


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except ReadTimeoutError as error:
        raise Refusal(408, "Timeout") from error
    except (MinioException, HTTPError, OSError, ParseError, UnicodeDecodeError) as error:
        raise Refusal(*_reasons(error)) from error


def _reasons(error: Exception) -> tuple[int, str]:
    """HTTP status (0: no answer) and S3's code; the class of the error where there is none."""
    match error:
        case S3Error():
            return error.response.status, error.code or "S3Error"
        case InvalidResponseError():
            # rclone sends its errors as text/xml, which minio does not read: they lie in private fields.
            code = re.search(r"<Code>(\w+)</Code>", error._body or "")
            return error._code, code[1] if code else f"HTTP {error._code}"
        case ServerError():
            return error.status_code, f"HTTP {error.status_code}"
        case _:
            return 0, type(error).__name__
