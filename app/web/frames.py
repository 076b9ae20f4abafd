"""Frames of graphql-transport-ws: the parts that a message has, and the codes a socket is closed with. What follows from
them is in sockets.
"""

from collections.abc import Mapping
from typing import Any, Final

MAX_ID_LENGTH: Final = 256
MAX_REASON_BYTES: Final = 123
"""Of a close frame (RFC 6455, section 5.5)."""
GONE: Final = 1006
TOO_BIG: Final = 1009
INTERNAL: Final = 1011
TRY_LATER: Final = 1013
INVALID: Final = 4400
UNAUTHORIZED: Final = 4401
FORBIDDEN: Final = 4403
SUBPROTOCOL: Final = 4406
INIT_TIMEOUT: Final = 4408
SUBSCRIBER_EXISTS: Final = 4409
TOO_MANY_INITS: Final = 4429


class Closed(Exception):
    """The socket ends with this code; GONE where the client went away and needs no word."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")


def first(group: ExceptionGroup[Closed]) -> Closed:
    """Of several reasons to end, the first that has a word for the client."""
    found: list[Closed] = []
    todo: list[Exception] = [group]
    while todo:
        one = todo.pop(0)
        if isinstance(one, ExceptionGroup):
            todo.extend(one.exceptions)
        elif isinstance(one, Closed):
            found.append(one)
    return next((one for one in found if one.code != GONE), found[0])


def envelope(message: Any) -> Any:
    """What must be right for the socket to go on: all but the payload of `subscribe`, which concerns one operation."""
    if isinstance(message, dict) and message.get("type") == "subscribe":
        return {name: one for name, one in message.items() if name != "payload"}
    return message


def member(message: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = message.get(name)
    if value is not None and not isinstance(value, dict):
        raise Closed(INVALID, f"`{name}` must be an object")
    return value


def id_of(message: Mapping[str, Any]) -> str:
    value = message.get("id")
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_LENGTH:
        raise Closed(INVALID, f"`id` must be a string of 1 to {MAX_ID_LENGTH} characters")
    return value
