"""What every answer must be, whatever was asked: no fault of the server's, well-formed, with a code of the closed list."""

import json
from typing import Any, Final, NoReturn

from app.web.errors_page import ENTRIES

CODES: Final = frozenset(map(str, ENTRIES)) - {"INTERNAL_SERVER_ERROR", "UNAVAILABLE"}
MEDIA_TYPES: Final = ("application/json", "application/graphql-response+json")
MAX_ANSWER_BYTES: Final = 2_000_000


def strict(raw: bytes | str) -> Any:
    """JSON by the letter of its standard: no NaN, no member twice."""

    def constant(name: str) -> NoReturn:
        raise AssertionError(f"{name} is not JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names), names
        return dict(pairs)

    text = raw if isinstance(raw, str) else raw.decode()
    return json.loads(text, parse_constant=constant, object_pairs_hook=once)


def error(found: Any, request_id: str | None = None) -> str:
    """The code of one error, once its form is right."""
    assert isinstance(found["message"], str)
    assert found["message"]
    extensions = found["extensions"]
    assert extensions["code"] in CODES, found
    assert extensions["requestId"]
    assert request_id is None or extensions["requestId"] == request_id
    return str(extensions["code"])


def body(found: Any, request_id: str | None = None) -> list[str]:
    """The codes of a GraphQL answer; none where all went well."""
    assert isinstance(found, dict)
    assert found.keys() <= {"data", "errors", "extensions"}
    assert "data" in found or "errors" in found
    if "errors" not in found:
        return []
    assert found["errors"]
    return [error(one, request_id) for one in found["errors"]]


def answer(status: int, headers: Any, content: bytes) -> list[str]:
    """The codes of an HTTP answer of /graphql, or of a plain route that refused."""
    assert 200 <= status < 500, (status, content[:500])
    assert len(content) < MAX_ANSWER_BYTES
    request_id = headers["x-request-id"]
    assert request_id
    assert headers["x-content-type-options"] == "nosniff"
    media_type = headers.get("content-type", "").partition(";")[0]
    assert media_type in MEDIA_TYPES, (status, media_type, content[:200])
    codes = body(strict(content), request_id)
    assert codes or status == 200
    return codes
