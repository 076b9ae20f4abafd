"""How events hang together: what a row's hash is made of, and how the end of a chain is signed. Pure functions."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from app.domain import AuditOutcome

GENESIS: Final = bytes(32)
"""The hash before the first row."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
STEP: Final = timedelta(microseconds=1)
HEAD_PURPOSE: Final = b"pictor: head of an audit chain, version 1"
ANCHOR_PURPOSE: Final = b"pictor: anchor of an audit chain, version 1"
"""Keep these signatures apart from each other and from whatever else the same secret signs."""


class Row(Protocol):
    """The columns of an event that its hash covers: all but the hash itself."""

    at: Any
    id: Any
    team_id: Any
    user_id: Any
    api_key_id: Any
    action: Any
    outcome: Any
    subject_ids: Any
    request_id: Any
    client_ip: Any
    client_name: Any
    detail: Any
    seq: Any


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many rows it ever had, the last one's hash and time. `team_id`: NO_ID, the installation."""

    team_id: UUID
    count: int = 0
    last_hash: bytes = GENESIS
    last_at: datetime = EPOCH

    def after(self, row: Row) -> "Head":
        """The head when `row`, which `placed` gave its place, is appended."""
        return replace(self, count=row.seq, last_hash=row_hash(self.last_hash, row), last_at=row.at)

    def place(self, now: datetime) -> tuple[int, datetime]:
        """Number and time of the next row: now, or just after the last row where that lies ahead."""
        return self.count + 1, max(now, self.last_at + STEP)

    def mac(self, key: bytes) -> bytes:
        parts = [str(self.team_id), self.count, self.last_hash.hex(), _micros(self.last_at)]
        return _mac(key, HEAD_PURPOSE, parts)


def row_hash(previous: bytes, row: Row) -> bytes:
    """SHA-256 of the hash before and of the row as canonical JSON."""
    values = [
        row.seq,
        _text(row.team_id),
        str(row.id),
        _micros(row.at),
        _text(row.user_id),
        _text(row.api_key_id),
        row.action,
        AuditOutcome(row.outcome).value,
        [str(one) for one in row.subject_ids],
        row.request_id,
        row.client_ip,
        row.client_name,
        row.detail,
    ]
    return hashlib.sha256(previous + json.dumps(values, separators=(",", ":")).encode()).digest()


def anchor_mac(key: bytes, *, team_id: UUID, before: datetime, seq: int, row: bytes) -> bytes:
    """Signs where a chain goes on after its rows before `before` were dropped; `row` is the last one's hash."""
    return _mac(key, ANCHOR_PURPOSE, [str(team_id), _micros(before), seq, row.hex()])


def new_id(at: datetime) -> UUID:
    """A version 7 UUID (RFC 9562) whose time is `at`: it tells in which month its row lies."""
    bits = (_micros(at) // 1000) << 80 | 7 << 76 | secrets.randbits(12) << 64
    return UUID(int=bits | 2 << 62 | secrets.randbits(62))


def time_of(id: UUID) -> datetime | None:
    """The millisecond in which a version 7 UUID was made; None for other UUIDs, and where the calendar has no next one."""
    if id.version != 7 or id.int >> 80 >= _micros(datetime.max.replace(tzinfo=UTC)) // 1000:
        return None
    return EPOCH + timedelta(milliseconds=id.int >> 80)


def _mac(key: bytes, purpose: bytes, parts: list[Any]) -> bytes:
    own_key = hmac.digest(key, purpose, hashlib.sha256)
    return hmac.digest(own_key, json.dumps(parts).encode(), hashlib.sha256)


def _micros(at: datetime) -> int:
    return (at - EPOCH) // STEP


def _text(value: object) -> str | None:
    return None if value is None else str(value)
