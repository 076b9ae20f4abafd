"""Messages between the server and its decoding processes: JSON and raw bytes, so that reading one runs no code (no pickle)."""

import json
import struct
from collections.abc import Sequence
from typing import IO, Any, Final

from app.errors import AppError, ErrorCode, UploadProblem

_FRAME: Final = struct.Struct(">BQ")
MAX_REPLY: Final = 256 * 1024 * 1024

# How a job ended, as the supervising process tells.
DONE, DIED, TOO_LONG = range(3)


def write_frame(stream: IO[bytes], kind: int, payload: bytes) -> None:
    stream.write(_FRAME.pack(kind, len(payload)))
    stream.write(payload)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[int, bytes]:
    """EOFError when the other side is gone."""
    kind, length = _FRAME.unpack(_exactly(stream, _FRAME.size))
    return kind, _exactly(stream, length)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def pack(facts: dict[str, Any], blobs: Sequence[bytes] = ()) -> bytes:
    """One message: facts that JSON can hold, and any number of blobs."""
    head = json.dumps({"facts": facts, "blobs": [len(blob) for blob in blobs]}).encode()
    return b"".join((len(head).to_bytes(4, "big"), head, *blobs))


def unpack(message: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """ValueError, KeyError or TypeError for what `pack` has not made."""
    start = 4 + int.from_bytes(message[:4], "big")
    head = json.loads(message[4:start])
    blobs = []
    for length in head["blobs"]:
        blobs.append(message[start : start + length])
        start += length
    if start != len(message):
        raise ValueError("the message is cut short or too long")
    return head["facts"], blobs


def error_facts(error: AppError) -> dict[str, Any]:
    reason = error.reason.value if error.reason else None
    return {
        "code": error.code.value,
        "message": error.message,
        "reason": reason,
        "extras": error.extras,
    }


def error_of(facts: dict[str, Any]) -> AppError:
    reason = UploadProblem(facts["reason"]) if facts["reason"] else None
    return AppError(ErrorCode(facts["code"]), facts["message"], reason=reason, **facts["extras"])
