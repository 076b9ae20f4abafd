"""Messages survive the way, and a forged one is no more than an error."""

import json

import pytest

from app.errors import AppError, ErrorCode, UploadProblem
from app.imaging import wire
from app.imaging.refusals import foreign


def test_there_and_back() -> None:
    facts = {"text": "ä\0", "number": 1, "none": None}
    assert wire.unpack(wire.pack(facts, [b"", b"abc", bytes(1000)])) == (
        facts,
        [b"", b"abc", bytes(1000)],
    )


def test_errors_there_and_back() -> None:
    error = wire.error_of(wire.error_facts(foreign("BMP")))
    assert isinstance(error, AppError)
    assert (error.code, error.reason) == (
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        UploadProblem.FORMAT_NOT_ALLOWED,
    )
    assert error.extensions == foreign("BMP").extensions
    assert error.message == foreign("BMP").message


def forged(head: object) -> bytes:
    text = json.dumps(head).encode()
    return len(text).to_bytes(4, "big") + text


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xff\xff\xff",
        b"\0\0\0\2{}",
        wire.pack({}, [b"abc"])[:-1],
        wire.pack({}, [b"abc"]) + b"d",
        forged({"facts": {}, "blobs": [-5]}),
        forged({"facts": {}, "blobs": [10**9]}),
        forged({"facts": {}, "blobs": ["a"]}),
        forged({"facts": {}}),
        forged([]),
    ],
)
def test_a_forged_message(message: bytes) -> None:
    with pytest.raises((ValueError, LookupError, TypeError)):
        wire.unpack(message)
