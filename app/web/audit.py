"""What the edge tells the audit log of a request: where it came from, who was refused, which bytes were sent."""

from typing import Any, Final
from uuid import UUID

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request

from app.domain import Actor, AuditOutcome
from app.errors import AppError, ErrorCode
from app.graphql.trail import AUTH_DENIED, DENIED, UNTRUSTED
from app.resources import Resources
from app.services.auditing.audit import Event, Origin
from app.services.people import api_keys, ip_addresses
from app.web import problems
from app.web.auth import presented_key
from app.web.headers import header

CLIENT_NAMES: Final = (b"apollographql-client-name", b"x-client-name")
MAX_NAME_LENGTH: Final = 100


def origin(connection: HTTPConnection) -> Origin:
    """The request's id, the client's address, and what the client calls itself."""
    request_id = problems.request_id(connection.scope)
    return Origin(request_id, client_ip(connection), client_name(connection))


def client_ip(connection: HTTPConnection) -> str | None:
    client = connection.scope.get("client")
    address = ip_addresses.parsed(client[0]) if client else None
    return None if address is None else str(address)


def client_name(connection: HTTPConnection) -> str | None:
    for its_name in CLIENT_NAMES:
        if name := header(connection, its_name):
            return "".join(one for one in _text(name) if one.isprintable())[:MAX_NAME_LENGTH]
    return None


def _text(value: str) -> str:
    """A header's value in UTF-8, as curl and scripts send it, where it is that."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


async def refused(
    resources: Resources, connection: HTTPConnection, headers: Headers | None = None
) -> None:
    """Records that a request presented no key that counts; where it names one of a team, that team is told."""
    key_id, team_id = await _named(resources, headers or connection.headers) or (None, None)
    event = Event(
        AUTH_DENIED,
        AuditOutcome.DENIED,
        origin(connection),
        team_id=team_id,
        api_key_id=key_id,
        detail={"path": connection.url.path.split("/")[1]},
    )
    await resources.audit.record([event])


async def untrusted(
    resources: Resources, connection: HTTPConnection, actor: Actor | None, document: str | None
) -> None:
    """Records that somebody sent a document where only trusted ones run. `document`: how the log names it."""
    teams = actor.team_ids if actor else ()
    event = Event(
        UNTRUSTED,
        AuditOutcome.DENIED,
        origin(connection),
        team_id=teams[0] if len(teams) == 1 else None,
        user_id=actor.user_id if actor else None,
        api_key_id=actor.api_key_id if actor else None,
        detail={"document": document},
    )
    await resources.audit.record([event])


async def _named(resources: Resources, headers: Headers) -> tuple[UUID, UUID] | None:
    try:
        key = presented_key(headers)
    except AppError:
        return None
    if key is None or api_keys.parse(key) is None:
        return None
    async with resources.db.login.transaction() as session:
        return await api_keys.named(session, key)


def sent(
    request: Request,
    action: str,
    actor: Actor | None,
    *,
    team_id: UUID | None,
    subject_id: UUID | None,
    error: BaseException | None = None,
    **detail: Any,
) -> Event:
    """The event of a plain route that sends bytes, or (`error`) does not."""
    code = _code(error) if error is not None else None
    outcome = AuditOutcome.ALLOWED
    if code is not None:
        outcome = AuditOutcome.DENIED if code in DENIED else AuditOutcome.FAILED
        detail["code"] = code.value
    return Event(
        action,
        outcome,
        origin(request),
        team_id=team_id,
        user_id=actor.user_id if actor else None,
        api_key_id=actor.api_key_id if actor else None,
        subject_ids=(subject_id,) if subject_id else (),
        detail=detail,
    )


def _code(error: BaseException) -> ErrorCode:
    if isinstance(error, problems.Refusal):
        error = error.error
    return error.code if isinstance(error, AppError) else ErrorCode.INTERNAL_SERVER_ERROR
