"""One line of JSON for each operation: who asked what, how long it took, how it ended. No document, no variables."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from json.encoder import encode_basestring_ascii
from typing import Any, Final, TypeAlias
from uuid import UUID

from starlette.requests import ClientDisconnect

from app.db.database import TALLY, Tally
from app.domain import Actor
from app.errors import AppError
from app.metrics import Metrics
from app.web.problems import Refusal

LOGGER: Final = "pictor.operation"
MAX_NAME_LENGTH: Final = 100
MAX_TEAMS: Final = 20
"""Somebody may be in thousands, and each operation of theirs has a line."""
OK: Final = "OK"
CANCELLED: Final = "CANCELLED"
UNKNOWN: Final = "INTERNAL_SERVER_ERROR"
"""Until it is answered: what else ends it, nobody expected."""
Shaped: TypeAlias = list[dict[str, Any]]
log = logging.getLogger(LOGGER)


@dataclass
class Line:
    """What is filled in while the operation goes on. `outcome`: OK, CANCELLED where its client went, or the code of the first error."""

    request_id: str
    actor: Actor | None = None
    name: str | None = None
    kind: str | None = None
    document: str | None = None
    outcome: str = UNKNOWN
    codes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)

    def asked(self, query: str | None, sha256: str | None) -> None:
        """`sha256`: of a document that is known by it, in hexadecimal digits."""
        self.document = (sha256 or hashlib.sha256((query or "").encode()).hexdigest())[:16]

    def running(self, kind: str, name: str) -> None:
        """`name`: empty for an operation without one."""
        self.kind, self.name = kind, name[:MAX_NAME_LENGTH] or None

    def answered(self, shaped: Shaped) -> Shaped:
        self.codes = [str(one["extensions"]["code"]) for one in shaped]
        self.outcome = self.codes[0] if shaped else OK
        return shaped


@contextmanager
def logged(request_id: str, metrics: Metrics) -> Iterator[Line]:
    """Writes the line and counts the operation at the end of the block, whatever ends it; counts the block's SQL statements."""
    line = Line(request_id)
    started = time.perf_counter()
    token = TALLY.set(line.tally)
    try:
        yield line
    except (AppError, Refusal) as error:
        said = error.error if isinstance(error, Refusal) else error
        line.outcome, line.codes = said.code.value, [said.code.value]
        raise
    except (asyncio.CancelledError, ClientDisconnect):
        # What changes something may have been answered, though nobody waits for it any more.
        line.outcome = CANCELLED if line.outcome == UNKNOWN else line.outcome
        raise
    finally:
        TALLY.reset(token)
        line.seconds = time.perf_counter() - started
        if log.isEnabledFor(logging.INFO):
            log.info("%s", _text(line))
        metrics.operation(line.kind, line.outcome, line.codes, line.seconds)


def _text(line: Line) -> str:
    """The line as JSON. Put together here, which takes a third of the time that a dict and its encoding take."""
    actor = line.actor
    ids = actor.team_ids if actor else ()
    teams = ", ".join([_quoted_id(one) for one in islice(ids, MAX_TEAMS)])
    more = f' "moreTeams": {len(ids) - MAX_TEAMS},' if len(ids) > MAX_TEAMS else ""
    return (
        f'{{"at": "{datetime.now(UTC).isoformat(timespec="milliseconds")}", "event": "operation",'
        f' "type": {_quoted(line.kind)}, "name": {_quoted(line.name)},'
        f' "document": {_quoted(line.document)}, "ms": {line.seconds * 1000:.1f},'
        f' "statements": {line.tally.statements},'
        f' "user": {_quoted_id(actor.user_id if actor else None)},'
        f' "apiKey": {_quoted_id(actor.api_key_id if actor else None)}, "teams": [{teams}],{more}'
        f' "requestId": {_quoted(line.request_id)}, "outcome": {_quoted(line.outcome)},'
        f' "errors": {len(line.codes)}}}'
    )


def _quoted(text: str | None) -> str:
    return "null" if text is None else encode_basestring_ascii(text)


@lru_cache(maxsize=4_096)
def _quoted_id(id: UUID | None) -> str:
    return "null" if id is None else f'"{id}"'
