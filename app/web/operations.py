"""What a request asks to be executed, whichever way it came: JSON, multipart, or the query of a GET."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from starlette.requests import Request

from app.errors import AppError, ErrorCode, blaming
from app.settings import Settings
from app.web import bodies, manifests, multipart
from app.web.auth import Identity
from app.web.bodies import malformed
from app.web.gate import Gate
from app.web.headers import header
from app.web.manifests import PREFIX, SHA256
from app.web.middleware import PREFLIGHT_HEADERS
from app.web.problems import JSON

MULTIPART: Final = "multipart/form-data"
PARAMETERS: Final = ("documentId", "query", "operationName", "variables", "extensions")
DOCUMENT: Final = frozenset(("documentId", "query", "extensions"))
"""Of these, at least one says which document is to run."""
APQ: Final = "persistedQuery"
HASH: Final = f"extensions.{APQ}"
APQ_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Operation:
    """`document_id` names a trusted document, and stands alone; `sha256`, of Apollo's extension, may have the query beside it."""

    query: str | None
    name: str | None
    variables: dict[str, Any]
    extensions: dict[str, Any]
    document_id: str | None = None
    sha256: str | None = None


def has_files(request: Request) -> bool:
    """Whether it comes by `with_files`; anything else comes by `received`."""
    return request.method == "POST" and _content_type(request)[0] == MULTIPART


async def received(request: Request, settings: Settings) -> Operation:
    """The operation of a GET or of a JSON body."""
    if request.method != "POST":
        return of(_from_address(request))
    content_type, charset = _content_type(request)
    _check_encoding(request)
    if content_type != JSON:
        raise _unsupported(f"Send {JSON} or {MULTIPART}.")
    if charset not in ("utf-8", "utf8"):
        raise _unsupported("JSON is taken in UTF-8 only.")
    return of(bodies.parse(await bodies.read(request, settings.max_json_bytes), "body"))


@asynccontextmanager
async def with_files(
    request: Request, settings: Settings, identity: Identity, gate: Gate
) -> AsyncIterator[Operation]:
    """The operation; its files live as long as the block, and keep a place in the gate.

    They are taken only from an actor: anyone else is refused before the body is read.
    """
    actor = identity.required()
    async with gate.entered(actor.user_id), multipart.received(request, settings) as operations:
        yield of(operations)


def _check_encoding(request: Request) -> None:
    if (header(request, b"content-encoding") or "identity").lower() != "identity":
        raise _unsupported("Content-Encoding is not supported: send the body as it is.")


def _content_type(request: Request) -> tuple[str, str]:
    """Media type and charset, in lower case."""
    return _parted(header(request, b"content-type") or "")


@lru_cache(maxsize=128)
def _parted(content_type: str) -> tuple[str, str]:
    essence, *parameters = content_type.lower().split(";")
    named = dict(one.strip().partition("=")[::2] for one in parameters)
    return essence.strip(), named.get("charset", "utf-8").strip('"')


def check_form(request: Request) -> None:
    """A form on any site can send multipart with the user's cookies, but not one of these headers."""
    _check_encoding(request)
    if not any(name in request.headers for name in PREFLIGHT_HEADERS):
        names = ", ".join(PREFLIGHT_HEADERS)
        raise malformed(
            f"A multipart request needs one of these headers, against forged requests: {names}."
        )


def _from_address(request: Request) -> dict[str, Any]:
    """The members of a query string; an empty one is none."""
    given = {name: request.query_params.get(name) for name in PARAMETERS}
    members: dict[str, Any] = {name: text for name, text in given.items() if text}
    for name, text in members.items():
        with blaming(name):
            bodies.check_text(text, name)
    for name in ("variables", "extensions"):
        if name in members:
            members[name] = _object(members[name], name)
    return members


def _object(text: str, name: str) -> Any:
    """BAD_USER_INPUT at the very input, which its text alone cannot tell where it is no JSON."""
    try:
        return bodies.parse(text, f"parameter {name}")
    except AppError as error:
        error.field = error.field or name
        raise


def of(value: Any) -> Operation:
    """What the JSON value asks for; BAD_USER_INPUT where it does not have the form of a request."""
    if isinstance(value, list):
        raise malformed("A request has one operation: batches are not taken.")
    if not isinstance(value, dict):
        raise malformed("The body must be a JSON object.")
    extensions = _member(value, "extensions", dict) or {}
    query = _member(value, "query", str) or None
    document_id = _member(value, "documentId", str) or None
    sha256 = _hash(extensions, query)
    if document_id is not None and (query is not None or sha256 is not None):
        raise malformed("`documentId` stands in place of a query.", field="documentId")
    if query is None and document_id is None and sha256 is None:
        raise malformed("The request has no query.", field="query")
    return Operation(
        query=query,
        name=_member(value, "operationName", str) or None,
        variables=_member(value, "variables", dict) or {},
        extensions=extensions,
        document_id=document_id.removeprefix(PREFIX) if document_id is not None else None,
        sha256=sha256,
    )


def _hash(extensions: dict[str, Any], query: str | None) -> str | None:
    """The SHA-256 of an automatic persisted query; BAD_USER_INPUT where it is not that of the query beside it."""
    asked = extensions.get(APQ)
    if asked is None:
        return None
    if not isinstance(asked, dict):
        raise malformed(f"`{HASH}` must be an object.", field=HASH)
    version, sha256 = asked.get("version"), asked.get("sha256Hash")
    if version != APQ_VERSION or isinstance(version, bool):
        raise malformed("Persisted queries have the version 1.", field=f"{HASH}.version")
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        message = "This must be a SHA-256 in 64 small hexadecimal digits."
        raise malformed(message, field=f"{HASH}.sha256Hash")
    if query is not None and manifests.sha256(query) != sha256:
        raise malformed("This is not the SHA-256 of the query.", field=f"{HASH}.sha256Hash")
    return sha256


def _member(value: dict[str, Any], name: str, kind: type) -> Any:
    member = value.get(name)
    if member is not None and not isinstance(member, kind):
        wanted = "a string" if kind is str else "an object"
        raise malformed(f"`{name}` must be {wanted}.", field=name)
    return member


def _unsupported(message: str) -> AppError:
    return AppError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, message)
